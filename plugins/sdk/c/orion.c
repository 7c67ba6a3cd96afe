/* The SDK behind orion.h: the same whether a host calls it through WebAssembly or a test calls it directly. */
#include "orion_internal.h"

#include <stdlib.h>
#include <string.h>

/* A plugin that is out of memory cannot go on, and the host gives it a new instance. */
static void *some(void *memory) {
    if (memory == NULL) __builtin_trap();
    return memory;
}

static void *grown(void *memory, size_t items, size_t bytes_each) { return some(realloc(memory, items * bytes_each)); }

/* Room for one more, at least doubled so that growing costs little. */
static size_t room_for(size_t count, size_t room) {
    if (count < room) return room;
    return room == 0 ? 16 : room * 2;
}

/* ---- Memory of a call ---- */

typedef struct block {
    struct block *before;
    size_t used, bytes;
} block;

static const size_t FIRST_BLOCK_BYTES = 64 * 1024;

static block *latest;

void *orion_call_memory(size_t bytes, size_t alignment) {
    if (latest != NULL) {
        uintptr_t start = (uintptr_t)(latest + 1);
        uintptr_t place = (start + latest->used + alignment - 1) / alignment * alignment;
        if (place - start + bytes <= latest->bytes) {
            latest->used = place - start + bytes;
            return (void *)place;
        }
    }
    size_t next = latest == NULL ? FIRST_BLOCK_BYTES : latest->bytes * 2;
    if (next < bytes + alignment) next = bytes + alignment;
    block *made = (block *)some(malloc(sizeof(block) + next));
    made->before = latest;
    made->used = 0;
    made->bytes = next;
    latest = made;
    return orion_call_memory(bytes, alignment);
}

/* The largest block is kept: calls of a rule are much alike. */
void orion_call_ends(void) {
    if (latest == NULL) return;
    for (block *old = latest->before; old != NULL;) {
        block *before = old->before;
        free(old);
        old = before;
    }
    latest->before = NULL;
    latest->used = 0;
}

/* ---- Texts ---- */

orion_text orion_text_of(const char *string) {
    orion_text text = {string, strlen(string)};
    return text;
}

bool orion_text_equal(orion_text one, orion_text other) {
    return one.length == other.length && (one.length == 0 || memcmp(one.data, other.data, one.length) == 0);
}

int orion_text_compare(orion_text one, orion_text other) {
    size_t shared = one.length < other.length ? one.length : other.length;
    int order = shared == 0 ? 0 : memcmp(one.data, other.data, shared);
    if (order != 0) return order;
    return (one.length > other.length) - (one.length < other.length);
}

orion_text orion_join(const orion_text *texts, size_t count) {
    size_t length = 0;
    for (size_t i = 0; i < count; i++) length += texts[i].length;
    char *joined = (char *)orion_call_memory(length + 1, 1);
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        if (texts[i].length > 0) memcpy(joined + at, texts[i].data, texts[i].length);
        at += texts[i].length;
    }
    orion_text text = {joined, length};
    return text;
}

orion_text orion_integer_text(int64_t number) {
    enum { MOST_DIGITS = 20 };
    char *digits = (char *)orion_call_memory(MOST_DIGITS, 1);
    size_t at = MOST_DIGITS;
    uint64_t left = number < 0 ? -(uint64_t)number : (uint64_t)number;
    do {
        digits[--at] = (char)('0' + left % 10);
        left /= 10;
    } while (left > 0);
    if (number < 0) digits[--at] = '-';
    orion_text text = {digits + at, MOST_DIGITS - at};
    return text;
}

static orion_field field(const char *name, uint8_t kind) {
    orion_field made;
    memset(&made, 0, sizeof made);
    made.name = orion_text_of(name);
    made.kind = kind;
    return made;
}

orion_field orion_text_field(const char *name, orion_text value) {
    orion_field made = field(name, ORION_TEXT);
    made.value.text = value;
    return made;
}

orion_field orion_number_field(const char *name, double value) {
    orion_field made = field(name, ORION_NUMBER);
    made.value.number = value;
    return made;
}

orion_field orion_integer_field(const char *name, int64_t value) {
    orion_field made = field(name, ORION_INTEGER);
    made.value.integer = value;
    return made;
}

orion_field orion_flag_field(const char *name, bool value) {
    orion_field made = field(name, ORION_FLAG);
    made.value.flag = value;
    return made;
}

/* ---- Parameters ---- */

static const orion_parameter *parameters;
static size_t parameter_count;

void orion_hold_parameters(const orion_parameter *given, size_t count) {
    parameters = given;
    parameter_count = count;
}

static const orion_parameter *parameter(const char *name, uint8_t kind) {
    orion_text wanted = orion_text_of(name);
    for (size_t i = 0; i < parameter_count; i++) {
        if (parameters[i].kind == kind && orion_text_equal(parameters[i].name, wanted)) return &parameters[i];
    }
    return NULL;
}

double orion_number(const char *name, double otherwise) {
    const orion_parameter *given = parameter(name, ORION_NUMBER);
    return given == NULL ? otherwise : given->value.number;
}

int64_t orion_integer(const char *name, int64_t otherwise) {
    const orion_parameter *given = parameter(name, ORION_INTEGER);
    return given == NULL ? otherwise : given->value.integer;
}

bool orion_flag(const char *name, bool otherwise) {
    const orion_parameter *given = parameter(name, ORION_FLAG);
    return given == NULL ? otherwise : given->value.flag;
}

orion_text orion_word(const char *name, orion_text otherwise) {
    const orion_parameter *given = parameter(name, ORION_TEXT);
    return given == NULL ? otherwise : given->value.text;
}

const orion_text *orion_words(const char *name, size_t *count) {
    const orion_parameter *given = parameter(name, ORION_TEXTS);
    *count = given == NULL ? 0 : given->value.texts.count;
    return given == NULL ? NULL : given->value.texts.data;
}

/* ---- Labels ---- */

/* Labels that were told in one go; freed with the last series of them. */
typedef struct {
    size_t series;
    char *text;
    uint32_t *ends;
} told;

typedef struct {
    told *in;
    uint32_t first, labels;
} row;

static row *rows;
static size_t row_count;

static void forget(row *old) {
    if (old->in != NULL && --old->in->series == 0) {
        free(old->in->text);
        free(old->in->ends);
        free(old->in);
    }
    old->in = NULL;
}

static void *copied(const void *bytes, size_t count) {
    void *copy = some(malloc(count + 1));
    if (count > 0) memcpy(copy, bytes, count);
    return copy;
}

void orion_define_series(const uint32_t *ids, size_t count, const uint32_t *label_counts, orion_text text, const uint32_t *ends,
                         size_t end_count) {
    if (count == 0) return;
    told *all = (told *)some(malloc(sizeof(told)));
    all->series = count;
    all->text = (char *)copied(text.data, text.length);
    all->ends = (uint32_t *)copied(ends, end_count * sizeof *ends);
    uint32_t first = 0;
    for (size_t i = 0; i < count; i++) {
        if (ids[i] >= row_count) {
            size_t more = row_count * 2 > (size_t)ids[i] + 1 ? row_count * 2 : (size_t)ids[i] + 1;
            rows = (row *)grown(rows, more, sizeof *rows);
            memset(rows + row_count, 0, (more - row_count) * sizeof *rows);
            row_count = more;
        }
        row *here = &rows[ids[i]];
        forget(here);
        here->in = all;
        here->first = first;
        here->labels = label_counts[i];
        first += label_counts[i] * 2;
    }
}

void orion_drop_series(const uint32_t *ids, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (ids[i] < row_count) forget(&rows[ids[i]]);
    }
    orion_state *state = orion_remembered();
    if (state != NULL && state->series_dropped != NULL) state->series_dropped(state, ids, count);
}

static orion_text piece_of(const char *text, const uint32_t *ends, size_t piece) {
    size_t start = piece == 0 ? 0 : ends[piece - 1];
    orion_text found = {text + start, ends[piece] - start};
    return found;
}

bool orion_label_at(uint32_t series, size_t place, orion_text *name, orion_text *value) {
    if (series >= row_count || rows[series].in == NULL || place >= rows[series].labels) return false;
    const row *here = &rows[series];
    *name = piece_of(here->in->text, here->in->ends, here->first + place * 2);
    *value = piece_of(here->in->text, here->in->ends, here->first + place * 2 + 1);
    return true;
}

bool orion_label(uint32_t series, const char *name, orion_text *value) {
    orion_text wanted = orion_text_of(name), found;
    for (size_t place = 0; orion_label_at(series, place, &found, value); place++) {
        if (orion_text_equal(found, wanted)) return true;
    }
    return false;
}

/* ---- State ---- */

const char *orion_restore(uint32_t version, const orion_entry *entries, size_t count) {
    orion_state *state = orion_remembered();
    if (state == NULL) return count == 0 ? NULL : "there is saved state, and this plugin keeps none";
    if (version != state->version) return "the saved state has another version than this plugin reads; reset it";
    return state->restore(state, entries, count) ? NULL : "the saved state is not what this plugin wrote; reset it";
}

const orion_entry *orion_checkpoint(size_t *count) {
    orion_state *state = orion_remembered();
    *count = 0;
    return state == NULL ? NULL : state->checkpoint(state, count);
}

enum { PRESENT = 1, CHANGED = 2 };

static void place(orion_series_state *state, uint32_t series) {
    if (series < state->capacity) return;
    uint32_t more = state->capacity * 2 > series + 1 ? state->capacity * 2 : series + 1;
    state->values = (unsigned char *)grown(state->values, more, state->value_bytes);
    state->marks = (uint8_t *)grown(state->marks, more, 1);
    memset(state->marks + state->capacity, 0, more - state->capacity);
    state->capacity = more;
}

static void *value_at(const orion_series_state *state, uint32_t series) {
    return state->values + (size_t)series * state->value_bytes;
}

static void note(orion_series_state *state, uint32_t series) {
    if (state->marks[series] & CHANGED) return;
    state->marks[series] |= CHANGED;
    state->changed_room = room_for(state->changed_count, state->changed_room);
    state->changed = (uint32_t *)grown(state->changed, state->changed_room, sizeof *state->changed);
    state->changed[state->changed_count++] = series;
}

const void *orion_series_get(const orion_series_state *state, uint32_t series) {
    bool here = series < state->capacity && (state->marks[series] & PRESENT);
    return here ? value_at(state, series) : NULL;
}

static void *present(orion_series_state *state, uint32_t series) {
    place(state, series);
    if (!(state->marks[series] & PRESENT)) memset(value_at(state, series), 0, state->value_bytes);
    state->marks[series] |= PRESENT;
    return value_at(state, series);
}

void *orion_series_put(orion_series_state *state, uint32_t series) {
    void *value = present(state, series);
    note(state, series);
    return value;
}

void orion_series_remove(orion_series_state *state, uint32_t series) {
    if (orion_series_get(state, series) == NULL) return;
    state->marks[series] &= (uint8_t)~PRESENT;
    note(state, series);
}

static bool restore_series(orion_state *base, const orion_entry *entries, size_t count) {
    orion_series_state *state = (orion_series_state *)base;
    for (size_t i = 0; i < count; i++) {
        uint32_t series;
        if (entries[i].key.length != sizeof series || !entries[i].has_value) return false;
        if (entries[i].value.length != state->value_bytes) return false;
        memcpy(&series, entries[i].key.data, sizeof series);
        memcpy(present(state, series), entries[i].value.data, state->value_bytes);
    }
    return true;
}

static int by_number(const void *one, const void *other) {
    uint32_t a = *(const uint32_t *)one, b = *(const uint32_t *)other;
    return (a > b) - (a < b);
}

static const orion_entry *checkpoint_series(orion_state *base, size_t *count) {
    orion_series_state *state = (orion_series_state *)base;
    *count = state->changed_count;
    if (*count == 0) return NULL;
    qsort(state->changed, *count, sizeof *state->changed, by_number);
    orion_entry *entries = (orion_entry *)orion_call_memory(*count * sizeof(orion_entry), sizeof(void *));
    memset(entries, 0, *count * sizeof(orion_entry));
    for (size_t i = 0; i < *count; i++) {
        uint32_t series = state->changed[i];
        entries[i].key.data = (const char *)&state->changed[i];
        entries[i].key.length = sizeof series;
        entries[i].has_value = (state->marks[series] & PRESENT) != 0;
        entries[i].value.data = (const char *)value_at(state, series);
        entries[i].value.length = state->value_bytes;
        state->marks[series] &= (uint8_t)~CHANGED;
    }
    state->changed_count = 0;
    return entries;
}

static void series_gone(orion_state *base, const uint32_t *ids, size_t count) {
    for (size_t i = 0; i < count; i++) orion_series_remove((orion_series_state *)base, ids[i]);
}

void orion_series_state_begin(orion_series_state *state, uint32_t version, size_t value_bytes) {
    memset(state, 0, sizeof *state);
    state->state.version = version;
    state->state.restore = restore_series;
    state->state.checkpoint = checkpoint_series;
    state->state.series_dropped = series_gone;
    state->value_bytes = value_bytes;
}

/* ---- Bytes ---- */

void orion_write(orion_writer *writer, const void *bytes, size_t count) {
    if (writer->length + count > writer->room) {
        size_t room = writer->room * 2 > writer->length + count ? writer->room * 2 : writer->length + count;
        char *larger = (char *)orion_call_memory(room, 1);
        if (writer->length > 0) memcpy(larger, writer->data, writer->length);
        writer->data = larger;
        writer->room = room;
    }
    if (count > 0) memcpy(writer->data + writer->length, bytes, count);
    writer->length += count;
}

bool orion_read(orion_reader *reader, void *bytes, size_t count) {
    if (reader->left < count) return false;
    if (count > 0) memcpy(bytes, reader->data, count);
    reader->data += count;
    reader->left -= count;
    return true;
}

/* ---- Maps ---- */

struct orion_map_entry {
    orion_text key;
    void *value;
    bool changed;
    /* Whether the host has it: of a key that comes and goes between two checkpoints it never hears. */
    bool saved;
};

/* The place of a key, or the one where it would be. */
static size_t find(const orion_map *map, orion_text key, bool *found) {
    size_t low = 0, high = map->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = orion_text_compare(map->entries[middle]->key, key);
        if (order == 0) {
            *found = true;
            return middle;
        }
        if (order < 0) low = middle + 1;
        else high = middle;
    }
    *found = false;
    return low;
}

const void *orion_map_get(const orion_map *map, orion_text key) {
    bool found;
    size_t place = find(map, key, &found);
    return found ? map->entries[place]->value : NULL;
}

static orion_map_entry *entered(orion_map *map, orion_text key) {
    bool found;
    size_t place = find(map, key, &found);
    if (found) return map->entries[place];
    orion_map_entry *made = (orion_map_entry *)some(calloc(1, sizeof(orion_map_entry)));
    made->key.data = (const char *)copied(key.data, key.length);
    made->key.length = key.length;
    made->value = some(calloc(1, map->of.value_bytes));
    map->room = room_for(map->count, map->room);
    map->entries = (orion_map_entry **)grown(map->entries, map->room, sizeof *map->entries);
    memmove(map->entries + place + 1, map->entries + place, (map->count - place) * sizeof *map->entries);
    map->entries[place] = made;
    map->count++;
    return made;
}

void *orion_map_put(orion_map *map, orion_text key) {
    orion_map_entry *entry = entered(map, key);
    entry->changed = true;
    return entry->value;
}

static void discard(orion_map *map, orion_map_entry *entry) {
    if (entry->value != NULL) {
        if (map->of.discard != NULL) map->of.discard(entry->value);
        free(entry->value);
    }
    entry->value = NULL;
}

static void free_entry(orion_map_entry *entry) {
    free((void *)entry->key.data);
    free(entry);
}

orion_text orion_map_key_at(const orion_map *map, size_t place) { return map->entries[place]->key; }

const void *orion_map_at(const orion_map *map, size_t place) { return map->entries[place]->value; }

void orion_map_remove_at(orion_map *map, size_t place) {
    orion_map_entry *entry = map->entries[place];
    map->count--;
    memmove(map->entries + place, map->entries + place + 1, (map->count - place) * sizeof *map->entries);
    discard(map, entry);
    if (!entry->saved) {
        free_entry(entry);
        return;
    }
    map->gone_room = room_for(map->gone_count, map->gone_room);
    map->gone = (orion_map_entry **)grown(map->gone, map->gone_room, sizeof *map->gone);
    map->gone[map->gone_count++] = entry;
}

void orion_map_remove(orion_map *map, orion_text key) {
    bool found;
    size_t place = find(map, key, &found);
    if (found) orion_map_remove_at(map, place);
}

static bool restore_map(orion_state *base, const orion_entry *entries, size_t count) {
    orion_map *map = (orion_map *)base;
    for (size_t i = 0; i < count; i++) {
        if (!entries[i].has_value) return false;
        orion_reader in = {entries[i].value.data, entries[i].value.length};
        orion_map_entry *entry = entered(map, entries[i].key);
        entry->saved = true;
        if (!map->of.read(entry->value, &in) || in.left > 0) return false;
    }
    return true;
}

static orion_text of_this_call(orion_text text) { return orion_join(&text, 1); }

/* Keys that are gone first. One that came back has changed, and is told with the others. */
static const orion_entry *checkpoint_map(orion_state *base, size_t *count) {
    orion_map *map = (orion_map *)base;
    size_t most = map->gone_count;
    for (size_t i = 0; i < map->count; i++) most += map->entries[i]->changed;
    if (most == 0) return NULL;
    orion_entry *entries = (orion_entry *)orion_call_memory(most * sizeof(orion_entry), sizeof(void *));
    memset(entries, 0, most * sizeof(orion_entry));
    for (size_t i = 0; i < map->gone_count; i++) {
        bool is_back = orion_map_get(map, map->gone[i]->key) != NULL;
        if (!is_back) entries[(*count)++].key = of_this_call(map->gone[i]->key);
        free_entry(map->gone[i]);
    }
    map->gone_count = 0;
    for (size_t i = 0; i < map->count; i++) {
        orion_map_entry *entry = map->entries[i];
        if (!entry->changed) continue;
        orion_writer out = {NULL, 0, 0};
        map->of.write(entry->value, &out);
        entries[*count].key = entry->key;
        entries[*count].has_value = true;
        entries[*count].value.data = out.data;
        entries[*count].value.length = out.length;
        (*count)++;
        entry->changed = false;
        entry->saved = true;
    }
    return entries;
}

void orion_map_begin(orion_map *map, uint32_t version, orion_map_value of) {
    memset(map, 0, sizeof *map);
    map->state.version = version;
    map->state.restore = restore_map;
    map->state.checkpoint = checkpoint_map;
    map->of = of;
}

/* ---- Events ---- */

bool orion_event_label(const orion_event *event, const char *name, orion_text *value) {
    orion_text wanted = orion_text_of(name);
    for (size_t i = 0; i < event->label_count; i++) {
        if (!orion_text_equal(event->labels[i * 2], wanted)) continue;
        *value = event->labels[i * 2 + 1];
        return true;
    }
    return false;
}

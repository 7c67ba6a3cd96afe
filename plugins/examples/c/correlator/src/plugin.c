/* Many events of one group within a short time. */
#include "orion.h"

#include <stdlib.h>

enum { STATE_VERSION = 1, MILLIS = 1000 };

static int64_t count, window, quiet;

typedef struct {
    int64_t timestamp;
    uint64_t position;
} Kept;

typedef struct {
    bool open;
    uint8_t severity;
    int64_t last;
    /* Events that may still become an incident; none while it is open. */
    uint32_t kept_count, kept_room;
    Kept *kept;
} Group;

static orion_map groups;

static void write_group(const void *value, orion_writer *out) {
    const Group *group = value;
    orion_write(out, &group->open, sizeof group->open);
    orion_write(out, &group->severity, sizeof group->severity);
    orion_write(out, &group->last, sizeof group->last);
    orion_write(out, &group->kept_count, sizeof group->kept_count);
    orion_write(out, group->kept, group->kept_count * sizeof(Kept));
}

static void make_room(Group *group) {
    if (group->kept_count < group->kept_room) return;
    group->kept_room = group->kept_count * 2 + 4;
    group->kept = realloc(group->kept, group->kept_room * sizeof(Kept));
    if (group->kept == NULL) abort();
}

static bool read_group(void *value, orion_reader *in) {
    Group *group = value;
    uint32_t kept;
    if (!orion_read(in, &group->open, sizeof group->open) || !orion_read(in, &group->severity, sizeof group->severity) ||
        !orion_read(in, &group->last, sizeof group->last) || !orion_read(in, &kept, sizeof kept))
        return false;
    for (; group->kept_count < kept; group->kept_count++) {
        make_room(group);
        if (!orion_read(in, &group->kept[group->kept_count], sizeof(Kept))) return false;
    }
    return true;
}

static void discard_group(void *value) { free(((Group *)value)->kept); }

const char *orion_configure(void) {
    count = orion_integer("count", 3);
    window = orion_integer("window", 5 * 60 * MILLIS);
    quiet = orion_integer("quiet", 10 * 60 * MILLIS);
    orion_map_value of = {sizeof(Group), write_group, read_group, discard_group};
    orion_map_begin(&groups, STATE_VERSION, of);
    return NULL;
}

orion_state *orion_remembered(void) { return &groups.state; }

static orion_text seconds(const char *before, int64_t millis) {
    orion_text pieces[] = {orion_text_of(before), orion_integer_text(millis / MILLIS), orion_text_of(" s")};
    return orion_join(pieces, 3);
}

static void resolve(orion_text key, const Group *group) {
    orion_change change = {
        .key = key,
        .kind = ORION_CHANGE_RESOLVED,
        .severity = group->severity,
        .timestamp = group->last + quiet,
        .reason = seconds("quiet for ", quiet),
    };
    orion_emit_change(&change);
}

/* Drops what is too old to count any more. */
static void age(Group *group, int64_t now) {
    uint32_t left = 0;
    for (uint32_t i = 0; i < group->kept_count; i++) {
        if (group->kept[i].timestamp > now - window) group->kept[left++] = group->kept[i];
    }
    group->kept_count = left;
}

static void open_incident(const orion_event *event, Group *group) {
    uint64_t *positions = malloc(group->kept_count * sizeof *positions);
    if (positions == NULL) abort();
    for (uint32_t i = 0; i < group->kept_count; i++) positions[i] = group->kept[i].position;
    orion_text pieces[] = {orion_integer_text(group->kept_count), seconds(" events within ", window)};
    orion_field fields[] = {orion_integer_field("events", group->kept_count)};
    orion_change change = {
        .key = event->key,
        .kind = ORION_CHANGE_OPENED,
        .severity = group->severity,
        .timestamp = event->timestamp,
        .reason = orion_join(pieces, 2),
        .positions = positions,
        .position_count = group->kept_count,
        .fields = fields,
        .field_count = 1,
    };
    orion_emit_change(&change);
    free(positions);
    group->open = true;
    group->kept_count = 0;
}

static void update_incident(const orion_event *event, const Group *group) {
    orion_change change = {
        .key = event->key,
        .kind = ORION_CHANGE_UPDATED,
        .severity = group->severity,
        .timestamp = event->timestamp,
        .reason = orion_text_of("one more event"),
        .positions = &event->position,
        .position_count = 1,
    };
    orion_emit_change(&change);
}

static void take_in(const orion_event *event) {
    const Group *before = orion_map_get(&groups, event->key);
    if (before != NULL && before->open && event->timestamp - before->last >= quiet) {
        resolve(event->key, before);
        orion_map_remove(&groups, event->key);
        before = NULL;
    }
    Group *group = orion_map_put(&groups, event->key);
    if (before == NULL) group->last = event->timestamp;
    if (!group->open) {
        age(group, event->timestamp);
        if (group->kept_count == 0) group->severity = ORION_INFO;
        make_room(group);
        group->kept[group->kept_count++] = (Kept){event->timestamp, event->position};
    }
    if (event->severity > group->severity) group->severity = (uint8_t)event->severity;
    if (event->timestamp > group->last) group->last = event->timestamp;
    if (group->open) update_incident(event, group);
    else if (group->kept_count >= count) open_incident(event, group);
}

/* Ends what has been quiet for long enough, and forgets what came to nothing. */
static void time_passes(int64_t now) {
    for (size_t place = 0; place < groups.count;) {
        const Group *group = orion_map_at(&groups, place);
        bool is_over = group->open ? now - group->last >= quiet : group->last <= now - window;
        if (is_over && group->open) resolve(orion_map_key_at(&groups, place), group);
        if (is_over) orion_map_remove_at(&groups, place);
        else place++;
    }
}

void orion_correlate(int64_t now, const orion_event *events, size_t event_count) {
    for (size_t i = 0; i < event_count; i++) {
        if (events[i].status != ORION_RESOLVED) take_in(&events[i]);
    }
    time_passes(now);
}

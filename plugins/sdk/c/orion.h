/* What a plugin in C is written with. A detector defines orion_configure, orion_observe and orion_remembered; a correlator
 * defines orion_configure, orion_correlate and orion_remembered. Neither sees an offset, frees anything it was given, or can do
 * anything but emit.
 *
 * Whatever a function here hands out as "of this call" is gone when the call ends; copy what you keep. All times are
 * milliseconds since 1970. Equal inputs must give equal outputs: there is no clock and no randomness.
 */
#ifndef ORION_H
#define ORION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes, mostly UTF-8 text. Not ended by a zero. */
typedef struct {
    const char *data;
    size_t length;
} orion_text;

/* The text of a C string. */
orion_text orion_text_of(const char *string);
bool orion_text_equal(orion_text one, orion_text other);
/* As bytes: negative, zero or positive. */
int orion_text_compare(orion_text one, orion_text other);
/* All of them, one after the other, of this call. */
orion_text orion_join(const orion_text *texts, size_t count);
/* A whole number in decimal, of this call. */
orion_text orion_integer_text(int64_t number);

typedef enum { ORION_INFO, ORION_WARNING, ORION_ERROR, ORION_CRITICAL } orion_severity;

/* A named fact of a finding or a change. Made by the functions below it. */
typedef struct {
    orion_text name;
    uint8_t kind;
    union {
        orion_text text;
        double number;
        int64_t integer;
        bool flag;
    } value;
} orion_field;

orion_field orion_text_field(const char *name, orion_text value);
orion_field orion_number_field(const char *name, double value);
orion_field orion_integer_field(const char *name, int64_t value);
orion_field orion_flag_field(const char *name, bool value);

/* ---- Parameters: what the rule says under `with:`, checked against plugin.toml, with defaults filled in ---- */

double orion_number(const char *name, double otherwise);
/* Whole numbers, and durations in milliseconds. */
int64_t orion_integer(const char *name, int64_t otherwise);
bool orion_flag(const char *name, bool otherwise);
/* Of the call of orion_configure. */
orion_text orion_word(const char *name, orion_text otherwise);
/* The items of a list of texts; of a map its keys and values in turns. Of the call of orion_configure. */
const orion_text *orion_words(const char *name, size_t *count);

/* ---- State: kept by the host, which asks after each call for what changed ---- */

typedef struct {
    orion_text key;
    bool has_value;
    orion_text value;
} orion_entry;

/* Anything that survives a restart. The two kinds below are ready; others fill in the functions themselves. */
typedef struct orion_state {
    /* state-version of plugin.toml. */
    uint32_t version;
    bool (*restore)(struct orion_state *state, const orion_entry *entries, size_t count);
    /* Entries of this call. */
    const orion_entry *(*checkpoint)(struct orion_state *state, size_t *count);
    void (*series_dropped)(struct orion_state *state, const uint32_t *ids, size_t count);
} orion_state;

/* A value for each series. A value is saved as the bytes it has: no pointers, and no gaps between its members. Series that the
 * host drops are forgotten. */
typedef struct {
    orion_state state;
    size_t value_bytes;
    unsigned char *values;
    uint8_t *marks;
    uint32_t capacity;
    uint32_t *changed;
    size_t changed_count, changed_room;
} orion_series_state;

void orion_series_state_begin(orion_series_state *state, uint32_t version, size_t value_bytes);
/* The value of a series, to look at; NULL when there is none. */
const void *orion_series_get(const orion_series_state *state, uint32_t series);
/* The value of a series, to change: all zeros when it is new. It will be saved. */
void *orion_series_put(orion_series_state *state, uint32_t series);
void orion_series_remove(orion_series_state *state, uint32_t series);

/* Bytes that are written piece by piece, and read again in the same order. */
typedef struct {
    char *data;
    size_t length, room;
} orion_writer;
void orion_write(orion_writer *writer, const void *bytes, size_t count);

typedef struct {
    const char *data;
    size_t left;
} orion_reader;
/* False when there are fewer bytes left. */
bool orion_read(orion_reader *reader, void *bytes, size_t count);

/* A value for each key, in order of keys. `write` and `read` turn a value into bytes and back; `discard`, if there is one, frees
 * what a value points to. */
typedef struct {
    size_t value_bytes;
    void (*write)(const void *value, orion_writer *out);
    bool (*read)(void *value, orion_reader *in);
    void (*discard)(void *value);
} orion_map_value;

typedef struct orion_map_entry orion_map_entry;

typedef struct {
    orion_state state;
    orion_map_value of;
    orion_map_entry **entries;
    size_t count, room;
    orion_map_entry **gone;
    size_t gone_count, gone_room;
} orion_map;

void orion_map_begin(orion_map *map, uint32_t version, orion_map_value of);
/* The value of a key, to look at; NULL when there is none. */
const void *orion_map_get(const orion_map *map, orion_text key);
/* The value of a key, to change: all zeros when it is new. It will be saved. */
void *orion_map_put(orion_map *map, orion_text key);
void orion_map_remove(orion_map *map, orion_text key);
/* Keys and values by their place in the order of keys, below `count`. Removing one moves those behind it. */
orion_text orion_map_key_at(const orion_map *map, size_t place);
const void *orion_map_at(const orion_map *map, size_t place);
void orion_map_remove_at(orion_map *map, size_t place);

/* ---- A detector ---- */

/* The answer to the rule's query at the instant `now`: three columns of `count` items. */
typedef struct {
    int64_t now;
    size_t count;
    const uint32_t *series;
    const int64_t *timestamps;
    const double *values;
} orion_frame;

/* The value of a label of a series; false when it has no such label. The text lives until the series is dropped. */
bool orion_label(uint32_t series, const char *name, orion_text *value);
/* Labels by their place in the order of names; false behind the last. */
bool orion_label_at(uint32_t series, size_t place, orion_text *name, orion_text *value);

typedef struct {
    /* About the answer as a whole when there is none. */
    bool has_series;
    uint32_t series;
    /* Left to the rule when there is none. */
    bool has_severity;
    orion_severity severity;
    int64_t timestamp;
    double value;
    bool has_score;
    double score;
    /* One sentence for a person; when it is empty the rule's annotations speak. */
    orion_text message;
    const orion_field *fields;
    size_t field_count;
} orion_finding;

/* At most one for each series and frame. */
void orion_emit_finding(const orion_finding *finding);

/* ---- A correlator ---- */

typedef enum { ORION_OCCURRED, ORION_FIRING, ORION_RESOLVED } orion_status;

typedef struct {
    /* On the bus; grows from event to event. */
    uint64_t position;
    int64_t timestamp;
    orion_severity severity;
    orion_status status;
    /* The same for the firing and the resolved event of one alert. */
    uint64_t fingerprint;
    /* NaN when it carries none. */
    double value;
    /* Its group. */
    orion_text key;
    orion_text type;
    /* Name and value in turns, in order of names. */
    size_t label_count;
    const orion_text *labels;
} orion_event;

/* The value of a label of an event; false when it has no such label. */
bool orion_event_label(const orion_event *event, const char *name, orion_text *value);

typedef enum { ORION_CHANGE_OPENED, ORION_CHANGE_UPDATED, ORION_CHANGE_RESOLVED } orion_change_kind;

typedef struct {
    orion_text key;
    orion_change_kind kind;
    orion_severity severity;
    int64_t timestamp;
    /* Why, in a few words. */
    orion_text reason;
    /* Bus positions of the events that this adds to the incident. */
    const uint64_t *positions;
    size_t position_count;
    const orion_field *fields;
    size_t field_count;
} orion_change;

void orion_emit_change(const orion_change *change);

/* ---- What the plugin defines ---- */

/* Once, before anything else. Returns NULL, or why the parameters are refused. */
const char *orion_configure(void);
/* What survives a restart; NULL for a plugin that remembers nothing. */
orion_state *orion_remembered(void);
/* A detector: one frame. */
void orion_observe(const orion_frame *frame);
/* A correlator: events in bus order, or none at all: then time has passed until `now`. */
void orion_correlate(int64_t now, const orion_event *events, size_t count);

#ifdef __cplusplus
}
#endif

#endif

/* The desk's side of a test: it stands where the host would. */
#include "orion_test.h"

#include "orion_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_EMITTED = 10000, MOST_LABELS = 64, MOST_TEXT_BYTES = 4096 };

static orion_finding findings[MOST_EMITTED];
static orion_change changes[MOST_EMITTED];
static size_t finding_count, change_count;

static void begin(void) {
    orion_call_ends();
    finding_count = change_count = 0;
}

static const orion_field *kept(const orion_field *fields, size_t count) {
    orion_field *copy = (orion_field *)orion_call_memory((count + 1) * sizeof *copy, sizeof(double));
    if (count > 0) memcpy(copy, fields, count * sizeof *copy);
    return copy;
}

void orion_emit_finding(const orion_finding *finding) {
    ORION_CHECK(finding_count < MOST_EMITTED);
    orion_finding *here = &findings[finding_count++];
    *here = *finding;
    here->fields = kept(finding->fields, finding->field_count);
}

void orion_emit_change(const orion_change *change) {
    ORION_CHECK(change_count < MOST_EMITTED);
    orion_change *here = &changes[change_count++];
    *here = *change;
    here->key = orion_join(&change->key, 1);
    here->fields = kept(change->fields, change->field_count);
    uint64_t *positions = (uint64_t *)orion_call_memory((change->position_count + 1) * sizeof *positions, sizeof *positions);
    if (change->position_count > 0) memcpy(positions, change->positions, change->position_count * sizeof *positions);
    here->positions = positions;
}

const char *orion_test_configure(const orion_field *given, size_t count) {
    begin();
    orion_parameter *parameters = (orion_parameter *)calloc(count + 1, sizeof *parameters);
    for (size_t i = 0; i < count; i++) {
        parameters[i].name = given[i].name;
        parameters[i].kind = given[i].kind;
        if (given[i].kind == ORION_TEXT) parameters[i].value.text = given[i].value.text;
        else if (given[i].kind == ORION_FLAG) parameters[i].value.flag = given[i].value.flag;
        else parameters[i].value.integer = given[i].value.integer;
    }
    orion_hold_parameters(parameters, count);
    const char *why = orion_configure();
    orion_hold_parameters(NULL, 0);
    free(parameters);
    return why;
}

void orion_test_define(uint32_t series, ...) {
    char text[MOST_TEXT_BYTES];
    uint32_t ends[MOST_LABELS * 2], pieces = 0, length = 0;
    va_list given;
    va_start(given, series);
    for (const char *piece = va_arg(given, const char *); piece != NULL; piece = va_arg(given, const char *)) {
        size_t bytes = strlen(piece);
        ORION_CHECK(pieces < MOST_LABELS * 2 && length + bytes <= MOST_TEXT_BYTES);
        memcpy(text + length, piece, bytes);
        length += (uint32_t)bytes;
        ends[pieces++] = length;
    }
    va_end(given);
    uint32_t labels = pieces / 2;
    orion_text all = {text, length};
    orion_define_series(&series, 1, &labels, all, ends, pieces);
}

void orion_test_drop(uint32_t series) { orion_drop_series(&series, 1); }

size_t orion_test_observe(int64_t now, uint32_t series, double value) {
    orion_frame frame = {now, 1, &series, &now, &value};
    return orion_test_observe_frame(&frame);
}

size_t orion_test_observe_frame(const orion_frame *frame) {
    begin();
    orion_observe(frame);
    return finding_count;
}

const orion_finding *orion_test_finding(size_t place) {
    ORION_CHECK(place < finding_count);
    return &findings[place];
}

size_t orion_test_correlate(int64_t now, const orion_event *events, size_t count) {
    begin();
    orion_correlate(now, events, count);
    return change_count;
}

const orion_change *orion_test_change(size_t place) {
    ORION_CHECK(place < change_count);
    return &changes[place];
}

void orion_test_check(bool holds, const char *condition, const char *file, int line) {
    if (holds) return;
    fprintf(stderr, "%s:%d: %s does not hold\n", file, line, condition);
    exit(1);
}

/* A detector has no orion_correlate and a correlator no orion_observe; a test links one of them. */
__attribute__((weak)) void orion_observe(const orion_frame *frame) { (void)frame; }
__attribute__((weak)) void orion_correlate(int64_t now, const orion_event *events, size_t count) {
    (void)now;
    (void)events;
    (void)count;
}

/* A correlator as its host sees it. Compiled for WebAssembly only. */
#include "exports.h"

/* Events as the host sends them. */
typedef struct {
    orion_column positions, timestamps, severities, statuses, fingerprints, values, label_counts, text, ends;
} orion_batch;

ORION_C __attribute__((import_module("orion:plugin/incidents@1.0.0"), import_name("emit"))) void
orion_host_emit_change(const char *key, size_t key_length, int32_t kind, int32_t severity, int64_t timestamp, const char *reason,
                       size_t reason_length, const uint64_t *positions, size_t position_count, const orion_field *fields,
                       size_t field_count);

void orion_emit_change(const orion_change *change) {
    orion_host_emit_change(change->key.data, change->key.length, (int32_t)change->kind, (int32_t)change->severity,
                           change->timestamp, change->reason.data, change->reason.length, change->positions,
                           change->position_count, change->fields, change->field_count);
}

ORION_COMMON_EXPORTS("orion:plugin/correlator@1.0.0")

/* ---- From the columns that the host sends to events ---- */

/* Pieces of text of an event before its labels: key and type. */
enum { FIXED_PIECES = 2 };

static orion_text *pieces_of(const orion_batch *batch) {
    const uint32_t *ends = (const uint32_t *)batch->ends.data;
    orion_text *pieces = (orion_text *)orion_call_memory((batch->ends.count + 1) * sizeof(orion_text), sizeof(void *));
    uint32_t start = 0;
    for (size_t i = 0; i < batch->ends.count; i++) {
        pieces[i].data = (const char *)batch->text.data + start;
        pieces[i].length = ends[i] - start;
        start = ends[i];
    }
    return pieces;
}

static void correlate_batch(int64_t now, const orion_batch *batch) {
    size_t count = batch->positions.count;
    orion_event *events = (orion_event *)orion_call_memory((count + 1) * sizeof(orion_event), sizeof(int64_t));
    const orion_text *pieces = pieces_of(batch);
    for (size_t i = 0; i < count; i++) {
        orion_event *event = &events[i];
        event->position = ((const uint64_t *)batch->positions.data)[i];
        event->timestamp = ((const int64_t *)batch->timestamps.data)[i];
        event->severity = (orion_severity)((const uint8_t *)batch->severities.data)[i];
        event->status = (orion_status)((const uint8_t *)batch->statuses.data)[i];
        event->fingerprint = ((const uint64_t *)batch->fingerprints.data)[i];
        event->value = ((const double *)batch->values.data)[i];
        event->key = pieces[0];
        event->type = pieces[1];
        event->label_count = ((const uint32_t *)batch->label_counts.data)[i];
        event->labels = pieces + FIXED_PIECES;
        pieces += FIXED_PIECES + event->label_count * 2;
    }
    orion_correlate(now, events, count);
}

/* More values than a call may pass one by one: they lie in memory, one after the other. */
typedef struct {
    int64_t now;
    orion_batch batch;
} orion_told;

ORION_EXPORT("orion:plugin/correlator@1.0.0#correlate") void orion_export_correlate(const orion_told *told) {
    correlate_batch(told->now, &told->batch);
    orion_call_ends();
}

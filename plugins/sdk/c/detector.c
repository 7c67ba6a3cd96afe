/* A detector as its host sees it. Compiled for WebAssembly only. */
#include "exports.h"

ORION_C __attribute__((import_module("orion:plugin/findings@1.0.0"), import_name("emit"))) void
orion_host_emit_finding(int32_t has_series, int32_t series, int32_t has_severity, int32_t severity, int64_t timestamp,
                        double value, int32_t has_score, double score, const char *message, size_t message_length,
                        const orion_field *fields, size_t field_count);

void orion_emit_finding(const orion_finding *found) {
    orion_host_emit_finding(found->has_series, (int32_t)found->series, found->has_severity, (int32_t)found->severity,
                            found->timestamp, found->value, found->has_score, found->score, found->message.data,
                            found->message.length, found->fields, found->field_count);
}

ORION_COMMON_EXPORTS("orion:plugin/detector@1.0.0")

ORION_EXPORT("orion:plugin/detector@1.0.0#define-series")
void orion_export_define_series(const uint32_t *ids, size_t count, const uint32_t *label_counts, size_t label_count_count,
                                const char *text, size_t text_length, const uint32_t *ends, size_t end_count) {
    (void)label_count_count;
    orion_text all = {text, text_length};
    orion_define_series(ids, count, label_counts, all, ends, end_count);
    orion_call_ends();
}

ORION_EXPORT("orion:plugin/detector@1.0.0#drop-series")
void orion_export_drop_series(const uint32_t *ids, size_t count) {
    orion_drop_series(ids, count);
    orion_call_ends();
}

ORION_EXPORT("orion:plugin/detector@1.0.0#observe")
void orion_export_observe(int64_t now, const uint32_t *ids, size_t count, const int64_t *timestamps, size_t timestamp_count,
                          const double *values, size_t value_count) {
    (void)timestamp_count;
    (void)value_count;
    orion_frame frame = {now, count, ids, timestamps, values};
    orion_observe(&frame);
    orion_call_ends();
}

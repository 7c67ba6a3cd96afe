/* A series that is far above its own running mean. */
#include "orion.h"

#include <math.h>

enum { STATE_VERSION = 1 };

static double factor, weight;
static int64_t warmup;

/* What is known of a series. Three members of eight bytes: there are no gaps between them, so they are saved as they are. */
typedef struct {
    double mean;
    int64_t samples;
    int64_t last;
} Known;

static orion_series_state known;

const char *orion_configure(void) {
    factor = orion_number("factor", 3.0);
    warmup = orion_integer("warmup", 10);
    weight = orion_number("weight", 0.1);
    orion_series_state_begin(&known, STATE_VERSION, sizeof(Known));
    return NULL;
}

orion_state *orion_remembered(void) { return &known.state; }

static orion_text name_of(uint32_t series) {
    orion_text name;
    if (orion_label(series, "instance", &name) || orion_label(series, "job", &name)) return name;
    return orion_text_of("a series");
}

static void judge(uint32_t series, int64_t timestamp, double value) {
    const Known *before = orion_series_get(&known, series);
    if (before == NULL || before->samples < warmup || !(before->mean > 0) || !(value > factor * before->mean)) return;
    orion_text message[] = {name_of(series), orion_text_of(" is far above its mean")};
    orion_field fields[] = {
        orion_number_field("mean", before->mean),
        orion_integer_field("samples", before->samples),
    };
    orion_finding finding = {
        .has_series = true,
        .series = series,
        .has_severity = value > 2 * factor * before->mean,
        .severity = ORION_CRITICAL,
        .timestamp = timestamp,
        .value = value,
        .has_score = true,
        .score = value / before->mean,
        .message = orion_join(message, 2),
        .fields = fields,
        .field_count = 2,
    };
    orion_emit_finding(&finding);
}

/* A sample that is not newer than the last teaches nothing: an edited rule is shown an instant it has seen. */
static void teach(uint32_t series, int64_t timestamp, double value) {
    const Known *before = orion_series_get(&known, series);
    if (before != NULL && timestamp <= before->last) return;
    Known *now = orion_series_put(&known, series);
    now->mean = before == NULL ? value : now->mean + weight * (value - now->mean);
    now->samples += 1;
    now->last = timestamp;
}

void orion_observe(const orion_frame *frame) {
    for (size_t i = 0; i < frame->count; i++) {
        if (!isfinite(frame->values[i])) continue;
        judge(frame->series[i], frame->timestamps[i], frame->values[i]);
        teach(frame->series[i], frame->timestamps[i], frame->values[i]);
    }
}

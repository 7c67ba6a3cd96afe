/* Calls a plugin natively, without WebAssembly, for its tests. Compile it with your test, your plugin and orion.c. What was emitted can be looked at until the next call. */
#ifndef ORION_TEST_H
#define ORION_TEST_H

#include "orion.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Configures the plugin with numbers, whole numbers and durations in milliseconds; NULL, or its refusal. */
const char *orion_test_configure(const orion_field *parameters, size_t count);

/* Tells the labels of a series: name, value, name, value, … and NULL; sorted by name. */
void orion_test_define(uint32_t series, ...);
void orion_test_drop(uint32_t series);

/* One sample at the instant `now`, or a frame of several. Both give back how many findings there are. */
size_t orion_test_observe(int64_t now, uint32_t series, double value);
size_t orion_test_observe_frame(const orion_frame *frame);
const orion_finding *orion_test_finding(size_t place);

/* Events, or with none a tick. Gives back how many changes there are. */
size_t orion_test_correlate(int64_t now, const orion_event *events, size_t count);
const orion_change *orion_test_change(size_t place);

/* Ends the test with a message when the condition does not hold. */
#define ORION_CHECK(condition) orion_test_check((condition), #condition, __FILE__, __LINE__)
void orion_test_check(bool holds, const char *condition, const char *file, int line);

#ifdef __cplusplus
}
#endif

#endif

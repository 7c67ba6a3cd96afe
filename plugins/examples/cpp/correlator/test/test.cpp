// Run by `make test`, without WebAssembly.
#include "orion_test.hpp"

static orion_event event(uint64_t position, int64_t timestamp, orion_severity severity) {
    orion_event made{};
    made.position = position;
    made.timestamp = timestamp;
    made.severity = severity;
    made.key = orion_text_of("döor");
    return made;
}

static void begin() {
    orion_field parameters[] = {
        orion_integer_field("count", 2),
        orion_integer_field("window", 60000),
        orion_integer_field("quiet", 120000),
    };
    ORION_CHECK(orion_test_configure(parameters, 3) == NULL);
}

static void two_events_within_the_window_open_an_incident_that_ends_when_it_is_quiet() {
    begin();
    orion_event events[] = {event(1, 1000, ORION_INFO), event(2, 2000, ORION_ERROR), event(3, 3000, ORION_WARNING)};
    ORION_CHECK(orion_test_correlate(3000, events, 3) == 2);
    const orion_change *opened = orion_test_change(0);
    ORION_CHECK(opened->kind == ORION_CHANGE_OPENED && opened->severity == ORION_ERROR && opened->position_count == 2);
    ORION_CHECK(orion_text_equal(opened->reason, orion_text_of("2 events within 60 s")));
    ORION_CHECK(orion_test_change(1)->kind == ORION_CHANGE_UPDATED);
    ORION_CHECK(orion_test_correlate(122999, NULL, 0) == 0);
    ORION_CHECK(orion_test_correlate(123000, NULL, 0) == 1);
    ORION_CHECK(orion_test_change(0)->timestamp == 123000);
    ORION_CHECK(orion_text_equal(orion_test_change(0)->reason, orion_text_of("quiet for 120 s")));
}

static void events_far_apart_open_nothing() {
    begin();
    orion_event events[] = {event(1, 1000, ORION_INFO), event(2, 61000, ORION_INFO)};
    ORION_CHECK(orion_test_correlate(61000, events, 2) == 0);
}

int main() {
    two_events_within_the_window_open_an_incident_that_ends_when_it_is_quiet();
    events_far_apart_open_nothing();
    return 0;
}

// Run by `make test`, without WebAssembly.
#include "orion_test.hpp"

#include <math.h>

static void begin() {
    orion_field parameters[] = {
        orion_number_field("factor", 2.0),
        orion_integer_field("warmup", 2),
        orion_number_field("weight", 0.5),
    };
    ORION_CHECK(orion_test_configure(parameters, 3) == NULL);
    orion_test_define(7, "instance", "höst", "job", "node", NULL);
}

static void a_value_far_above_the_mean_is_found() {
    begin();
    ORION_CHECK(orion_test_observe(1, 7, 10.0) == 0);
    ORION_CHECK(orion_test_observe(2, 7, 10.0) == 0);
    ORION_CHECK(orion_test_observe(3, 7, 30.0) == 1);
    const orion_finding *found = orion_test_finding(0);
    ORION_CHECK(orion_text_equal(found->message, orion_text_of("höst is far above its mean")));
    ORION_CHECK(found->score == 3.0 && !found->has_severity && found->fields[1].value.integer == 2);
}

static void what_is_no_number_neither_is_found_nor_teaches() {
    begin();
    orion_test_observe(1, 7, 10.0);
    orion_test_observe(2, 7, NAN);
    ORION_CHECK(orion_test_observe(3, 7, INFINITY) == 0);
    ORION_CHECK(orion_test_observe(4, 7, 100.0) == 0);
}

int main() {
    a_value_far_above_the_mean_is_found();
    what_is_no_number_neither_is_found_nor_teaches();
    return 0;
}

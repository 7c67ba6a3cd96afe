// The SDK of C, compiled as C++. Its headers come first: they have to be C++ themselves.
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern "C" {
#include "../c/orion.c"

#include "../c/orion_test.c"
}

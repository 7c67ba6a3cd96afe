// Calls a plugin natively, without WebAssembly, for its tests. Compile it with your test, your plugin and orion_test.cpp.
#pragma once

#include "../c/orion_test.h"

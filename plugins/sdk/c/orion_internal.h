/* What the parts of the SDK tell each other. Nothing here is for plugins. */
#ifndef ORION_INTERNAL_H
#define ORION_INTERNAL_H

#include "orion.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    orion_text name;
    uint8_t kind;
    union {
        orion_text text;
        double number;
        int64_t integer;
        bool flag;
        struct {
            const orion_text *data;
            size_t count;
        } texts;
    } value;
} orion_parameter;

enum { ORION_TEXT, ORION_NUMBER, ORION_INTEGER, ORION_FLAG, ORION_TEXTS };

/* Memory of this call: nothing of it is freed by itself, all of it when the call ends. */
void *orion_call_memory(size_t bytes, size_t alignment);
void orion_call_ends(void);

void orion_hold_parameters(const orion_parameter *parameters, size_t count);
void orion_define_series(const uint32_t *ids, size_t count, const uint32_t *label_counts, orion_text text, const uint32_t *ends,
                         size_t end_count);
void orion_drop_series(const uint32_t *ids, size_t count);
/* NULL, or why the entries are refused. */
const char *orion_restore(uint32_t version, const orion_entry *entries, size_t count);
const orion_entry *orion_checkpoint(size_t *count);

typedef struct {
    const void *data;
    size_t count;
} orion_column;

#ifdef __cplusplus
}
#endif

#endif

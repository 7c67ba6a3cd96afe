/* What both kinds of plugins export: the contract's functions in the form in which WebAssembly components pass values. Lists
 * and texts are an address and a length; the host makes room for them with cabi_realloc. */
#ifndef ORION_EXPORTS_H
#define ORION_EXPORTS_H

#include "orion_internal.h"

#include <string.h>

#ifdef __cplusplus
#define ORION_C extern "C"
#else
#define ORION_C
#endif

/* The records are passed as they lie in memory. */
typedef char orion_records_are_as_the_contract_has_them
    [sizeof(orion_field) == 24 && sizeof(orion_parameter) == 24 && sizeof(orion_entry) == 20 ? 1 : -1];

#define ORION_EXPORT(name) ORION_C __attribute__((export_name(name)))

typedef struct {
    uint8_t refused;
    orion_text why;
} orion_answer;

static inline const orion_answer *orion_answered(const char *why) {
    static orion_answer answer;
    answer.refused = why != NULL;
    answer.why = orion_text_of(why == NULL ? "" : why);
    return &answer;
}

ORION_EXPORT("cabi_realloc") void *orion_cabi_realloc(void *old, size_t old_bytes, size_t alignment, size_t bytes);
ORION_EXPORT("cabi_realloc") void *orion_cabi_realloc(void *old, size_t old_bytes, size_t alignment, size_t bytes) {
    void *made = orion_call_memory(bytes, alignment);
    if (old_bytes > 0) memcpy(made, old, old_bytes < bytes ? old_bytes : bytes);
    return made;
}

#define ORION_COMMON_EXPORTS(interface)                                                                                          \
    ORION_EXPORT(interface "#configure")                                                                                         \
    const orion_answer *orion_export_configure(const orion_parameter *given, size_t count) {                                      \
        orion_hold_parameters(given, count);                                                                                     \
        const char *why = orion_configure();                                                                                     \
        orion_hold_parameters(NULL, 0);                                                                                          \
        return orion_answered(why);                                                                                              \
    }                                                                                                                            \
    ORION_EXPORT("cabi_post_" interface "#configure") void orion_post_configure(const orion_answer *answer) {                     \
        (void)answer;                                                                                                            \
        orion_call_ends();                                                                                                       \
    }                                                                                                                            \
    ORION_EXPORT(interface "#restore")                                                                                           \
    const orion_answer *orion_export_restore(uint32_t version, const orion_entry *entries, size_t count) {                        \
        return orion_answered(orion_restore(version, entries, count));                                                           \
    }                                                                                                                            \
    ORION_EXPORT("cabi_post_" interface "#restore") void orion_post_restore(const orion_answer *answer) {                         \
        (void)answer;                                                                                                            \
        orion_call_ends();                                                                                                       \
    }                                                                                                                            \
    ORION_EXPORT(interface "#checkpoint") const orion_column *orion_export_checkpoint(void) {                                     \
        static orion_column entries;                                                                                             \
        entries.data = orion_checkpoint(&entries.count);                                                                         \
        return &entries;                                                                                                         \
    }                                                                                                                            \
    ORION_EXPORT("cabi_post_" interface "#checkpoint") void orion_post_checkpoint(const orion_column *entries) {                  \
        (void)entries;                                                                                                           \
        orion_call_ends();                                                                                                       \
    }

#endif

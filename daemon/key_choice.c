/*
 * Choosing a key from a list.
 */
#include "daemon/key_choice.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static bool
text_is(const json_t *value, const char *wanted)
{
    return json_is_string(value) &&
           strcmp(json_string_value(value), wanted) == 0;
}

/* How many keys fit by MEMBER; *ID is the last of them. */
static size_t
count_by_text(const json_t *keys, const char *member, const char *wanted,
    int64_t *id)
{
    size_t found = 0;

    for (size_t i = 0; i < json_array_size(keys); i++) {
        const json_t *key = json_array_get(keys, i);

        if (text_is(json_object_get(key, member), wanted)) {
            *id = json_integer_value(json_object_get(key, "id"));
            found++;
        }
    }
    return found;
}

static bool
choose_by_id(const json_t *keys, const char *wanted, int64_t *id)
{
    for (size_t i = 0; i < json_array_size(keys); i++) {
        const json_t *key = json_array_get(keys, i);
        char text[32];

        *id = json_integer_value(json_object_get(key, "id"));
        snprintf(text, sizeof(text), "%" PRId64, *id);
        if (strcmp(text, wanted) == 0)
            return true;
    }
    return false;
}

int
key_choose(const json_t *keys, const char *wanted, int64_t *id, struct err *e)
{
    size_t found;

    if (choose_by_id(keys, wanted, id) ||
        count_by_text(keys, "fingerprint", wanted, id) > 0)
        return 0;
    found = count_by_text(keys, "comment", wanted, id);
    if (found == 1)
        return 0;
    if (found > 1)
        err_set(e, ERR_INVALID, "%zu keys have the comment \"%s\"", found,
            wanted);
    else
        err_set(e, ERR_NOT_FOUND, "no key \"%s\"", wanted);
    err_hint(e, "Name the key by its id or its fingerprint, as the command "
                "\"key list\" shows them.");
    return -1;
}

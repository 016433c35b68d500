/*
 * Errors as a peer may send them, in a STATUS or as JSON: whatever comes is an
 * error of ours in one safe line.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* An error survives being sent on, which is what the engine does with it. */
static void
check_error(const struct err *e)
{
    struct err back;
    char text[sizeof(e->message) + sizeof(e->hint) + 64];

    assert(e->code != ERR_NONE);
    assert(strpbrk(e->message, "\n\x1b\x7f") == NULL);
    assert(strpbrk(e->hint, "\n\x1b\x7f") == NULL);
    err_format(e, text, sizeof(text));
    err_parse(&back, text);
    assert(back.code == e->code);
    assert(e->message[0] == '\0' || strcmp(back.message, e->message) == 0);
    assert(strcmp(back.hint, e->hint) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = alloc_copy(data, size);
    struct err e = ERR_INIT;
    json_t *object;

    err_parse(&e, text);
    check_error(&e);
    if (json_read_object(text, size, &object, &e) == 0) {
        json_error_read(object, &e);
        json_decref(object);
    }
    check_error(&e);
    free(text);
    return 0;
}

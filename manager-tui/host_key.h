/*
 * A host key against the one that somebody expects.
 */
#ifndef MANAGER_TUI_HOST_KEY_H
#define MANAGER_TUI_HOST_KEY_H

#include "base/err.h"

/* The field of a form into which it is pasted. */
#define EXPECTED_KEY_FIELD                                                     \
    {                                                                          \
        "expected", "Expected key", FIELD_TEXT, NULL,                          \
            "paste it to have it compared; empty: you have compared it", false \
    }

/* Whether EXPECTED (also a line of "ssh-keygen -l"; empty or NULL: nothing) is
 * the fingerprint SHOWN by HOST; ERR_KEY_CHANGED. */
int host_key_compare(const char *host, const char *shown, const char *expected,
    struct err *e);

#endif

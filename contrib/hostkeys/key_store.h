/*
 * The database of dataset "hostkeys": one table, a row for each type of key.
 */
#ifndef CONTRIB_HOSTKEYS_KEY_STORE_H
#define CONTRIB_HOSTKEYS_KEY_STORE_H

#include <sqlite3.h>
#include <stddef.h>

#include "base/err.h"
#include "contrib/hostkeys/host_key.h"

/* Opens PATH to be read. */
int key_store_open(sqlite3 **db, const char *path, struct err *e);
/* Opens PATH to be written, making it and its folder (root's alone). */
int key_store_make(sqlite3 **db, const char *path, struct err *e);
/* Puts a key in, in place of another of its type. */
int key_store_put(sqlite3 *db, const struct host_key_type *type,
    const char *text, size_t len, struct err *e);
/* The key of TYPE in a fresh string, which the caller wipes and frees, with its
 * fingerprint; NULL when there is none.  ERR_INVALID when what is there is no
 * key, or one of another type. */
int key_store_get(sqlite3 *db, const struct host_key_type *type, char **text,
    char shown[HOST_KEY_SHOWN], struct err *e);

#endif

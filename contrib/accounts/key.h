/*
 * Which rows of "user_keys" are keys: a type that servers know, and base64.
 */
#ifndef CONTRIB_ACCOUNTS_KEY_H
#define CONTRIB_ACCOUNTS_KEY_H

#include <stdbool.h>

/* Of one user so many are taken. */
#define KEYS_MAX 1000

/* Whether neither of the two, either of which may be NULL, holds anything that
 * a server's file of keys would read as something else. */
bool key_is_plain(const char *type, const char *key);

#endif

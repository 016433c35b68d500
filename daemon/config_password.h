/*
 * Passwords of SFTP users, as the servers that use them expect them: crypt(5),
 * yescrypt.  (Administrators' passwords are scrypt: accounts.h.)
 */
#ifndef DAEMON_CONFIG_PASSWORD_H
#define DAEMON_CONFIG_PASSWORD_H

#include <jansson.h>

#include "base/err.h"

/* "$y$..." in a fresh string, or NULL.  Blocks for some 50 ms: on a thread. */
char *user_password_hash(const char *password, struct err *e);
/* The hash that ARGS ask for by "password" or "password_hash", in a fresh
 * string; *HASH is NULL when they name neither.  Both is ERR_INVALID. */
int user_password_take(const json_t *args, char **hash, struct err *e);

#endif

/*
 * Who may log in on the admin port.  Four sources, asked in this order:
 *   1. the local administrator's key (STATE_DIR/local-admin-key, made at the
 *      first start; user "local"), only from a loopback address: role admin;
 *   2. the primary's login key, on a secondary (user "lockstep"): role push;
 *   3. administrators of the cluster, dataset "admins" (tables admins and
 *      admin_keys, see daemon/admins_schema.c), and the break-glass account of
 *      this node ("admin" of the first start), kept in the node store, never
 *      replicated.
 *   4. until a join file was used, its primary (user "join", daemon/join.h).
 * Passwords are kept as scrypt (N 32768, r 8, p 1, 16-byte salt), verified on a
 * thread, one at a time, in constant work whether or not the user exists.
 */
#ifndef DAEMON_ACCOUNTS_H
#define DAEMON_ACCOUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "admin-proto/role.h"
#include "base/err.h"

struct engine;
struct accounts;

int accounts_open(struct accounts **accounts, struct engine *engine,
    struct err *e);
void accounts_close(struct accounts *accounts);

/* So many passwords wait to be verified that another one is not taken. */
bool accounts_are_busy(const struct accounts *a);
/* Verifies a password; FN is called on the loop, ROLE_NONE when refused. */
typedef void (*accounts_fn)(void *ctx, enum role role);
void accounts_check_password(struct accounts *a, const char *user,
    const char *password, accounts_fn fn, void *ctx);
/* Whether this key may log in as USER from an address (text). */
void accounts_check_key(struct accounts *a, const char *user, const void *blob,
    size_t len, bool loopback, accounts_fn fn, void *ctx);

/* "scrypt$15$8$1$<base64 salt>$<base64 hash>", fresh string.  Blocks ~50 ms. */
char *password_hash(const char *password, struct err *e);
bool password_verify(const char *stored, const char *password);
/* 24 random characters of an alphabet without look-alikes. */
void password_generate(char out[25]);

/* The break-glass account: made with the first start (writes
 * STATE_DIR/initial-admin-password, removed when the password changes). */
int accounts_first_start(struct engine *engine, struct err *e);
int accounts_set_local_password(struct accounts *a, const char *hash,
    struct err *e);
/* Reads the administrators of the cluster again, on the strand of "admins"; the
 * datasets call it whenever those may have changed. */
void accounts_refresh(struct accounts *a);
/* The role that USER would get now, ROLE_NONE when he is gone: a session ends
 * when that changes. */
enum role accounts_role(const struct accounts *a, const char *user);

#endif

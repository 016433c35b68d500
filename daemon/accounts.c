/*
 * Who may log in: the local key, the primary's key, the break-glass account
 * and the administrators of the cluster.  The latter are kept here as last
 * read from dataset "admins" (accounts_cluster.c), so that a login needs no
 * database.
 */
#include "daemon/accounts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin-proto/ssh_client.h"
#include "base/alloc.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "daemon/accounts_internal.h"
#include "daemon/datasets.h"
#include "daemon/engine.h"
#include "daemon/inbound.h"
#include "daemon/join.h"
#include "daemon/keys_openssh.h"
#include "daemon/store.h"

#define LOCAL_USER "local"
#define PUSH_USER "lockstep"
#define BREAK_GLASS_USER "admin"
#define HASH_VALUE "account.admin"
#define PASSWORD_FILE "initial-admin-password"
#define LOCAL_KEY_FILE "local-admin-key"
#define LOCAL_KEY_MAX 16384
/* Each costs 50 ms of one thread: more waiting than this is an attack. */
#define CHECKS_WAITING_MAX 64

struct accounts {
    struct engine *engine;
    struct strand *strand; /* scrypt, one at a time */
    uint8_t *local_blob;
    size_t local_blob_len;
    char *local_hash; /* of the break-glass account */
    struct admin_list cluster;
    bool refreshing;
    bool refresh_again;
};

struct check {
    char *stored;
    char *password;
    enum role role; /* when it matches */
    bool matches;
    accounts_fn fn;
    void *ctx;
};

static int
load_local_hash(struct accounts *a, struct err *e)
{
    uint8_t *value;
    size_t len;

    if (store_get(a->engine->node.store, HASH_VALUE, &value, &len, e) != 0)
        return -1;
    free(a->local_hash);
    a->local_hash = (char *)value;
    return 0;
}

static int
load_local_key(struct accounts *a, struct err *e)
{
    char *path = file_join(a->engine->settings.state_dir, LOCAL_KEY_FILE);
    uint8_t public_key[ED25519_PUBLIC_SIZE];
    uint8_t seed[ED25519_SEED_SIZE];
    struct buf text = BUF_INIT;
    struct buf blob = BUF_INIT;
    int r = -1;

    if (file_read(path, LOCAL_KEY_MAX, &text, e) != 0)
        goto out;
    buf_put_u8(&text, '\0');
    if (openssh_private_parse((const char *)text.data, seed, e) != 0) {
        err_wrap(e, "\"%s\"", path);
        goto out;
    }
    if (ed25519_public(seed, public_key, e) != 0)
        goto out;
    openssh_public_blob(public_key, &blob);
    a->local_blob = buf_steal(&blob, &a->local_blob_len);
    r = 0;
out:
    explicit_bzero(seed, sizeof(seed));
    if (text.data != NULL)
        explicit_bzero(text.data, text.cap);
    buf_release(&text);
    free(path);
    return r;
}

int
accounts_open(struct accounts **accounts, struct engine *engine, struct err *e)
{
    struct accounts *a = alloc_zeroed(1, sizeof(*a));
    struct err read_error = ERR_INIT;

    *accounts = NULL;
    a->engine = engine;
    a->strand = strand_new(engine->loop);
    if (load_local_hash(a, e) != 0 || load_local_key(a, e) != 0) {
        accounts_close(a);
        return -1;
    }
    /* No job runs yet: the dataset may be read right here, once. */
    if (admin_list_read(datasets_find(engine->datasets, ADMINS_DATASET),
            &a->cluster, &read_error) != 0)
        log_info("no administrators of a cluster: %s", read_error.message);
    *accounts = a;
    return 0;
}

void
accounts_close(struct accounts *a)
{
    if (a == NULL)
        return;
    strand_free(a->strand);
    admin_list_release(&a->cluster);
    free(a->local_blob);
    if (a->local_hash != NULL)
        explicit_bzero(a->local_hash, strlen(a->local_hash));
    free(a->local_hash);
    free(a);
}

static void
check_work(void *arg)
{
    struct check *c = arg;

    c->matches = password_verify(c->stored, c->password);
}

static void
check_done(void *arg, bool cancelled)
{
    struct check *c = arg;

    c->fn(c->ctx, c->matches && !cancelled ? c->role : ROLE_NONE);
    explicit_bzero(c->password, strlen(c->password));
    free(c->password);
    free(c->stored);
    free(c);
}

bool
accounts_are_busy(const struct accounts *a)
{
    return strand_queued(a->strand) >= CHECKS_WAITING_MAX;
}

void
accounts_check_password(struct accounts *a, const char *user,
    const char *password, accounts_fn fn, void *ctx)
{
    const struct admin *admin = admin_list_find(&a->cluster, user);
    const char *stored = NULL;
    enum role role = ROLE_NONE;
    struct check *c;

    if (strcmp(user, JOIN_USER) == 0 && join_is_open(a->engine)) {
        fn(ctx,
            join_check_password(a->engine, password) ? ROLE_JOIN : ROLE_NONE);
        return;
    }
    if (strcmp(user, BREAK_GLASS_USER) == 0) {
        stored = a->local_hash;
        role = ROLE_ADMIN;
    } else if (admin != NULL) {
        stored = admin->password_hash;
        role = admin->role;
    }
    c = alloc_zeroed(1, sizeof(*c));
    c->stored = alloc_string(stored);
    c->password = alloc_string(password);
    c->role = role;
    c->fn = fn;
    c->ctx = ctx;
    strand_run(a->strand, check_work, check_done, c);
}

/* The successor of its login key that our primary announced. */
static bool
is_next_login(const struct node *node, const void *blob, size_t len)
{
    static const uint8_t none[ED25519_PUBLIC_SIZE];
    struct buf next = BUF_INIT;
    bool same;

    if (memcmp(node->primary_login_next, none, sizeof(none)) == 0)
        return false;
    openssh_public_blob(node->primary_login_next, &next);
    same = next.len == len && bytes_equal_secret(next.data, blob, len);
    buf_release(&next);
    return same;
}

static bool
same_blob(const void *a, size_t a_len, const void *b, size_t b_len)
{
    return a != NULL && a_len == b_len && bytes_equal_secret(a, b, a_len);
}

/* What an administrator of this node said its next login shows. */
static bool
is_trusted_login(const struct node *node, const void *blob, size_t len)
{
    char text[64];

    if (node->primary_login_trusted[0] == '\0')
        return false;
    admin_fingerprint(blob, len, text);
    return strcmp(text, node->primary_login_trusted) == 0;
}

void
accounts_check_key(struct accounts *a, const char *user, const void *blob,
    size_t len, bool loopback, accounts_fn fn, void *ctx)
{
    const struct node *node = &a->engine->node;
    const struct admin *admin = admin_list_find(&a->cluster, user);
    enum role role = ROLE_NONE;
    size_t i;

    if (strcmp(user, LOCAL_USER) == 0) {
        if (loopback && same_blob(a->local_blob, a->local_blob_len, blob, len))
            role = ROLE_ADMIN;
    } else if (strcmp(user, PUSH_USER) == 0) {
        if (node->role == NODE_SECONDARY &&
            (same_blob(node->primary_login_blob, node->primary_login_blob_len,
                 blob, len) ||
                is_next_login(node, blob, len) ||
                is_trusted_login(node, blob, len)))
            role = ROLE_PUSH;
    } else if (admin != NULL) {
        for (i = 0; i < admin->key_count; i++) {
            if (same_blob(admin->keys[i].blob, admin->keys[i].len, blob, len))
                role = admin->role;
        }
    }
    fn(ctx, role);
}

enum role
accounts_role(const struct accounts *a, const char *user)
{
    const struct admin *admin;

    if (strcmp(user, LOCAL_USER) == 0 || strcmp(user, BREAK_GLASS_USER) == 0)
        return ROLE_ADMIN;
    if (strcmp(user, JOIN_USER) == 0 && join_is_open(a->engine))
        return ROLE_JOIN;
    if (strcmp(user, PUSH_USER) == 0)
        return a->engine->node.role == NODE_SECONDARY ? ROLE_PUSH : ROLE_NONE;
    admin = admin_list_find(&a->cluster, user);
    return admin != NULL ? admin->role : ROLE_NONE;
}

static int
refresh_work(struct dataset *ds, void *arg, struct err *e)
{
    return admin_list_read(ds, arg, e);
}

static void
refresh_done(struct dataset *ds, void *arg, const struct err *e)
{
    struct accounts *a = ds->engine->accounts;
    struct admin_list *list = arg;

    /* What cannot be read just now keeps its last known content. */
    if (a != NULL && e->code == ERR_NONE) {
        admin_list_release(&a->cluster);
        a->cluster = *list;
        memset(list, 0, sizeof(*list));
    }
    admin_list_release(list);
    free(list);
    if (a == NULL)
        return;
    a->refreshing = false;
    if (e->code == ERR_NONE && ds->engine->inbounds != NULL)
        inbounds_check_logins(ds->engine->inbounds);
    if (a->refresh_again) {
        a->refresh_again = false;
        accounts_refresh(a);
    }
}

void
accounts_refresh(struct accounts *a)
{
    struct dataset *ds = datasets_find(a->engine->datasets, ADMINS_DATASET);
    struct dataset_job job = { .work = refresh_work, .done = refresh_done };

    if (a->refreshing) {
        a->refresh_again = true;
        return;
    }
    if (ds == NULL)
        return;
    a->refreshing = true;
    job.arg = alloc_zeroed(1, sizeof(struct admin_list));
    dataset_run(ds, &job);
}

static int
make_local_key(const char *path, struct err *e)
{
    uint8_t *blob = NULL;
    char *text = NULL;
    size_t len;
    int r = -1;

    if (keys_generate(&text, &blob, &len, e) == 0)
        r = file_write_atomic(path, text, strlen(text), 0600, e);
    if (text != NULL)
        explicit_bzero(text, strlen(text));
    free(text);
    free(blob);
    return r;
}

static int
make_break_glass(struct engine *engine, const char *path, struct err *e)
{
    char password[25];
    char line[32];
    char *hash = NULL;
    int r = -1;

    password_generate(password);
    hash = password_hash(password, e);
    if (hash == NULL)
        goto out;
    /* The file first: a password that is in force but written nowhere would
     * lock everybody out; the reverse is mended by the next start. */
    snprintf(line, sizeof(line), "%s\n", password);
    if (file_write_atomic(path, line, strlen(line), 0600, e) != 0)
        goto out;
    r = store_put(engine->node.store, HASH_VALUE, hash, strlen(hash), e);
out:
    explicit_bzero(password, sizeof(password));
    explicit_bzero(line, sizeof(line));
    free(hash);
    return r;
}

int
accounts_first_start(struct engine *engine, struct err *e)
{
    const char *dir = engine->settings.state_dir;
    char *password_path = file_join(dir, PASSWORD_FILE);
    char *key_path = file_join(dir, LOCAL_KEY_FILE);
    uint8_t *hash = NULL;
    size_t len;
    int r = -1;

    if (!file_exists(key_path) && make_local_key(key_path, e) != 0)
        goto out;
    if (store_get(engine->node.store, HASH_VALUE, &hash, &len, e) != 0)
        goto out;
    if (hash == NULL && make_break_glass(engine, password_path, e) != 0)
        goto out;
    r = 0;
out:
    free(hash);
    free(key_path);
    free(password_path);
    return r;
}

int
accounts_set_local_password(struct accounts *a, const char *hash, struct err *e)
{
    char *path;
    int r;

    if (store_put(a->engine->node.store, HASH_VALUE, hash, strlen(hash), e) !=
        0)
        return -1;
    if (load_local_hash(a, e) != 0)
        return -1;
    path = file_join(a->engine->settings.state_dir, PASSWORD_FILE);
    r = file_remove(path, e);
    free(path);
    return r;
}

/*
 * What this node is, loaded from the node store and saved to it: one table says
 * how each member is stored.
 */
#include "daemon/node.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "daemon/store.h"
#include "sync/open.h"

enum form { FORM_BYTES, FORM_TEXT, FORM_NUMBER, FORM_BOOL, FORM_ROLE };

struct member {
    const char *name;
    enum form form;
    size_t offset;
    size_t size;
};

#define MEMBER(text, form, member)                 \
    {                                              \
        text, form, offsetof(struct node, member), \
            sizeof(((struct node *)0)->member)     \
    }

static const struct member members[] = {
    MEMBER("node.id", FORM_BYTES, id),
    MEMBER("node.name", FORM_TEXT, name),
    MEMBER("node.role", FORM_ROLE, role),
    MEMBER("cluster.id", FORM_BYTES, cluster),
    MEMBER("cluster.name", FORM_TEXT, cluster_name),
    MEMBER("cluster.epoch", FORM_NUMBER, epoch),
    MEMBER("primary.id", FORM_BYTES, primary_id),
    MEMBER("primary.name", FORM_TEXT, primary_name),
    MEMBER("primary.address", FORM_TEXT, primary_address),
    MEMBER("primary.bundle_key", FORM_BYTES, primary_bundle_key),
    MEMBER("primary.fingerprint", FORM_TEXT, primary_fingerprint),
    MEMBER("primary.login_next", FORM_BYTES, primary_login_next),
    MEMBER("primary.bundle_next", FORM_BYTES, primary_bundle_next),
    MEMBER("primary.login_trusted", FORM_TEXT, primary_login_trusted),
    MEMBER("primary.bundle_trusted", FORM_TEXT, primary_bundle_trusted),
    MEMBER("primary.heard_ms", FORM_NUMBER, primary_heard_ms),
    MEMBER("primary.equal_ms", FORM_NUMBER, primary_equal_ms),
    MEMBER("node.drained", FORM_BOOL, drained),
    MEMBER("sync.enabled", FORM_BOOL, sync_enabled),
    MEMBER("sync.instant", FORM_BOOL, instant),
    MEMBER("sync.interval_ms", FORM_NUMBER, interval_ms),
};

#define MEMBER_COUNT (sizeof(members) / sizeof(members[0]))
#define LOGIN_KEY "primary.login_key"
#define DEFAULT_INTERVAL_MS 60000

static const char *const role_names[] = {
    [NODE_STANDALONE] = "standalone",
    [NODE_PRIMARY] = "primary",
    [NODE_SECONDARY] = "secondary",
};

#define ROLE_COUNT (sizeof(role_names) / sizeof(role_names[0]))

const char *
node_role_name(enum node_role role)
{
    return (size_t)role < ROLE_COUNT ? role_names[role] : "unknown";
}

static int
damaged(const struct member *m, struct err *e)
{
    return err_set(e, ERR_CORRUPT, "the node store holds a bad \"%s\"",
        m->name);
}

static int
decode_role(const char *text, enum node_role *role)
{
    size_t i;

    for (i = 0; i < ROLE_COUNT; i++) {
        if (strcmp(text, role_names[i]) == 0) {
            *role = (enum node_role)i;
            return 0;
        }
    }
    return -1;
}

static int
decode_number(const char *text, int64_t *number)
{
    char *end;

    *number = strtoll(text, &end, 10);
    return end == text || *end != '\0' ? -1 : 0;
}

static int
decode_member(const struct member *m, void *field, const uint8_t *value,
    size_t len)
{
    int64_t number;

    switch (m->form) {
    case FORM_BYTES:
        if (len != m->size)
            return -1;
        memcpy(field, value, len);
        return 0;
    case FORM_TEXT:
        if (len >= m->size)
            return -1;
        memcpy(field, value, len + 1);
        return 0;
    case FORM_ROLE:
        return decode_role((const char *)value, field);
    case FORM_NUMBER:
    case FORM_BOOL:
        if (decode_number((const char *)value, &number) != 0)
            return -1;
        if (m->form == FORM_NUMBER)
            *(int64_t *)field = number;
        else
            *(bool *)field = number != 0;
        return 0;
    }
    return -1;
}

static int
load_members(struct node *n, bool *found, struct err *e)
{
    size_t i;

    *found = false;
    for (i = 0; i < MEMBER_COUNT; i++) {
        const struct member *m = &members[i];
        uint8_t *value;
        size_t len;
        int r;

        if (store_get(n->store, m->name, &value, &len, e) != 0)
            return -1;
        if (value == NULL)
            continue;
        *found = true;
        r = decode_member(m, (char *)n + m->offset, value, len);
        free(value);
        if (r != 0)
            return damaged(m, e);
    }
    return store_get(n->store, LOGIN_KEY, &n->primary_login_blob,
        &n->primary_login_blob_len, e);
}

static int
save_member(struct node *n, const struct member *m, struct err *e)
{
    const void *field = (const char *)n + m->offset;
    const void *value = field;
    size_t len = m->size;
    char number[32];

    switch (m->form) {
    case FORM_BYTES:
        break;
    case FORM_TEXT:
        len = strlen(field);
        break;
    case FORM_ROLE:
        value = node_role_name(*(const enum node_role *)field);
        len = strlen(value);
        break;
    case FORM_NUMBER:
    case FORM_BOOL:
        len = (size_t)snprintf(number, sizeof(number), "%lld",
            m->form == FORM_NUMBER ? (long long)*(const int64_t *)field
                                   : (long long)*(const bool *)field);
        value = number;
        break;
    }
    return store_put(n->store, m->name, value, len, e);
}

static int
save_members(struct node *n, struct err *e)
{
    size_t i;

    for (i = 0; i < MEMBER_COUNT; i++) {
        if (save_member(n, &members[i], e) != 0)
            return -1;
    }
    if (n->primary_login_blob == NULL)
        return store_delete(n->store, LOGIN_KEY, e);
    return store_put(n->store, LOGIN_KEY, n->primary_login_blob,
        n->primary_login_blob_len, e);
}

int
node_save(struct node *n, struct err *e)
{
    /* A caller who saves more than the node holds the transaction himself. */
    if (sqlite3_get_autocommit(store_database(n->store)) == 0)
        return save_members(n, e);
    if (store_begin(n->store, e) != 0)
        return -1;
    if (save_members(n, e) != 0) {
        store_rollback(n->store);
        return -1;
    }
    return store_commit(n->store, e);
}

int
node_open(struct node *n, const char *state_dir, const char *name,
    struct err *e)
{
    bool found;

    memset(n, 0, sizeof(*n));
    n->sync_enabled = true;
    n->interval_ms = DEFAULT_INTERVAL_MS;
    n->started_mono_ms = clock_mono_ms();
    random_bytes(n->writer, sizeof(n->writer));
    if (store_open(&n->store, state_dir, e) != 0)
        return -1;
    if (load_members(n, &found, e) != 0)
        goto fail;
    if (!found)
        random_bytes(n->id, sizeof(n->id));
    /* The configuration decides on the name at every start. */
    if (!found || strcmp(n->name, name) != 0) {
        snprintf(n->name, sizeof(n->name), "%s", name);
        if (node_save(n, e) != 0)
            goto fail;
    }
    return 0;
fail:
    node_close(n);
    return -1;
}

void
node_close(struct node *n)
{
    free(n->primary_login_blob);
    n->primary_login_blob = NULL;
    store_close(n->store);
    n->store = NULL;
}

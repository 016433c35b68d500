/*
 * A primary as small as can be, for tests of the secondary: a database, the
 * copy of it that was sent last, and bundles of the difference.  Its header
 * can be changed before a bundle is sealed, to make the bundles of others.
 */
#ifndef TESTS_UNIT_MODEL_PRIMARY_H
#define TESTS_UNIT_MODEL_PRIMARY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "sync/bundle.h"
#include "sync/change.h"
#include "sync/compare.h"
#include "sync/open.h"
#include "sync/replica_internal.h"
#include "sync/schema.h"
#include "sync/value.h"

static const uint8_t primary_seed[ED25519_SEED_SIZE] = { 4, 5, 6 };

static const struct selection no_selection = SELECTION_INIT;

struct primary {
    char *path;
    char *sent_path;
    sqlite3 *db;
    struct dataset_state state;
};

#define CHECK(call)                               \
    do {                                          \
        if ((call) != 0)                          \
            fail_msg("%s: %s", #call, e.message); \
    } while (0)

static inline void
run_sql(sqlite3 *db, const char *sql)
{
    char *message = NULL;

    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s: %s", sql, message);
}

static inline int
primary_sign(void *ctx, const uint8_t hash[HASH_SIZE],
    uint8_t signature[ED25519_SIGNATURE_SIZE], struct err *e)
{
    return ed25519_sign(ctx, hash, HASH_SIZE, signature, e);
}

static inline struct bundle_signer
primary_signer(void)
{
    return (struct bundle_signer){ primary_sign, (void *)primary_seed };
}

/* Brings the state row to what the rows are. */
static inline void
primary_publish(struct primary *p)
{
    struct err e = ERR_INIT;
    struct schema *s = NULL;

    CHECK(schema_load(&s, p->db, &e));
    CHECK(digest_scan(p->db, s, &p->state.digest, &p->state.rows, &e));
    memcpy(p->state.schema_hash, s->hash, HASH_SIZE);
    p->state.revision++;
    p->state.changed_ms = 1700000000000 + (int64_t)p->state.revision;
    CHECK(state_write(p->db, &p->state, &e));
    schema_free(s);
}

static inline void
primary_open(struct primary *p, const char *dir, const char *sql)
{
    struct err e = ERR_INIT;

    memset(p, 0, sizeof(*p));
    p->path = file_join(dir, "primary.db");
    p->sent_path = file_join(dir, "sent.db");
    CHECK(database_open(&p->db, p->path, OPEN_CREATE, 1000, &e));
    run_sql(p->db, sql);
    memset(p->state.cluster, 7, ID_SIZE);
    memset(p->state.writer, 8, ID_SIZE);
    p->state.epoch = 5;
    primary_publish(p);
}

static inline void
primary_close(struct primary *p)
{
    database_close(p->db);
    free(p->path);
    free(p->sent_path);
}

static inline struct bundle_header
primary_header(const struct primary *p, enum bundle_kind kind)
{
    struct bundle_header h = {
        .kind = kind,
        .dataset = "config",
        .epoch = p->state.epoch,
        .from_revision = p->state.revision,
        .to_revision = p->state.revision,
        .digest_before = p->state.digest,
        .digest_after = p->state.digest,
        .rows_after = p->state.rows,
        .changed_ms = p->state.changed_ms,
    };

    memcpy(h.cluster, p->state.cluster, ID_SIZE);
    memcpy(h.writer, p->state.writer, ID_SIZE);
    memcpy(h.schema_before, p->state.schema_hash, HASH_SIZE);
    memcpy(h.schema_after, p->state.schema_hash, HASH_SIZE);
    return h;
}

/* An OVERWRITE bundle of the rows as they are under header H. */
static inline void
primary_overwrite_as(struct primary *p, struct bundle_header h, struct buf *out)
{
    struct err e = ERR_INIT;
    sqlite3_int64 size = 0;
    struct bundle_signer signer = primary_signer();
    uint8_t content[HASH_SIZE], hash[HASH_SIZE];
    uint8_t signature[ED25519_SIGNATURE_SIZE];
    unsigned char *image;
    size_t bound, got, start = out->len;

    image = sqlite3_serialize(p->db, "main", &size, 0);
    assert_non_null(image);
    h.raw_length = (uint64_t)size;
    h.compression = 1;
    bundle_header_encode(&h, out);
    bound = ZSTD_compressBound((size_t)size);
    got = ZSTD_compress(buf_reserve(out, bound), bound, image, (size_t)size, 1);
    assert_false(ZSTD_isError(got));
    out->len += got;
    sqlite3_free(image);
    hash_bytes(out->data + start, out->len - start, content);
    bundle_signed_hash(content, hash);
    CHECK(signer.sign(signer.ctx, hash, signature, &e));
    buf_put(out, content, HASH_SIZE);
    buf_put(out, signature, sizeof(signature));
    CHECK(snapshot_take(p->db, p->sent_path, &e));
}

/* The same, of the current revision, as a primary that replaces nothing. */
static inline void
primary_overwrite(struct primary *p, struct bundle_header h, struct buf *out)
{
    h.from_revision = 0;
    digest_zero(&h.digest_before);
    primary_overwrite_as(p, h, out);
}

static inline void
put_text(struct buf *b, const char *text)
{
    buf_put_varint(b, strlen(text));
    buf_put(b, text, strlen(text));
}

static inline void
put_change(struct buf *b, const struct change *c, uint64_t *count)
{
    bool same_key = c->old_row != NULL && c->new_row != NULL &&
                    c->old_key_len == c->new_key_len &&
                    memcmp(c->old_key, c->new_key, c->old_key_len) == 0;

    if (c->old_row != NULL && !same_key) {
        buf_put_u8(b, 1);
        buf_put(b, c->old_key, c->old_key_len);
        (*count)++;
    }
    if (c->new_row != NULL) {
        buf_put_u8(b, 2);
        buf_put(b, c->new_key, c->new_key_len);
        buf_put(b, c->new_row, c->new_row_len);
        (*count)++;
    }
}

static inline void
put_changes(struct buf *b, const struct schema *s, const struct change_set *set)
{
    struct buf tables = BUF_INIT;
    uint64_t table_count = 0;

    for (size_t i = 0; i < s->table_count; i++) {
        struct buf entries = BUF_INIT;
        uint64_t count = 0;

        for (size_t n = 0; n < set->count; n++)
            if (strcmp(set->items[n].table, s->tables[i].name) == 0)
                put_change(&entries, &set->items[n], &count);
        if (count > 0) {
            put_text(&tables, s->tables[i].name);
            buf_put_varint(&tables, count);
            buf_put(&tables, entries.data, entries.len);
            table_count++;
        }
        buf_release(&entries);
    }
    buf_put_varint(b, table_count);
    if (tables.len > 0)
        buf_put(b, tables.data, tables.len);
    buf_release(&tables);
}

/* The raw body from what was sent last to the rows as they are; as H's fields
 * say what it is for, they are set.  The revision grows. */
static inline struct bundle_header
primary_changes(struct primary *p, struct buf *body)
{
    struct err e = ERR_INIT;
    struct bundle_header before = primary_header(p, BUNDLE_CHANGES), h;
    sqlite3 *sent = NULL;
    struct schema *old = NULL, *new = NULL;
    struct change_set set;
    struct buf old_specials = BUF_INIT, specials = BUF_INIT;
    char why[200];

    primary_publish(p);
    h = primary_header(p, BUNDLE_CHANGES);
    h.from_revision = before.to_revision;
    h.digest_before = before.digest_after;
    memcpy(h.schema_before, before.schema_after, HASH_SIZE);
    CHECK(database_open(&sent, p->sent_path, OPEN_WRITE, 1000, &e));
    run_sql(sent, "BEGIN");
    run_sql(p->db, "BEGIN");
    CHECK(schema_load(&old, sent, &e));
    CHECK(schema_load(&new, p->db, &e));
    if (schema_diff(old, new, SCHEMA_PLAIN, body, why, sizeof(why)) != 0)
        fail_msg("%s", why);
    CHECK(specials_read(sent, &no_selection, &old_specials, &e));
    CHECK(specials_read(p->db, &no_selection, &specials, &e));
    if (specials.len != old_specials.len ||
        memcmp(specials.data, old_specials.data, specials.len) != 0) {
        buf_put_u8(body, 1);
        buf_put_varint(body, specials.len);
        buf_put(body, specials.data, specials.len);
    } else {
        buf_put(body, "\0\0", 2);
    }
    change_set_init(&set);
    for (size_t i = 0; i < new->table_count; i++) {
        const struct table *t = schema_find_table(old, new->tables[i].name);
        sqlite3 *from = sent;

        if (t != NULL && !table_same_shape(t, &new->tables[i])) {
            /* A column was added: send every row. */
            from = NULL;
        }
        if (t == NULL || from == NULL) {
            struct schema none = { 0 };

            CHECK(compare_databases(sent, &none, p->db, new, &set, 0, &e));
            break;
        }
        CHECK(compare_table(sent, p->db, t, &set, 0, &e));
    }
    put_changes(body, new, &set);
    change_set_release(&set);
    run_sql(sent, "COMMIT");
    run_sql(p->db, "COMMIT");
    database_close(sent);
    schema_free(old);
    schema_free(new);
    buf_release(&specials);
    buf_release(&old_specials);
    CHECK(snapshot_take(p->db, p->sent_path, &e));
    return h;
}

static inline void
primary_seal(struct bundle_header h, const struct buf *body, struct buf *out)
{
    struct err e = ERR_INIT;
    struct bundle_signer signer = primary_signer();

    CHECK(bundle_seal(&h, body->data, body->len, &signer, out, &e));
}

/* A sealed bundle of the next revision. */
static inline struct bundle_header
primary_push(struct primary *p, struct buf *out)
{
    struct buf body = BUF_INIT;
    struct bundle_header h = primary_changes(p, &body);

    primary_seal(h, &body, out);
    buf_release(&body);
    return h;
}

/* A REPAIR bundle for the keys that replica_drift gave. */
static inline void
primary_repair(struct primary *p, const struct buf *keys, struct buf *out)
{
    struct err e = ERR_INIT;
    struct schema *s = NULL;
    struct reader r = reader_over(keys->data, keys->len);
    uint64_t count = reader_varint(&r);
    struct buf body = BUF_INIT;

    CHECK(schema_load(&s, p->db, &e));
    buf_put(&body, "\0\0\0", 3);
    buf_put_varint(&body, count);
    for (uint64_t i = 0; i < count; i++) {
        size_t name_len = (size_t)reader_varint(&r);
        char *name = alloc_copy(reader_take(&r, name_len), name_len);
        size_t key_len = (size_t)reader_varint(&r);
        const uint8_t *key = reader_take(&r, key_len);
        const struct table *t = schema_find_table(s, name);
        struct reader key_values = reader_over(key, key_len);
        char *sql = table_select_by_key_sql(t);
        struct buf found_key = BUF_INIT, row = BUF_INIT;
        sqlite3_stmt *stmt;

        CHECK(database_prepare(p->db, sql, &stmt, &e));
        for (int k = 1; k <= t->key_count; k++)
            CHECK(value_bind(&key_values, stmt, k, &e));
        put_text(&body, name);
        buf_put_varint(&body, 1);
        if (sqlite3_step(stmt) == SQLITE_ROW) {
            table_read_row(t, stmt, &found_key, &row);
            buf_put_u8(&body, 2);
            buf_put(&body, found_key.data, found_key.len);
            buf_put(&body, row.data, row.len);
        } else {
            buf_put_u8(&body, 1);
            buf_put(&body, key, key_len);
        }
        sqlite3_finalize(stmt);
        buf_release(&found_key);
        buf_release(&row);
        free(sql);
        free(name);
    }
    assert_true(reader_done(&r));
    primary_seal(primary_header(p, BUNDLE_REPAIR), &body, out);
    buf_release(&body);
    schema_free(s);
}

#endif

/*
 * What leaves a source: bundles out of history, repairs, images and overwrites.
 */
#include <zstd.h>

#include "tests/unit/source_fixture.h"
#include "sync/digest.h"
#include "sync/schema.h"

static const char schema[] =
    "CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT UNIQUE, home TEXT);"
    "CREATE TABLE settings(name TEXT PRIMARY KEY COLLATE NOCASE, value)"
    " WITHOUT ROWID;"
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<1000)"
    " INSERT INTO users(name,home) SELECT 'u'||i,'/srv/'||i FROM n";

static void
step(struct fixture *f, const char *text)
{
    sql(f->live, text);
    assert_true(publish(f).published);
    trim(f);
}

static void
take_bundle(struct fixture *f, uint64_t from, struct bundle_header *h,
    struct buf *body)
{
    struct buf bundle = BUF_INIT;
    uint8_t key[ED25519_PUBLIC_SIZE];
    struct err e = ERR_INIT;

    if (source_bundle(f->source, from, &signer, &bundle, NULL, &e) != 0)
        fail_msg("source_bundle: %s", e.message);
    assert_int_equal(ed25519_public(signer_seed, key, &e), 0);
    if (bundle_open(bundle.data, bundle.len, key, 1 << 26, h, body, &e) != 0)
        fail_msg("bundle_open: %s", e.message);
    buf_release(&bundle);
}

/* A secondary as small as can be: DDL; every row named is taken out, those put
 * or changed are inserted; specials. */
struct put {
    char *table;
    struct buf row;
};

struct puts {
    struct put items[4096];
    size_t count;
};

static void
bind_tuple(sqlite3_stmt *stmt, struct reader r, int count)
{
    struct err e = ERR_INIT;

    for (int i = 0; i < count; i++)
        assert_int_equal(value_bind(&r, stmt, i + 1, &e), 0);
}

static void
run_bound(sqlite3 *db, const struct buf *text, struct reader tuple, int count)
{
    sqlite3_stmt *stmt;

    assert_int_equal(sqlite3_prepare_v2(db, (char *)text->data, (int)text->len,
                         &stmt, NULL),
        SQLITE_OK);
    bind_tuple(stmt, tuple, count);
    assert_int_equal(sqlite3_step(stmt), SQLITE_DONE);
    sqlite3_finalize(stmt);
}

/* The row as it is, with the columns of the mask replaced from R. */
static void
merge_row(sqlite3 *db, const struct table *t, struct reader key,
    struct reader *r, struct buf *row)
{
    struct buf old_key = BUF_INIT, old = BUF_INIT;
    char *text = table_select_by_key_sql(t);
    uint64_t columns = reader_varint(r);
    struct reader from;
    sqlite3_stmt *stmt;

    assert_int_equal(sqlite3_prepare_v2(db, text, -1, &stmt, NULL), SQLITE_OK);
    bind_tuple(stmt, key, t->key_count);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    table_read_row(t, stmt, &old_key, &old);
    sqlite3_finalize(stmt);
    free(text);
    from = reader_over(old.data, old.len);
    for (int i = 0; i < t->column_count; i++) {
        const uint8_t *was = from.p, *now = r->p;

        assert_int_equal(value_skip(&from, 1), 0);
        if (columns >> i & 1) {
            assert_int_equal(value_skip(r, 1), 0);
            buf_put(row, now, (size_t)(r->p - now));
        } else {
            buf_put(row, was, (size_t)(from.p - was));
        }
    }
    buf_release(&old_key);
    buf_release(&old);
}

static void
take_entry(sqlite3 *db, const struct table *t, struct reader *r,
    struct puts *puts)
{
    uint8_t op = reader_u8(r);
    struct reader key = *r;
    struct buf text = BUF_INIT;
    struct put *put = &puts->items[puts->count];

    assert_in_range(op, 1, 3);
    assert_true(puts->count < 4096);
    assert_int_equal(value_skip(r, t->key_count), 0);
    *put = (struct put){ .table = t->name, .row = BUF_INIT };
    if (op == 2) {
        const uint8_t *start = r->p;

        assert_int_equal(value_skip(r, t->column_count), 0);
        buf_put(&put->row, start, (size_t)(r->p - start));
    }
    if (op == 3)
        merge_row(db, t, key, r, &put->row);
    if (op != 1)
        puts->count++;
    buf_printf(&text, "DELETE FROM \"%s\" WHERE \"%s\"=?1", t->name,
        t->without_rowid ? t->columns[t->key_columns[0]].name : t->rowid_name);
    run_bound(db, &text, key, 1);
    buf_release(&text);
}

static void
insert_put(sqlite3 *db, const struct schema *s, struct put *put)
{
    const struct table *t = schema_find_table(s, put->table);
    struct buf text = BUF_INIT;

    buf_printf(&text, "INSERT INTO \"%s\"", t->name);
    for (int c = 0; c < t->column_count; c++)
        buf_printf(&text, "%s\"%s\"", c ? "," : "(", t->columns[c].name);
    for (int c = 0; c < t->column_count; c++)
        buf_printf(&text, "%s?%d", c ? "," : ") VALUES(", c + 1);
    buf_printf(&text, ")");
    run_bound(db, &text, reader_over(put->row.data, put->row.len),
        t->column_count);
    buf_release(&text);
    buf_release(&put->row);
}

static void
apply_body(sqlite3 *db, const struct buf *body)
{
    static struct puts puts;
    struct reader r = reader_over(body->data, body->len);
    const uint8_t *specials;
    size_t specials_len;
    struct schema *s;
    struct err e = ERR_INIT;
    uint64_t count = reader_varint(&r);
    bool present;

    puts.count = 0;
    sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    sql(db, "BEGIN");
    for (uint64_t i = 0; i < count; i++) {
        size_t len = (size_t)reader_varint(&r);
        char *ddl = alloc_copy(reader_take(&r, len), len);

        sql(db, ddl);
        free(ddl);
    }
    assert_int_equal(schema_load(&s, db, &e), 0);
    present = reader_u8(&r) == 1;
    specials_len = (size_t)reader_varint(&r);
    specials = reader_take(&r, specials_len);
    count = reader_varint(&r);
    for (uint64_t i = 0; i < count; i++) {
        size_t len = (size_t)reader_varint(&r);
        char *name = alloc_copy(reader_take(&r, len), len);
        const struct table *t = schema_find_table(s, name);
        uint64_t entries = reader_varint(&r);

        assert_non_null(t);
        for (uint64_t n = 0; n < entries; n++)
            take_entry(db, t, &r, &puts);
        free(name);
    }
    assert_true(reader_done(&r));
    for (size_t i = 0; i < puts.count; i++)
        insert_put(db, s, &puts.items[i]);
    if (present)
        assert_int_equal(specials_write(db, &(struct selection)SELECTION_INIT,
                             specials, specials_len, &e),
            0);
    sql(db, "COMMIT");
    schema_free(s);
}

/* One bundle over many revisions makes an old copy equal. */
static void
bundle_catches_up_from_every_revision(void **state)
{
    static const char *const steps[] = {
        "UPDATE users SET home='x' WHERE id<5",
        "INSERT INTO users VALUES(2000,'in','between')",
        "DELETE FROM users WHERE id IN (3,2000)",
        "INSERT INTO settings VALUES('a',1)",
        "ALTER TABLE users ADD COLUMN shell DEFAULT '/bin/sh'",
        "INSERT OR REPLACE INTO settings VALUES('A',2)",
        "UPDATE users SET shell=NULL WHERE id=9; PRAGMA user_version=9",
        "CREATE TABLE more(a); INSERT INTO more VALUES(1),(1),(NULL)",
        "BEGIN; UPDATE users SET name='t' WHERE id=10;"
        "UPDATE users SET name='u10' WHERE id=11;"
        "UPDATE users SET name='u11' WHERE id=10; COMMIT",
    };
    enum { STEPS = sizeof(steps) / sizeof(steps[0]) };
    struct dataset_state states[STEPS + 1];
    struct fixture f;

    (void)state;
    fixture_init(&f, "WAL", schema);
    source_start(&f);
    for (size_t i = 0; i <= STEPS; i++) {
        source_state(f.source, &states[i]);
        shell("sqlite3 %s '.backup %s/at%zu.db'", f.published_path, f.folder,
            i);
        if (i < STEPS)
            step(&f, steps[i]);
    }
    for (size_t i = 0; i < STEPS; i++) {
        char path[128];
        struct bundle_header h;
        sqlite3 *db;
        char *a, *b;
        bool known, chained;
        struct err e = ERR_INIT;

        assert_int_equal(source_knows(f.source, states[i].revision,
                             &states[i].digest, &known, &chained, &e),
            0);
        assert_true(known && chained);
        snprintf(path, sizeof(path), "%s/at%zu.db", f.folder, i);
        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        /* A revision that changed the schema ends a bundle. */
        for (uint64_t at = states[i].revision; at < states[STEPS].revision;) {
            const struct dataset_state *from = &states[at - states[0].revision];
            const struct dataset_state *to;
            struct buf body = BUF_INIT;

            take_bundle(&f, at, &h, &body);
            assert_true(h.to_revision > at);
            to = &states[h.to_revision - states[0].revision];
            assert_int_equal(h.from_revision, at);
            assert_memory_equal(h.digest_before.sum, from->digest.sum,
                HASH_SIZE);
            assert_memory_equal(h.schema_before, from->schema_hash, HASH_SIZE);
            assert_memory_equal(h.digest_after.sum, to->digest.sum, HASH_SIZE);
            assert_memory_equal(h.schema_after, to->schema_hash, HASH_SIZE);
            assert_int_equal(h.rows_after, to->rows);
            apply_body(db, &body);
            buf_release(&body);
            at = h.to_revision;
        }
        a = dump(f.live);
        b = dump(db);
        if (strcmp(a, b) != 0)
            fail_msg("from %zu:\n%s\n\n%s", i, a, b);
        free(a);
        free(b);
        database_close(db);
    }
    fixture_release(&f);
}

static void
unknown_revisions_are_not_known(void **state)
{
    struct fixture f;
    struct dataset_state s;
    struct digest other = { { 1 } };
    bool known, chained;
    struct err e = ERR_INIT;

    (void)state;
    fixture_init(&f, "WAL", schema);
    source_start(&f);
    step(&f, "UPDATE users SET home='x' WHERE id<5");
    source_state(f.source, &s);
    assert_int_equal(source_knows(f.source, s.revision, &s.digest, &known,
                         &chained, &e),
        0);
    assert_true(known && chained);
    for (uint64_t revision = 0; revision < 5; revision++) {
        assert_int_equal(source_knows(f.source, revision, &other, &known,
                             &chained, &e),
            0);
        assert_false(known);
        assert_false(chained);
    }
    fixture_release(&f);
}

static void
repair_sends_rows_as_published(void **state)
{
    struct fixture f;
    struct buf keys = BUF_INIT, key = BUF_INIT, bundle = BUF_INIT;
    struct buf body = BUF_INIT;
    struct bundle_header h;
    uint8_t public_key[ED25519_PUBLIC_SIZE];
    struct err e = ERR_INIT;
    sqlite3 *db;
    char path[128], *a, *b;

    (void)state;
    fixture_init(&f, "WAL", schema);
    source_start(&f);
    snprintf(path, sizeof(path), "%s/drifted.db", f.folder);
    shell("sqlite3 %s '.backup %s'", f.published_path, path);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    sql(db, "UPDATE users SET home='drift' WHERE id=5;"
            "INSERT INTO users VALUES(5000,'drift','')");
    buf_put_varint(&keys, 2);
    for (int64_t id = 5; id <= 5000; id += 4995) {
        buf_clear(&key);
        value_put_integer(&key, id);
        buf_put_varint(&keys, 5);
        buf_put(&keys, "users", 5);
        buf_put_varint(&keys, key.len);
        buf_put(&keys, key.data, key.len);
    }
    if (source_repair(f.source, 1, keys.data, keys.len, &signer, &bundle, &e) !=
        0)
        fail_msg("%s", e.message);
    assert_int_equal(ed25519_public(signer_seed, public_key, &e), 0);
    assert_int_equal(bundle_open(bundle.data, bundle.len, public_key, 1 << 20,
                         &h, &body, &e),
        0);
    assert_int_equal(h.kind, BUNDLE_REPAIR);
    apply_body(db, &body);
    a = dump(f.live);
    b = dump(db);
    assert_string_equal(a, b);
    free(a);
    free(b);
    database_close(db);
    /* Every cut of the list is refused. */
    for (size_t len = 0; len < keys.len; len++)
        assert_int_equal(source_repair(f.source, 1, keys.data, len, &signer,
                             &bundle, &e),
            -1);
    buf_release(&keys);
    buf_release(&key);
    buf_release(&bundle);
    buf_release(&body);
    fixture_release(&f);
}

static void
read_image(struct image *image, struct buf *out)
{
    struct err e = ERR_INIT;
    size_t got;

    buf_clear(out);
    do {
        uint8_t *to = buf_reserve(out, 10000);

        if (image_read(image, out->len, to, 10000, &got, &e) != 0)
            fail_msg("%s", e.message);
        out->len += got;
    } while (got == 10000);
    assert_int_equal(out->len, image_size(image));
}

static void
expect_image(struct fixture *f, const struct buf *bytes,
    const struct dataset_state *state)
{
    char path[128];
    struct err e = ERR_INIT;
    struct schema *s;
    struct digest d;
    uint64_t rows;
    sqlite3 *db;

    snprintf(path, sizeof(path), "%s/image-copy.db", f->folder);
    assert_int_equal(file_write_atomic(path, bytes->data, bytes->len, 0600, &e),
        0);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(schema_load(&s, db, &e), 0);
    assert_int_equal(digest_scan(db, s, &d, &rows, &e), 0);
    assert_memory_equal(d.sum, state->digest.sum, HASH_SIZE);
    assert_int_equal(rows, state->rows);
    schema_free(s);
    database_close(db);
    shell("sqlite3 %s 'PRAGMA integrity_check' | grep -qx ok; rm %s*", path,
        path);
}

static void
image_stands_still_while_publishing_goes_on(void **state)
{
    struct fixture f;
    struct image *first, *second, *third;
    struct dataset_state s1, s3;
    struct buf before = BUF_INIT, after = BUF_INIT;
    struct err e = ERR_INIT;

    (void)state;
    fixture_init(&f, "WAL", schema);
    source_start(&f);
    step(&f, "UPDATE users SET home='x' WHERE id<500");
    if (source_image_open(f.source, &first, &e) != 0)
        fail_msg("%s", e.message);
    image_state(first, &s1);
    assert_int_equal(s1.revision, 2);
    read_image(first, &before);
    assert_int_equal(source_image_open(f.source, &second, &e), 0);
    for (int i = 0; i < 40; i++) {
        char text[400];

        snprintf(text, sizeof(text), "UPDATE users SET home='%d%0300d'", i, i);
        step(&f, text);
    }
    read_image(first, &after);
    assert_int_equal(before.len, after.len);
    assert_memory_equal(before.data, after.data, before.len);
    expect_image(&f, &after, &s1);
    /* The log cannot be emptied now: a copy, as good. */
    assert_int_equal(source_image_open(f.source, &third, &e), 0);
    image_state(third, &s3);
    assert_int_equal(s3.revision, 42);
    image_close(first);
    step(&f, "UPDATE users SET home='y' WHERE id<500");
    read_image(third, &after);
    expect_image(&f, &after, &s3);
    read_image(second, &after);
    assert_memory_equal(before.data, after.data, before.len);
    /* Even when the published copy is made anew. */
    step(&f, "ALTER TABLE users DROP COLUMN home");
    step(&f, "UPDATE users SET name='n' WHERE id=1");
    read_image(second, &after);
    assert_memory_equal(before.data, after.data, before.len);
    image_close(second);
    image_close(third);
    step(&f, "UPDATE users SET name='m' WHERE id=1");
    expect_equal(&f);
    source_stop(&f);
    source_start(&f);
    expect_equal(&f);
    buf_release(&before);
    buf_release(&after);
    fixture_release(&f);
}

static void
overwrite_carries_the_image(void **state)
{
    struct fixture f;
    struct image *image;
    struct overwrite_stream *stream;
    struct buf bytes = BUF_INIT, image_bytes = BUF_INIT, body = BUF_INIT;
    struct bundle_header h;
    struct dataset_state s;
    struct digest none = { { 0 } };
    uint8_t key[ED25519_PUBLIC_SIZE];
    uint64_t done, total;
    bool last = false;
    struct err e = ERR_INIT;

    (void)state;
    fixture_init(&f, "WAL", schema);
    source_start(&f);
    assert_int_equal(source_image_open(f.source, &image, &e), 0);
    image_state(image, &s);
    read_image(image, &image_bytes);
    assert_int_equal(overwrite_stream_open(image, "config", 0, &none, &signer,
                         &stream, &e),
        0);
    while (!last) {
        size_t start = bytes.len;

        if (overwrite_stream_next(stream, 1000, &bytes, &last, &e) != 0)
            fail_msg("%s", e.message);
        assert_true(bytes.len - start <= 1000);
    }
    overwrite_stream_progress(stream, &done, &total);
    assert_int_equal(done, total);
    overwrite_stream_close(stream);
    assert_int_equal(ed25519_public(signer_seed, key, &e), 0);
    if (bundle_open(bytes.data, bytes.len, key, 1 << 26, &h, &body, &e) != 0)
        fail_msg("%s", e.message);
    assert_int_equal(h.kind, BUNDLE_OVERWRITE);
    assert_int_equal(h.to_revision, s.revision);
    assert_int_equal(body.len, image_bytes.len);
    assert_memory_equal(body.data, image_bytes.data, body.len);
    expect_image(&f, &body, &s);
    buf_release(&bytes);
    buf_release(&image_bytes);
    buf_release(&body);
    fixture_release(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bundle_catches_up_from_every_revision),
        cmocka_unit_test(unknown_revisions_are_not_known),
        cmocka_unit_test(repair_sends_rows_as_published),
        cmocka_unit_test(image_stands_still_while_publishing_goes_on),
        cmocka_unit_test(overwrite_carries_the_image),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

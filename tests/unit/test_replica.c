/*
 * Promises of sync/replica.h about bundles: applied durably and equal, or
 * refused with the database unchanged.
 */
#include "tests/unit/model_pair.h"

static const char tables_sql[] =
    "CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,"
    " n, CHECK(length(name) > 0));"
    "CREATE TABLE plain(a, b);"
    "CREATE TABLE keys(k TEXT PRIMARY KEY COLLATE NOCASE, v) WITHOUT ROWID;"
    "CREATE TABLE pairs(a, b, v, PRIMARY KEY(a, b)) WITHOUT ROWID;"
    "CREATE TABLE counted(id INTEGER PRIMARY KEY AUTOINCREMENT, v);"
    "CREATE TABLE sums(a, b, c AS (a + b) STORED, d AS (a * b));"
    "CREATE TABLE one(id INTEGER PRIMARY KEY, v UNIQUE ON CONFLICT REPLACE);"
    "CREATE TABLE child(id INTEGER PRIMARY KEY,"
    " user REFERENCES users(id) ON DELETE CASCADE);"
    "CREATE INDEX partial ON plain(a) WHERE b IS NOT NULL;"
    "CREATE INDEX lowered ON users(lower(name));"
    "CREATE TRIGGER noisy AFTER INSERT ON plain BEGIN"
    " INSERT INTO counted(v) VALUES('by trigger'); END;"
    "INSERT INTO users VALUES(1,'ann',1),(2,'bob',2),(3,'cid',3);"
    "INSERT INTO keys VALUES('alpha',1),('beta',2);"
    "INSERT INTO one VALUES(1,'x'),(2,'y');"
    "INSERT INTO sums(a,b) VALUES(1,2);"
    "INSERT INTO counted(v) VALUES('a');"
    "INSERT INTO child VALUES(1,1),(2,2);";

static int
setup(void **state)
{
    struct pair *p = alloc_zeroed(1, sizeof(*p));

    pair_init(p, tables_sql);
    pair_overwrite(p);
    *state = p;
    return 0;
}

static int
teardown(void **state)
{
    pair_release(*state);
    free(*state);
    return 0;
}

static void
rows_arrive_and_are_equal(void **state)
{
    struct pair *p = *state;

    assert_in_sync(p);
    run_sql(p->primary.db, "INSERT INTO users VALUES(9,'eve',NULL)");
    pair_push(p);
    assert_in_sync(p);
    run_sql(p->primary.db, "UPDATE users SET n=n+1; DELETE FROM users"
                           " WHERE id=2; INSERT INTO plain VALUES(1,2)");
    pair_push(p);
    assert_in_sync(p);
    pair_reopen(p);
    assert_in_sync(p);
}

static void
hard_values_arrive_as_they_are(void **state)
{
    static const char *const statements[] = {
        "INSERT INTO plain VALUES(1,1.0),(1.0,1),('1',x'31'),(NULL,NULL)",
        "INSERT INTO plain VALUES(-0.0,0.0),(9e999,-9e999)",
        "INSERT INTO plain "
        "VALUES('a'||char(0)||'b',x''),('',zeroblob(1000000))",
        "INSERT INTO plain VALUES(9223372036854775807,-9223372036854775808)",
        "INSERT INTO plain VALUES(CAST(x'ff00fe' AS TEXT),'\xc3\xa9')",
        "UPDATE plain SET a=1.0,b=1 WHERE rowid=1",
        "UPDATE plain SET rowid=rowid+1000",
        "INSERT INTO plain(rowid,a) VALUES(-5,'negative')",
        "UPDATE keys SET k='ALPHA' WHERE k='alpha'",
        "UPDATE keys SET k='Beta',v=3 WHERE k='beta'",
        "INSERT INTO pairs VALUES(1,'a',0),(1,'A',0),(1.5,x'61',0)",
        "UPDATE pairs SET a=a+1,b=b||'x'",
        "UPDATE pairs SET a='text' WHERE b='ax' AND a=2",
        "INSERT INTO sums(a,b) VALUES(5,6); UPDATE sums SET b=9",
        "PRAGMA user_version=77; PRAGMA application_id=-5",
        "INSERT INTO counted(v) VALUES('b'),('c'); DELETE FROM counted"
        " WHERE v='c'",
        "UPDATE counted SET id=50 WHERE v='b'",
        "UPDATE sqlite_sequence SET seq=3",
        "DELETE FROM plain",
        "DELETE FROM users WHERE id=1",
        "ANALYZE",
        "REPLACE INTO users VALUES(7,'bob',1)",
    };
    struct pair *p = *state;

    for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]); i++) {
        run_sql(p->primary.db, "PRAGMA foreign_keys=ON");
        run_sql(p->primary.db, statements[i]);
        pair_push(p);
        assert_in_sync(p);
    }
}

static void
unique_values_move_between_rows(void **state)
{
    struct pair *p = *state;

    run_sql(p->primary.db, "UPDATE users SET name='?'||name;"
                           "UPDATE users SET name='bob' WHERE id=1;"
                           "UPDATE users SET name='cid' WHERE id=2;"
                           "UPDATE users SET name='ann' WHERE id=3;"
                           "INSERT INTO users VALUES(4,'new',1);");
    pair_push(p);
    assert_in_sync(p);
    /* ON CONFLICT REPLACE in the schema must not remove a row by the way. */
    run_sql(p->primary.db,
        "UPDATE one SET v='t' WHERE id=1; UPDATE one SET v='x' WHERE id=2;"
        "UPDATE one SET v='y' WHERE id=1;");
    pair_push(p);
    assert_in_sync(p);
}

static void
triggers_and_checks_do_not_run(void **state)
{
    struct pair *p = *state;

    run_sql(p->primary.db, "PRAGMA ignore_check_constraints=ON;"
                           "INSERT INTO users VALUES(20,'',0);"
                           "INSERT INTO child VALUES(5,999);"
                           "INSERT INTO plain VALUES(1,2);");
    pair_push(p);
    assert_in_sync(p);
}

static void
schema_changes_arrive_with_their_rows(void **state)
{
    struct pair *p = *state;

    run_sql(p->primary.db, "CREATE TABLE added(id INTEGER PRIMARY KEY, v);"
                           "INSERT INTO added VALUES(1,'x');"
                           "CREATE INDEX by_n ON users(n);"
                           "CREATE VIEW names AS SELECT name FROM users;");
    pair_push(p);
    assert_in_sync(p);
    run_sql(p->primary.db,
        "ALTER TABLE users ADD COLUMN shell TEXT NOT NULL DEFAULT '/bin/sh';"
        "UPDATE users SET shell='/bin/false' WHERE id=2;"
        "UPDATE plain SET a=3;");
    pair_push(p);
    assert_in_sync(p);
    /* Drift of a new table is noted too. */
    by_hand(p, "INSERT INTO added VALUES(2,'y')");
    {
        struct err e = ERR_INIT;

        assert_refused(pair_heartbeat(p, &e), ERR_DRIFTED, e);
        CHECK(pair_repair(p, &e));
    }
    assert_in_sync(p);
}

static void
schema_change_that_fails_leaves_all_as_it_was(void **state)
{
    struct pair *p = *state;
    struct buf body = BUF_INIT;
    struct bundle_header h;
    struct digest before = pair_live_digest(p), after;
    struct err e = ERR_INIT;

    run_sql(p->primary.db, "CREATE TABLE added(x); INSERT INTO added"
                           " VALUES(1)");
    h = primary_changes(&p->primary, &body);
    h.digest_after.sum[0] ^= 1;
    buf_clear(&p->bundle);
    primary_seal(h, &body, &p->bundle);
    assert_refused(pair_apply(p, &e), ERR_DIGEST, e);
    after = pair_live_digest(p);
    assert_memory_equal(&before, &after, sizeof(before));
    h.digest_after.sum[0] ^= 1;
    buf_clear(&p->bundle);
    primary_seal(h, &body, &p->bundle);
    CHECK(pair_apply(p, &e));
    assert_in_sync(p);
    buf_release(&body);
}

static void
statements_that_are_no_schema_are_refused(void **state)
{
    static const char *const statements[] = {
        "ATTACH '/tmp/replica-test-attached.db' AS other",
        "PRAGMA writable_schema=ON",
        "COMMIT",
        "CREATE TABLE a1(x); CREATE TABLE a2(x)",
        "SELECT load_extension('x')",
        "no statement at all",
    };
    struct pair *p = *state;
    struct digest before = pair_live_digest(p), after;

    for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]); i++) {
        struct bundle_header h = primary_header(&p->primary, BUNDLE_CHANGES);
        struct buf body = BUF_INIT;
        struct err e = ERR_INIT;

        h.to_revision++;
        buf_put_varint(&body, 1);
        put_text(&body, statements[i]);
        buf_put(&body, "\0\0\0", 3);
        buf_clear(&p->bundle);
        primary_seal(h, &body, &p->bundle);
        assert_int_equal(pair_apply(p, &e), -1);
        assert_true(e.code == ERR_SCHEMA || e.code == ERR_CORRUPT);
        buf_release(&body);
    }
    assert_int_not_equal(access("/tmp/replica-test-attached.db", F_OK), 0);
    after = pair_live_digest(p);
    assert_memory_equal(&before, &after, sizeof(before));
    assert_in_sync(p);
}

/* Each change of the header, and the refusal it must meet. */
static void
change_cluster(struct bundle_header *h)
{
    h->cluster[0] ^= 1;
}

static void
change_epoch(struct bundle_header *h)
{
    h->epoch--;
}

static void
change_dataset(struct bundle_header *h)
{
    strcpy(h->dataset, "admins");
}

static void
change_from(struct bundle_header *h)
{
    h->from_revision += 5;
    h->to_revision += 5;
}

static void
change_order(struct bundle_header *h)
{
    h->from_revision = h->to_revision;
}

static void
change_digest_before(struct bundle_header *h)
{
    h->digest_before.sum[3] ^= 1;
}

static void
change_digest_before_and_writer(struct bundle_header *h)
{
    h->digest_before.sum[3] ^= 1;
    h->writer[0] ^= 1;
}

static void
change_digest_after(struct bundle_header *h)
{
    h->digest_after.sum[31] ^= 1;
}

static void
change_rows(struct bundle_header *h)
{
    h->rows_after++;
}

static void
change_schema_before(struct bundle_header *h)
{
    h->schema_before[0] ^= 1;
}

static void
change_schema_after(struct bundle_header *h)
{
    h->schema_after[0] ^= 1;
}

static void
foreign_bundles_are_refused_by_name(void **state)
{
    static const struct {
        void (*change)(struct bundle_header *);
        enum err_code code;
    } cases[] = {
        { change_cluster, ERR_OTHER_CLUSTER },
        { change_epoch, ERR_STALE_EPOCH },
        { change_dataset, ERR_INVALID },
        { change_from, ERR_GAP },
        { change_order, ERR_CORRUPT },
        { change_digest_before, ERR_DIVERGED },
        { change_digest_before_and_writer, ERR_OTHER_WRITER },
        { change_digest_after, ERR_DIGEST },
        { change_rows, ERR_DIGEST },
        { change_schema_before, ERR_SCHEMA },
        { change_schema_after, ERR_SCHEMA },
    };
    struct pair *p = *state;
    struct buf body = BUF_INIT;
    struct digest before = pair_live_digest(p), after;
    struct err e = ERR_INIT;
    struct bundle_header good;

    run_sql(p->primary.db, "UPDATE users SET n=n+1");
    good = primary_changes(&p->primary, &body);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct bundle_header h = good;

        cases[i].change(&h);
        buf_clear(&p->bundle);
        primary_seal(h, &body, &p->bundle);
        assert_refused(pair_apply(p, &e), cases[i].code, e);
        after = pair_live_digest(p);
        assert_memory_equal(&before, &after, sizeof(before));
    }
    buf_clear(&p->bundle);
    primary_seal(good, &body, &p->bundle);
    CHECK(pair_apply(p, &e));
    assert_in_sync(p);
    buf_release(&body);
}

static void
every_truncation_and_flipped_bit_is_refused(void **state)
{
    struct pair *p = *state;
    struct digest before = pair_live_digest(p), after;
    struct err e = ERR_INIT;

    run_sql(p->primary.db, "UPDATE users SET n='changed'; DELETE FROM keys");
    buf_clear(&p->bundle);
    primary_push(&p->primary, &p->bundle);
    for (size_t len = 0; len < p->bundle.len; len++)
        assert_int_equal(replica_apply(p->replica, p->bundle.data, len, &e),
            -1);
    for (size_t bit = 0; bit < p->bundle.len * 8; bit++) {
        p->bundle.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        assert_int_equal(pair_apply(p, &e), -1);
        p->bundle.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
    after = pair_live_digest(p);
    assert_memory_equal(&before, &after, sizeof(before));
    CHECK(pair_apply(p, &e));
    assert_in_sync(p);
}

/* A body signed by the primary itself, yet nonsense: refused as well. */
static void
malformed_bodies_are_refused(void **state)
{
    struct pair *p = *state;
    struct buf body = BUF_INIT;
    struct digest before = pair_live_digest(p), after;
    struct bundle_header h;
    struct err e = ERR_INIT;

    run_sql(p->primary.db, "UPDATE users SET n='changed'; DELETE FROM keys;"
                           "PRAGMA user_version=8");
    h = primary_changes(&p->primary, &body);
    for (size_t len = 0; len < body.len; len++) {
        struct buf cut = { body.data, len, body.cap };

        buf_clear(&p->bundle);
        primary_seal(h, &cut, &p->bundle);
        assert_int_equal(pair_apply(p, &e), -1);
    }
    for (size_t i = 0; i < body.len; i++) {
        uint8_t old = body.data[i];

        body.data[i] = (uint8_t)(old + 1);
        buf_clear(&p->bundle);
        primary_seal(h, &body, &p->bundle);
        assert_int_equal(pair_apply(p, &e), -1);
        body.data[i] = 0xff;
        buf_clear(&p->bundle);
        primary_seal(h, &body, &p->bundle);
        assert_int_equal(pair_apply(p, &e), -1);
        body.data[i] = old;
    }
    after = pair_live_digest(p);
    assert_memory_equal(&before, &after, sizeof(before));
    buf_release(&body);
}

static void
repeat_is_acknowledged_only_if_it_is_what_is_held(void **state)
{
    struct pair *p = *state;
    struct buf body = BUF_INIT;
    struct bundle_header h;
    struct err e = ERR_INIT;

    run_sql(p->primary.db, "UPDATE users SET n=n+1");
    h = primary_changes(&p->primary, &body);
    primary_seal(h, &body, &p->bundle);
    p->bundle.len = 0;
    primary_seal(h, &body, &p->bundle);
    CHECK(pair_apply(p, &e));
    CHECK(pair_apply(p, &e));
    assert_in_sync(p);
    h.writer[0] ^= 1;
    p->bundle.len = 0;
    primary_seal(h, &body, &p->bundle);
    assert_refused(pair_apply(p, &e), ERR_DIVERGED, e);
    h.writer[0] ^= 1;
    h.digest_after.sum[0] ^= 1;
    p->bundle.len = 0;
    primary_seal(h, &body, &p->bundle);
    assert_refused(pair_apply(p, &e), ERR_DIVERGED, e);
    h.digest_after.sum[0] ^= 1;
    h.epoch++;
    p->bundle.len = 0;
    primary_seal(h, &body, &p->bundle);
    assert_refused(pair_apply(p, &e), ERR_DIVERGED, e);
    assert_in_sync(p);
    buf_release(&body);
}

static void
order_decides_nothing_but_success(void **state)
{
    struct pair *p = *state;
    struct buf bundles[4] = { BUF_INIT, BUF_INIT, BUF_INIT, BUF_INIT };
    struct err e = ERR_INIT;
    unsigned seed = 1;

    for (int i = 0; i < 4; i++) {
        run_sql(p->primary.db, "UPDATE users SET n=n*2+id");
        primary_push(&p->primary, &bundles[i]);
    }
    for (int i = 0; i < 200; i++) {
        const struct buf *b;

        seed = seed * 1103515245 + 12345;
        b = &bundles[(seed >> 16) % 4];
        err_clear(&e);
        if (replica_apply(p->replica, b->data, b->len, &e) != 0)
            assert_int_equal(e.code, ERR_GAP);
    }
    assert_in_sync(p);
    for (int i = 0; i < 4; i++)
        buf_release(&bundles[i]);
}

static void
a_new_writer_continues_from_an_equal_digest(void **state)
{
    struct pair *p = *state;
    struct replica_status status;

    memset(p->primary.state.writer, 99, ID_SIZE);
    run_sql(p->primary.db, "UPDATE users SET n=5");
    pair_push(p);
    assert_in_sync(p);
    memset(p->primary.state.writer, 100, ID_SIZE);
    assert_in_sync(p);
    /* The heartbeat was adopted durably. */
    pair_reopen(p);
    replica_status(p->replica, &status);
    assert_memory_equal(status.state.writer, p->primary.state.writer, ID_SIZE);
}

static void
epoch_only_grows(void **state)
{
    struct pair *p = *state;
    struct err e = ERR_INIT;

    p->primary.state.epoch = 6;
    run_sql(p->primary.db, "UPDATE users SET n=5");
    pair_push(p);
    assert_in_sync(p);
    p->primary.state.epoch = 5;
    assert_refused(pair_heartbeat(p, &e), ERR_STALE_EPOCH, e);
    assert_non_null(strstr(e.message, "epoch 5 is older than epoch 6"));
    run_sql(p->primary.db, "UPDATE users SET n=6");
    assert_refused(pair_try_push(p, &e), ERR_STALE_EPOCH, e);
    pair_reopen(p);
    assert_refused(pair_apply(p, &e), ERR_STALE_EPOCH, e);
}

static void
heartbeat_names_what_is_wrong(void **state)
{
    struct pair *p = *state;
    struct dataset_state s = p->primary.state;
    struct err e = ERR_INIT;

    assert_refused(replica_heartbeat(p->replica, s.cluster, s.epoch, s.writer,
                       s.revision + 1, &s.digest, &e),
        ERR_GAP, e);
    s.digest.sum[0] ^= 1;
    assert_refused(replica_heartbeat(p->replica, s.cluster, s.epoch, s.writer,
                       s.revision, &s.digest, &e),
        ERR_DIVERGED, e);
    s.cluster[0] ^= 1;
    assert_refused(replica_heartbeat(p->replica, s.cluster, s.epoch, s.writer,
                       s.revision, &s.digest, &e),
        ERR_OTHER_CLUSTER, e);
}

static void
detached_file_keeps_rows_and_nothing_of_ours(void **state)
{
    struct pair *p = *state;
    struct err e = ERR_INIT;
    sqlite3 *db = NULL;
    struct digest before = pair_live_digest(p), after;
    sqlite3_stmt *stmt;

    CHECK(replica_detach(p->replica, &e));
    after = pair_live_digest(p);
    assert_memory_equal(&before, &after, sizeof(before));
    CHECK(database_open(&db, p->live, OPEN_READ, 1000, &e));
    CHECK(database_prepare(db,
        "SELECT count(*) FROM sqlite_schema WHERE name"
        " LIKE '%lockstep%'",
        &stmt, &e));
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    assert_int_equal(sqlite3_column_int(stmt, 0), 0);
    sqlite3_finalize(stmt);
    database_close(db);
    assert_int_equal(pair_apply(p, &e), -1);
}

static void
copy_is_consistent_and_private(void **state)
{
    struct pair *p = *state;
    struct err e = ERR_INIT;
    char *path = file_join(p->dir, "copy.db");
    struct stat st;

    CHECK(replica_copy(p->replica, path, &e));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    free(p->live);
    p->live = path;
    assert_equal_rows(p);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(rows_arrive_and_are_equal),
        TEST(hard_values_arrive_as_they_are),
        TEST(unique_values_move_between_rows),
        TEST(triggers_and_checks_do_not_run),
        TEST(schema_changes_arrive_with_their_rows),
        TEST(schema_change_that_fails_leaves_all_as_it_was),
        TEST(statements_that_are_no_schema_are_refused),
        TEST(foreign_bundles_are_refused_by_name),
        TEST(every_truncation_and_flipped_bit_is_refused),
        TEST(malformed_bodies_are_refused),
        TEST(repeat_is_acknowledged_only_if_it_is_what_is_held),
        TEST(order_decides_nothing_but_success),
        TEST(a_new_writer_continues_from_an_equal_digest),
        TEST(epoch_only_grows),
        TEST(heartbeat_names_what_is_wrong),
        TEST(detached_file_keeps_rows_and_nothing_of_ours),
        TEST(copy_is_consistent_and_private),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

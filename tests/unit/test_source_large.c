/*
 * More changes than are held in memory: nothing is missed, nothing stays in the
 * journal, and what would delete too much is held all the same.
 */
#include "tests/unit/source_fixture.h"

/* A table of the numbers 1 to N. */
#define N(n)                                                                   \
    "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<" n \
    ") SELECT i FROM n)"
#define SCHEMA                                   \
    "CREATE TABLE t(id INTEGER PRIMARY KEY, v);" \
    "CREATE TABLE w(k TEXT, l, v, PRIMARY KEY(k,l)) WITHOUT ROWID;"

static int
count(sqlite3 *db, const char *text)
{
    sqlite3_stmt *stmt;
    int n;

    assert_int_equal(sqlite3_prepare_v2(db, text, -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    n = sqlite3_column_int(stmt, 0);
    sqlite3_finalize(stmt);
    return n;
}

static int
noted(struct fixture *f)
{
    return count(f->live, "SELECT (SELECT count(*) FROM _lockstep_journal1)+"
                          "(SELECT count(*) FROM _lockstep_journal2)");
}

/* Whether the newest revision has its rows in history. */
static bool
kept_rows(struct fixture *f)
{
    char path[100];
    sqlite3 *db;
    int barrier;

    snprintf(path, sizeof(path), "%s/history.db", f->work);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    barrier = count(db, "SELECT barrier FROM history ORDER BY revision DESC");
    database_close(db);
    return barrier == 0;
}

static void
start(struct fixture *f, const char *rows)
{
    fixture_init(f, "WAL", SCHEMA);
    sql(f->live, rows);
    source_start(f);
    trim(f);
    assert_int_equal(noted(f), 0);
    f->notices[0] = '\0';
}

#define MANY_ROWS                       \
    "INSERT INTO t SELECT i,0 FROM " N( \
        "65600") ";"                    \
                 "INSERT INTO w SELECT 'k'||(i%10),i,0 FROM " N("50") ";"
#define CHANGE_MANY "UPDATE t SET v=v+1; UPDATE w SET v=v+1;"

static void
a_long_journal_is_compared_and_cleared(void **state)
{
    struct fixture f;
    struct publish_result r;

    (void)state;
    start(&f, MANY_ROWS);
    sql(f.live, CHANGE_MANY);
    r = publish(&f);
    assert_true(r.published);
    assert_true(r.compared);
    assert_int_equal(r.changed_rows, 65650);
    assert_true(kept_rows(&f));
    trim(&f);
    assert_int_equal(noted(&f), 0);
    expect_equal(&f);
    sql(f.live, "UPDATE t SET v=7 WHERE id=3");
    r = publish(&f);
    assert_int_equal(r.changed_rows, 1);
    assert_false(r.compared);
    fixture_release(&f);
}

/* Rows written after the publish stay noted. */
static void
only_what_is_published_leaves_a_long_journal(void **state)
{
    struct fixture f;
    struct publish_result r;

    (void)state;
    start(&f, MANY_ROWS);
    sql(f.live, CHANGE_MANY);
    publish(&f);
    sql(f.live, "UPDATE t SET v=7 WHERE id IN (1,5000,65600);"
                "DELETE FROM t WHERE id=4096; INSERT INTO t VALUES(-1,1);"
                "UPDATE w SET v=7 WHERE k='k3' AND l=3;"
                "UPDATE t SET v=9 WHERE id=9; UPDATE t SET v=1 WHERE id=9");
    trim(&f);
    assert_int_equal(noted(&f), 6);
    r = publish(&f);
    assert_int_equal(r.changed_rows, 6);
    assert_false(r.compared);
    trim(&f);
    assert_int_equal(noted(&f), 0);
    expect_equal(&f);
    fixture_release(&f);
}

static void
too_much_is_a_barrier(void **state)
{
    struct fixture f;
    struct publish_result r;

    (void)state;
    start(&f, "INSERT INTO t SELECT i,randomblob(200000) FROM " N("40"));
    sql(f.live, "UPDATE t SET v=randomblob(200000)");
    r = publish(&f);
    assert_true(r.published);
    assert_false(kept_rows(&f));
    assert_non_null(
        strstr(f.notices, "overwrite-needed: a revision too large"));
    trim(&f);
    assert_int_equal(noted(&f), 0);
    expect_equal(&f);
    f.notices[0] = '\0';
    sql(f.live, "UPDATE t SET v=1 WHERE id=7");
    r = publish(&f);
    assert_int_equal(r.changed_rows, 1);
    assert_true(kept_rows(&f));
    assert_string_equal(f.notices, "");
    expect_equal(&f);
    fixture_release(&f);
}

static void
a_large_row_is_a_barrier_only_when_it_changed(void **state)
{
    struct fixture f;
    struct publish_result r;

    (void)state;
    start(&f, "INSERT INTO t VALUES(1,zeroblob(9000000)),(2,2)");
    sql(f.live, "UPDATE t SET v=v");
    r = publish(&f);
    assert_false(r.published);
    sql(f.live, "UPDATE t SET v=v||'' WHERE id=2; UPDATE t SET v=v");
    r = publish(&f);
    assert_int_equal(r.changed_rows, 1);
    assert_true(kept_rows(&f));
    sql(f.live, "UPDATE t SET v=zeroblob(9000001) WHERE id=1");
    r = publish(&f);
    assert_true(r.published);
    assert_false(kept_rows(&f));
    expect_equal(&f);
    sql(f.live, "DELETE FROM t WHERE id=1");
    r = publish(&f);
    assert_true(r.published);
    expect_equal(&f);
    trim(&f);
    assert_int_equal(noted(&f), 0);
    fixture_release(&f);
}

/* As many rows as before, and none of them the same. */
static void
rows_replaced_by_too_many_others_are_held(void **state)
{
    struct fixture f;
    struct err e = ERR_INIT;
    struct publish_result r;

    (void)state;
    start(&f, "INSERT INTO t SELECT i,1 FROM " N("60"));
    sql(f.live,
        "DELETE FROM t; INSERT INTO t SELECT 100+i,randomblob(200000) FROM " N(
            "60"));
    expect_held(&f, "60 of 60 rows");
    assert_int_equal(source_accept(f.source, &r, &e), 0);
    expect_equal(&f);
    fixture_release(&f);
}

static void
compare_holds_no_more_than_triggers_do(void **state)
{
    struct fixture f;
    struct publish_result r;

    (void)state;
    fixture_init(&f, "WAL", SCHEMA);
    f.config.capture = CAPTURE_COMPARE;
    sql(f.live, "INSERT INTO t SELECT i,randomblob(200000) FROM " N("40"));
    source_start(&f);
    sql(f.live, "UPDATE t SET v=randomblob(200000)");
    r = publish(&f);
    assert_true(r.published);
    assert_false(kept_rows(&f));
    expect_equal(&f);
    fixture_release(&f);
}

/* Catching up over many revisions goes in steps. */
static void
a_bundle_ends_before_it_is_too_large(void **state)
{
    struct fixture f;
    struct err e = ERR_INIT;
    struct buf bundle = BUF_INIT;
    struct bundle_header h = { 0 };
    uint64_t at;
    int bundles = 0;

    (void)state;
    start(&f, "INSERT INTO t VALUES(1,1)");
    at = publish(&f).state.revision;
    for (int i = 0; i < 5; i++) {
        sql(f.live, "UPDATE t SET v=randomblob(2000000)");
        assert_true(publish(&f).published);
        assert_true(kept_rows(&f));
        trim(&f);
    }
    for (; h.to_revision < at + 5; bundles++) {
        buf_clear(&bundle);
        if (source_bundle(f.source, h.to_revision > 0 ? h.to_revision : at,
                &signer, &bundle, &h, &e) != 0)
            fail_msg("%s", e.message);
        assert_true(bundle.len < 8 << 20);
    }
    assert_int_equal(bundles, 3);
    buf_release(&bundle);
    fixture_release(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_long_journal_is_compared_and_cleared),
        cmocka_unit_test(only_what_is_published_leaves_a_long_journal),
        cmocka_unit_test(too_much_is_a_barrier),
        cmocka_unit_test(a_large_row_is_a_barrier_only_when_it_changed),
        cmocka_unit_test(rows_replaced_by_too_many_others_are_held),
        cmocka_unit_test(compare_holds_no_more_than_triggers_do),
        cmocka_unit_test(a_bundle_ends_before_it_is_too_large),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

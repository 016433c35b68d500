/*
 * After stop_request: reading ends at once, a transaction that writes is given
 * a moment, and nothing that was cut short is taken for damage.
 */
#include "tests/unit/source_fixture.h"

#include "base/clock.h"
#include "base/stop.h"
#include "sync/copy.h"
#include "sync/sound.h"

/* Never ends by itself. */
static const char endless[] =
    "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c)"
    " SELECT count(*) FROM c";
static const char endless_insert[] =
    "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c)"
    " INSERT INTO t(v) SELECT x%7 FROM c";
static const char long_insert[] =
    "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c LIMIT 50000)"
    " INSERT INTO t(v) SELECT x FROM c";

static int
set_up(void **state)
{
    struct fixture *f = alloc_zeroed(1, sizeof(*f));

    fixture_init(f, "WAL",
        "CREATE TABLE t(id INTEGER PRIMARY KEY, v);"
        "INSERT INTO t(v) VALUES('a'),('b')");
    *state = f;
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *f = *state;

    stop_forget();
    clock_thaw();
    fixture_release(f);
    free(f);
    return 0;
}

static int64_t
count_rows(sqlite3 *db, const char *table)
{
    char text[64];
    sqlite3_stmt *stmt;
    int64_t n;

    snprintf(text, sizeof(text), "SELECT count(*) FROM %s", table);
    assert_int_equal(sqlite3_prepare_v2(db, text, -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    n = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return n;
}

static sqlite3 *
open_live(const struct fixture *f)
{
    sqlite3 *db;
    struct err e = ERR_INIT;

    if (database_open(&db, f->live_path, OPEN_WRITE, 0, &e) != 0)
        fail_msg("%s", e.message);
    return db;
}

static void
reading_ends_at_once(void **state)
{
    sqlite3 *db = open_live(*state);
    struct err e = ERR_INIT;

    stop_request();
    assert_int_equal(database_exec(db, endless, &e), -1);
    assert_int_equal(e.code, ERR_CANCELLED);
    database_close(db);
}

static void
a_transaction_that_writes_may_end(void **state)
{
    sqlite3 *db = open_live(*state);
    struct err e = ERR_INIT;

    clock_freeze(0);
    assert_int_equal(database_exec(db, "BEGIN IMMEDIATE", &e), 0);
    stop_request();
    clock_advance(STOP_GRACE_MS - 1);
    assert_int_equal(database_exec(db, long_insert, &e), 0);
    assert_int_equal(database_exec(db, "COMMIT", &e), 0);
    database_close(db);
    assert_int_equal(count_rows(((struct fixture *)*state)->live, "t"), 50002);
}

static void
a_transaction_that_takes_longer_is_rolled_back(void **state)
{
    sqlite3 *db = open_live(*state);
    struct err e = ERR_INIT;

    clock_freeze(0);
    assert_int_equal(database_exec(db, "BEGIN IMMEDIATE; DELETE FROM t", &e),
        0);
    stop_request();
    clock_advance(STOP_GRACE_MS);
    assert_int_equal(database_exec(db, endless_insert, &e), -1);
    assert_int_equal(e.code, ERR_CANCELLED);
    database_rollback(db);
    assert_int_equal(count_rows(db, "t"), 2);
    database_close(db);
}

static void
nobody_waits_for_a_lock(void **state)
{
    struct fixture *f = *state;
    sqlite3 *db;
    struct err e = ERR_INIT;

    sql(f->live, "BEGIN IMMEDIATE");
    db = open_live(f);
    database_set_wait(db, INT32_MAX);
    stop_request();
    assert_int_equal(database_exec(db, "BEGIN IMMEDIATE", &e), -1);
    assert_int_equal(e.code, ERR_BUSY);
    database_close(db);
    sql(f->live, "ROLLBACK");
}

static void
a_check_that_is_given_up_finds_no_damage(void **state)
{
    sqlite3 *db = open_live(*state);
    struct err e = ERR_INIT;

    assert_int_equal(database_sound(db, &e), 0);
    stop_request();
    assert_int_equal(database_sound(db, &e), -1);
    assert_int_equal(e.code, ERR_CANCELLED);
    database_close(db);
}

static void
a_copy_is_whole_or_nothing(void **state)
{
    struct fixture *f = *state;
    sqlite3 *to;
    struct err e = ERR_INIT;

    assert_int_equal(sqlite3_open(":memory:", &to), SQLITE_OK);
    sql(to, "CREATE TABLE kept(x)");
    stop_request();
    assert_int_equal(database_copy(to, f->live, &e), -1);
    assert_int_equal(e.code, ERR_CANCELLED);
    assert_int_equal(count_rows(to, "kept"), 0);
    stop_forget();
    err_clear(&e);
    assert_int_equal(database_copy(to, f->live, &e), 0);
    assert_int_equal(count_rows(to, "t"), 2);
    /* FROM is not left in a transaction. */
    assert_int_equal(sqlite3_get_autocommit(f->live), 1);
    sqlite3_close(to);
}

/* The start gives up; what was published, and its history, stay. */
static void
an_opening_that_is_given_up_changes_nothing(void **state)
{
    struct fixture *f = *state;
    struct dataset_state before, after;
    struct source *s = NULL;
    struct err e = ERR_INIT;

    source_start(f);
    source_state(f->source, &before);
    source_stop(f);
    f->notices[0] = '\0';
    stop_request();
    assert_int_equal(source_open(&s, &f->config, writer_id, &e), -1);
    assert_int_equal(e.code, ERR_CANCELLED);
    assert_string_equal(f->notices, "");
    stop_forget();
    source_start(f);
    source_state(f->source, &after);
    assert_int_equal(after.revision, before.revision);
    assert_string_equal(f->notices, "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(reading_ends_at_once),
        TEST(a_transaction_that_writes_may_end),
        TEST(a_transaction_that_takes_longer_is_rolled_back),
        TEST(nobody_waits_for_a_lock),
        TEST(a_check_that_is_given_up_finds_no_damage),
        TEST(a_copy_is_whole_or_nothing),
        TEST(an_opening_that_is_given_up_changes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * What other programs do to a file that is only compared: change its journal
 * mode, die in the middle of a transaction, make another file under its name.
 */
#include "tests/unit/source_fixture.h"

static int
count(sqlite3 *db, const char *query)
{
    sqlite3_stmt *stmt;
    int n;

    if (sqlite3_prepare_v2(db, query, -1, &stmt, NULL) != SQLITE_OK)
        fail_msg("%s: %s", query, sqlite3_errmsg(db));
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    n = sqlite3_column_int(stmt, 0);
    sqlite3_finalize(stmt);
    return n;
}

/* As ProFTPD's module does on every connection. */
static void
writer_may_flip_the_journal_mode(void **state)
{
    static const char *const modes[] = { "MEMORY", "WAL", "DELETE", "WAL",
        "TRUNCATE", "PERSIST" };
    struct fixture f;

    (void)state;
    fixture_init(&f, "WAL",
        "CREATE TABLE users(id INTEGER PRIMARY KEY,"
        "name, home); INSERT INTO users(name)"
        " VALUES('ann'),('bob')");
    f.config.capture = CAPTURE_COMPARE;
    source_start(&f);
    for (int i = 0; i < 12; i++) {
        char text[128];

        live_disconnect(&f);
        live_connect(&f);
        snprintf(text, sizeof(text),
            "PRAGMA journal_mode=%s; UPDATE users SET home='m%d' ",
            modes[i % 6], i);
        sql(f.live, text);
        assert_true(publish(&f).published);
        expect_equal(&f);
    }
    assert_int_equal(count(f.live, "SELECT count(*) FROM sqlite_schema WHERE"
                                   " sql LIKE '%lockstep%'"),
        0);
    fixture_release(&f);
}

/* A program died in a transaction: the journal is hot. */
static void
hot_journal_is_rolled_back(void **state)
{
    struct fixture f;

    (void)state;
    fixture_init(&f, "DELETE",
        "CREATE TABLE users(id INTEGER PRIMARY KEY,"
        "name, home); INSERT INTO users(name)"
        " VALUES('ann'),('bob')");
    f.config.capture = CAPTURE_COMPARE;
    source_start(&f);
    sql(f.live, "PRAGMA cache_size=2; PRAGMA cache_spill=1; BEGIN;"
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n"
                " WHERE i<3000) INSERT INTO users(name,home) SELECT 'x'||i,"
                "hex(randomblob(200)) FROM n");
    shell("cp %s %s/torn.db; cp %s-journal %s/torn.db-journal", f.live_path,
        f.folder, f.live_path, f.folder);
    sql(f.live, "ROLLBACK");
    source_stop(&f);
    live_disconnect(&f);
    shell("mv %s/torn.db-journal %s-journal; mv %s/torn.db %s", f.folder,
        f.live_path, f.folder, f.live_path);
    source_start(&f);
    assert_null(source_held(f.source));
    live_connect(&f);
    assert_int_equal(count(f.live, "SELECT count(*) FROM users"), 2);
    expect_equal(&f);
    fixture_release(&f);
}

/* The file removed and made anew while its connection was closed: the same
 * inode perhaps, and as many changes of the schema. */
static void
another_file_with_the_same_cookie_is_read_anew(void **state)
{
    sqlite3 *published = NULL;
    struct fixture f;

    (void)state;
    fixture_init(&f, "WAL", "CREATE TABLE t(a, b); INSERT INTO t VALUES(1,2)");
    f.config.capture = CAPTURE_COMPARE;
    source_start(&f);
    publish(&f);
    live_disconnect(&f);
    shell("rm -f %s %s-wal %s-shm", f.live_path, f.live_path, f.live_path);
    live_connect(&f);
    sql(f.live, "PRAGMA journal_mode=WAL;"
                "CREATE TABLE t(a, b, UNIQUE (b)); INSERT INTO t VALUES(1,2)");
    publish(&f);
    expect_equal(&f);
    assert_int_equal(sqlite3_open(f.published_path, &published), SQLITE_OK);
    assert_int_equal(count(published,
                         "SELECT count(*) FROM sqlite_schema WHERE name='t'"
                         " AND sql LIKE '%UNIQUE%'"),
        1);
    database_close(published);
    fixture_release(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writer_may_flip_the_journal_mode),
        cmocka_unit_test(hot_journal_is_rolled_back),
        cmocka_unit_test(another_file_with_the_same_cookie_is_read_anew),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * What only the application's own program has: functions, collations, modules.
 * Where rows can be written without it they are published; where not, nothing
 * is, until the schema says otherwise.
 */
#include "tests/unit/source_fixture.h"

static void
return_argument(sqlite3_context *ctx, int count, sqlite3_value **values)
{
    (void)count;
    sqlite3_result_value(ctx, values[0]);
}

static int
compare_lengths(void *ctx, int a_len, const void *a, int b_len, const void *b)
{
    (void)ctx;
    (void)a;
    (void)b;
    return a_len - b_len;
}

/* What the program has that we do not. */
static void
equip(sqlite3 *db)
{
    assert_int_equal(sqlite3_create_function(db, "app", 1,
                         SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL,
                         return_argument, NULL, NULL),
        SQLITE_OK);
    assert_int_equal(sqlite3_create_collation(db, "appcoll", SQLITE_UTF8, NULL,
                         compare_lengths),
        SQLITE_OK);
}

static void
start(struct fixture *f, enum capture_mode capture)
{
    fixture_init(f, "WAL",
        "CREATE TABLE t(id INTEGER PRIMARY KEY, a);"
        "INSERT INTO t VALUES(1,5),(2,6)");
    equip(f->live);
    f->config.capture = capture;
    source_start(f);
    publish(f);
}

static void
what_the_program_alone_reads_is_published(void **state)
{
    static const char *const changes[] = {
        "CREATE TABLE checked(id INTEGER PRIMARY KEY, a CHECK(app(a) > 0))",
        "INSERT INTO checked VALUES(1,1)",
        "CREATE TABLE named(a DEFAULT (app(7)), b COLLATE appcoll)",
        "INSERT INTO named(b) VALUES('x')",
        "CREATE VIEW v AS SELECT app(a) FROM t ORDER BY a COLLATE appcoll",
        "CREATE TRIGGER g AFTER UPDATE ON t BEGIN SELECT app(new.a); END",
        "UPDATE t SET a=app(a)+1",
        "UPDATE checked SET a=2",
        "UPDATE named SET b='y'",
        "ALTER TABLE t RENAME COLUMN a TO b",
        "ALTER TABLE checked ADD COLUMN more DEFAULT 3",
    };

    (void)state;
    for (int mode = 0; mode < 2; mode++) {
        struct fixture f;

        start(&f, mode == 0 ? CAPTURE_COMPARE : CAPTURE_TRIGGERS);
        for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
            sql(f.live, changes[i]);
            assert_true(publish(&f).published);
            expect_equal(&f);
        }
        fixture_release(&f);
    }
}

/* A statement that makes a table unwritable, and the one that mends it. */
static const struct {
    const char *breaks, *mends, *reason;
} unwritable[] = {
    { "CREATE INDEX i ON t(app(a))", "DROP INDEX i", "unknown function: app" },
    { "CREATE INDEX i ON t(a) WHERE app(a) > 1", "DROP INDEX i",
        "unknown function: app" },
    { "CREATE INDEX i ON t(a COLLATE appcoll)", "DROP INDEX i",
        "no such collation sequence: appcoll" },
    { "ALTER TABLE t ADD COLUMN g AS (app(a))", "ALTER TABLE t DROP COLUMN g",
        "unknown function: app" },
    { "CREATE TABLE s(a, g AS (app(a)) STORED)", "DROP TABLE s",
        "unknown function: app" },
    { "CREATE TABLE k(a COLLATE appcoll PRIMARY KEY) WITHOUT ROWID",
        "DROP TABLE k", "table \"k\" cannot be written" },
    { "CREATE VIRTUAL TABLE o USING fts3tokenize(simple)", "DROP TABLE o",
        "table \"o\" cannot be replicated" },
    { "CREATE TABLE all_names(rowid,_rowid_,oid)", "DROP TABLE all_names",
        "all names of its rowid" },
};

static void
what_nobody_else_can_write_is_held(void **state)
{
    (void)state;
    for (int mode = 0; mode < 2; mode++) {
        struct fixture f;

        start(&f, mode == 0 ? CAPTURE_COMPARE : CAPTURE_TRIGGERS);
        for (size_t i = 0; i < sizeof(unwritable) / sizeof(unwritable[0]);
             i++) {
            struct publish_result result;
            struct err e = ERR_INIT;

            sql(f.live, unwritable[i].breaks);
            sql(f.live, "UPDATE t SET a=a+1");
            expect_held(&f, unwritable[i].reason);
            expect_held(&f, unwritable[i].reason);
            /* Nobody can agree to it either. */
            assert_int_equal(source_accept(f.source, &result, &e), -1);
            assert_int_equal(e.code, ERR_HELD);
            assert_non_null(strstr(e.hint, "Undo that change"));
            sql(f.live, unwritable[i].mends);
            assert_true(publish(&f).published);
            assert_null(source_held(f.source));
            expect_equal(&f);
        }
        fixture_release(&f);
    }
}

static void
another_encoding_is_refused(void **state)
{
    struct publish_result result;
    struct err e = ERR_INIT;
    struct fixture f;

    (void)state;
    start(&f, CAPTURE_COMPARE);
    live_disconnect(&f);
    shell("rm -f %s %s-wal %s-shm", f.live_path, f.live_path, f.live_path);
    live_connect(&f);
    sql(f.live,
        "PRAGMA encoding='UTF-16be'; CREATE TABLE t(id INTEGER PRIMARY KEY, a);"
        "INSERT INTO t VALUES(1,5),(2,6)");
    assert_int_equal(source_publish(f.source, &result, &e), -1);
    assert_int_equal(e.code, ERR_UNSUPPORTED);
    assert_non_null(strstr(e.message, "UTF-16be"));
    assert_non_null(strstr(e.hint, "docs/datasets.md"));
    fixture_release(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_program_alone_reads_is_published),
        cmocka_unit_test(what_nobody_else_can_write_is_held),
        cmocka_unit_test(another_encoding_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

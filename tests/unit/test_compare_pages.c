/*
 * Stored bytes compared find what SQL finds, in any page size, with and without
 * a log; and whatever stands in a file, they end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "sync/compare.h"
#include "sync/open.h"

static uint32_t seed;

static uint32_t
chance(uint32_t below)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % below;
}

static void
sql(sqlite3 *db, const char *format, ...)
{
    char text[512];
    char *message = NULL;
    va_list ap;

    va_start(ap, format);
    vsnprintf(text, sizeof(text), format, ap);
    va_end(ap);
    if (sqlite3_exec(db, text, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s: %s", text, message);
}

struct pair {
    char folder[40];
    char *old_path, *new_path;
    sqlite3 *old, *new; /* in read transactions after begin() */
    struct schema *schema;
    struct log_mark old_log, new_log;
    int asked, pauses;
};

static void
run_shell(const char *format, ...)
{
    char text[512];
    va_list ap;

    va_start(ap, format);
    vsnprintf(text, sizeof(text), format, ap);
    va_end(ap);
    assert_int_equal(system(text), 0);
}

static void
random_changes(sqlite3 *db, uint32_t count)
{
    static const char *const values[] = { "NULL", "0", "1", "1.0", "-0.0",
        "'1'", "x'31'", "randomblob(%u)", "hex(randomblob(%u))", "zeroblob(%u)",
        "%u", "-%u", "%u.5", "'' " };
    char value[64];

    sql(db, "BEGIN");
    for (uint32_t i = 0; i < count; i++) {
        const char *table = chance(2) == 0 ? "plain" : "keyed";
        uint32_t size = chance(20) == 0 ? chance(20000) : chance(300);

        snprintf(value, sizeof(value), values[chance(14)], size);
        switch (chance(4)) {
        case 0:
            sql(db, "DELETE FROM %s WHERE rowid=%u", table, chance(3000));
            break;
        case 1:
            sql(db, "UPDATE %s SET b=%s WHERE rowid=%u", table, value,
                chance(3000));
            break;
        default:
            sql(db, "INSERT OR REPLACE INTO %s(rowid,b,c) VALUES(%u,%s,%u)",
                table, chance(3000), value, chance(9));
        }
    }
    sql(db, "COMMIT");
}

static void
begin(struct pair *p)
{
    struct err e = ERR_INIT;
    uint32_t ignored;

    sql(p->old, "BEGIN");
    sql(p->new, "BEGIN");
    assert_int_equal(database_schema_cookie(p->old, &ignored, &e), 0);
    database_schema_cookie(p->new, &ignored, &e);
    log_mark_read(p->old, &p->old_log);
    log_mark_read(p->new, &p->new_log);
}

struct layout {
    const char *page_size, *auto_vacuum;
    int reserve; /* unused bytes at the end of each page */
};

static void
pair_init(struct pair *p, const struct layout *l, const char *mode)
{
    struct err e = ERR_INIT;
    int reserve = l->reserve;
    sqlite3 *db;

    memset(p, 0, sizeof(*p));
    strcpy(p->folder, "/tmp/lockstep-pages-XXXXXX");
    assert_non_null(mkdtemp(p->folder));
    p->old_path = alloc_format("%s/old.db", p->folder);
    p->new_path = alloc_format("%s/new.db", p->folder);
    assert_int_equal(sqlite3_open(p->old_path, &db), SQLITE_OK);
    sql(db, "PRAGMA page_size=%s; PRAGMA auto_vacuum=%s", l->page_size,
        l->auto_vacuum);
    if (reserve > 0) {
        sqlite3_file_control(db, "main", SQLITE_FCNTL_RESERVE_BYTES, &reserve);
        sql(db, "CREATE TABLE empty(a); VACUUM; DROP TABLE empty");
    }
    sql(db, "PRAGMA synchronous=OFF; PRAGMA journal_mode=%s", mode);
    sql(db, "CREATE TABLE plain(a,b,c); CREATE TABLE empty(a);"
            "CREATE TABLE keyed(id INTEGER PRIMARY KEY, b, c DEFAULT 7);"
            "CREATE INDEX keyed_c ON keyed(c);"
            "CREATE TABLE pairs(a, b, v, PRIMARY KEY(a,b)) WITHOUT ROWID;"
            "INSERT INTO pairs VALUES(1,'one',1),('1',2,2),(x'31',3,3),"
            "(1,2,4),(1.5,2,5),('b','b',6),('B','b',7),(1,x'32',8)");
    random_changes(db, 3000);
    database_close(db);
    run_shell("cp %s %s", p->old_path, p->new_path);
    assert_int_equal(sqlite3_open(p->old_path, &p->old), SQLITE_OK);
    assert_int_equal(sqlite3_open(p->new_path, &p->new), SQLITE_OK);
    sql(p->old, "PRAGMA synchronous=OFF");
    sql(p->new, "PRAGMA synchronous=OFF; PRAGMA wal_autocheckpoint=50");
    assert_int_equal(schema_load(&p->schema, p->old, &e), 0);
}

static void
pair_release(struct pair *p)
{
    schema_free(p->schema);
    database_close(p->old);
    database_close(p->new);
    run_shell("rm -rf %s", p->folder);
    free(p->old_path);
    free(p->new_path);
}

static void
find(struct pair *p, const struct compare_how *how, struct buf *found)
{
    struct change_set set;
    struct err e = ERR_INIT;

    change_set_init(&set);
    if (compare_databases_how(p->old, p->schema, p->new, p->schema, &set, how,
            &e) != 0)
        fail_msg("%s", e.message);
    change_set_encode(&set, found);
    change_set_release(&set);
}

static bool
now_and_then(void *ctx)
{
    struct pair *p = ctx;

    return ++p->asked % 3 == 0;
}

/* The same content is there behind every pause; nothing may be open. */
static int
pause_here(void *ctx, struct err *e)
{
    struct pair *p = ctx;
    uint32_t ignored;

    p->pauses++;
    for (sqlite3_stmt *s = NULL; (s = sqlite3_next_stmt(p->new, s)) != NULL;)
        assert_false(sqlite3_stmt_busy(s));
    database_rollback(p->new);
    return database_exec(p->new, "BEGIN", e) != 0
               ? -1
               : database_schema_cookie(p->new, &ignored, e);
}

/* By SQL, by bytes, and by either with pauses. */
static void
expect_the_same(struct pair *p)
{
    struct buf first = BUF_INIT, found = BUF_INIT;

    begin(p);
    p->pauses = 0;
    for (int i = 0; i < 4; i++) {
        struct compare_how how = {
            .old_log = i % 2 == 1 ? &p->old_log : NULL,
            .new_log = &p->new_log,
            .pause_is_due = i >= 2 ? now_and_then : NULL,
            .pause = pause_here,
            .ctx = p,
        };

        buf_clear(&found);
        find(p, &how, i == 0 ? &first : &found);
        if (i == 0)
            continue;
        assert_int_equal(found.len, first.len);
        assert_memory_equal(found.data, first.data, first.len);
    }
    assert_true(p->pauses > 10);
    database_rollback(p->old);
    database_rollback(p->new);
    buf_release(&first);
    buf_release(&found);
}

static const struct layout plain_layout = { "4096", "NONE", 0 };

static void
bytes_and_sql_find_the_same(void **state)
{
    static const struct layout layouts[] = { { "512", "FULL", 0 },
        { "1024", "NONE", 40 }, { "4096", "INCREMENTAL", 0 },
        { "65536", "NONE", 0 } };
    const char *mode = *state;

    seed = 7;
    for (size_t l = 0; l < sizeof(layouts) / sizeof(layouts[0]); l++) {
        struct pair p;

        pair_init(&p, &layouts[l], mode);
        expect_the_same(&p);
        for (int i = 0; i < 12; i++) {
            random_changes(p.new, 1 + chance(i % 4 == 3 ? 2000 : 20));
            sql(p.new, "UPDATE pairs SET v=v+%d WHERE b=%d", i % 2, i);
            if (i % 5 == 4)
                sql(p.new, "ALTER TABLE plain ADD COLUMN x%d DEFAULT %d", i, i);
            if (i % 5 == 4)
                sql(p.old, "ALTER TABLE plain ADD COLUMN x%d DEFAULT %d", i, i);
            if (i == 6)
                sql(p.new, "PRAGMA incremental_vacuum(20)");
            if (i == 9)
                sql(p.new, "VACUUM");
            if (i % 3 == 2)
                random_changes(p.old, 5);
            expect_the_same(&p);
        }
        sql(p.new, "DELETE FROM keyed");
        expect_the_same(&p);
        pair_release(&p);
    }
}

static size_t
changes_found(struct pair *p)
{
    struct compare_how how = { .old_log = &p->old_log, .new_log = &p->new_log };
    struct change_set set;
    struct err e = ERR_INIT;
    size_t count;

    change_set_init(&set);
    begin(p);
    assert_int_equal(compare_databases_how(p->old, p->schema, p->new, p->schema,
                         &set, &how, &e),
        0);
    database_rollback(p->old);
    database_rollback(p->new);
    count = set.count;
    change_set_release(&set);
    return count;
}

/* Rows of the same bytes that mean something else. */
static void
other_definitions_are_told_apart(void **state)
{
    static const char *const definitions[][2] = {
        { "a, b DEFAULT 1", "a, b DEFAULT 2" },
        { "a, b INTEGER", "a, b REAL" },
        { "a, b DEFAULT 'x'", "a, b DEFAULT 'y' COLLATE NOCASE" },
    };

    for (size_t i = 0; i < sizeof(definitions) / sizeof(definitions[0]); i++) {
        struct pair p;
        sqlite3 *both[2];
        struct err e = ERR_INIT;

        pair_init(&p, &plain_layout, *state);
        both[0] = p.old;
        both[1] = p.new;
        for (int k = 0; k < 2; k++) {
            sql(both[k], "CREATE TABLE t(a, b)");
            sql(both[k], "INSERT INTO t(a, b) VALUES('x', 7)");
            sql(both[k], "PRAGMA writable_schema=ON; UPDATE sqlite_schema SET"
                         " sql='CREATE TABLE t(a)' WHERE name='t';"
                         "PRAGMA writable_schema=RESET");
            sql(both[k], "INSERT INTO t VALUES('y')");
            sql(both[k],
                "PRAGMA writable_schema=ON; UPDATE sqlite_schema SET"
                " sql=\"CREATE TABLE t(%s)\" WHERE name='t';"
                "PRAGMA writable_schema=RESET",
                definitions[i][k]);
        }
        schema_free(p.schema);
        assert_int_equal(schema_load(&p.schema, p.old, &e), 0);
        assert_int_equal(changes_found(&p), 1);
        pair_release(&p);
    }
}

/* Files that cannot be compared by their bytes are compared all the same. */
static void
other_layouts_are_read_by_sql(void **state)
{
    static const char *const other[] = { "PRAGMA page_size=1024",
        "PRAGMA encoding='UTF-16le'" };

    (void)state;
    for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++) {
        struct pair p;

        pair_init(&p, &plain_layout, "DELETE");
        sql(p.old, "DELETE FROM plain; DELETE FROM keyed; DELETE FROM pairs");
        sql(p.old, "INSERT INTO keyed VALUES(1,'one',1),(2,'two',2),"
                   "(3,CAST(x'6100' AS TEXT),3)");
        database_close(p.new);
        assert_int_equal(unlink(p.new_path), 0);
        assert_int_equal(sqlite3_open(p.new_path, &p.new), SQLITE_OK);
        sql(p.new, other[i]);
        sql(p.new, "CREATE TABLE plain(a,b,c); CREATE TABLE empty(a);"
                   "CREATE TABLE keyed(id INTEGER PRIMARY KEY, b, c DEFAULT 7);"
                   "CREATE TABLE pairs(a, b, v, PRIMARY KEY(a,b)) WITHOUT"
                   " ROWID; INSERT INTO keyed VALUES(1,'one',1),(2,'TWO',2),"
                   "(3,'a',3)");
        /* What is 'a' in UTF-16 is another text in UTF-8. */
        assert_int_equal(changes_found(&p), 2);
        pair_release(&p);
    }
}

/* What others commit, and write back, while the transaction is open: they make
 * the file equal to the other again, which the transaction does not see. */
static void
a_transaction_sees_its_own_state(void **state)
{
    static const char change[] = "UPDATE keyed SET c=c+1000";
    static const char back[] = "UPDATE keyed SET c=c-1000";
    static const char passive[] = "PRAGMA wal_checkpoint(PASSIVE)";
    static const struct {
        const char *before[6], *meanwhile[3];
    } cases[] = {
        { { change }, { back, NULL, NULL } },
        { { change }, { back, passive, NULL } },
        { { change }, { passive, back, passive } },
        { { change, passive }, { back, NULL, NULL } },
        { { change, passive }, { back, passive, NULL } },
        { { change, "PRAGMA wal_checkpoint(TRUNCATE)" }, { back, NULL, NULL } },
        /* More frames than the first part of the log's index has. */
        { { change, change, back, back, change }, { NULL } },
        { { change, change, back, back, change }, { passive, back, NULL } },
    };
    static const struct layout layout = { "512", "NONE", 0 };

    (void)state;
    seed = 5;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pair p;
        struct compare_how how = { .old_log = &p.old_log,
            .new_log = &p.new_log };
        struct buf by_bytes = BUF_INIT, by_sql = BUF_INIT;
        sqlite3 *other;

        pair_init(&p, &layout, "WAL");
        assert_int_equal(sqlite3_open(p.new_path, &other), SQLITE_OK);
        sql(other, "PRAGMA wal_autocheckpoint=0");
        for (int k = 0; k < 6 && cases[i].before[k] != NULL; k++)
            sql(other, cases[i].before[k]);
        begin(&p);
        for (int k = 0; k < 3 && cases[i].meanwhile[k] != NULL; k++)
            sql(other, cases[i].meanwhile[k]);
        find(&p, &how, &by_bytes);
        how.new_log = NULL;
        find(&p, &how, &by_sql);
        assert_true(by_sql.len > 10000);
        assert_int_equal(by_bytes.len, by_sql.len);
        assert_memory_equal(by_bytes.data, by_sql.data, by_sql.len);
        buf_release(&by_bytes);
        buf_release(&by_sql);
        database_close(other);
        pair_release(&p);
    }
}

/* Rows whose records end just before, at and behind the end of a page, and of
 * an overflow page; and a large one. */
static void
put_rows_of_all_sizes(struct pair *p)
{
    for (int i = 0; i < 2; i++)
        sql(i == 0 ? p->old : p->new,
            "DELETE FROM plain; WITH RECURSIVE n(i) AS (SELECT 380 UNION ALL "
            "SELECT i+1 FROM n"
            " WHERE i<520) INSERT INTO plain(b) SELECT zeroblob(i) FROM n"
            " UNION ALL SELECT zeroblob(i+3560) FROM n"
            " UNION ALL SELECT zeroblob(i+7640) FROM n"
            " UNION ALL SELECT zeroblob(2000000)");
}

static const struct layout three_layouts[] = { { "4096", "FULL", 40 },
    { "512", "NONE", 0 }, { "4096", "NONE", 0 } };

/* Also where the page that holds the row is the same to the byte. */
static void
changes_in_the_last_byte_are_found(void **state)
{
    for (size_t l = 0; l < 3; l++) {
        struct pair p;

        pair_init(&p, &three_layouts[l], *state);
        put_rows_of_all_sizes(&p);
        assert_int_equal(changes_found(&p), 0);
        sql(p.new, "UPDATE plain SET b=CAST(substr(b,1,length(b)-1)||x'01'"
                   " AS BLOB)");
        assert_int_equal(changes_found(&p), 3 * 141 + 1);
        sql(p.new, "UPDATE plain SET b=zeroblob(length(b))");
        assert_int_equal(changes_found(&p), 0);
        sql(p.new, "UPDATE plain SET b=zeroblob(length(b)+1)");
        assert_int_equal(changes_found(&p), 3 * 141 + 1);
        pair_release(&p);
    }
}

/* Pages that SQLite had to read to compare both, which are not in its cache. */
static int
pages_read_by_sqlite(struct pair *p, const struct compare_how *how)
{
    struct buf found = BUF_INIT;
    int misses, highest;

    sqlite3_db_release_memory(p->new);
    sqlite3_db_status(p->new, SQLITE_DBSTATUS_CACHE_MISS, &misses, &highest, 1);
    find(p, how, &found);
    sqlite3_db_status(p->new, SQLITE_DBSTATUS_CACHE_MISS, &misses, &highest, 1);
    buf_release(&found);
    return misses;
}

/* The bytes are what is compared, whatever the layout: SQLite reads next to
 * nothing. */
static void
equal_rows_cost_sqlite_nothing(void **state)
{
    for (size_t l = 0; l < 3; l++) {
        struct pair p;
        struct compare_how how = { .old_log = &p.old_log,
            .new_log = &p.new_log };

        pair_init(&p, &three_layouts[l], *state);
        put_rows_of_all_sizes(&p);
        sql(p.new, "PRAGMA wal_autocheckpoint=0");
        for (int i = 0; i < 5; i++)
            sql(p.new, "UPDATE keyed SET c=c+1000;"
                       "UPDATE keyed SET c=c-1000");
        sql(p.new, "UPDATE keyed SET c=99"
                   " WHERE id=(SELECT max(id) FROM keyed)");
        begin(&p);
        assert_in_range(pages_read_by_sqlite(&p, &how), 1, 12);
        how.old_log = NULL;
        assert_in_range(pages_read_by_sqlite(&p, &how), 100, 50000);
        pair_release(&p);
    }
}

/* Flipped bytes anywhere: an answer or an error, never more. */
static void
damaged_pages_end_the_walk(void **state)
{
    static const struct layout small_layout = { "1024", "NONE", 0 };
    struct pair p;

    (void)state;
    seed = 99;
    pair_init(&p, &small_layout, "DELETE");
    for (int i = 0; i < 400; i++) {
        struct compare_how how = { .old_log = &p.old_log,
            .new_log = &p.new_log };
        struct change_set set;
        struct err e = ERR_INIT;
        FILE *file;

        database_close(p.new);
        run_shell("cp %s %s", p.old_path, p.new_path);
        file = fopen(p.new_path, "r+");
        assert_non_null(file);
        for (uint32_t n = 1 + chance(30); n > 0; n--) {
            /* The heads of pages hurt most. */
            long at =
                100 + (long)(chance(2) == 0 ? chance(500) * 1024u + chance(24)
                                            : chance(500000));

            fseek(file, at, SEEK_SET);
            fputc((int)chance(256), file);
        }
        fclose(file);
        assert_int_equal(sqlite3_open(p.new_path, &p.new), SQLITE_OK);
        change_set_init(&set);
        begin(&p);
        compare_databases_how(p.old, p.schema, p.new, p.schema, &set, &how, &e);
        change_set_release(&set);
        database_rollback(p.old);
    }
    pair_release(&p);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        { "bytes_and_sql_find_the_same (DELETE)", bytes_and_sql_find_the_same,
            NULL, NULL, "DELETE" },
        { "bytes_and_sql_find_the_same (WAL)", bytes_and_sql_find_the_same,
            NULL, NULL, "WAL" },
        { "equal_rows_cost_sqlite_nothing (DELETE)",
            equal_rows_cost_sqlite_nothing, NULL, NULL, "DELETE" },
        { "equal_rows_cost_sqlite_nothing (WAL)",
            equal_rows_cost_sqlite_nothing, NULL, NULL, "WAL" },
        { "other_definitions_are_told_apart", other_definitions_are_told_apart,
            NULL, NULL, "DELETE" },
        cmocka_unit_test(other_layouts_are_read_by_sql),
        { "changes_in_the_last_byte_are_found (DELETE)",
            changes_in_the_last_byte_are_found, NULL, NULL, "DELETE" },
        { "changes_in_the_last_byte_are_found (WAL)",
            changes_in_the_last_byte_are_found, NULL, NULL, "WAL" },
        cmocka_unit_test(a_transaction_sees_its_own_state),
        cmocka_unit_test(damaged_pages_end_the_walk),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

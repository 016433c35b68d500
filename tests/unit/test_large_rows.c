/*
 * Rows too large for memory: the digest is what it would be had they been read
 * whole, compare finds them, and SQLite never holds one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "sync/compare.h"
#include "sync/digest.h"
#include "sync/large_row.h"
#include "sync/open.h"
#include "sync/row_scan.h"
#include "sync/rowcopy.h"

#define LARGE "4000000"
/* What SQLite may use: its cache, and a page of this and that. */
#define MEMORY_MAX (3 << 20)

/* A database in a file that has no name any more. */
static sqlite3 *
open_with(const char *text)
{
    char path[] = "/tmp/lockstep-test-XXXXXX";
    int fd = mkstemp(path);
    sqlite3 *db;

    assert_true(fd >= 0);
    close(fd);
    sqlite3_open(path, &db);
    if (sqlite3_exec(db, "PRAGMA journal_mode=OFF; PRAGMA cache_size=100", NULL,
            NULL, NULL) != SQLITE_OK ||
        sqlite3_exec(db, text, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s: %s", text, sqlite3_errmsg(db));
    unlink(path);
    sqlite3_db_release_memory(db);
    sqlite3_memory_highwater(1);
    return db;
}

static struct schema *
load(sqlite3 *db)
{
    struct schema *s;
    struct err e = ERR_INIT;

    if (schema_load(&s, db, &e) != 0)
        fail_msg("%s", e.message);
    return s;
}

static struct digest
scan(sqlite3 *db, const struct table *t, uint64_t *rows)
{
    struct digest d;
    struct err e = ERR_INIT;

    digest_zero(&d);
    *rows = 0;
    if (digest_scan_table(db, t, &d, rows, &e) != 0)
        fail_msg("%s", e.message);
    return d;
}

/* Every row read whole. */
static struct digest
scan_whole(sqlite3 *db, const struct table *t)
{
    char *sql = table_select_all_sql(t);
    struct hasher *h = hasher_new();
    struct buf key = BUF_INIT, row = BUF_INIT;
    struct err e = ERR_INIT;
    struct digest d;
    sqlite3_stmt *stmt;
    uint8_t hash[HASH_SIZE];

    digest_zero(&d);
    assert_int_equal(database_prepare(db, sql, &stmt, &e), 0);
    while (sqlite3_step(stmt) == SQLITE_ROW) {
        buf_clear(&key);
        buf_clear(&row);
        table_read_row(t, stmt, &key, &row);
        digest_row_hash(h, t->name, key.data, key.len, row.data, row.len, hash);
        digest_add_hash(&d, hash);
    }
    sqlite3_finalize(stmt);
    hasher_free(h);
    buf_release(&key);
    buf_release(&row);
    free(sql);
    return d;
}

static const char *const tables[] = {
    /* First, last, beside each other, and alone. */
    "CREATE TABLE t(id INTEGER PRIMARY KEY, a, b);"
    "INSERT INTO t VALUES(-5,zeroblob(" LARGE "),'x'),(1,2,3),"
    "(7,1.5,randomblob(" LARGE ")),(8,randomblob(" LARGE "),NULL),(9,'s',''),"
    "(9223372036854775807,NULL,zeroblob(" LARGE "))",
    "CREATE TABLE t(a); INSERT INTO t(rowid,a) VALUES"
    "(-9223372036854775808,randomblob(" LARGE "))",
    /* Text, also with a NUL inside. */
    "CREATE TABLE t(a TEXT, b); INSERT INTO t VALUES"
    "(hex(zeroblob(" LARGE ")),1),(replace(hex(zeroblob(900000)),'0',"
    "char(233)),x''),('abc' || char(0) || hex(zeroblob(" LARGE ")),2)",
    /* A default that is not in the row, a column that is not replicated, a
     * column of an awkward name. */
    "CREATE TABLE t(a, c AS (typeof(a)) STORED, \"o\"\"d d\" BLOB);"
    "INSERT INTO t VALUES(1,zeroblob(" LARGE "));"
    "ALTER TABLE t ADD COLUMN d TEXT DEFAULT 'default'",
    /* Just small enough, and just not. */
    "CREATE TABLE t(a); INSERT INTO t VALUES(zeroblob(1048568)),"
    "(zeroblob(1048569)),(zeroblob(1048570)),(zeroblob(1048571)),"
    "(zeroblob(1048572)),(zeroblob(1048576)),(zeroblob(1048577)),(2)",
    /* Only large with all its columns. */
    "CREATE TABLE t(a,b,c,d); INSERT INTO t VALUES(randomblob(400000),"
    "randomblob(400000),hex(randomblob(200000)),4)",
};

static void
digest_is_that_of_the_whole_row(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        sqlite3 *db = open_with(tables[i]);
        struct schema *s = load(db);
        uint64_t rows;
        struct digest piecewise = scan(db, &s->tables[0], &rows);
        sqlite3_int64 most = sqlite3_memory_highwater(0);
        struct digest whole = scan_whole(db, &s->tables[0]);

        if (!digest_equal(&piecewise, &whole))
            fail_msg("case %zu", i);
        if (most > MEMORY_MAX)
            fail_msg("case %zu: SQLite used %lld bytes", i, (long long)most);
        schema_free(s);
        database_close(db);
    }
}

/* Protected rows are passed over, large or not, first and last. */
static void
protected_rows_are_left_out(void **state)
{
    sqlite3 *db = open_with(
        "CREATE TABLE t(id INTEGER PRIMARY KEY, a); INSERT INTO t VALUES"
        "(1,zeroblob(" LARGE ")),(2,2),(3,zeroblob(" LARGE ")),(4,4),"
        "(5,zeroblob(" LARGE ")),(6,zeroblob(" LARGE ")),(7,7),"
        "(8,zeroblob(" LARGE "))");
    struct schema *s = load(db);
    uint64_t rows;
    struct digest piecewise, whole;

    (void)state;
    s->tables[0].filter = alloc_string("id IN (1,2,3,6,8)");
    piecewise = scan(db, &s->tables[0], &rows);
    whole = scan_whole(db, &s->tables[0]);
    assert_int_equal(rows, 3);
    assert_true(digest_equal(&piecewise, &whole));
    schema_free(s);
    database_close(db);
}

static void
rows_without_rowid_have_the_same_digest(void **state)
{
    sqlite3 *db =
        open_with("CREATE TABLE t(k PRIMARY KEY,v,w) WITHOUT ROWID;"
                  "INSERT INTO t VALUES(1,zeroblob(" LARGE "),2),(2,2,x''),"
                  "('x',NULL,hex(zeroblob(" LARGE "))),(x'01',1.5,"
                  "zeroblob(1048540)),(hex(zeroblob(" LARGE ")),'a','')");
    struct schema *s = load(db);
    uint64_t rows;
    struct digest piecewise = scan(db, &s->tables[0], &rows);
    struct digest whole = scan_whole(db, &s->tables[0]);

    (void)state;
    assert_int_equal(rows, 5);
    assert_true(digest_equal(&piecewise, &whole));
    schema_free(s);
    database_close(db);
}

/* Between A and B, at most MAX bytes; how many changes. */
static int
compare(sqlite3 *a, sqlite3 *b, size_t max, size_t *count, struct err *e)
{
    struct schema *old = load(a), *new = load(b);
    struct change_set set;
    int r;

    change_set_init(&set);
    r = compare_databases(a, old, b, new, &set, max, e);
    *count = set.count;
    change_set_release(&set);
    schema_free(old);
    schema_free(new);
    return r;
}

#define SAME                                                             \
    "CREATE TABLE t(id INTEGER PRIMARY KEY, a, b); INSERT INTO t VALUES" \
    "(1,'x',1),(2,zeroblob(" LARGE "),2),(3,zeroblob(" LARGE "),3),(4,'y',4);"

static void
equal_large_rows_are_no_change(void **state)
{
    sqlite3 *a = open_with(SAME);
    sqlite3 *b = open_with(SAME "UPDATE t SET b=5 WHERE id IN (1,4)");
    struct err e = ERR_INIT;
    size_t count;

    (void)state;
    assert_int_equal(compare(a, b, 1000, &count, &e), 0);
    assert_int_equal(count, 2);
    assert_true(sqlite3_memory_highwater(0) < 2 * MEMORY_MAX);
    database_close(a);
    database_close(b);
}

static void
large_rows_that_differ_are_found_if_there_is_room(void **state)
{
    static const char *const changes[] = {
        SAME "UPDATE t SET b=5 WHERE id=3",
        SAME "UPDATE t SET a=CAST(a AS TEXT) WHERE id=2",
        SAME "UPDATE t SET a=zeroblob(" LARGE "+1) WHERE id=2",
        SAME "UPDATE t SET a=1 WHERE id=2",
        SAME "UPDATE t SET a=zeroblob(" LARGE ") WHERE id=1",
        SAME "DELETE FROM t WHERE id=2",
        SAME "INSERT INTO t VALUES(0,zeroblob(" LARGE "),1)",
        "CREATE TABLE t(x); INSERT INTO t VALUES(zeroblob(" LARGE "))",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        sqlite3 *a = open_with(SAME), *b = open_with(changes[i]);
        struct err e = ERR_INIT;
        size_t count;

        if (compare(a, b, 1 << 20, &count, &e) == 0 || e.code != ERR_INVALID)
            fail_msg("case %zu: %zu changes found", i, count);
        if (sqlite3_memory_highwater(0) > 2 * MEMORY_MAX)
            fail_msg("case %zu: SQLite used %lld bytes", i,
                (long long)sqlite3_memory_highwater(0));
        err_clear(&e);
        if (compare(a, b, 100 << 20, &count, &e) != 0 || count == 0)
            fail_msg("case %zu: %zu changes, %s", i, count, e.message);
        database_close(a);
        database_close(b);
    }
}

#define KEYED                                                                \
    "CREATE TABLE t(k TEXT PRIMARY KEY, a, b) WITHOUT ROWID; INSERT INTO t " \
    "VALUES('a','x',1),('b',zeroblob(" LARGE "),2),('c',zeroblob(" LARGE     \
    "),3),('d','y',4);"

static void
large_rows_without_rowid_are_found_if_there_is_room(void **state)
{
    static const struct {
        const char *sql;
        size_t count;
        bool large;
    } changes[] = {
        { KEYED, 0, false },
        { KEYED "UPDATE t SET b=5 WHERE k IN ('a','d')", 2, false },
        { KEYED "UPDATE t SET b=5 WHERE k='c'", 1, true },
        { KEYED "UPDATE t SET a=CAST(a AS TEXT) WHERE k='b'", 1, true },
        { KEYED "UPDATE t SET a=1 WHERE k='b'", 1, true },
        { KEYED "DELETE FROM t WHERE k='b'", 1, true },
        { KEYED "INSERT INTO t VALUES('bb',zeroblob(" LARGE "),1)", 1, true },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        sqlite3 *a = open_with(KEYED), *b = open_with(changes[i].sql);
        struct err e = ERR_INIT;
        size_t count;
        int r = compare(a, b, 1 << 20, &count, &e);

        if (r != (changes[i].large ? -1 : 0))
            fail_msg("case %zu: %d, %zu changes", i, r, count);
        err_clear(&e);
        if (compare(a, b, 100 << 20, &count, &e) != 0 ||
            count != changes[i].count)
            fail_msg("case %zu: %zu changes, %s", i, count, e.message);
        database_close(a);
        database_close(b);
    }
}

/* Made again in a file of its own, with no more memory than BOUNDED says. */
static void
expect_copied(const char *text, bool bounded)
{
    sqlite3 *from = open_with(text), *to = open_with("");
    struct schema *s = load(from);
    struct err e = ERR_INIT;
    struct digest a, b;
    uint64_t a_rows, b_rows;
    sqlite3_stmt *stmt;

    database_allow_shadows(to, true);
    assert_int_equal(database_exec(to, "BEGIN", &e), 0);
    if (rowcopy_tables(to, s, &e) != 0)
        fail_msg("%s", e.message);
    for (size_t i = 0; i < s->table_count; i++)
        if (rowcopy_rows(to, from, &s->tables[i], ROWCOPY_ALL, &e) != 0)
            fail_msg("%s: %s", text, e.message);
    assert_int_equal(database_exec(to, "COMMIT", &e), 0);
    if (bounded && sqlite3_memory_highwater(0) > MEMORY_MAX)
        fail_msg("%s: SQLite used %lld bytes", text,
            (long long)sqlite3_memory_highwater(0));
    assert_int_equal(digest_scan(from, s, &a, &a_rows, &e), 0);
    assert_int_equal(digest_scan(to, s, &b, &b_rows, &e), 0);
    assert_int_equal(a_rows, b_rows);
    assert_memory_equal(&a, &b, sizeof(a));
    /* What is computed from the values belongs to them. */
    assert_int_equal(database_prepare(to, "PRAGMA integrity_check", &stmt, &e),
        0);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    assert_string_equal(sqlite3_column_text(stmt, 0), "ok");
    sqlite3_finalize(stmt);
    schema_free(s);
    database_close(from);
    database_close(to);
}

static void
large_rows_are_copied_in_pieces(void **state)
{
    (void)state;
    expect_copied("CREATE TABLE t(id INTEGER PRIMARY KEY, n, a BLOB);"
                  "INSERT INTO t VALUES(-5,1,randomblob(" LARGE
                  ")),(1,2,x'01'),"
                  "(7,NULL,randomblob(" LARGE ")),(8,2,randomblob(" LARGE ")),"
                  "(9,'x','y')",
        true);
    expect_copied("CREATE TABLE t(a, b BLOB); INSERT INTO t(rowid,a,b) VALUES"
                  "(-9223372036854775808,1,randomblob(" LARGE ")),(5,6,7),"
                  "(9223372036854775807,randomblob(" LARGE "),randomblob(10))",
        false);
    expect_copied("CREATE TABLE t(a BLOB, b, c TEXT); INSERT INTO t VALUES"
                  "(randomblob(" LARGE "),'behind',hex(randomblob(" LARGE ")))",
        false);
    expect_copied("CREATE TABLE t(id INTEGER PRIMARY KEY, a BLOB UNIQUE);"
                  "INSERT INTO t VALUES(1,randomblob(" LARGE ")),(2,x'')",
        false);
    expect_copied(
        "CREATE TABLE t(id INTEGER PRIMARY KEY, a BLOB,"
        " b AS (substr(a,2)) STORED UNIQUE, c AS (substr(a,3)) UNIQUE);"
        "INSERT INTO t(id,a) VALUES(1,randomblob(" LARGE ")),(2,x'01')",
        false);
    expect_copied("CREATE TABLE t(k TEXT PRIMARY KEY, a BLOB) WITHOUT ROWID;"
                  "INSERT INTO t VALUES('a',randomblob(" LARGE "))",
        false);
}

/* A large one that belongs to the node alone lies before, between and behind
 * others. */
static void
protected_large_rows_are_not_copied(void **state)
{
    sqlite3 *from =
        open_with("CREATE TABLE t(id INTEGER PRIMARY KEY, own, a BLOB);"
                  "INSERT INTO t VALUES(1,1,zeroblob(" LARGE ")),(2,0,'small'),"
                  "(3,1,zeroblob(" LARGE ")),(4,0,zeroblob(" LARGE ")),(5,0,5),"
                  "(6,1,zeroblob(" LARGE "))");
    sqlite3 *to = open_with("");
    struct schema *s = load(from);
    struct err e = ERR_INIT;
    sqlite3_stmt *stmt;

    (void)state;
    s->tables[0].filter = alloc_string("own = 1");
    if (rowcopy_tables(to, s, &e) != 0 ||
        rowcopy_rows(to, from, &s->tables[0], ROWCOPY_REPLICATED, &e) != 0)
        fail_msg("%s", e.message);
    assert_int_equal(database_prepare(to,
                         "SELECT group_concat(id||' '||length(a)) FROM t",
                         &stmt, &e),
        0);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    assert_string_equal(sqlite3_column_text(stmt, 0), "2 5,4 " LARGE ",5 1");
    sqlite3_finalize(stmt);
    schema_free(s);
    database_close(from);
    database_close(to);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digest_is_that_of_the_whole_row),
        cmocka_unit_test(protected_rows_are_left_out),
        cmocka_unit_test(rows_without_rowid_have_the_same_digest),
        cmocka_unit_test(equal_large_rows_are_no_change),
        cmocka_unit_test(large_rows_that_differ_are_found_if_there_is_room),
        cmocka_unit_test(large_rows_without_rowid_are_found_if_there_is_room),
        cmocka_unit_test(large_rows_are_copied_in_pieces),
        cmocka_unit_test(protected_large_rows_are_not_copied),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

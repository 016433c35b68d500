/*
 * The digest: a sum that rows can enter and leave in any order; and the
 * specials that are part of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sync/open.h"
#include "sync/digest.h"

static const struct selection no_selection = SELECTION_INIT;

static sqlite3 *
open_with(const char *text)
{
    sqlite3 *db;

    sqlite3_open(":memory:", &db);
    if (sqlite3_exec(db, text, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s: %s", text, sqlite3_errmsg(db));
    return db;
}

static struct digest
scan(sqlite3 *db, uint64_t *rows)
{
    struct schema *s;
    struct digest d;
    struct err e = ERR_INIT;

    assert_int_equal(schema_load(&s, db, &e), 0);
    if (digest_scan(db, s, &d, rows, &e) != 0)
        fail_msg("%s", e.message);
    schema_free(s);
    return d;
}

static void
sums_carry_and_borrow(void **state)
{
    struct digest d;
    uint8_t ones[HASH_SIZE], one[HASH_SIZE] = { 0 }, zero[HASH_SIZE] = { 0 };

    (void)state;
    memset(ones, 0xff, HASH_SIZE);
    one[HASH_SIZE - 1] = 1;
    digest_zero(&d);
    digest_add_hash(&d, ones);
    digest_add_hash(&d, one);
    assert_memory_equal(d.sum, zero, HASH_SIZE);
    digest_sub_hash(&d, one);
    assert_memory_equal(d.sum, ones, HASH_SIZE);
}

static void
order_of_writing_does_not_matter(void **state)
{
    sqlite3 *a = open_with("CREATE TABLE t(a); INSERT INTO t(rowid,a) VALUES"
                           "(1,'x'),(2,'y'),(3,NULL)");
    sqlite3 *b = open_with("CREATE TABLE t(a); INSERT INTO t(rowid,a) VALUES"
                           "(3,NULL),(9,0),(1,'x'),(2,'y');"
                           "DELETE FROM t WHERE rowid=9");
    uint64_t rows;
    struct digest x = scan(a, &rows), y = scan(b, &rows);

    (void)state;
    assert_int_equal(rows, 3);
    assert_true(digest_equal(&x, &y));
    database_close(a);
    database_close(b);
}

/* Everything that may differ moves it. */
static void
every_difference_shows(void **state)
{
    static const char *const changes[] = {
        "UPDATE t SET a=1.0 WHERE rowid=1",
        "UPDATE t SET a='X' WHERE rowid=2",
        "UPDATE t SET rowid=9 WHERE rowid=2",
        "DELETE FROM t WHERE rowid=3",
        "INSERT INTO t VALUES(NULL)",
        "INSERT INTO u SELECT a FROM t; DELETE FROM t",
        "PRAGMA user_version=1",
        "PRAGMA application_id=1",
        "UPDATE sqlite_sequence SET seq=7",
        "ANALYZE",
    };
    uint64_t rows;

    (void)state;
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        sqlite3 *db = open_with("CREATE TABLE t(a); CREATE TABLE u(a);"
                                "CREATE INDEX i ON t(a); CREATE TABLE"
                                " s(id INTEGER PRIMARY KEY AUTOINCREMENT);"
                                "INSERT INTO s VALUES(1);"
                                "INSERT INTO t VALUES(1),('x'),(NULL)");
        struct digest before = scan(db, &rows), after;

        if (sqlite3_exec(db, changes[i], NULL, NULL, NULL) != SQLITE_OK)
            fail_msg("%s: %s", changes[i], sqlite3_errmsg(db));
        after = scan(db, &rows);
        if (digest_equal(&before, &after))
            fail_msg("%s does not show", changes[i]);
        database_close(db);
    }
}

static void
specials_are_made_equal(void **state)
{
    sqlite3 *a = open_with("CREATE TABLE s(id INTEGER PRIMARY KEY"
                           " AUTOINCREMENT, a); CREATE INDEX i ON s(a);"
                           "INSERT INTO s VALUES(41,1),(3,1);"
                           "PRAGMA user_version=-5; PRAGMA application_id=77;"
                           "ANALYZE");
    sqlite3 *b =
        open_with("CREATE TABLE other(id INTEGER PRIMARY KEY"
                  " AUTOINCREMENT); INSERT INTO other VALUES(3);"
                  "CREATE TABLE _lockstep_q(id INTEGER PRIMARY KEY"
                  " AUTOINCREMENT); INSERT INTO _lockstep_q VALUES(1)");
    sqlite3 *c = open_with("CREATE TABLE plain(a)");
    struct buf x = BUF_INIT, y = BUF_INIT, z = BUF_INIT;
    struct err e = ERR_INIT;
    struct digest d;

    (void)state;
    assert_int_equal(specials_read(a, &no_selection, &x, &e), 0);
    if (specials_write(b, &no_selection, x.data, x.len, &e) != 0 ||
        specials_write(c, &no_selection, x.data, x.len, &e) != 0)
        fail_msg("%s", e.message);
    assert_int_equal(specials_read(b, &no_selection, &y, &e), 0);
    assert_int_equal(x.len, y.len);
    assert_memory_equal(x.data, y.data, x.len);
    assert_int_equal(specials_read(c, &no_selection, &z, &e), 0);
    assert_int_equal(x.len, z.len);
    assert_memory_equal(x.data, z.data, x.len);
    for (size_t len = 0; len < x.len; len++) {
        digest_zero(&d);
        assert_int_equal(specials_digest(x.data, len, &d, &e), -1);
    }
    database_close(a);
    database_close(b);
    database_close(c);
    buf_release(&x);
    buf_release(&y);
    buf_release(&z);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_carry_and_borrow),
        cmocka_unit_test(order_of_writing_does_not_matter),
        cmocka_unit_test(every_difference_shows),
        cmocka_unit_test(specials_are_made_equal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Values: what goes in comes out, by storage class and bytes; nothing malformed
 * is taken.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sync/value.h"

/* A tuple of awkward values, as SQLite gives them. */
static const char select_sql[] =
    "SELECT NULL, 0, -1, 9223372036854775807, -9223372036854775808, 1.0, 0.1,"
    " -0.0, 1e308, '', 'a', 'a'||char(0)||'b', x'', x'00ff', 'ä', '1', x'31'";
enum { VALUES = 17 };

static void
encode(sqlite3 *db, const char *text, struct buf *out)
{
    sqlite3_stmt *stmt;

    assert_int_equal(sqlite3_prepare_v2(db, text, -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    for (int i = 0; i < sqlite3_column_count(stmt); i++)
        value_put_column(out, stmt, i);
    sqlite3_finalize(stmt);
}

static void
values_come_out_as_they_went_in(void **state)
{
    struct buf a = BUF_INIT, b = BUF_INIT;
    struct reader r;
    struct err e = ERR_INIT;
    sqlite3_stmt *stmt;
    sqlite3 *db;

    (void)state;
    sqlite3_open(":memory:", &db);
    encode(db, select_sql, &a);
    assert_int_equal(
        sqlite3_prepare_v2(db,
            "SELECT ?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17",
            -1, &stmt, NULL),
        SQLITE_OK);
    r = reader_over(a.data, a.len);
    for (int i = 1; i <= VALUES; i++)
        assert_int_equal(value_bind(&r, stmt, i, &e), 0);
    assert_true(reader_done(&r));
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    for (int i = 0; i < VALUES; i++)
        value_put_column(&b, stmt, i);
    sqlite3_finalize(stmt);
    assert_int_equal(a.len, b.len);
    assert_memory_equal(a.data, b.data, a.len);
    sqlite3_close(db);
    buf_release(&a);
    buf_release(&b);
}

static void
what_sql_calls_equal_has_other_bytes(void **state)
{
    static const char *const pairs[][2] = {
        { "SELECT 1", "SELECT 1.0" },
        { "SELECT 'a'", "SELECT x'61'" },
        { "SELECT 0.0", "SELECT -0.0" },
        { "SELECT 1", "SELECT '1'" },
        { "SELECT ''", "SELECT NULL" },
        { "SELECT 'a','b'", "SELECT 'ab',''" },
    };
    sqlite3 *db;

    (void)state;
    sqlite3_open(":memory:", &db);
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        struct buf a = BUF_INIT, b = BUF_INIT;

        encode(db, pairs[i][0], &a);
        encode(db, pairs[i][1], &b);
        assert_false(a.len == b.len && memcmp(a.data, b.data, a.len) == 0);
        buf_release(&a);
        buf_release(&b);
    }
    sqlite3_close(db);
}

static void
every_cut_is_refused(void **state)
{
    struct buf a = BUF_INIT;
    sqlite3 *db;

    (void)state;
    sqlite3_open(":memory:", &db);
    encode(db, select_sql, &a);
    for (size_t len = 0; len < a.len; len++) {
        struct reader r = reader_over(a.data, len);

        assert_int_equal(value_skip(&r, VALUES), -1);
    }
    struct reader whole = reader_over(a.data, a.len);
    assert_int_equal(value_skip(&whole, VALUES), 0);
    assert_true(reader_done(&whole));
    struct reader unknown = reader_over("\5", 1);
    assert_int_equal(value_skip(&unknown, 1), -1);
    struct reader long_text = reader_over("\3\xff\xff\xff\xff\xff\x7f", 7);
    assert_int_equal(value_skip(&long_text, 1), -1);
    sqlite3_close(db);
    buf_release(&a);
}

static void
tuples_are_shown_safely(void **state)
{
    struct buf a = BUF_INIT;
    char text[64];
    sqlite3 *db;

    (void)state;
    sqlite3_open(":memory:", &db);
    encode(db, "SELECT 17, 'a', NULL, x'00ff', 0.5", &a);
    value_show(a.data, a.len, text, sizeof(text));
    assert_string_equal(text, "17, 'a', NULL, x'00ff', 0.5");
    value_show(a.data, a.len, text, 5);
    assert_string_equal(text, "17, ");
    buf_clear(&a);
    encode(db, "SELECT char(27)||'[2J'", &a);
    value_show(a.data, a.len, text, sizeof(text));
    assert_null(strchr(text, 27));
    sqlite3_close(db);
    buf_release(&a);
}

/* What is skipped ends where what is read does, at every cut, and so does what
 * has a longer spelling of a length. */
static void
skipping_sees_what_reading_sees(void **state)
{
    static const char lengths[] =
        "SELECT NULL, 1, 0.5, '', x'', printf('%.*c',127,'a'),"
        " printf('%.*c',128,'b'), zeroblob(16383), zeroblob(16384), -1";
    static const uint8_t spelt_long[] = { VALUE_TEXT, 0x81, 0x00, 'a', 'b' };
    static const uint8_t unknown[] = { VALUE_BLOB + 1, 1, 2 };
    struct buf a = BUF_INIT;
    struct value v;
    sqlite3 *db;

    (void)state;
    sqlite3_open(":memory:", &db);
    encode(db, lengths, &a);
    for (size_t cut = 0; cut <= a.len; cut++) {
        struct reader read = reader_over(a.data, cut);
        struct reader skip = reader_over(a.data, cut);
        int wanted = 0;

        while (wanted == 0 && read.p < a.data + a.len) {
            wanted = value_read(&read, &v);
            assert_int_equal(value_skip(&skip, 1), wanted);
            if (wanted == 0)
                assert_ptr_equal(skip.p, read.p);
        }
        assert_int_equal(skip.failed, read.failed);
    }
    struct reader r = reader_over(spelt_long, sizeof(spelt_long));
    assert_int_equal(value_skip(&r, 1), -1);
    r = reader_over(unknown, sizeof(unknown));
    assert_int_equal(value_skip(&r, 1), -1);
    r = reader_over(a.data, 2);
    assert_int_equal(value_skip(&r, 2), -1);
    assert_int_equal(value_skip(&r, 0), 0);
    assert_int_equal(value_skip(&r, 1), -1);
    sqlite3_close(db);
    buf_release(&a);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_come_out_as_they_went_in),
        cmocka_unit_test(what_sql_calls_equal_has_other_bytes),
        cmocka_unit_test(every_cut_is_refused),
        cmocka_unit_test(tuples_are_shown_safely),
        cmocka_unit_test(skipping_sees_what_reading_sees),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

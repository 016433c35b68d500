/*
 * Damage is told apart from values that break a rule of their schema.
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

#include "sync/open.h"
#include "sync/sound.h"

static sqlite3 *
database(const char *sql)
{
    sqlite3 *db;

    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    return db;
}

static void
values_that_break_a_rule_are_no_damage(void **state)
{
    struct err e = ERR_INIT;
    sqlite3 *db = database(
        "CREATE TABLE t (a CHECK (a > 5));"
        "CREATE TABLE u (b, c TEXT AS (typeof(b)) STORED);"
        "PRAGMA ignore_check_constraints=ON; INSERT INTO t VALUES (1), (2);"
        "PRAGMA ignore_check_constraints=OFF;"
        "INSERT INTO u VALUES (1); PRAGMA writable_schema=ON;"
        "UPDATE sqlite_schema SET sql='CREATE TABLE u (b, c TEXT NOT NULL"
        " AS (NULL) VIRTUAL)' WHERE name='u'; PRAGMA writable_schema=RESET");
    sqlite3_stmt *stmt;

    (void)state;
    assert_int_equal(database_prepare(db, "PRAGMA quick_check", &stmt, &e), 0);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    assert_string_not_equal((const char *)sqlite3_column_text(stmt, 0), "ok");
    sqlite3_finalize(stmt);
    assert_int_equal(database_sound(db, &e), 0);
    database_close(db);
}

/* An index that lacks rows, hidden behind a broken rule of an earlier table. */
static void
damage_is_found_behind_broken_rules(void **state)
{
    struct err e = ERR_INIT;
    char path[] = "/tmp/lockstep-sound-XXXXXX";
    sqlite3 *db;
    FILE *file;

    (void)state;
    close(mkstemp(path));
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(db,
            "PRAGMA page_size=512; CREATE TABLE a (x CHECK (x > 5));"
            "PRAGMA ignore_check_constraints=ON; INSERT INTO a VALUES (1);"
            "CREATE TABLE t (a); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL"
            " SELECT i+1 FROM n WHERE i<500) INSERT INTO t SELECT hex("
            "randomblob(20)) FROM n",
            NULL, NULL, NULL),
        SQLITE_OK);
    database_close(db);
    file = fopen(path, "r+");
    assert_non_null(file);
    fseek(file, 512L * 9, SEEK_SET);
    for (int i = 0; i < 512; i++)
        fputc(0xff, file);
    fclose(file);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(database_sound(db, &e), -1);
    assert_int_equal(e.code, ERR_CORRUPT);
    database_close(db);
    unlink(path);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_that_break_a_rule_are_no_damage),
        cmocka_unit_test(damage_is_found_behind_broken_rules),
    };

    return cmocka_run_group_tests_name("sound", tests, NULL, NULL);
}

/*
 * Compare: what it finds, applied to a list, turns one side into the other; and
 * sets of changes survive being stored.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sync/change.h"
#include "sync/compare.h"
#include "sync/open.h"
#include "sync/value.h"

static sqlite3 *
open_with(const char *schema, const char *rows)
{
    sqlite3 *db;

    sqlite3_open(":memory:", &db);
    if (sqlite3_exec(db, schema, NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_exec(db, rows, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s", sqlite3_errmsg(db));
    return db;
}

/* The changes as "+key", "-key", "~key" or "oldkey>newkey". */
static void
find(const char *schema, const char *old_rows, const char *new_rows, char *text,
    size_t size)
{
    sqlite3 *old = open_with(schema, old_rows);
    sqlite3 *new = open_with(schema, new_rows);
    struct schema *a, *b;
    struct change_set set, copy;
    struct buf stored = BUF_INIT;
    struct err e = ERR_INIT;

    change_set_init(&set);
    change_set_init(&copy);
    assert_int_equal(schema_load(&a, old, &e), 0);
    assert_int_equal(schema_load(&b, new, &e), 0);
    if (compare_databases(old, a, new, b, &set, 0, &e) != 0)
        fail_msg("%s", e.message);
    change_set_encode(&set, &stored);
    for (size_t len = 0; len < stored.len; len++)
        assert_int_equal(change_set_decode(&copy, stored.data, len, &e), -1);
    assert_int_equal(change_set_decode(&copy, stored.data, stored.len, &e), 0);
    assert_int_equal(copy.count, set.count);
    text[0] = '\0';
    for (size_t i = 0; i < copy.count; i++) {
        const struct change *c = &copy.items[i];
        char old_key[100] = "", new_key[100] = "";
        size_t used = strlen(text);

        value_show(c->old_key, c->old_key_len, old_key, sizeof(old_key));
        value_show(c->new_key, c->new_key_len, new_key, sizeof(new_key));
        if (c->old_row == NULL)
            snprintf(text + used, size - used, "+%s ", new_key);
        else if (c->new_row == NULL)
            snprintf(text + used, size - used, "-%s ", old_key);
        else if (strcmp(old_key, new_key) == 0)
            snprintf(text + used, size - used, "~%s ", old_key);
        else
            snprintf(text + used, size - used, "%s>%s ", old_key, new_key);
    }
    change_set_release(&set);
    change_set_release(&copy);
    buf_release(&stored);
    schema_free(a);
    schema_free(b);
    database_close(old);
    database_close(new);
}

static void
differences_are_found(void **state)
{
    static const struct {
        const char *schema, *old, *new, *expected;
    } cases[] = {
        { "CREATE TABLE t(a)", "INSERT INTO t VALUES(1),(2)",
            "INSERT INTO t VALUES(1),(2)", "" },
        { "CREATE TABLE t(a)", "INSERT INTO t VALUES(1),(2)",
            "INSERT INTO t VALUES(1.0),(2),(3)", "~1 +3 " },
        { "CREATE TABLE t(a)",
            "INSERT INTO t(rowid,a) VALUES(-3,0),(1,1),(7,NULL)",
            "INSERT INTO t(rowid,a) VALUES(-4,0),(1,1),(8,NULL)",
            "+-4 --3 -7 +8 " },
        { "CREATE TABLE t(k TEXT COLLATE NOCASE PRIMARY KEY,v) WITHOUT ROWID",
            "INSERT INTO t VALUES('a',1),('B',1),('c',1)",
            "INSERT INTO t VALUES('A',1),('b',2),('c',1)", "'a'>'A' 'B'>'b' " },
        { "CREATE TABLE t(k PRIMARY KEY,v) WITHOUT ROWID",
            "INSERT INTO t VALUES(1,0),(2.5,0),('1',0),(x'31',0),('b',0)",
            "INSERT INTO t VALUES(1.0,0),('1',0),('a',0),(x'31',1)",
            "~1 -2.5 +'a' -'b' ~x'31' " },
        { "CREATE TABLE t(a,b,PRIMARY KEY(a DESC,b)) WITHOUT ROWID",
            "INSERT INTO t VALUES(1,1),(1,2),(2,1)",
            "INSERT INTO t VALUES(1,2),(2,0),(2,1)", "-1, 1 +2, 0 " },
        { "CREATE TABLE t(a TEXT COLLATE NOCASE,PRIMARY KEY(a COLLATE BINARY))"
          " WITHOUT ROWID",
            "INSERT INTO t VALUES('a'),('A'),('b')",
            "INSERT INTO t VALUES('A'),('b')", "-'a' " },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[1000];

        find(cases[i].schema, cases[i].old, cases[i].new, text, sizeof(text));
        if (strcmp(text, cases[i].expected) != 0)
            fail_msg("case %zu: %s", i, text);
    }
}

static void
limit_of_bytes_holds(void **state)
{
    sqlite3 *old = open_with("CREATE TABLE t(a)", "");
    sqlite3 *new = open_with("CREATE TABLE t(a)",
        "INSERT INTO t VALUES(zeroblob(1000)),(zeroblob(1000))");
    struct schema *s;
    struct change_set set;
    struct err e = ERR_INIT;

    (void)state;
    change_set_init(&set);
    assert_int_equal(schema_load(&s, new, &e), 0);
    assert_int_equal(compare_table(old, new, &s->tables[0], &set, 1500, &e),
        -1);
    assert_int_equal(e.code, ERR_INVALID);
    change_set_release(&set);
    schema_free(s);
    database_close(old);
    database_close(new);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(differences_are_found),
        cmocka_unit_test(limit_of_bytes_holds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

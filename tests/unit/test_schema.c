/*
 * Schemas: keys, replicated columns, the hash, and the DDL between two.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "sync/open.h"
#include "sync/schema.h"

static struct schema *
load(const char *text)
{
    struct schema *s;
    struct err e = ERR_INIT;
    sqlite3 *db;

    sqlite3_open(":memory:", &db);
    if (sqlite3_exec(db, text, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s: %s", text, sqlite3_errmsg(db));
    if (schema_load(&s, db, &e) != 0)
        fail_msg("%s", e.message);
    database_close(db);
    return s;
}

static void
keys_are_found(void **state)
{
    static const struct {
        const char *sql, *rowid_name;
        int key_count;
        bool rowid_is_column;
    } cases[] = {
        { "CREATE TABLE t(a,b)", "rowid", 1, false },
        { "CREATE TABLE t(rowid,b)", "_rowid_", 1, false },
        { "CREATE TABLE t(ROWID,_rowid_)", "oid", 1, false },
        { "CREATE TABLE t(a INTEGER PRIMARY KEY)", "a", 1, true },
        { "CREATE TABLE t(rowid INTEGER PRIMARY KEY)", "rowid", 1, true },
        { "CREATE TABLE t(a INTEGER PRIMARY KEY DESC)", "rowid", 1, false },
        { "CREATE TABLE t(a INT PRIMARY KEY)", "rowid", 1, false },
        { "CREATE TABLE t(a,b,PRIMARY KEY(b,a)) WITHOUT ROWID", NULL, 2,
            false },
        { "CREATE TABLE t(a,rowid,_rowid_ GENERATED ALWAYS AS (a))", "oid", 1,
            false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct schema *s = load(cases[i].sql);
        const struct table *t = schema_find_table(s, "t");

        assert_null(t->unsupported);
        assert_int_equal(t->key_count, cases[i].key_count);
        assert_int_equal(t->rowid_is_column, cases[i].rowid_is_column);
        if (cases[i].rowid_name == NULL)
            assert_null(t->rowid_name);
        else
            assert_string_equal(t->rowid_name, cases[i].rowid_name);
        schema_free(s);
    }
}

static void
key_order_and_collation_are_the_primary_keys(void **state)
{
    struct schema *s = load("CREATE TABLE t(a,b TEXT COLLATE NOCASE,c,"
                            "PRIMARY KEY(c,b COLLATE RTRIM)) WITHOUT ROWID");
    const struct table *t = schema_find_table(s, "t");
    char *sql = table_select_by_key_sql(t);

    (void)state;
    assert_int_equal(t->key_columns[0], 2);
    assert_int_equal(t->key_columns[1], 1);
    assert_string_equal(t->key_collations[1], "RTRIM");
    assert_string_equal(sql,
        "SELECT \"c\",\"b\",\"a\",\"b\",\"c\" FROM main.\"t\" WHERE"
        " \"c\" = ?1 AND \"b\" COLLATE \"RTRIM\" = ?2");
    free(sql);
    schema_free(s);
}

static void
some_tables_cannot_be_sent_by_row(void **state)
{
    struct schema *s = load("CREATE TABLE all_names(rowid,_rowid_,oid);"
                            "CREATE VIRTUAL TABLE f USING fts5(a);"
                            "CREATE VIRTUAL TABLE o USING fts3tokenize(simple);"
                            "CREATE TABLE plain(a)");

    (void)state;
    assert_non_null(schema_find_table(s, "all_names")->unsupported);
    assert_non_null(schema_find_table(s, "o")->unsupported);
    assert_null(schema_find_table(s, "f"));
    assert_null(schema_find_table(s, "f_data")->unsupported);
    assert_true(schema_find_table(s, "f_data")->is_shadow);
    assert_null(schema_find_table(s, "plain")->unsupported);
    schema_free(s);
}

static void
generated_columns_stay_home(void **state)
{
    struct schema *s =
        load("CREATE TABLE t(a, g AS (a+1) STORED, h AS (a), b)");
    const struct table *t = schema_find_table(s, "t");

    (void)state;
    assert_int_equal(t->column_count, 2);
    assert_string_equal(t->columns[1].name, "b");
    schema_free(s);
}

static void
hash_sees_order_of_nothing_but_meaning(void **state)
{
    struct schema *a = load("CREATE TABLE t(a); CREATE TABLE u(b)");
    struct schema *b = load("CREATE TABLE u(b); CREATE TABLE t(a);"
                            "CREATE TABLE _lockstep_x(a); ANALYZE");
    struct schema *c = load("CREATE TABLE t(a); CREATE TABLE u(b);"
                            "CREATE INDEX i ON u(b)");

    (void)state;
    assert_memory_equal(a->hash, b->hash, HASH_SIZE);
    assert_memory_not_equal(a->hash, c->hash, HASH_SIZE);
    schema_free(a);
    schema_free(b);
    schema_free(c);
}

/* Runs FROM and the DDL that schema_diff gives; the hash must be TO's. */
static void
ddl_leads_from_one_to_the_other(void **state)
{
    static const char *const cases[][2] = {
        { "CREATE TABLE t(a)", "ALTER TABLE t ADD COLUMN b" },
        { "CREATE TABLE t(a)",
            "ALTER TABLE t ADD COLUMN b DEFAULT 'x, (y'; ALTER TABLE t ADD"
            " COLUMN \"c, d\" NUMERIC(3, 4) CHECK(\"c, d\" IN (1, 2))" },
        { "CREATE TABLE t(a, PRIMARY KEY(a)) WITHOUT ROWID",
            "ALTER TABLE t ADD COLUMN b" },
        { "CREATE TABLE t(a -- note, with comma\n)",
            "ALTER TABLE t ADD COLUMN b" },
        { "CREATE TABLE t(a); CREATE VIEW v AS SELECT a FROM t",
            "DROP VIEW v; CREATE VIEW v AS SELECT 1; CREATE INDEX i ON t(a);"
            "CREATE TRIGGER x AFTER INSERT ON t BEGIN SELECT 1; END" },
        { "CREATE TABLE t(a); CREATE INDEX i ON t(a)",
            "DROP INDEX i; CREATE TABLE \"o\"\"dd\"(x); CREATE INDEX i ON"
            " \"o\"\"dd\"(x)" },
        { "CREATE TABLE t(a)",
            "ALTER TABLE t ADD COLUMN g AS (a+1); CREATE INDEX i ON t(g)" },
        { "CREATE TABLE t(a,b)", "ALTER TABLE t DROP COLUMN b" },
        { "CREATE TABLE t(a,b)", "ALTER TABLE t RENAME COLUMN b TO c" },
        { "CREATE TABLE t(a,b)", "DROP TABLE t" },
        { "CREATE TABLE t(a)", "CREATE VIRTUAL TABLE f USING fts5(x)" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *both = alloc_format("%s;%s", cases[i][0], cases[i][1]);
        struct schema *from = load(cases[i][0]), *to = load(both), *led;
        struct buf ddl = BUF_INIT, text = BUF_INIT;
        struct reader r;
        char why[200];

        if (schema_diff(from, to, SCHEMA_PLAIN, &ddl, why, sizeof(why)) != 0)
            fail_msg("%s: %s", cases[i][1], why);
        buf_printf(&text, "%s", cases[i][0]);
        r = reader_over(ddl.data, ddl.len);
        for (uint64_t n = reader_varint(&r); n > 0; n--) {
            int len = (int)reader_varint(&r);

            buf_printf(&text, ";%.*s", len,
                (const char *)reader_take(&r, (size_t)len));
        }
        assert_true(reader_done(&r));
        buf_put_u8(&text, 0);
        led = load((char *)text.data);
        if (memcmp(led->hash, to->hash, HASH_SIZE) != 0)
            fail_msg("%s leads elsewhere", (char *)text.data);
        schema_free(from);
        schema_free(to);
        schema_free(led);
        buf_release(&ddl);
        buf_release(&text);
        free(both);
    }
}

static void
other_changes_say_why(void **state)
{
    static const char *const cases[][2] = {
        { "CREATE TABLE t(rowid)", "ALTER TABLE t ADD COLUMN _rowid_; ALTER"
                                   " TABLE t ADD COLUMN oid" },
        { "CREATE TABLE t(a)", "CREATE VIRTUAL TABLE f USING"
                               " fts3tokenize(simple)" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *both = alloc_format("%s;%s", cases[i][0], cases[i][1]);
        struct schema *from = load(cases[i][0]), *to = load(both);
        struct buf ddl = BUF_INIT;
        char why[200] = "";

        assert_int_equal(schema_diff(from, to, SCHEMA_PLAIN, &ddl, why,
                             sizeof(why)),
            1);
        assert_true(strlen(why) > 0);
        assert_int_equal(ddl.len, 0);
        schema_free(from);
        schema_free(to);
        free(both);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_found),
        cmocka_unit_test(key_order_and_collation_are_the_primary_keys),
        cmocka_unit_test(some_tables_cannot_be_sent_by_row),
        cmocka_unit_test(generated_columns_stay_home),
        cmocka_unit_test(hash_sees_order_of_nothing_but_meaning),
        cmocka_unit_test(ddl_leads_from_one_to_the_other),
        cmocka_unit_test(other_changes_say_why),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

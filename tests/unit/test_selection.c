/*
 * What is replicated of a database: the text that says so, and what a schema
 * is under it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sync/schema.h"
#include "sync/selection.h"

static const char tables[] =
    "CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT UNIQUE,"
    " used INT NOT NULL, seen TEXT NOT NULL DEFAULT 'never', note BLOB NOT "
    "NULL,"
    " twice AS (used * 2));"
    "CREATE TABLE settings(k TEXT PRIMARY KEY, v, scope TEXT) WITHOUT ROWID;"
    "CREATE TABLE log(t, line);"
    "CREATE INDEX log_t ON log(t);"
    "CREATE VIRTUAL TABLE words USING fts5(w);"
    "CREATE TRIGGER logs AFTER INSERT ON log BEGIN SELECT 1; END;";

static char *
made_of(const char *columns, const char *rows, const char *excluded)
{
    struct selection s = SELECTION_INIT;
    struct err e = ERR_INIT;
    char *text;

    assert_int_equal(selection_add_columns(&s, columns, &e), 0);
    assert_int_equal(selection_add_rows(&s, rows, &e), 0);
    assert_int_equal(selection_add_tables(&s, excluded, &e), 0);
    text = selection_text(&s);
    selection_release(&s);
    return text;
}

static struct schema *
load(sqlite3 **db, const char *sql, const char *selection)
{
    struct schema *s;
    struct err e = ERR_INIT;

    assert_int_equal(sqlite3_open(":memory:", db), SQLITE_OK);
    if (sqlite3_exec(*db, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s", sqlite3_errmsg(*db));
    if (schema_load_selected(&s, *db, selection, &e) != 0)
        fail_msg("%s", e.message);
    return s;
}

static void
spelling_and_order_do_not_matter(void **state)
{
    char *a = made_of("users.seen, Users.\"USED\"",
        "settings WHERE scope = 'a;b' ; LOG where t > 1", "words");
    char *b = made_of("\"users\" . [used], users.seen, users.used",
        "log WHERE t > 1;settings   WHERE scope = 'a;b'", "`WORDS`,words");
    struct selection s = SELECTION_INIT;
    struct err e = ERR_INIT;
    char *again;

    (void)state;
    assert_string_equal(a, b);
    assert_string_equal(a, "protect_rows \"log\" WHERE t > 1\n"
                           "protect_rows \"settings\" WHERE scope = 'a;b'\n"
                           "protect \"users\".\"seen\"\n"
                           "protect \"users\".\"used\"\n"
                           "exclude \"words\"\n");
    assert_int_equal(selection_read(&s, a, &e), 0);
    again = selection_text(&s);
    assert_string_equal(again, a);
    selection_release(&s);
    free(again);
    free(a);
    free(b);
}

static void
what_is_no_selection_is_refused(void **state)
{
    static const char *const columns[] = { "users", "users.", ".a", "a.b.c",
        "a.b c.d", "a.'b'", "a.(b)" };
    static const char *const rows[] = { "settings", "settings scope=1",
        "settings WHERE", "settings WHERE a) OR (1",
        "settings WHERE a -- b\n = 1", "settings WHERE a /* b */ = 1",
        "settings WHERE 'a", "settings WHERE a=?1", "settings WHERE a=$b",
        "WHERE a" };
    static const char *const lists[] = { "a b", "a.b", "'a'", "a,,b" };
    static const char *const texts[] = { "protect a.b\n", "exclude \"a\"",
        "drop \"a\"\n", "exclude \"b\"\nexclude \"a\"\n",
        "exclude \"a\"\nprotect \"a\".\"b\"\n" };
    struct err e = ERR_INIT;

    (void)state;
    for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++) {
        struct selection s = SELECTION_INIT;

        if (selection_add_columns(&s, columns[i], &e) == 0)
            fail_msg("%s", columns[i]);
        selection_release(&s);
    }
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct selection s = SELECTION_INIT;

        if (selection_add_rows(&s, rows[i], &e) == 0)
            fail_msg("%s", rows[i]);
        selection_release(&s);
    }
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        struct selection s = SELECTION_INIT;

        if (selection_add_tables(&s, lists[i], &e) == 0)
            fail_msg("%s", lists[i]);
        selection_release(&s);
    }
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct selection s = SELECTION_INIT;

        if (selection_read(&s, texts[i], &e) == 0)
            fail_msg("%s", texts[i]);
        selection_release(&s);
    }
}

static void
a_schema_is_without_what_is_left_out(void **state)
{
    sqlite3 *db;
    char *text = made_of("users.used, users.seen, users.note",
        "settings WHERE scope='local'", "log, words");
    struct schema *s = load(&db, tables, text);
    const struct table *users = schema_find_table(s, "users");
    const struct table *settings = schema_find_table(s, "settings");
    char *sql;

    (void)state;
    assert_null(s->conflict);
    assert_int_equal(s->table_count, 2);
    assert_int_equal(s->object_count, 2);
    assert_int_equal(users->column_count, 2);
    assert_string_equal(users->columns[1].name, "name");
    assert_int_equal(users->kept_count, 3);
    assert_string_equal(users->kept[0].filler, "0");
    assert_null(users->kept[1].filler);
    assert_string_equal(users->kept[2].filler, "x''");
    sql = table_select_all_sql(settings);
    assert_non_null(strstr(sql, "NOT coalesce((scope='local'),0)"));
    free(sql);
    schema_free(s);
    sqlite3_close(db);
    free(text);
}

static void
the_hash_covers_the_selection(void **state)
{
    static const char plain[] = "CREATE TABLE t(a, b); CREATE TABLE u(a)";
    sqlite3 *db[4];
    char *filter = made_of("", "t WHERE a=1", "");
    char *column = made_of("t.b", "", "");
    struct schema *s[4] = {
        load(&db[0], plain, ""),
        load(&db[1], plain, NULL),
        load(&db[2], plain, filter),
        load(&db[3], plain, column),
    };

    (void)state;
    assert_memory_equal(s[0]->hash, s[1]->hash, HASH_SIZE);
    for (int i = 1; i < 4; i++)
        for (int k = i + 1; k < 4; k++)
            assert_memory_not_equal(s[i]->hash, s[k]->hash, HASH_SIZE);
    for (int i = 0; i < 4; i++) {
        schema_free(s[i]);
        sqlite3_close(db[i]);
    }
    free(filter);
    free(column);
}

static void
what_cannot_be_protected_is_said(void **state)
{
    static const struct {
        const char *columns, *rows, *excluded, *why;
    } cases[] = {
        { "users.id", "", "", "primary key" },
        { "users.name", "", "", "unique index" },
        { "settings.k", "", "", "primary key" },
        { "users.nothing", "", "", "no column" },
        { "users.twice", "", "", "no column" },
        { "log.t, log.line", "", "", "all columns" },
        { "", "log WHERE t > random()", "", "random" },
        { "", "log WHERE t > current_timestamp", "", "current_timestamp" },
        { "", "log WHERE (SELECT 1)", "", "more than" },
        { "", "log WHERE t IN (SELECT id FROM users)", "", "reads" },
        { "", "log WHERE absent = 1", "", "no such column" },
        { "users.seen", "users WHERE seen = 1", "", "not sent" },
        { "words.w", "", "", "virtual table" },
        { "", "words WHERE w = 1", "", "virtual table" },
        { "words_content.c0", "", "", "belongs to a virtual" },
        { "", "words_data WHERE id = 1", "", "belongs to a virtual" },
        { "", "", "words_idx", "belongs to a virtual" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *text =
            made_of(cases[i].columns, cases[i].rows, cases[i].excluded);
        sqlite3 *db;
        struct schema *s = load(&db, tables, text);

        if (s->conflict == NULL || strstr(s->conflict, cases[i].why) == NULL)
            fail_msg("case %zu: %s", i,
                s->conflict != NULL ? s->conflict : "no conflict");
        schema_free(s);
        sqlite3_close(db);
        free(text);
    }
}

/* Words of what is not sent stand in the index, which is. */
static void
an_index_of_kept_words_is_a_conflict(void **state)
{
    static const struct {
        const char *made, *columns, *rows, *excluded;
        const char *why; /* NULL: fine */
    } cases[] = {
        { "fts5(t, content=LOG)", "", "", "log", "table \"LOG\"" },
        { "fts5(t, content = 'log')", "", "", "log", "\"found\"" },
        { "fts5(t, cont=\"log\")", "", "", "log", "\"found\"" },
        { "fts4(content=\"log\", t)", "", "", "log", "\"found\"" },
        { "fts4(content=[log])", "", "", "log", "\"found\"" },
        { "fts5(t, content=gone)", "", "", "gone", "table \"gone\"" },
        { "fts5(line, content=shown)", "", "", "log", "table \"log\"" },
        { "fts5(t, content=log)", "", "", "log, found", NULL },
        { "fts5(t, content='')", "", "", "log", NULL },
        { "fts5(log)", "", "", "log", NULL },
        { "fts5(t, content=log)", "log.t", "", "", "column \"t\"" },
        { "fts4(content=log)", "log.line", "", "", "column \"line\"" },
        { "fts5(line, content=shown)", "log.line", "", "", "\"line\"" },
        { "fts5(line, content=log)", "log.t", "", "", NULL },
        { "fts5(line, content=shown)", "log.t", "", "", NULL },
        { "fts5(t, content=log)", "", "log WHERE t=1", "", "rows of table" },
        { "fts5(t, content=log)", "", "settings WHERE v=1", "users", NULL },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *text =
            made_of(cases[i].columns, cases[i].rows, cases[i].excluded);
        char *sql =
            sqlite3_mprintf("%sCREATE VIEW shown AS SELECT rowid AS rowid,"
                            " upper(line) AS line FROM log;"
                            "CREATE VIRTUAL TABLE found USING %s;",
                tables, cases[i].made);
        sqlite3 *db;
        struct schema *s = load(&db, sql, text);

        if ((s->conflict == NULL) != (cases[i].why == NULL) ||
            (cases[i].why != NULL && strstr(s->conflict, cases[i].why) == NULL))
            fail_msg("case %zu: %s", i,
                s->conflict != NULL ? s->conflict : "no conflict");
        schema_free(s);
        sqlite3_close(db);
        sqlite3_free(sql);
        free(text);
    }
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(spelling_and_order_do_not_matter),
        cmocka_unit_test(what_is_no_selection_is_refused),
        cmocka_unit_test(a_schema_is_without_what_is_left_out),
        cmocka_unit_test(the_hash_covers_the_selection),
        cmocka_unit_test(what_cannot_be_protected_is_said),
        cmocka_unit_test(an_index_of_kept_words_is_a_conflict),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

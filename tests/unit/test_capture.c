/*
 * Capture misses nothing: random schemas, random statements with every conflict
 * clause, application triggers and cascades; after each step every row that
 * differs from before must have its key in the journal.
 *
 * LOCKSTEP_TRIALS and LOCKSTEP_SEED widen the search.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "sync/capture.h"
#include "sync/open.h"
#include "sync/value.h"

static uint64_t random_state = 88172645463325252ull;

static unsigned
below(unsigned n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (unsigned)(random_state >> 11) % n;
}

static bool
chance(unsigned percent)
{
    return below(100) < percent;
}

#define PICK(array) (array)[below(sizeof(array) / sizeof((array)[0]))]

static const char *const values[] = { "1", "2", "3", "1.0", "'1'", "'a'", "'A'",
    "'b'", "NULL", "NULL", "x'61'", "' 2'", "2.0", "'B'", "7" };
static const char *const types[] = { "", "integer", "text", "real", "numeric",
    "text collate nocase" };
static const char *const key_types[] = { "integer", "text", "",
    "text collate nocase", "int" };
static const char *const defaults[] = { "1", "'a'", "2", "'1'", "1.0" };
static const char *const clauses[] = { "", "", "or replace", "or replace",
    "or ignore", "or fail", "or abort" };
static const char *const column_names[] = { "k", "a", "b", "c" };

static const char *
replace_clause(void)
{
    return chance(25) ? " on conflict replace" : "";
}

static void
put_column(struct buf *b, const char *name)
{
    buf_printf(b, ",%s %s", name, PICK(types));
    if (chance(30))
        buf_printf(b, " not null%s default %s",
            chance(50) ? " on conflict replace" : "", PICK(defaults));
    if (chance(30))
        buf_printf(b, " unique%s", replace_clause());
}

static void
make_schema(struct buf *b)
{
    bool without_rowid = chance(30), wide_key = chance(10);

    buf_printf(b, "PRAGMA foreign_keys=%u; PRAGMA recursive_triggers=%u;",
        below(2), chance(33));
    if (wide_key)
        buf_printf(b, "create table t(k %s", PICK(key_types));
    else
        buf_printf(b, "create table t(k %s primary key%s", PICK(key_types),
            replace_clause());
    put_column(b, "a");
    put_column(b, "b");
    put_column(b, "c");
    if (chance(30))
        buf_printf(b, ",g %s as (lower(c)||'') %s unique",
            chance(50) ? "text" : "", chance(50) ? "virtual" : "stored");
    if (wide_key)
        buf_printf(b, ",primary key(k,a)%s", replace_clause());
    if (chance(30))
        buf_printf(b, ",unique(a,b)%s", replace_clause());
    buf_printf(b, ")%s;", without_rowid ? " without rowid" : "");
    if (chance(40))
        buf_printf(b, "create unique index i1 on t(lower(b));");
    if (chance(30))
        buf_printf(b, "create unique index i2 on t(c collate nocase desc)"
                      " where a>1;");
    if (chance(15))
        buf_printf(b, "create unique index i3 on t(a collate rtrim, b||c);");
    if (chance(30))
        buf_printf(b, "create table ch(id integer primary key, p references"
                      " t(k) on delete cascade on update cascade);");
    if (chance(50))
        buf_printf(b, "create trigger app1 after insert on t begin update t"
                      " set c=NEW.b where k=NEW.a; end;");
    if (chance(5))
        buf_printf(b, "create trigger app3 after insert on t when NEW.a=2 begin"
                      " select raise(ignore); end;");
}

static char *
make_statement(void)
{
    const char *v1 = PICK(values), *v2 = PICK(values), *v3 = PICK(values),
               *v4 = PICK(values), *clause = PICK(clauses);
    const char *x = PICK(column_names), *y = PICK(column_names);
    const char *const abc[] = { "a", "b", "c" };
    const char *p = PICK(abc), *q = PICK(abc);

    switch (below(9)) {
    case 0:
    case 1:
        return alloc_format("insert %s into t(k,a,b,c) values(%s,%s,%s,%s)",
            clause, v1, v2, v3, v4);
    case 2:
        return alloc_format("update %s t set %s=%s where %s is %s", clause, x,
            v1, y, v2);
    case 3:
        return alloc_format("update %s t set a=%s,b=%s", clause, v1, v2);
    case 4:
        return alloc_format("update %s t set %s=%s||%s", clause, p, q, v3);
    case 5:
        return alloc_format("delete from t where a is %s", v1);
    case 6:
        return alloc_format("insert %s into t(k,b) values(%s,%s)", clause, v1,
            v2);
    case 7:
        return alloc_format("insert into t(k,a,b,c) values(%s,%s,%s,%s) on"
                            " conflict do update set b=excluded.c",
            v1, v2, v3, v4);
    default:
        return alloc_format("insert %s into t(a,b,c) select b,c,a from t",
            clause);
    }
}

/* A table's rows: keys and rows as bytes, in order of key bytes. */
struct row {
    uint8_t *key, *row;
    size_t key_len, row_len;
};

struct snapshot {
    struct row rows[512];
    size_t count;
};

static void
snapshot_release(struct snapshot *s)
{
    for (size_t i = 0; i < s->count; i++) {
        free(s->rows[i].key);
        free(s->rows[i].row);
    }
    s->count = 0;
}

static void
snapshot_take(struct snapshot *s, sqlite3 *db, const struct table *t)
{
    char *sql = table_select_all_sql(t);
    sqlite3_stmt *stmt;

    s->count = 0;
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    while (sqlite3_step(stmt) == SQLITE_ROW) {
        struct buf key = BUF_INIT, row = BUF_INIT;
        struct row *r = &s->rows[s->count++];

        assert_true(s->count < 512);
        table_read_row(t, stmt, &key, &row);
        r->key = buf_steal(&key, &r->key_len);
        r->row = buf_steal(&row, &r->row_len);
    }
    sqlite3_finalize(stmt);
    free(sql);
}

static const struct row *
snapshot_find(const struct snapshot *s, const struct row *like)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->rows[i].key_len == like->key_len &&
            memcmp(s->rows[i].key, like->key, like->key_len) == 0)
            return &s->rows[i];
    return NULL;
}

/* Whether the journal has the key, or one that the table takes for the same. */
static bool
is_noted(sqlite3 *db, const struct capture_keys *keys, const struct table *t,
    const struct row *row)
{
    for (size_t i = 0; i < keys->count; i++) {
        const struct capture_key *k = &keys->items[i];
        struct reader a = reader_over(k->key, k->key_len);
        struct reader b = reader_over(row->key, row->key_len);
        bool same = true;

        if (strcmp(k->table->name, t->name) != 0)
            continue;
        if (k->key_len == row->key_len &&
            memcmp(k->key, row->key, k->key_len) == 0)
            return true;
        for (int c = 0; t->without_rowid && c < t->key_count; c++) {
            struct err e = ERR_INIT;
            sqlite3_stmt *stmt;
            char *sql =
                alloc_format("SELECT ?1=?2 COLLATE %s", t->key_collations[c]);

            assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL),
                SQLITE_OK);
            assert_int_equal(value_bind(&a, stmt, 1, &e), 0);
            assert_int_equal(value_bind(&b, stmt, 2, &e), 0);
            sqlite3_step(stmt);
            same = same && sqlite3_column_int(stmt, 0) == 1;
            sqlite3_finalize(stmt);
            free(sql);
        }
        if (t->without_rowid && same)
            return true;
    }
    return false;
}

struct totals {
    unsigned long trials, refused, statements, changed, missed;
};

static void
expect_noted(sqlite3 *db, const struct schema *s, const struct table *t,
    const struct snapshot *a, const struct snapshot *b, const char *statement,
    struct totals *totals)
{
    struct capture_keys keys;
    struct err e = ERR_INIT;

    assert_int_equal(capture_read(db, s, &keys, &e), 0);
    for (int side = 0; side < 2; side++) {
        const struct snapshot *from = side ? b : a, *to = side ? a : b;

        for (size_t i = 0; i < from->count; i++) {
            const struct row *row = &from->rows[i];
            const struct row *other = snapshot_find(to, row);

            if (other != NULL && other->row_len == row->row_len &&
                memcmp(other->row, row->row, row->row_len) == 0)
                continue;
            totals->changed++;
            if (!is_noted(db, &keys, t, row)) {
                char text[200];

                value_show(row->key, row->key_len, text, sizeof(text));
                totals->missed++;
                print_error("missed key %s of %s: %s\n%s\n", text, t->name,
                    statement, t->sql);
            }
        }
    }
    capture_keys_release(&keys);
}

static bool
refused(const struct buf *needs_compare, const char *name)
{
    return needs_compare->len > 0 &&
           memmem(needs_compare->data, needs_compare->len, name,
               strlen(name)) != NULL;
}

static void
trim_all(sqlite3 *db, const struct schema *s)
{
    struct capture_keys keys;
    struct err e = ERR_INIT;
    bool pending;

    assert_int_equal(capture_read(db, s, &keys, &e), 0);
    assert_int_equal(capture_trim(db, &keys, &e), 0);
    capture_keys_release(&keys);
    assert_int_equal(capture_pending(db, &pending, &e), 0);
    assert_false(pending);
}

static void
run_steps(sqlite3 *db, const struct schema *s, const struct buf *needs_compare,
    struct totals *totals)
{
    static struct snapshot before[2], after[2];

    for (int step = 0; step < 12; step++) {
        struct buf text = BUF_INIT;
        unsigned statements = chance(33) ? 3 : 1;

        trim_all(db, s);
        for (size_t i = 0; i < s->table_count; i++)
            snapshot_take(&before[i], db, &s->tables[i]);
        for (unsigned i = 0; i < statements; i++) {
            char *sql = make_statement();

            buf_printf(&text, "%s; ", sql);
            if (sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK)
                totals->statements++;
            if (sqlite3_get_autocommit(db) == 0)
                sqlite3_exec(db, "rollback", NULL, NULL, NULL);
            free(sql);
        }
        buf_put_u8(&text, 0);
        for (size_t i = 0; i < s->table_count; i++) {
            snapshot_take(&after[i], db, &s->tables[i]);
            if (!refused(needs_compare, s->tables[i].name))
                expect_noted(db, s, &s->tables[i], &before[i], &after[i],
                    (char *)text.data, totals);
        }
        for (size_t i = 0; i < s->table_count; i++) {
            snapshot_release(&before[i]);
            snapshot_release(&after[i]);
        }
        buf_release(&text);
        if (after[0].count > 200)
            sqlite3_exec(db, "delete from t", NULL, NULL, NULL);
    }
}

static void
run_trial(struct totals *totals)
{
    struct buf sql = BUF_INIT, needs_compare = BUF_INIT;
    struct schema *s;
    struct err e = ERR_INIT;
    bool installed, intact;
    sqlite3 *db;

    make_schema(&sql);
    buf_put_u8(&sql, 0);
    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    if (sqlite3_exec(db, (char *)sql.data, NULL, NULL, NULL) != SQLITE_OK)
        goto out; /* not every random schema is one */
    assert_int_equal(schema_load(&s, db, &e), 0);
    if (capture_install(db, s, &installed, &needs_compare, &e) != 0)
        fail_msg("capture_install: %s", e.message);
    assert_int_equal(capture_intact(db, s, &intact, &e), 0);
    assert_true(intact);
    totals->trials++;
    totals->refused += refused(&needs_compare, "t");
    if (chance(50))
        sqlite3_exec(db,
            "create trigger app2 before update on t begin delete from t where"
            " k=NEW.b; end",
            NULL, NULL, NULL);
    run_steps(db, s, &needs_compare, totals);
    schema_free(s);
out:
    database_close(db);
    buf_release(&sql);
    buf_release(&needs_compare);
}

static void
capture_misses_nothing(void **state)
{
    const char *trials = getenv("LOCKSTEP_TRIALS");
    const char *seed = getenv("LOCKSTEP_SEED");
    struct totals totals = { 0 };
    long count = trials != NULL ? atol(trials) : 400;

    (void)state;
    if (seed != NULL)
        random_state += strtoull(seed, NULL, 10) * 7919;
    for (long i = 0; i < count; i++)
        run_trial(&totals);
    print_message("%lu schemas (%lu left to compare), %lu statements,"
                  " %lu changed rows, %lu missed\n",
        totals.trials, totals.refused, totals.statements, totals.changed,
        totals.missed);
    assert_int_equal(totals.missed, 0);
    assert_true(totals.changed > 0);
    assert_true(totals.refused * 2 < totals.trials);
}

/* A counter that moved since it was read keeps its row. */
static void
trim_spares_what_changed_again(void **state)
{
    struct buf needs_compare = BUF_INIT;
    struct capture_keys keys;
    struct schema *s;
    struct err e = ERR_INIT;
    bool installed, pending;
    sqlite3 *db;

    (void)state;
    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    sqlite3_exec(db, "create table t(a); insert into t values(1),(2)", NULL,
        NULL, NULL);
    assert_int_equal(schema_load(&s, db, &e), 0);
    assert_int_equal(capture_install(db, s, &installed, &needs_compare, &e), 0);
    assert_true(installed);
    sqlite3_exec(db, "update t set a=3", NULL, NULL, NULL);
    assert_int_equal(capture_read(db, s, &keys, &e), 0);
    assert_int_equal(keys.count, 2);
    sqlite3_exec(db, "update t set a=4 where rowid=2", NULL, NULL, NULL);
    assert_int_equal(capture_trim(db, &keys, &e), 0);
    capture_keys_release(&keys);
    assert_int_equal(capture_read(db, s, &keys, &e), 0);
    assert_int_equal(keys.count, 1);
    capture_keys_release(&keys);
    assert_int_equal(capture_remove(db, &e), 0);
    assert_int_equal(sqlite3_exec(db, "update t set a=5", NULL, NULL, NULL),
        SQLITE_OK);
    assert_int_equal(capture_pending(db, &pending, &e), 0);
    assert_false(pending);
    schema_free(s);
    database_close(db);
    buf_release(&needs_compare);
}

/* The new row's id is unknown before it is stored, so no BEFORE trigger can
 * find what it evicts. */
static void
index_over_assigned_id_needs_compare(void **state)
{
    struct buf needs_compare = BUF_INIT;
    struct schema *s;
    struct err e = ERR_INIT;
    bool installed;
    sqlite3 *db;

    (void)state;
    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    sqlite3_exec(db,
        "create table t(id integer primary key, a);"
        "create unique index i on t(id%3);"
        "create table fine(id integer primary key, a unique)",
        NULL, NULL, NULL);
    assert_int_equal(schema_load(&s, db, &e), 0);
    assert_int_equal(capture_install(db, s, &installed, &needs_compare, &e), 0);
    assert_int_equal(needs_compare.len, 2);
    assert_memory_equal(needs_compare.data, "\1t", 2);
    schema_free(s);
    database_close(db);
    buf_release(&needs_compare);
}

static int
count_steps(void *ctx)
{
    ++*(uint64_t *)ctx;
    return 0;
}

/* Each key is looked up: the work does not grow with the square of them. */
static void
trim_reads_no_other_rows(void **state)
{
    struct buf needs_compare = BUF_INIT;
    struct capture_keys keys;
    struct schema *s;
    struct err e = ERR_INIT;
    uint64_t hundreds = 0;
    bool installed, pending;
    sqlite3 *db;

    (void)state;
    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    sqlite3_exec(db, "create table t(a)", NULL, NULL, NULL);
    assert_int_equal(schema_load(&s, db, &e), 0);
    assert_int_equal(capture_install(db, s, &installed, &needs_compare, &e), 0);
    sqlite3_exec(db,
        "with recursive n(i) as (select 1 union all select i+1 from n"
        " where i<2000) insert into t select i from n",
        NULL, NULL, NULL);
    assert_int_equal(capture_read(db, s, &keys, &e), 0);
    assert_int_equal(keys.count, 2000);
    sqlite3_progress_handler(db, 100, count_steps, &hundreds);
    assert_int_equal(capture_trim(db, &keys, &e), 0);
    assert_true(hundreds < 2000);
    sqlite3_progress_handler(db, 0, NULL, NULL);
    capture_keys_release(&keys);
    assert_int_equal(capture_pending(db, &pending, &e), 0);
    assert_false(pending);
    schema_free(s);
    database_close(db);
    buf_release(&needs_compare);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(capture_misses_nothing),
        cmocka_unit_test(trim_spares_what_changed_again),
        cmocka_unit_test(trim_reads_no_other_rows),
        cmocka_unit_test(index_over_assigned_id_needs_compare),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

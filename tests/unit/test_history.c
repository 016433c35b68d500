/*
 * History for people: a file of an earlier version opens and is widened, its
 * rows are shown where their columns can be named, and not otherwise.
 */
#include <jansson.h>

#include "base/clock.h"
#include "sync/source_internal.h"
#include "tests/unit/source_fixture.h"

static const char schema[] =
    "CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT, home TEXT)";

struct seen {
    size_t rows, named, statements, large;
};

static void
take_statement(void *ctx, char op, const char *text, size_t len)
{
    (void)op;
    (void)text;
    (void)len;
    ((struct seen *)ctx)->statements++;
}

static int
take_row(void *ctx, const struct change *c, const struct shape *old,
    const struct shape *new, struct err *e)
{
    struct seen *seen = ctx;

    (void)c;
    (void)e;
    seen->rows++;
    seen->named += old != NULL && new != NULL;
    return 0;
}

static int
take_large(void *ctx, char op, const char *table, const void *key,
    size_t key_len, const struct shape *shape, struct err *e)
{
    struct seen *seen = ctx;

    (void)op;
    (void)table;
    (void)key;
    (void)e;
    assert_true(key_len > 0);
    seen->large++;
    seen->named += shape != NULL;
    return 0;
}

static struct seen
show(struct fixture *f, uint64_t revision)
{
    struct seen seen = { 0 };
    const struct diff_sink sink = { take_statement, take_row, take_large,
        &seen };
    struct diff_summary summary;
    struct err e = ERR_INIT;

    if (source_show(f->source, revision, &sink, &summary, &e) != 0)
        fail_msg("source_show: %s", e.message);
    json_decref(summary.entry);
    return seen;
}

/* Makes history.db what the first version made of it. */
static void
narrow(struct fixture *f)
{
    char *path = file_join(f->work, "history.db");
    sqlite3 *db;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    sql(db, "ALTER TABLE history DROP COLUMN who;"
            "ALTER TABLE history DROP COLUMN reason;"
            "ALTER TABLE history DROP COLUMN added;"
            "ALTER TABLE history DROP COLUMN changed;"
            "ALTER TABLE history DROP COLUMN removed;"
            "DROP TABLE shapes");
    database_close(db);
    free(path);
}

static void
an_earlier_history_is_widened(void **state)
{
    struct fixture f;
    struct seen seen;
    json_t *list;
    struct err e = ERR_INIT;

    (void)state;
    fixture_init(&f, "WAL", schema);
    source_start(&f);
    sql(f.live, "INSERT INTO users VALUES(1,'ann','/a'),(2,'bob','/b')");
    publish(&f);
    source_stop(&f);
    narrow(&f);
    source_start(&f);
    assert_int_equal(source_history(f.source, 10, &list, &e), 0);
    assert_int_equal(json_array_size(list), 2);
    assert_true(json_is_null(json_object_get(json_array_get(list, 0), "who")));
    json_decref(list);
    /* The schema is still the same: the columns have names. */
    seen = show(&f, 2);
    assert_int_equal(seen.rows, 2);
    assert_int_equal(seen.named, 2);
    sql(f.live, "UPDATE users SET home='/x' WHERE id=1");
    publish(&f);
    assert_int_equal(source_history(f.source, 1, &list, &e), 0);
    assert_string_equal(json_string_value(
                            json_object_get(json_array_get(list, 0), "who")),
        "outside writer");
    assert_int_equal(json_integer_value(
                         json_object_get(json_array_get(list, 0), "changed")),
        1);
    json_decref(list);
    fixture_release(&f);
}

static void
an_earlier_schema_has_no_names(void **state)
{
    struct fixture f;
    struct seen seen;

    (void)state;
    fixture_init(&f, "WAL", schema);
    source_start(&f);
    sql(f.live, "INSERT INTO users VALUES(1,'ann','/a')");
    publish(&f);
    sql(f.live, "ALTER TABLE users ADD COLUMN more TEXT");
    publish(&f);
    seen = show(&f, 2);
    assert_int_equal(seen.named, 1);
    source_stop(&f);
    narrow(&f);
    source_start(&f);
    seen = show(&f, 2);
    assert_int_equal(seen.rows, 1);
    assert_int_equal(seen.named, 0);
    assert_int_equal(show(&f, 3).statements, 1);
    fixture_release(&f);
}

static void
a_preview_changes_nothing(void **state)
{
    struct seen seen = { 0 };
    const struct diff_sink sink = { take_statement, take_row, take_large,
        &seen };
    struct diff_summary summary;
    struct err e = ERR_INIT;
    struct dataset_state before, after;
    struct fixture f;

    (void)state;
    fixture_init(&f, "DELETE", schema);
    source_start(&f);
    sql(f.live, "INSERT INTO users VALUES(1,'ann','/a')");
    source_state(f.source, &before);
    for (size_t i = 1; i <= 2; i++) {
        assert_int_equal(source_preview(f.source, &sink, &summary, &e), 0);
        assert_int_equal(seen.rows, i);
    }
    source_state(f.source, &after);
    assert_int_equal(before.revision, after.revision);
    assert_int_equal(publish(&f).changed_rows, 1);
    expect_equal(&f);
    fixture_release(&f);
}

/* More than a publish takes row by row: what is not sent so is counted. */
static void
a_preview_counts_any_number(void **state)
{
    struct seen seen = { 0 };
    const struct diff_sink sink = { take_statement, take_row, take_large,
        &seen };
    struct diff_summary summary;
    struct err e = ERR_INIT;
    struct fixture f;

    (void)state;
    fixture_init(&f, "WAL", schema);
    sql(f.live, "INSERT INTO users VALUES(-1,'gone','/g'),(-2,'other','/o'),"
                "(-3,'large',zeroblob(9000000)),(-4,'same','/s')");
    source_start(&f);
    sql(f.live,
        "DELETE FROM users WHERE id=-1;"
        "UPDATE users SET home='/' WHERE id=-2;"
        "UPDATE users SET name='x' WHERE id=-3;"
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE"
        " i<20000) INSERT INTO users SELECT i,'n'||i,hex(zeroblob(250)) FROM "
        "n");
    assert_int_equal(source_preview(f.source, &sink, &summary, &e), 0);
    assert_true(summary.whole && summary.counted);
    assert_int_equal(seen.rows, 20002);
    assert_int_equal(seen.large, 1);
    assert_int_equal(seen.named, 20003);
    /* And a single one. */
    publish(&f);
    sql(f.live, "UPDATE users SET name='y' WHERE id=-3");
    seen = (struct seen){ 0 };
    assert_int_equal(source_preview(f.source, &sink, &summary, &e), 0);
    assert_int_equal(seen.rows, 0);
    assert_int_equal(seen.large, 1);
    fixture_release(&f);
}

/* Entries of 100 KB each, one a day, up to now. */
static void
start_with_entries(struct fixture *f, int count)
{
    char text[512];

    fixture_init(f, "WAL", schema);
    source_start(f);
    snprintf(text, sizeof(text),
        "WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i+1 FROM n WHERE"
        " i<=%d) INSERT INTO history(revision,made_ms,writer,rows,"
        "digest_before,digest_after,schema_before,schema_after,changes,barrier,"
        "compared,bytes) SELECT i,%lld-(%d-i)*86400000,x'',1,x'',x'',x'',x'',"
        "zeroblob(100000),0,0,100000 FROM n;"
        "DELETE FROM history WHERE revision=1",
        count, (long long)clock_utc_ms(), count + 1);
    sql(f->source->history, text);
}

static int64_t
number(sqlite3 *db, const char *query)
{
    sqlite3_stmt *stmt;
    int64_t value;

    assert_int_equal(sqlite3_prepare_v2(db, query, -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    value = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return value;
}

static void
expect_kept(struct fixture *f, int64_t oldest, int64_t newest)
{
    struct err e = ERR_INIT;

    assert_int_equal(history_retain(f->source, &e), 0);
    assert_int_equal(number(f->source->history,
                         "SELECT min(revision) FROM history"),
        oldest);
    assert_int_equal(number(f->source->history,
                         "SELECT max(revision) FROM history"),
        newest);
    assert_int_equal(number(f->source->history, "SELECT count(*) FROM history"),
        newest - oldest + 1);
}

static void
history_is_cut_by_size_and_age(void **state)
{
    struct fixture f;

    (void)state;
    start_with_entries(&f, 40);
    f.source->config.history_bytes = UINT32_MAX;
    f.source->config.history_age_ms = (int64_t)365 * 86400000;
    expect_kept(&f, 2, 41);
    f.source->config.history_age_ms = 20 * (int64_t)86400000 + 1000000;
    expect_kept(&f, 21, 41);
    f.source->config.history_bytes = 500000;
    expect_kept(&f, 37, 41);
    f.source->config.history_bytes = 0;
    expect_kept(&f, 41, 41);
    fixture_release(&f);
}

/* It may be hundreds of megabytes, and the next publish waits. */
static void
history_is_cut_without_being_read(void **state)
{
    struct fixture f;
    int misses, highest;

    (void)state;
    start_with_entries(&f, 200);
    f.source->config.history_bytes = UINT32_MAX;
    f.source->config.history_age_ms = (int64_t)3650 * 86400000;
    sqlite3_db_release_memory(f.source->history);
    sqlite3_db_status(f.source->history, SQLITE_DBSTATUS_CACHE_MISS, &misses,
        &highest, 1);
    expect_kept(&f, 2, 201);
    sqlite3_db_status(f.source->history, SQLITE_DBSTATUS_CACHE_MISS, &misses,
        &highest, 0);
    assert_in_range(misses, 1, 50);
    fixture_release(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_earlier_history_is_widened),
        cmocka_unit_test(an_earlier_schema_has_no_names),
        cmocka_unit_test(a_preview_changes_nothing),
        cmocka_unit_test(a_preview_counts_any_number),
        cmocka_unit_test(history_is_cut_by_size_and_age),
        cmocka_unit_test(history_is_cut_without_being_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

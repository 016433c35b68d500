/*
 * Nothing rolls a fleet back unasked between a publish and its trim either: the
 * live file still has the nonce and the notes of before, and its log.
 */
#include "sync/source_internal.h"
#include "tests/unit/source_fixture.h"

#include <sched.h>

static const char schema[] =
    "CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT UNIQUE, home TEXT);"
    "CREATE TABLE others(id INTEGER PRIMARY KEY, v);"
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<100)"
    " INSERT INTO users(name,home) SELECT 'u'||i,'/srv/'||i FROM n";

struct how {
    const char *mode;
    const char *way; /* cp, mv */
};

static void
start(struct fixture *f, const struct how *how)
{
    fixture_init(f, how->mode, schema);
    source_start(f);
    sql(f->live, "UPDATE users SET home='first' WHERE id=50");
    publish(f);
    trim(f);
}

static void
copy_now(struct fixture *f)
{
    shell("sqlite3 %s '.backup %s/old.db'", f->live_path, f->folder);
}

/* The other programs are processes of their own: a connection in this one would
 * take the log's index from the source. */
static void
put_copy_in_place(struct fixture *f, const struct how *how)
{
    live_disconnect(f);
    if (strcmp(how->way, "cp") == 0) /* as its log would spoil a copy */
        shell("sqlite3 %s 'PRAGMA wal_checkpoint(TRUNCATE)' >/dev/null",
            f->live_path);
    shell("%s %s/old.db %s", how->way, f->folder, f->live_path);
}

/* One row, changed in two revisions that are not trimmed, and a copy as of
 * between them: it has a note of that row. */
static void
start_between(struct fixture *f, const struct how *how)
{
    start(f, how);
    sql(f->live, "UPDATE users SET home='one' WHERE id=1");
    publish(f);
    copy_now(f);
    sql(f->live, "UPDATE users SET home='two' WHERE id=1");
    publish(f);
}

static void
expect_home(struct fixture *f, const char *wanted)
{
    sqlite3_stmt *stmt;

    if (f->live == NULL)
        live_connect(f);
    assert_int_equal(sqlite3_prepare_v2(f->live,
                         "SELECT home FROM users WHERE id=1", -1, &stmt, NULL),
        SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    assert_string_equal((const char *)sqlite3_column_text(stmt, 0), wanted);
    sqlite3_finalize(stmt);
}

static void
expect_accepted_as(struct fixture *f, const char *home)
{
    struct publish_result r;
    struct err e = ERR_INIT;

    if (source_accept(f->source, &r, &e) != 0)
        fail_msg("source_accept: %s", e.message);
    expect_home(f, home);
    expect_equal(f);
    trim(f);
    sql(f->live, "UPDATE users SET home='after' WHERE id=7");
    assert_false(publish(f).compared);
    expect_equal(f);
}

static void
older_file_is_held(void **state)
{
    struct fixture f;

    start_between(&f, *state);
    put_copy_in_place(&f, *state);
    expect_held(&f, "");
    expect_held(&f, "");
    expect_accepted_as(&f, "one");
    fixture_release(&f);
}

static void
older_file_is_not_taken_by_the_trim(void **state)
{
    struct fixture f;

    start_between(&f, *state);
    put_copy_in_place(&f, *state);
    trim(&f);
    trim(&f);
    expect_held(&f, "");
    expect_accepted_as(&f, "one");
    fixture_release(&f);
}

/* The newest revision took back a part of the one before: of the two, only the
 * rest of that one is missing. */
static void
file_without_an_earlier_revision_is_held(void **state)
{
    struct fixture f;

    start(&f, *state);
    copy_now(&f);
    sql(f.live, "UPDATE users SET home='one' WHERE id=1;"
                "UPDATE users SET home='moved' WHERE id=2;"
                "INSERT INTO others VALUES(1,1)");
    publish(&f);
    sql(f.live, "UPDATE users SET home='/srv/2' WHERE id=2");
    publish(&f);
    put_copy_in_place(&f, *state);
    expect_held(&f, "as it was before");
    expect_accepted_as(&f, "/srv/1");
    fixture_release(&f);
}

static void
copy_of_now_goes_on(void **state)
{
    struct fixture f;

    start_between(&f, *state);
    copy_now(&f);
    put_copy_in_place(&f, *state);
    publish(&f);
    assert_null(source_held(f.source));
    expect_home(&f, "two");
    expect_equal(&f);
    trim(&f);
    sql(f.live, "UPDATE users SET home='three' WHERE id=1");
    assert_false(publish(&f).compared);
    expect_equal(&f);
    fixture_release(&f);
}

/* A program set the row back itself, and the trim comes after that. */
static void
value_set_back_is_published(void **state)
{
    struct fixture f;

    start_between(&f, *state);
    sql(f.live, "UPDATE users SET home='one' WHERE id=1");
    trim(&f);
    assert_true(publish(&f).published);
    assert_null(source_held(f.source));
    expect_equal(&f);
    trim(&f);
    fixture_release(&f);
}

static void
cut_off_file_is_not_filled_from_its_log(void **state)
{
    struct fixture f;

    start_between(&f, *state);
    live_disconnect(&f);
    shell("truncate -s 0 %s", f.live_path);
    trim(&f);
    expect_held(&f, "empty");
    fixture_release(&f);
}

static void
trim_only(struct fixture *f)
{
    struct err e = ERR_INIT;

    if (source_trim(f->source, &e) != 0)
        fail_msg("source_trim: %s", e.message);
}

static void
write_back(struct fixture *f)
{
    struct err e = ERR_INIT;

    if (source_write_back(f->source, &e) != 0)
        fail_msg("source_write_back: %s", e.message);
}

static void
trimmed_file_is_not_filled_either(void **state)
{
    struct fixture f;

    start_between(&f, *state);
    trim_only(&f);
    live_disconnect(&f);
    shell("truncate -s 0 %s", f.live_path);
    write_back(&f);
    expect_held(&f, "empty");
    fixture_release(&f);
}

/* A program that stays, so that the log does; it has done its work when this
 * returns. */
static FILE *
start_program(struct fixture *f, const char *work)
{
    char *ready = file_join(f->folder, "ready");
    char command[256];
    FILE *program;

    snprintf(command, sizeof(command), "sqlite3 %s", f->live_path);
    program = popen(command, "w");
    assert_non_null(program);
    fprintf(program, "%s;\n.shell touch %s\n", work, ready);
    fflush(program);
    while (!file_exists(ready))
        sched_yield();
    free(ready);
    return program;
}

/* What a program wrote to the log since belongs to no file: nobody may guess.
 */
static void
left_log_that_was_written_to_is_held(void **state)
{
    static const struct how wal = { "WAL", "mv" };
    struct fixture f;
    FILE *program;

    (void)state;
    start_between(&f, &wal);
    live_disconnect(&f);
    shell("mv %s/old.db %s", f.folder, f.live_path);
    program = start_program(&f, "UPDATE users SET home='x' WHERE id=3");
    expect_held(&f, "its log held newer changes");
    expect_held(&f, "its log held newer changes");
    pclose(program);
    expect_accepted_as(&f, "two");
    fixture_release(&f);
}

/* Trimmed, but its log not yet written back. */
static void
older_file_is_not_given_the_log(void **state)
{
    struct fixture f;

    start(&f, *state);
    sql(f.live, "UPDATE users SET home='one' WHERE id=1");
    publish(&f);
    trim_only(&f);
    copy_now(&f);
    sql(f.live, "UPDATE users SET home='two' WHERE id=1");
    publish(&f);
    trim_only(&f);
    put_copy_in_place(&f, *state);
    write_back(&f);
    expect_held(&f, "");
    expect_accepted_as(&f, "one");
    fixture_release(&f);
}

static bool
log_is_empty(struct fixture *f)
{
    char *path = alloc_format("%s-wal", f->live_path);
    struct stat st;
    bool empty = stat(path, &st) != 0 || st.st_size == 0;

    free(path);
    return empty;
}

static bool
journal_is_empty(struct fixture *f)
{
    struct err e = ERR_INIT;
    bool pending;

    assert_int_equal(capture_pending(f->live, &pending, &e), 0);
    return !pending;
}

/* So that the next publish waits for neither. */
static void
log_is_written_back_after_the_trim(void **state)
{
    static const struct how wal = { "WAL", "" };
    struct fixture f;

    (void)state;
    start(&f, &wal);
    sql(f.live, "UPDATE users SET home='one' WHERE id=1");
    publish(&f);
    write_back(&f);
    assert_false(journal_is_empty(&f));
    trim_only(&f);
    assert_true(journal_is_empty(&f));
    assert_false(log_is_empty(&f));
    write_back(&f);
    assert_true(log_is_empty(&f));
    fixture_release(&f);
}

/* Whoever writes after the publish keeps the notes of the others from going at
 * once. */
static void
trim_keeps_what_was_noted_since(void **state)
{
    static const struct how wal = { "WAL", "" };
    struct fixture f;

    (void)state;
    start(&f, &wal);
    sql(f.live, "UPDATE users SET home='one' WHERE id=1");
    publish(&f);
    sql(f.live, "UPDATE users SET home='two' WHERE id=2");
    trim(&f);
    assert_false(journal_is_empty(&f));
    assert_false(publish(&f).compared);
    expect_equal(&f);
    trim(&f);
    assert_true(journal_is_empty(&f));
    fixture_release(&f);
}

static const struct how ways[] = { { "WAL", "mv" }, { "WAL", "cp" },
    { "DELETE", "mv" }, { "DELETE", "cp" } };

#define EACH_WAY(test)                                              \
    { #test " (WAL, mv)", test, NULL, NULL, (void *)&ways[0] },     \
        { #test " (WAL, cp)", test, NULL, NULL, (void *)&ways[1] }, \
        { #test " (mv)", test, NULL, NULL, (void *)&ways[2] },      \
    {                                                               \
#test " (cp)", test, NULL, NULL, (void *)&ways[3]           \
    }

int
main(void)
{
    const struct CMUnitTest tests[] = {
        EACH_WAY(older_file_is_held),
        EACH_WAY(older_file_is_not_taken_by_the_trim),
        EACH_WAY(file_without_an_earlier_revision_is_held),
        EACH_WAY(older_file_is_not_given_the_log),
        EACH_WAY(copy_of_now_goes_on),
        EACH_WAY(value_set_back_is_published),
        EACH_WAY(cut_off_file_is_not_filled_from_its_log),
        EACH_WAY(trimmed_file_is_not_filled_either),
        cmocka_unit_test(left_log_that_was_written_to_is_held),
        cmocka_unit_test(log_is_written_back_after_the_trim),
        cmocka_unit_test(trim_keeps_what_was_noted_since),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

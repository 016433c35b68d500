/*
 * Nothing rolls a fleet back unasked: what a source does when the live file is
 * another one than it knew, and when too much goes.
 */
#include "sync/source_internal.h"
#include "tests/unit/source_fixture.h"

static const char schema[] =
    "CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT UNIQUE, home TEXT);"
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<100)"
    " INSERT INTO users(name,home) SELECT 'u'||i,'/srv/'||i FROM n";

static struct publish_result
accept_held(struct fixture *f)
{
    struct publish_result r;
    struct err e = ERR_INIT;

    if (source_accept(f->source, &r, &e) != 0)
        fail_msg("source_accept: %s", e.message);
    assert_null(source_held(f->source));
    trim(f);
    return r;
}

/* Accepted, and then all is as usual. */
static void
expect_accepted(struct fixture *f)
{
    accept_held(f);
    expect_equal(f);
    sql(f->live, "UPDATE users SET home='after' WHERE id=7");
    assert_false(publish(f).compared);
    expect_equal(f);
    trim(f);
}

/* Two revisions; "old.db" is a copy as of the first. */
static void
start_with_old_copy(struct fixture *f, const char *mode)
{
    fixture_init(f, mode, schema);
    source_start(f);
    sql(f->live, "UPDATE users SET home='one' WHERE id=1");
    publish(f);
    trim(f);
    live_disconnect(f);
    shell("sqlite3 %s '.backup %s/old.db'", f->live_path, f->folder);
    live_connect(f);
    sql(f->live, "UPDATE users SET home='two' WHERE id=1");
    publish(f);
    trim(f);
    assert_false(publish(f).published);
}

static void
older_file_by_cp_is_held(void **state)
{
    struct fixture f;

    start_with_old_copy(&f, *state);
    live_disconnect(&f);
    shell("cp %s/old.db %s", f.folder, f.live_path);
    live_connect(&f);
    expect_held(&f, "older or foreign");
    expect_held(&f, "older or foreign");
    source_stop(&f);
    source_start(&f); /* found again */
    assert_non_null(source_held(f.source));
    expect_held(&f, "older or foreign");
    expect_accepted(&f);
    fixture_release(&f);
}

static void
older_file_by_mv_is_held(void **state)
{
    struct fixture f;

    start_with_old_copy(&f, *state);
    live_disconnect(&f);
    shell("mv %s/old.db %s", f.folder, f.live_path);
    live_connect(&f);
    expect_held(&f, "older or foreign");
    expect_accepted(&f);
    fixture_release(&f);
}

/* Put back, the right file goes on as if nothing had been. */
static void
right_file_put_back_is_published(void **state)
{
    struct fixture f;

    start_with_old_copy(&f, *state);
    live_disconnect(&f);
    shell("sqlite3 %s '.backup %s/right.db'", f.live_path, f.folder);
    shell("mv %s/old.db %s", f.folder, f.live_path);
    expect_held(&f, "older or foreign");
    shell("mv %s/right.db %s", f.folder, f.live_path);
    live_connect(&f);
    sql(f.live, "UPDATE users SET home='back' WHERE id=2");
    publish(&f);
    assert_null(source_held(f.source));
    expect_equal(&f);
    fixture_release(&f);
}

/* A crash between publish and trim: the live file holds the nonce before. */
static void
restart_before_trim_goes_on(void **state)
{
    struct fixture f;

    fixture_init(&f, *state, schema);
    source_start(&f);
    sql(f.live, "UPDATE users SET home='one' WHERE id=1");
    publish(&f);
    source_stop(&f);
    source_start(&f);
    assert_null(source_held(f.source));
    trim(&f);
    source_stop(&f);
    source_start(&f);
    assert_null(source_held(f.source));
    expect_equal(&f);
    fixture_release(&f);
}

/* Rows on pages of their own, so that a log can hold some and not others. */
static void
start_with_large_rows(struct fixture *f, const char *mode)
{
    fixture_init(f, mode, schema);
    sql(f->live, "UPDATE users SET home=home||hex(zeroblob(300))");
    source_start(f);
    sql(f->live, "UPDATE users SET name='first' WHERE id=50");
    publish(f);
    trim(f);
    shell("sqlite3 %s '.backup %s/old.db'", f->live_path, f->folder);
}

/* A reader that does not end keeps the log from being emptied. */
static sqlite3 *
start_reader(struct fixture *f)
{
    sqlite3 *reader;

    assert_int_equal(sqlite3_open(f->live_path, &reader), SQLITE_OK);
    sql(reader, "BEGIN; SELECT count(*) FROM users");
    return reader;
}

static void
change(struct fixture *f, const char *text)
{
    sql(f->live, text);
    publish(f);
    trim(f);
}

/* The newest nonce is in the log, and readers see it over the older file. */
static void
older_file_under_a_log_is_held(void **state)
{
    struct fixture f;
    sqlite3 *reader;

    start_with_large_rows(&f, "WAL");
    change(&f, "UPDATE users SET home='two' WHERE id=1");
    reader = start_reader(&f);
    change(&f, "UPDATE users SET home='three' WHERE id=90");
    shell("%s %s/old.db %s", (const char *)*state, f.folder, f.live_path);
    expect_held(&f, "older or foreign");
    sqlite3_close(reader);
    fixture_release(&f);
}

/* The log up to where the reader stands is in the file, and not read again. */
static void
older_file_under_a_part_of_a_log_is_held(void **state)
{
    struct fixture f;
    sqlite3 *reader;

    (void)state;
    start_with_large_rows(&f, "WAL");
    sql(f.live, "UPDATE users SET home='two' WHERE id=1");
    reader = start_reader(&f);
    publish(&f);
    trim(&f);
    change(&f, "UPDATE users SET home='three' WHERE id=90");
    shell("cp %s/old.db %s", f.folder, f.live_path);
    expect_held(&f, "older or foreign");
    sqlite3_close(reader);
    fixture_release(&f);
}

/* Its nonce is right until the trim. */
static void
file_put_back_before_trim_is_held(void **state)
{
    struct fixture f;

    start_with_large_rows(&f, *state);
    sql(f.live, "UPDATE users SET home='two' WHERE id=1");
    publish(&f);
    sql(f.live, "PRAGMA wal_checkpoint(TRUNCATE)");
    live_disconnect(&f);
    shell("cp %s/old.db %s", f.folder, f.live_path);
    expect_held(&f, "as it was before revision");
    source_stop(&f);
    source_start(&f);
    assert_non_null(source_held(f.source));
    live_connect(&f);
    expect_accepted(&f);
    fixture_release(&f);
}

/* Who removes the log first leaves us with one that is nobody's any more. */
static void
older_file_without_the_log_of_the_newer_is_held(void **state)
{
    struct fixture f;

    (void)state;
    start_with_large_rows(&f, "WAL");
    change(&f, "UPDATE users SET home='two' WHERE id=1");
    sql(f.live, "UPDATE users SET home='three' WHERE id=90");
    publish(&f);
    live_disconnect(&f);
    shell("rm -f %s-wal %s-shm && cp %s/old.db %s", f.live_path, f.live_path,
        f.folder, f.live_path);
    trim(&f);
    expect_held(&f, "older or foreign");
    shell("test \"$(sqlite3 %s 'SELECT home FROM users WHERE id=90')\" = "
          "\"$(sqlite3 %s/old.db 'SELECT home FROM users WHERE id=90')\"",
        f.live_path, f.folder);
    live_connect(&f);
    expect_accepted(&f);
    fixture_release(&f);
}

/* Changed back by somebody, it is a change as any other. */
static void
row_changed_back_before_trim_is_published(void **state)
{
    struct fixture f;

    start_with_large_rows(&f, *state);
    sql(f.live, "UPDATE users SET name='two' WHERE id=1");
    publish(&f);
    sql(f.live, "UPDATE users SET name='u1' WHERE id=1");
    source_stop(&f);
    source_start(&f);
    assert_null(source_held(f.source));
    expect_equal(&f);
    fixture_release(&f);
}

static void
foreign_file_is_held(void **state)
{
    struct fixture f;

    start_with_old_copy(&f, *state);
    live_disconnect(&f);
    shell("sqlite3 %s/foreign.db \"CREATE TABLE users(id INTEGER PRIMARY KEY,"
          " name TEXT, home TEXT); INSERT INTO users VALUES(1,'a','b')\"",
        f.folder);
    shell("mv %s/foreign.db %s", f.folder, f.live_path);
    expect_held(&f, "older or foreign");
    live_connect(&f);
    accept_held(&f);
    expect_equal(&f);
    fixture_release(&f);
}

static void
missing_file_is_held_and_not_made(void **state)
{
    struct fixture f;

    start_with_old_copy(&f, *state);
    live_disconnect(&f);
    shell("mv %s %s/away", f.live_path, f.folder);
    expect_held(&f, "missing");
    source_stop(&f);
    source_start(&f);
    expect_held(&f, "missing");
    assert_false(file_exists(f.live_path));
    shell("mv %s/away %s", f.folder, f.live_path);
    live_connect(&f);
    publish(&f);
    expect_equal(&f);
    fixture_release(&f);
}

static void
emptied_truncated_and_garbled_files_are_held(void **state)
{
    struct fixture f;

    start_with_old_copy(&f, *state);
    live_disconnect(&f);
    shell("cp %s %s/right", f.live_path, f.folder);
    shell(": > %s", f.live_path);
    expect_held(&f, "empty");
    shell("cp %s/right %s; truncate -s 5000 %s", f.folder, f.live_path,
        f.live_path);
    expect_held(&f, "");
    shell("head -c 20000 /dev/urandom > %s", f.live_path);
    expect_held(&f, "damaged");
    shell("rm %s; sqlite3 %s 'CREATE TABLE z(a); DROP TABLE z'", f.live_path,
        f.live_path);
    expect_held(&f, "empty");
    shell("rm -f %s*; cp %s/right %s", f.live_path, f.folder, f.live_path);
    live_connect(&f);
    publish(&f);
    expect_equal(&f);
    fixture_release(&f);
}

static void
mass_deletion_is_held(void **state)
{
    struct fixture f;
    struct publish_result r;

    fixture_init(&f, *state, schema);
    source_start(&f);
    sql(f.live, "DELETE FROM users WHERE id<=20");
    assert_true(publish(&f).published);
    trim(&f);
    sql(f.live, "DELETE FROM users WHERE id<=40");
    expect_held(&f, "20 of 80 rows");
    sql(f.live, "UPDATE users SET home='more' WHERE id=50");
    expect_held(&f, "20 of 80 rows");
    source_stop(&f);
    source_start(&f);
    assert_non_null(source_held(f.source));
    r = accept_held(&f);
    assert_true(r.published);
    assert_int_equal(r.state.rows, 60);
    expect_equal(&f);
    fixture_release(&f);
}

static void
mass_deletion_never_leaves(void **state)
{
    struct fixture f;
    struct dataset_state s;

    fixture_init(&f, *state, schema);
    source_start(&f);
    sql(f.live, "DELETE FROM users");
    expect_held(&f, "100 of 100 rows");
    source_state(f.source, &s);
    assert_int_equal(s.rows, 100);
    sql(f.live, "DROP TABLE users; CREATE TABLE other(a)");
    expect_held(&f, "100 of 100 rows");
    accept_held(&f);
    expect_equal(&f);
    fixture_release(&f);
}

static int
count_step(void *steps)
{
    (*(uint64_t *)steps)++;
    return 0;
}

static void
watch_steps(struct fixture *f, int every, uint64_t *steps)
{
    sqlite3 *const both[] = { f->source->published, f->source->live };

    for (int i = 0; i < 2; i++)
        if (both[i] != NULL) /* closed between two looks when compared */
            sqlite3_progress_handler(both[i], every, count_step, steps);
}

/* Steps of SQLite's machine that a publish takes which is held. */
static uint64_t
steps_to_hold(struct fixture *f, const char *reason)
{
    uint64_t steps = 0;

    watch_steps(f, 1, &steps);
    expect_held(f, reason);
    watch_steps(f, 0, NULL);
    return steps;
}

static void
held_deletion_is_not_collected_again(void **state)
{
    struct fixture f;
    uint64_t first;

    fixture_init(&f, "WAL", schema);
    sql(f.live, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n"
                " WHERE i<5000) INSERT INTO users(name) SELECT 'v'||i FROM n");
    if (strcmp(*state, "compare") == 0)
        f.config.capture = CAPTURE_COMPARE;
    else
        sql(f.live, *state);
    source_start(&f);
    trim(&f);
    sql(f.live, "DELETE FROM users WHERE id>100");
    first = steps_to_hold(&f, "5000 of 5100 rows");
    assert_true(first > 20000);
    for (int i = 0; i < 3; i++)
        assert_true(steps_to_hold(&f, "5000 of 5100 rows") < 2000);
    sql(f.live, "DELETE FROM users WHERE id>90");
    expect_held(&f, "5010 of 5100 rows");
    sql(f.live, "CREATE INDEX by_home ON users(home)");
    expect_held(&f, "5010 of 5100 rows");
    sql(f.live, "WITH RECURSIVE n(i) AS (SELECT 91 UNION ALL SELECT i+1 FROM n"
                " WHERE i<5000) INSERT INTO users(id,name) SELECT i,'w'||i"
                " FROM n");
    assert_true(publish(&f).published);
    assert_null(source_held(f.source));
    expect_equal(&f);
    fixture_release(&f);
}

static void
small_tables_are_not_guarded(void **state)
{
    struct fixture f;

    fixture_init(&f, *state, schema);
    sql(f.live, "DELETE FROM users WHERE id>49");
    source_start(&f);
    sql(f.live, "DELETE FROM users");
    assert_true(publish(&f).published);
    expect_equal(&f);
    fixture_release(&f);
}

#define IN_BOTH_MODES(test)                           \
    { #test " (wal)", test, NULL, NULL, "WAL" },      \
    {                                                 \
#test " (delete)", test, NULL, NULL, "DELETE" \
    }

#define BY_MV_AND_CP(test)                     \
    { #test " (mv)", test, NULL, NULL, "mv" }, \
    {                                          \
#test " (cp)", test, NULL, NULL, "cp"  \
    }

int
main(void)
{
    const struct CMUnitTest tests[] = {
        IN_BOTH_MODES(older_file_by_cp_is_held),
        IN_BOTH_MODES(older_file_by_mv_is_held),
        IN_BOTH_MODES(right_file_put_back_is_published),
        IN_BOTH_MODES(restart_before_trim_goes_on),
        IN_BOTH_MODES(file_put_back_before_trim_is_held),
        IN_BOTH_MODES(row_changed_back_before_trim_is_published),
        BY_MV_AND_CP(older_file_under_a_log_is_held),
        cmocka_unit_test(older_file_under_a_part_of_a_log_is_held),
        cmocka_unit_test(older_file_without_the_log_of_the_newer_is_held),
        IN_BOTH_MODES(foreign_file_is_held),
        IN_BOTH_MODES(missing_file_is_held_and_not_made),
        IN_BOTH_MODES(emptied_truncated_and_garbled_files_are_held),
        IN_BOTH_MODES(mass_deletion_is_held),
        IN_BOTH_MODES(mass_deletion_never_leaves),
        { "held_deletion_is_not_collected_again (wal)",
            held_deletion_is_not_collected_again, NULL, NULL,
            "PRAGMA journal_mode=WAL" },
        { "held_deletion_is_not_collected_again (delete)",
            held_deletion_is_not_collected_again, NULL, NULL,
            "PRAGMA journal_mode=DELETE" },
        { "held_deletion_is_not_collected_again (compare)",
            held_deletion_is_not_collected_again, NULL, NULL, "compare" },
        IN_BOTH_MODES(small_tables_are_not_guarded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

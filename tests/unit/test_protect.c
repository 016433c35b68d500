/*
 * Columns, rows and tables that every node has its own of: never sent, never
 * written over, whatever travels around them.
 */
#include "tests/unit/pair_fixture.h"

#include "sync/open.h"

static const char selection[] =
    "protect \"codes\".\"hits\"\n"
    "exclude \"sessions\"\n"
    "protect_rows \"settings\" WHERE scope = 'local'\n"
    "protect \"users\".\"seen\"\n"
    "protect \"users\".\"used\"\n";

static const char protected_tables[] =
    "DROP TABLE users; DROP TABLE child;"
    "CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT UNIQUE,"
    " used INT NOT NULL, seen TEXT DEFAULT 'never');"
    "CREATE TABLE codes(code TEXT COLLATE NOCASE PRIMARY KEY, v UNIQUE,"
    " hits INT DEFAULT 0) WITHOUT ROWID;"
    "CREATE TABLE settings(id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " k TEXT UNIQUE, v, scope TEXT);"
    "CREATE TABLE sessions(id INTEGER PRIMARY KEY AUTOINCREMENT, token TEXT);"
    "CREATE INDEX tokens ON sessions(token);"
    "INSERT INTO users VALUES(1,'a',100,'primary'),(2,'b',200,'primary'),"
    "(3,'c',300,'primary');"
    "INSERT INTO codes VALUES('x',1,7),('y',2,8);"
    "INSERT INTO settings VALUES(1,'color','red','global'),"
    "(2,'host','SECRET-primary','local'),(3,'size','9','global');"
    "INSERT INTO sessions(token) VALUES('SECRET-token');";

/* As a program on the secondary. */
static void
run_there(struct world *w, const char *sql)
{
    sqlite3 *db = NULL;

    assert_int_equal(sqlite3_open(w->live[1], &db), SQLITE_OK);
    sqlite3_busy_timeout(db, 2000);
    run_sql(db, sql);
    sqlite3_close(db);
}

/* What a query gives on one of the two, columns and rows in one line. */
static void
assert_gives(struct world *w, int side, const char *sql, const char *wanted)
{
    struct buf text = BUF_INIT;
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt;

    assert_int_equal(sqlite3_open(w->live[side], &db), SQLITE_OK);
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    while (sqlite3_step(stmt) == SQLITE_ROW)
        for (int i = 0; i < sqlite3_column_count(stmt); i++)
            buf_printf(&text, "%s%s", text.len > 0 ? " " : "",
                sqlite3_column_type(stmt, i) == SQLITE_NULL
                    ? "NULL"
                    : (const char *)sqlite3_column_text(stmt, i));
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    buf_put_u8(&text, 0);
    assert_string_equal((const char *)text.data, wanted);
    buf_release(&text);
}

static void
begin(struct world *w, enum capture_mode capture)
{
    struct err e = ERR_INIT;

    run_sql(w->app, protected_tables);
    w->selection = selection;
    w->capture = capture;
    open_source(w);
    if (source_held(w->source) != NULL)
        fail_msg("%s", source_held(w->source));
    CHECK(source_set_cluster(w->source, cluster, 1, &e));
    overwrite(w);
    run_there(w,
        "CREATE TABLE sessions(id INTEGER PRIMARY KEY AUTOINCREMENT, token);"
        "CREATE INDEX mine ON sessions(token);"
        "INSERT INTO sessions VALUES(77,'here');"
        "UPDATE users SET used=id, seen='here'||id;"
        "UPDATE codes SET hits=100*v;"
        "INSERT INTO settings VALUES(50,'here','mine','local')");
}

static const char own_values[] =
    "SELECT name,used,seen FROM users ORDER BY name";

static bool
file_holds(const char *path, const char *text)
{
    char *command = alloc_format("cat '%s' '%s-wal' 2>&1 | grep -qa '%s'", path,
        path, text);
    int r = system(command);

    free(command);
    return r == 0;
}

static void
nothing_of_it_leaves_the_primary(void **state)
{
    struct world *w = *state;
    char *published = file_join(w->work[0], "published.db");

    /* Also what was deleted before, and stands in free pages. */
    run_sql(w->app, "CREATE TABLE x(a); INSERT INTO x VALUES('SECRET-old');"
                    "DELETE FROM x");
    begin(w, CAPTURE_TRIGGERS);
    assert_gives(w, 1, "SELECT k,v FROM settings WHERE id < 50",
        "color red size 9");
    assert_false(file_holds(published, "SECRET"));
    assert_false(file_holds(w->live[1], "SECRET"));
    assert_true(file_holds(w->live[0], "SECRET"));
    run_sql(w->app, "UPDATE users SET used=used+1, name=name||'!';"
                    "INSERT INTO settings VALUES(9,'n','SECRET-new','local')");
    push(w);
    assert_false(file_holds(published, "SECRET"));
    assert_gives(w, 1, own_values, "a! 1 here1 b! 2 here2 c! 3 here3");
    free(published);
}

static void
a_new_row_gets_defaults(void **state)
{
    struct world *w = *state;

    begin(w, CAPTURE_TRIGGERS);
    run_sql(w->app, "INSERT INTO users VALUES(9,'new',999,'primary')");
    push(w);
    assert_gives(w, 1, "SELECT used,seen FROM users WHERE id=9", "0 never");
}

static void
swaps(void **state, enum capture_mode capture)
{
    struct world *w = *state;

    begin(w, capture);
    run_sql(w->app, "BEGIN; UPDATE users SET name='t' WHERE id=1;"
                    "UPDATE users SET name='a' WHERE id=2;"
                    "UPDATE users SET name='b' WHERE id=1;"
                    "INSERT OR REPLACE INTO users VALUES(3,'d',1,'x');"
                    "UPDATE codes SET v=-v; UPDATE codes SET v=3+v; COMMIT");
    push(w);
    assert_gives(w, 1, "SELECT id,name,used,seen FROM users ORDER BY id",
        "1 b 1 here1 2 a 2 here2 3 d 3 here3");
    assert_gives(w, 1, "SELECT code,v,hits FROM codes ORDER BY code",
        "x 2 100 y 1 200");
    /* The same key in another spelling is the same row. */
    run_sql(w->app, "UPDATE codes SET code=upper(code)");
    push(w);
    assert_gives(w, 1, "SELECT code,v,hits FROM codes ORDER BY code",
        "X 2 100 Y 1 200");
    /* A row that is gone takes its values along. */
    run_sql(w->app, "DELETE FROM users WHERE id=1");
    push(w);
    run_sql(w->app, "INSERT INTO users VALUES(1,'b',1,'x')");
    push(w);
    assert_gives(w, 1, "SELECT used,seen FROM users WHERE id=1", "0 never");
}

static void
values_outlive_a_swap_noted_by_triggers(void **state)
{
    swaps(state, CAPTURE_TRIGGERS);
}

static void
values_outlive_a_swap_found_by_compare(void **state)
{
    swaps(state, CAPTURE_COMPARE);
}

static void
own_counters_are_no_change(void **state)
{
    struct world *w = *state;
    struct publish_result result;
    struct replica_status status;
    struct err e = ERR_INIT;
    uint64_t before;

    begin(w, CAPTURE_TRIGGERS);
    push(w);
    CHECK(source_publish(w->source, &result, &e));
    before = result.state.revision;
    run_sql(w->app, "UPDATE users SET used=used+1; DELETE FROM sessions;"
                    "UPDATE settings SET v='other' WHERE scope='local';"
                    "INSERT INTO settings(k,scope) VALUES('z','local');"
                    "DELETE FROM settings WHERE k='z'");
    assert_gives(w, 0, "SELECT count(*) FROM _lockstep_journal1", "0");
    CHECK(source_publish(w->source, &result, &e));
    assert_int_equal(result.state.revision, before);
    run_there(w, "UPDATE users SET used=used+1, seen='again';"
                 "DELETE FROM sessions; DROP TABLE sessions;"
                 "CREATE TABLE sessions(other);"
                 "UPDATE settings SET v=v||'!' WHERE scope='local'");
    assert_gives(w, 1, "SELECT count(*) FROM _lockstep_journal1", "0");
    CHECK(replica_scrub(w->replica, &e));
    replica_status(w->replica, &status);
    assert_false(status.drifted);
    assert_false(status.needs_overwrite);
    push(w);
}

static void
a_row_may_become_protected_and_back(void **state)
{
    struct world *w = *state;

    begin(w, CAPTURE_TRIGGERS);
    run_sql(w->app, "UPDATE settings SET scope='local' WHERE id=1");
    push(w);
    assert_gives(w, 1, "SELECT id FROM settings ORDER BY id", "3 50");
    run_sql(w->app, "UPDATE settings SET scope='global', v='blue' WHERE id=1;"
                    "UPDATE settings SET scope='global' WHERE id=2");
    push(w);
    assert_gives(w, 1, "SELECT id,v FROM settings WHERE id<50 ORDER BY id",
        "1 blue 2 SECRET-primary 3 9");
}

static void
assert_held(struct world *w, const char *what)
{
    struct publish_result result;
    struct replica_status held;
    struct buf bundle = BUF_INIT;
    struct err e = ERR_INIT;

    CHECK(source_publish(w->source, &result, &e));
    replica_status(w->replica, &held);
    CHECK(source_bundle(w->source, held.state.revision, &signer, &bundle, NULL,
        &e));
    assert_int_equal(replica_apply(w->replica, bundle.data, bundle.len, &e),
        -1);
    assert_int_equal(e.code, ERR_HELD);
    if (strstr(e.message, what) == NULL)
        fail_msg("%s", e.message);
    buf_release(&bundle);
}

static void
a_protected_row_is_not_written_over(void **state)
{
    struct world *w = *state;

    begin(w, CAPTURE_TRIGGERS);
    run_sql(w->app, "INSERT INTO settings VALUES(50,'key','p','global')");
    assert_held(w, "table \"settings\"");
    assert_gives(w, 1, "SELECT k,v FROM settings WHERE id=50", "here mine");
    run_there(w, "UPDATE settings SET id=51 WHERE id=50");
    push(w);
    run_sql(w->app, "INSERT INTO settings VALUES(60,'here','p','global')");
    assert_held(w, "key 60");
    assert_gives(w, 1, "SELECT k,v FROM settings WHERE id=51", "here mine");
    run_there(w, "UPDATE settings SET k='there' WHERE id=51");
    push(w);
    assert_gives(w, 1, "SELECT id,v FROM settings WHERE id>49 ORDER BY id",
        "50 p 51 mine 60 p");
}

/* Everything that is the secondary's own after begin(). */
static void
assert_own_kept(struct world *w)
{
    assert_gives(w, 1, "SELECT id,used,seen FROM users WHERE id<4 ORDER BY id",
        "1 1 here1 2 2 here2 3 3 here3");
    assert_gives(w, 1, "SELECT code,hits FROM codes ORDER BY code",
        "x 100 y 200");
    assert_gives(w, 1, "SELECT id,k,v FROM settings WHERE scope='local'",
        "50 here mine");
    assert_gives(w, 1, "SELECT id,token FROM sessions", "77 here");
    assert_gives(w, 1,
        "SELECT name FROM sqlite_schema WHERE tbl_name='sessions'"
        " ORDER BY name",
        "mine sessions");
    assert_gives(w, 1,
        "SELECT name,seq FROM sqlite_sequence WHERE name IN"
        " ('settings','sessions') ORDER BY name",
        "sessions 77 settings 50");
}

static void
an_overwrite_leaves_it_alone(void **state)
{
    struct world *w = *state;

    begin(w, CAPTURE_TRIGGERS);
    assert_own_kept(w);
    overwrite(w);
    assert_own_kept(w);
    push(w);
    /* Another schema, in a way that needs an overwrite. */
    run_sql(w->app, "CREATE TABLE more(a); INSERT INTO more VALUES(1);"
                    "ALTER TABLE users ADD COLUMN mail TEXT DEFAULT 'none';"
                    "UPDATE users SET name=name||'2', used=0;"
                    "CREATE VIRTUAL TABLE words USING fts5(w);"
                    "INSERT INTO words VALUES('hello world');"
                    "PRAGMA user_version=9");
    open_source(w);
    overwrite(w);
    assert_own_kept(w);
    assert_gives(w, 1, "SELECT name,mail FROM users ORDER BY id",
        "a2 none b2 none c2 none");
    assert_gives(w, 1, "SELECT w FROM words WHERE words MATCH 'hello'",
        "hello world");
    assert_gives(w, 1, "SELECT a FROM more", "1");
    assert_gives(w, 1, "PRAGMA user_version", "9");
    push(w);
    run_sql(w->app, "UPDATE users SET name='z' WHERE id=1");
    push(w);
    assert_gives(w, 1, "SELECT name,used FROM users WHERE id=1", "z 1");
}

/* A rename leaves other texts of shadow tables than CREATE does. */
static void
an_overwrite_takes_renamed_virtual_tables(void **state)
{
    struct world *w = *state;
    struct publish_result result;
    struct replica_status held;
    struct err e = ERR_INIT;

    run_sql(w->app, "CREATE VIRTUAL TABLE boxes0 USING rtree(id,x0,x1);"
                    "INSERT INTO boxes0 VALUES(1,2,3);"
                    "ALTER TABLE boxes0 RENAME TO boxes");
    begin(w, CAPTURE_TRIGGERS);
    /* It may refer to what the overwrite makes later. */
    run_there(w, "CREATE TRIGGER mark AFTER INSERT ON sessions"
                 " BEGIN DELETE FROM late; END");
    run_sql(w->app, "CREATE VIRTUAL TABLE words0 USING fts5(w);"
                    "CREATE VIRTUAL TABLE lines0 USING fts4(w);"
                    "INSERT INTO words0 VALUES('hello world');"
                    "INSERT INTO lines0 VALUES('hello lines');");
    push(w);
    run_sql(w->app, "ALTER TABLE words0 RENAME TO words;"
                    "ALTER TABLE lines0 RENAME TO \"some lines\";"
                    "CREATE TABLE late(a)");
    CHECK(source_publish(w->source, &result, &e));
    overwrite(w);
    run_there(w, "DROP TRIGGER mark");
    assert_own_kept(w);
    assert_gives(w, 1,
        "SELECT (SELECT w FROM words WHERE words MATCH 'hello'),"
        " (SELECT w FROM \"some lines\" WHERE w MATCH 'hello'),"
        " (SELECT x0 FROM boxes), (SELECT sql FROM sqlite_schema"
        " WHERE name='words_idx') LIKE 'CREATE TABLE \"words_idx\"%'",
        "hello world hello lines 2.0 1");
    replica_status(w->replica, &held);
    assert_int_equal(held.state.revision, result.state.revision);
    push(w);
}

static void
an_overwrite_in_any_journal_mode(void **state)
{
    struct world *w = *state;

    begin(w, CAPTURE_TRIGGERS);
    replica_close(w->replica);
    w->replica = NULL;
    run_there(w, "PRAGMA journal_mode=DELETE");
    open_replica(w);
    overwrite(w);
    assert_own_kept(w);
    assert_gives(w, 1, "PRAGMA journal_mode", "delete");
}

/* The application has used the file before the server is added. */
static void
the_first_overwrite_keeps_it_too(void **state)
{
    struct world *w = *state;
    struct err e = ERR_INIT;

    begin(w, CAPTURE_TRIGGERS);
    CHECK(replica_detach(w->replica, &e));
    run_there(w, "CREATE TABLE stray(a); UPDATE users SET name='other'||id");
    open_replica(w);
    overwrite(w);
    assert_own_kept(w);
    assert_gives(w, 1, "SELECT name FROM users ORDER BY id", "a b c");
    assert_gives(w, 1, "SELECT count(*) FROM sqlite_schema WHERE name='stray'",
        "0");
}

/* Of what was published last; the error names WHAT. */
static void
assert_overwrite_held(struct world *w, const char *what)
{
    struct image *image = NULL;
    struct overwrite_stream *stream = NULL;
    struct replica_status held;
    struct buf piece = BUF_INIT;
    bool last = false;
    struct err e = ERR_INIT;

    replica_status(w->replica, &held);
    CHECK(source_image_open(w->source, &image, &e));
    CHECK(overwrite_stream_open(image, "config", held.state.revision,
        &held.state.digest, &signer, &stream, &e));
    CHECK(replica_overwrite_begin(w->replica, &e));
    while (!last) {
        buf_clear(&piece);
        CHECK(overwrite_stream_next(stream, 32768, &piece, &last, &e));
        CHECK(replica_overwrite_write(w->replica, piece.data, piece.len, &e));
    }
    assert_int_equal(replica_overwrite_finish(w->replica, &e), -1);
    assert_int_equal(e.code, ERR_HELD);
    assert_non_null(strstr(e.message, what));
    overwrite_stream_close(stream);
    buf_release(&piece);
}

static void
an_overwrite_is_held_by_a_row_in_its_way(void **state)
{
    struct world *w = *state;
    struct publish_result result;
    struct err e = ERR_INIT;

    begin(w, CAPTURE_TRIGGERS);
    run_sql(w->app, "INSERT INTO settings VALUES(99,'here','p','global')");
    CHECK(source_publish(w->source, &result, &e));
    assert_overwrite_held(w, "key 50");
    assert_own_kept(w);
    /* Nothing else became of it either. */
    run_there(w, "UPDATE settings SET k='there' WHERE id=50");
    push(w);
    assert_gives(w, 1, "SELECT id FROM settings ORDER BY id", "1 3 50 99");
}

static void
an_overwrite_is_held_by_a_value_in_its_way(void **state)
{
    struct world *w = *state;
    struct publish_result result;
    struct err e = ERR_INIT;

    begin(w, CAPTURE_COMPARE);
    run_there(w, "UPDATE users SET seen=NULL WHERE id=2");
    run_sql(w->app,
        "CREATE TABLE u2(id INTEGER PRIMARY KEY, name TEXT UNIQUE CHECK(1),"
        " used INT, seen TEXT NOT NULL);"
        "INSERT INTO u2 SELECT id,name,used,seen FROM users;"
        "DROP TABLE users; ALTER TABLE u2 RENAME TO users");
    CHECK(source_publish(w->source, &result, &e));
    assert_overwrite_held(w, "row with key 2");
    assert_gives(w, 1, own_values, "a 1 here1 b 2 NULL c 3 here3");
    run_there(w, "UPDATE users SET seen='' WHERE id=2");
    overwrite(w);
    assert_gives(w, 1, own_values, "a 1 here1 b 2  c 3 here3");
}

static void
another_selection_is_a_barrier(void **state)
{
    struct world *w = *state;
    struct publish_result result;
    struct replica_status held;
    struct buf bundle = BUF_INIT;
    struct err e = ERR_INIT;

    begin(w, CAPTURE_TRIGGERS);
    w->selection = "protect \"users\".\"seen\"\n";
    open_source(w);
    CHECK(source_publish(w->source, &result, &e));
    replica_status(w->replica, &held);
    assert_true(result.state.revision > held.state.revision);
    assert_int_equal(source_bundle(w->source, held.state.revision, &signer,
                         &bundle, NULL, &e),
        -1);
    assert_int_equal(e.code, ERR_NEEDS_OVERWRITE);
    overwrite(w);
    assert_gives(w, 1, "SELECT used,seen FROM users ORDER BY id",
        "100 here1 200 here2 300 here3");
    assert_gives(w, 1, "SELECT k FROM settings ORDER BY id", "color host size");
    assert_gives(w, 1, "SELECT token FROM sessions", "SECRET-token");
    w->selection = NULL;
    open_source(w);
    overwrite(w);
    assert_same(w);
    buf_release(&bundle);
}

static void
schema_changes_leave_it_alone(void **state)
{
    struct world *w = *state;
    struct publish_result result;
    struct replica_status held;
    struct buf bundle = BUF_INIT;
    struct err e = ERR_INIT;

    begin(w, CAPTURE_COMPARE);
    run_sql(w->app, "ALTER TABLE users ADD COLUMN mail TEXT DEFAULT 'none';"
                    "ALTER TABLE users RENAME COLUMN name TO login;"
                    "CREATE INDEX by_mail ON users(mail);"
                    "ALTER TABLE sessions ADD COLUMN x;"
                    "UPDATE users SET mail='m' WHERE id=1");
    push(w);
    assert_own_kept(w);
    assert_gives(w, 1, "SELECT login,mail FROM users ORDER BY id",
        "a m b none c none");
    /* A table made anew would lose the values: the file is overwritten. */
    run_sql(w->app,
        "CREATE TABLE u2(id INTEGER PRIMARY KEY, login TEXT UNIQUE CHECK(1),"
        " used INT NOT NULL, seen TEXT DEFAULT 'never', mail);"
        "INSERT INTO u2 SELECT id,login,used,seen,mail FROM users;"
        "DROP TABLE users; ALTER TABLE u2 RENAME TO users");
    CHECK(source_publish(w->source, &result, &e));
    replica_status(w->replica, &held);
    assert_int_equal(source_bundle(w->source, held.state.revision, &signer,
                         &bundle, NULL, &e),
        -1);
    assert_int_equal(e.code, ERR_NEEDS_OVERWRITE);
    overwrite(w);
    push(w);
    assert_own_kept(w);
    assert_gives(w, 1, "SELECT login,mail FROM users ORDER BY id",
        "a m b none c none");
    /* Renamed, it would be sent whole. */
    run_sql(w->app, "ALTER TABLE users RENAME TO people");
    assert_int_equal(source_publish(w->source, &result, &e), -1);
    assert_int_equal(e.code, ERR_HELD);
    assert_non_null(strstr(source_held(w->source), "\"users\""));
    buf_release(&bundle);
}

static void
a_selection_that_does_not_fit_is_held(void **state)
{
    struct world *w = *state;

    begin(w, CAPTURE_TRIGGERS);
    w->selection = "protect \"users\".\"name\"\n";
    open_source(w);
    assert_non_null(source_held(w->source));
    assert_non_null(strstr(source_held(w->source), "unique index"));
    w->selection = selection;
    open_source(w);
    assert_null(source_held(w->source));
    push(w);
    assert_own_kept(w);
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(nothing_of_it_leaves_the_primary),
        TEST(a_new_row_gets_defaults),
        TEST(values_outlive_a_swap_noted_by_triggers),
        TEST(values_outlive_a_swap_found_by_compare),
        TEST(own_counters_are_no_change),
        TEST(a_row_may_become_protected_and_back),
        TEST(a_protected_row_is_not_written_over),
        TEST(an_overwrite_leaves_it_alone),
        TEST(an_overwrite_takes_renamed_virtual_tables),
        TEST(an_overwrite_in_any_journal_mode),
        TEST(the_first_overwrite_keeps_it_too),
        TEST(an_overwrite_is_held_by_a_row_in_its_way),
        TEST(an_overwrite_is_held_by_a_value_in_its_way),
        TEST(another_selection_is_a_barrier),
        TEST(schema_changes_leave_it_alone),
        TEST(a_selection_that_does_not_fit_is_held),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * A live database that is only compared: no trace of ours in it, every change
 * found, older copies held.
 */
#include "sync/detach.h"
#include "tests/unit/source_fixture.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

static const char schema[] =
    "CREATE TABLE users(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT"
    " NULL UNIQUE, home TEXT);"
    "CREATE TABLE keys(user_id INTEGER REFERENCES users(id) ON DELETE CASCADE,"
    " key TEXT);"
    "CREATE TABLE settings(name TEXT PRIMARY KEY COLLATE NOCASE, value)"
    " WITHOUT ROWID;"
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<100)"
    " INSERT INTO users(name,home) SELECT 'u'||i,'/srv/'||i FROM n;";

static void
start_comparing(struct fixture *f, const char *mode)
{
    fixture_init(f, mode, schema);
    f->config.capture = CAPTURE_COMPARE;
    source_start(f);
}

static int
count(sqlite3 *db, const char *query)
{
    sqlite3_stmt *stmt;
    int n;

    if (sqlite3_prepare_v2(db, query, -1, &stmt, NULL) != SQLITE_OK)
        fail_msg("%s: %s", query, sqlite3_errmsg(db));
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    n = sqlite3_column_int(stmt, 0);
    sqlite3_finalize(stmt);
    return n;
}

static void
expect_no_trace(struct fixture *f)
{
    assert_int_equal(count(f->live,
                         "SELECT count(*) FROM sqlite_schema WHERE name"
                         " LIKE '%lockstep%' OR sql LIKE '%lockstep%'"),
        0);
}

/* A revision was made, by comparing, and the program's event log is spared. */
static void
expect_published(struct fixture *f)
{
    struct publish_result r = publish(f);

    assert_true(r.published);
    assert_true(r.compared);
    assert_null(strstr(f->notices, "compare:"));
    expect_equal(f);
    trim(f);
}

static void
every_change_is_found(void **state)
{
    static const char *const steps[] = {
        "INSERT INTO plain VALUES(NULL,-0.0,0.0,1,1.0),('a'||char(0)||'b',"
        "x'','',9223372036854775807,1e308)",
        "UPDATE plain SET a=x'0102' WHERE d=1",
        "UPDATE plain SET a='1' WHERE d=1",
        "UPDATE plain SET a=1 WHERE d=1",
        "UPDATE plain SET a=1.0 WHERE d=1",
        "UPDATE plain SET b=0.0 WHERE d=1",
        "INSERT INTO plain(rowid,a) VALUES(-5,NULL),(1000,NULL)",
        "UPDATE plain SET rowid=77 WHERE rowid=1000",
        "INSERT INTO settings VALUES('Color','red'),('b',1),('c',1)",
        "INSERT OR REPLACE INTO settings VALUES('COLOR','blue')",
        "UPDATE settings SET name='color' WHERE name='color'",
        "DELETE FROM settings WHERE name='B'",
        "INSERT INTO untyped VALUES(1,'int'),(x'31','blob'),('1','text')",
        "REPLACE INTO untyped VALUES(1.0,'real')",
        "BEGIN; UPDATE users SET name='t' WHERE id=2;"
        "UPDATE users SET name='u2' WHERE id=3;"
        "UPDATE users SET name='u3' WHERE id=2; COMMIT",
        "INSERT OR REPLACE INTO users(id,name) VALUES(2,'u7')",
        "PRAGMA user_version=7; PRAGMA application_id=-3",
        "UPDATE sqlite_sequence SET seq=500 WHERE name='users'",
        "INSERT INTO big VALUES(1,randomblob(100000)),(2,zeroblob(100000))",
        "UPDATE big SET b=CAST(zeroblob(99999)||x'01' AS BLOB) WHERE id=2",
        "ALTER TABLE users ADD COLUMN shell TEXT DEFAULT '/bin/sh'",
        "UPDATE users SET shell='/bin/false' WHERE id=9",
        "CREATE TABLE added(a,b); INSERT INTO added VALUES(1,2)",
        "CREATE INDEX added_a ON added(a)",
        "DELETE FROM added",
        "VACUUM; INSERT INTO added VALUES(3,4)",
    };
    struct fixture f;

    fixture_init(&f, *state, schema);
    f.config.capture = CAPTURE_COMPARE;
    f.config.delete_guard_percent = 0;
    sql(f.live, "CREATE TABLE plain(a,b,c,d,e REAL);"
                "CREATE TABLE untyped(k PRIMARY KEY, v) WITHOUT ROWID;"
                "CREATE TABLE big(id INTEGER PRIMARY KEY, b BLOB)");
    source_start(&f);
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        sql(f.live, steps[i]);
        if (!publish(&f).published)
            fail_msg("nothing found after %s", steps[i]);
        expect_equal(&f);
        trim(&f);
        assert_false(publish(&f).published);
    }
    assert_null(strstr(f.notices, "compare:"));
    expect_no_trace(&f);
    fixture_release(&f);
}

/* Not one byte of a file in a rollback mode changes by what we do. */
static void
file_is_only_read(void **state)
{
    struct fixture f;

    (void)state;
    start_comparing(&f, "DELETE");
    sql(f.live, "UPDATE users SET home='x' WHERE id=3");
    live_disconnect(&f);
    shell("cp -p %s %s/before", f.live_path, f.folder);
    publish(&f);
    trim(&f);
    publish(&f);
    source_stop(&f);
    source_start(&f);
    source_stop(&f);
    shell("cmp %s %s/before && test $(stat -c%%Y%%i%%s %s) ="
          " $(stat -c%%Y%%i%%s %s) && test $(ls %s | wc -l) = 3",
        f.live_path, f.folder, f.live_path, f.live_path, f.folder);
    live_connect(&f);
    fixture_release(&f);
}

/* Bytes that this process has read from files. */
static long
bytes_read(void)
{
    FILE *io = fopen("/proc/self/io", "r");
    long bytes = 0;

    assert_non_null(io);
    assert_int_equal(fscanf(io, "rchar: %ld", &bytes), 1);
    fclose(io);
    return bytes;
}

/* Nothing moved: no table is read. */
static void
quiet_file_is_not_walked(void **state)
{
    struct fixture f;
    bool unpublished;
    struct err e = ERR_INIT;

    start_comparing(&f, *state);
    sql(f.live, "CREATE TABLE big(b); WITH RECURSIVE n(i) AS (SELECT 1 UNION"
                " ALL SELECT i+1 FROM n WHERE i<2000) INSERT INTO big SELECT"
                " randomblob(1000) FROM n");
    expect_published(&f);
    for (int i = 0; i < 3; i++) {
        long before = bytes_read();

        assert_false(publish(&f).published);
        assert_int_equal(source_unpublished(f.source, &unpublished, &e), 0);
        assert_false(unpublished);
        assert_in_range(bytes_read() - before, 0, 200000);
    }
    sql(f.live, "UPDATE users SET home='x' WHERE id=3");
    assert_int_equal(source_unpublished(f.source, &unpublished, &e), 0);
    assert_true(unpublished);
    expect_published(&f);
    fixture_release(&f);
}

/* What no trigger would see. */
static void
blob_writes_are_found(void **state)
{
    struct fixture f;
    sqlite3_blob *blob;

    start_comparing(&f, *state);
    assert_int_equal(sqlite3_blob_open(f.live, "main", "users", "home", 5, 1,
                         &blob),
        SQLITE_OK);
    assert_int_equal(sqlite3_blob_write(blob, "X", 1, 0), SQLITE_OK);
    assert_int_equal(sqlite3_blob_close(blob), SQLITE_OK);
    expect_published(&f);
    sql(f.live, "CREATE TEMP TRIGGER t BEFORE UPDATE ON main.users BEGIN"
                " SELECT RAISE(IGNORE); END; UPDATE users SET home='n';"
                "INSERT INTO users(name) VALUES('v')");
    expect_published(&f);
    fixture_release(&f);
}

/* Two revisions later; "old.db" is a copy as of the first. */
static void
start_with_old_copy(struct fixture *f, const char *mode)
{
    start_comparing(f, mode);
    sql(f->live, "UPDATE users SET home='one' WHERE id=1");
    publish(f);
    shell("sqlite3 %s '.backup %s/old.db'", f->live_path, f->folder);
    sql(f->live, "UPDATE users SET home='two' WHERE id=2");
    publish(f);
    sql(f->live, "UPDATE users SET home='two' WHERE id=1");
    publish(f);
    if (strcmp(mode, "WAL") == 0)
        sql(f->live, "PRAGMA wal_checkpoint(TRUNCATE)");
    assert_false(publish(f).published);
}

static void
accept_held(struct fixture *f)
{
    struct publish_result r;
    struct err e = ERR_INIT;

    if (source_accept(f->source, &r, &e) != 0)
        fail_msg("source_accept: %s", e.message);
    assert_null(source_held(f->source));
    expect_equal(f);
    sql(f->live, "UPDATE users SET home='after' WHERE id=7");
    expect_published(f);
}

static void
expect_older_copy_held(struct fixture *f)
{
    expect_held(f, "the live database is as it was");
    expect_held(f, "the live database is as it was");
    source_stop(f);
    source_start(f); /* found again */
    expect_held(f, "the live database is as it was");
    accept_held(f);
    expect_no_trace(f);
}

static void
older_file_by_cp_is_held(void **state)
{
    struct fixture f;

    start_with_old_copy(&f, *state);
    live_disconnect(&f);
    shell("cp %s/old.db %s", f.folder, f.live_path);
    live_connect(&f);
    expect_older_copy_held(&f);
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
    expect_older_copy_held(&f);
    fixture_release(&f);
}

static void
older_file_put_there_while_stopped_is_held(void **state)
{
    struct fixture f;

    start_with_old_copy(&f, *state);
    source_stop(&f);
    live_disconnect(&f);
    shell("rm -f %s-wal %s-shm; cp %s/old.db %s", f.live_path, f.live_path,
        f.folder, f.live_path);
    live_connect(&f);
    source_start(&f);
    expect_older_copy_held(&f);
    fixture_release(&f);
}

/* A copy of a moment between two publishes equals no revision. */
static void
copy_of_between_two_revisions_is_held(void **state)
{
    struct fixture f;

    start_with_old_copy(&f, *state);
    live_disconnect(&f);
    shell("sqlite3 %s/old.db \"UPDATE users SET home='b' WHERE id=50\"",
        f.folder);
    shell("mv %s/old.db %s", f.folder, f.live_path);
    live_connect(&f);
    expect_held(&f, "as it was before revision");
    fixture_release(&f);
}

/* Also as equal rows as an older revision's, but no sign of a copy. */
static void
value_set_back_is_published(void **state)
{
    struct fixture f;

    start_comparing(&f, *state);
    for (int i = 0; i < 6; i++) {
        sql(f.live, i % 2 == 0 ? "UPDATE users SET home='on' WHERE id=1"
                               : "UPDATE users SET home='off' WHERE id=1");
        expect_published(&f);
        if (strcmp(*state, "WAL") == 0)
            sql(f.live, "PRAGMA wal_checkpoint(PASSIVE)");
    }
    fixture_release(&f);
}

/* A program that saves its file anew each time. */
static void
newer_file_by_mv_is_published(void **state)
{
    struct fixture f;

    start_comparing(&f, *state);
    for (int i = 0; i < 3; i++) {
        shell("sqlite3 %s '.backup %s/new.db'", f.live_path, f.folder);
        shell("sqlite3 %s/new.db \"UPDATE users SET home='n%d' WHERE id<9\"",
            f.folder, i);
        live_disconnect(&f);
        shell("mv %s/new.db %s", f.folder, f.live_path);
        live_connect(&f);
        expect_published(&f);
    }
    fixture_release(&f);
}

static void
gone_empty_and_damaged_files_are_held(void **state)
{
    struct fixture f;

    start_with_old_copy(&f, *state);
    live_disconnect(&f);
    shell("cp -p %s %s/good.db; rm %s; rm -f %s-wal %s-shm", f.live_path,
        f.folder, f.live_path, f.live_path, f.live_path);
    expect_held(&f, "missing");
    shell(": >%s", f.live_path);
    expect_held(&f, "empty");
    shell("rm %s; sqlite3 %s 'CREATE TABLE _lockstep_x(a)'", f.live_path,
        f.live_path);
    expect_held(&f, "empty");
    shell("rm -f %s*; cp %s/good.db %s; dd if=/dev/urandom of=%s bs=4096"
          " seek=1 count=3 conv=notrunc status=none",
        f.live_path, f.folder, f.live_path, f.live_path);
    expect_held(&f, "damaged");
    shell("dd if=/dev/urandom of=%s bs=100 count=1 conv=notrunc status=none",
        f.live_path);
    expect_held(&f, "damaged");
    shell("rm -f %s-wal %s-shm; mv %s/good.db %s", f.live_path, f.live_path,
        f.folder, f.live_path);
    live_connect(&f);
    sql(f.live, "UPDATE users SET home='good' WHERE id=8");
    expect_published(&f);
    fixture_release(&f);
}

static void
mass_deletion_is_held(void **state)
{
    struct fixture f;

    start_comparing(&f, *state);
    sql(f.live, "DELETE FROM users WHERE id>70");
    expect_held(&f, "of table \"users\" would be deleted");
    accept_held(&f);
    fixture_release(&f);
}

static void
capture_may_be_switched(void **state)
{
    struct fixture f;
    struct publish_result r;

    fixture_init(&f, *state, schema);
    source_start(&f);
    for (int i = 0; i < 3; i++) {
        source_stop(&f);
        f.config.capture = CAPTURE_COMPARE;
        source_start(&f);
        assert_null(source_held(f.source));
        expect_no_trace(&f);
        if (i > 0) {
            sql(f.live, "UPDATE users SET home=home||'c' WHERE id=1");
            expect_published(&f);
        }
        source_stop(&f);
        f.config.capture = CAPTURE_TRIGGERS;
        source_start(&f);
        assert_null(source_held(f.source));
        if (i == 1) { /* before it ever published so */
            source_stop(&f);
            source_start(&f);
            assert_null(source_held(f.source));
        }
        sql(f.live, "UPDATE users SET home=home||'t' WHERE id=2");
        r = publish(&f);
        assert_true(r.published);
        assert_false(r.compared);
        expect_equal(&f);
        trim(&f);
    }
    fixture_release(&f);
}

static void
detach_leaves_no_trace(void **state)
{
    struct fixture f;
    struct err e = ERR_INIT;

    fixture_init(&f, *state, schema);
    source_start(&f);
    source_stop(&f);
    assert_int_equal(database_detach(f.live_path, &e), 0);
    expect_no_trace(&f);
    live_disconnect(&f);
    shell("rm %s", f.live_path);
    assert_int_equal(database_detach(f.live_path, &e), 0);
    fixture_release(&f);
}

/* A file that is read in many slices: three tables, one without rowid. */
static void
start_with_large_file(struct fixture *f, const char *mode)
{
    fixture_init(f, mode, schema);
    f->config.capture = CAPTURE_COMPARE;
    sql(f->live,
        "CREATE TABLE pairs(a TEXT COLLATE NOCASE, b, v, PRIMARY"
        " KEY(a COLLATE BINARY, b)) WITHOUT ROWID;"
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n"
        " WHERE i<20000) INSERT INTO pairs SELECT char(97+i%26)||(i%500),"
        "CASE i%3 WHEN 0 THEN i WHEN 1 THEN i+0.5 ELSE 't'||i END,"
        "hex(randomblob(150)) FROM n;"
        "CREATE TABLE big(b); WITH RECURSIVE n(i) AS (SELECT 1 UNION"
        " ALL SELECT i+1 FROM n WHERE i<10000) INSERT INTO big SELECT"
        " randomblob(300+i%50*(i%97=0)*100) FROM n");
    source_start(f);
}

/* Commits between two looks of the source at the same publish. */
struct interloper {
    struct fixture *f;
    atomic_bool stop;
    atomic_int commits;
};

static void *
commit_on(void *arg)
{
    struct interloper *t = arg;
    sqlite3 *db;

    assert_int_equal(sqlite3_open(t->f->live_path, &db), SQLITE_OK);
    sqlite3_busy_timeout(db, 60000);
    sql(db, "PRAGMA synchronous=OFF");
    while (!atomic_load(&t->stop)) {
        sql(db, "BEGIN IMMEDIATE; UPDATE users SET home=home||'+' WHERE id=1;"
                "UPDATE big SET b=randomblob(200) WHERE rowid=9000;"
                "UPDATE pairs SET v=v||'+' WHERE a='z25';"
                "UPDATE users SET home=home||'+' WHERE id=2; COMMIT");
        atomic_fetch_add(&t->commits, 1);
        /* As a program does that has other work too. */
        poll(NULL, 0, 3);
    }
    database_close(db);
    return NULL;
}

/* Both rows that are always changed together. */
static void
expect_one_state(struct fixture *f)
{
    sqlite3 *published;

    assert_int_equal(sqlite3_open(f->published_path, &published), SQLITE_OK);
    assert_int_equal(count(published,
                         "SELECT (SELECT length(home) FROM users WHERE id=1)-"
                         "(SELECT length(home) FROM users WHERE id=2)"),
        0);
    database_close(published);
}

/* However the publishes end: what is published was one state of the file, and
 * those that are in vain let the writer in each time; in the end one is not. */
static void
beside_a_tight_writer_states_are_whole(void **state)
{
    struct fixture f;
    struct interloper t = { .f = &f };
    struct publish_result r;
    pthread_t thread;
    int published = 0;

    start_with_large_file(&f, *state);
    assert_int_equal(pthread_create(&thread, NULL, commit_on, &t), 0);
    for (int i = 0; i < 11 && published < 3; i++) {
        struct err e = ERR_INIT;
        int before = atomic_load(&t.commits);

        while (atomic_load(&t.commits) == before)
            sched_yield();
        before = atomic_load(&t.commits);
        if (source_publish(f.source, &r, &e) == 0)
            published++;
        else if (e.code != ERR_BUSY)
            fail_msg("%s", e.message);
        else
            assert_true(atomic_load(&t.commits) - before >= 7);
        expect_one_state(&f);
    }
    atomic_store(&t.stop, true);
    pthread_join(thread, NULL);
    assert_true(published > 0);
    publish(&f);
    expect_equal(&f);
    fixture_release(&f);
}

#define IN(mode, test)                                        \
    {                                                         \
#test " (" mode ")", test, NULL, NULL, (void *)(mode) \
    }

int
main(void)
{
    const struct CMUnitTest tests[] = {
        IN("WAL", every_change_is_found),
        IN("DELETE", every_change_is_found),
        IN("MEMORY", every_change_is_found),
        cmocka_unit_test(file_is_only_read),
        IN("WAL", quiet_file_is_not_walked),
        IN("DELETE", quiet_file_is_not_walked),
        IN("WAL", blob_writes_are_found),
        IN("DELETE", blob_writes_are_found),
        IN("WAL", older_file_by_cp_is_held),
        IN("DELETE", older_file_by_cp_is_held),
        IN("WAL", older_file_by_mv_is_held),
        IN("DELETE", older_file_by_mv_is_held),
        IN("WAL", older_file_put_there_while_stopped_is_held),
        IN("DELETE", older_file_put_there_while_stopped_is_held),
        IN("WAL", copy_of_between_two_revisions_is_held),
        IN("DELETE", copy_of_between_two_revisions_is_held),
        IN("WAL", value_set_back_is_published),
        IN("DELETE", value_set_back_is_published),
        IN("WAL", newer_file_by_mv_is_published),
        IN("DELETE", newer_file_by_mv_is_published),
        IN("WAL", gone_empty_and_damaged_files_are_held),
        IN("DELETE", gone_empty_and_damaged_files_are_held),
        IN("WAL", mass_deletion_is_held),
        IN("DELETE", mass_deletion_is_held),
        IN("WAL", capture_may_be_switched),
        IN("DELETE", capture_may_be_switched),
        IN("WAL", detach_leaves_no_trace),
        IN("DELETE", detach_leaves_no_trace),
        IN("WAL", beside_a_tight_writer_states_are_whole),
        IN("DELETE", beside_a_tight_writer_states_are_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

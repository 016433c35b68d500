/*
 * What a source promises: the published copy equals the live database, whatever
 * was written there.
 */
#include "sync/source_internal.h"
#include "tests/unit/source_fixture.h"

static const char users_schema[] =
    "CREATE TABLE users(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT"
    " NULL UNIQUE, home TEXT);"
    "CREATE TABLE keys(user_id INTEGER REFERENCES users(id) ON DELETE CASCADE"
    " ON UPDATE CASCADE, key TEXT);"
    "CREATE TABLE settings(name TEXT PRIMARY KEY COLLATE NOCASE, value)"
    " WITHOUT ROWID;";

static void
fill_users(struct fixture *f, int count)
{
    char text[256];

    snprintf(text, sizeof(text),
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE"
        " i<%d) INSERT INTO users(name,home) SELECT 'u'||i,'/srv/'||i FROM n",
        count);
    sql(f->live, text);
}

static void
first_open_publishes_everything(void **state)
{
    struct fixture f;
    struct dataset_state s;

    (void)state;
    fixture_init(&f, "WAL", users_schema);
    fill_users(&f, 100);
    source_start(&f);
    source_state(f.source, &s);
    assert_int_equal(s.revision, 1);
    assert_int_equal(s.rows, 100);
    expect_equal(&f);
    assert_false(publish(&f).published);
    fixture_release(&f);
}

static void
changes_become_one_revision(void **state)
{
    struct fixture f;
    struct publish_result r;

    (void)state;
    fixture_init(&f, "WAL", users_schema);
    fill_users(&f, 100);
    source_start(&f);
    sql(f.live, "UPDATE users SET home='x' WHERE id<11;"
                "DELETE FROM users WHERE id=50;"
                "INSERT INTO users(name) VALUES('new')");
    r = publish(&f);
    assert_true(r.published);
    assert_false(r.compared);
    assert_int_equal(r.changed_rows, 12);
    assert_int_equal(r.state.revision, 2);
    assert_int_equal(r.state.rows, 100);
    expect_equal(&f);
    trim(&f);
    r = publish(&f);
    assert_false(r.published);
    assert_int_equal(r.state.revision, 2);
    fixture_release(&f);
}

/* Each step is published without compare and ends equal. */
static void
hard_values(void **state)
{
    static const char *const steps[] = {
        "INSERT INTO plain VALUES(NULL,-0.0,0.0,1,1.0),('a'||char(0)||'b',"
        "x'','',9223372036854775807,1e308)",
        "UPDATE plain SET a=x'0102' WHERE d=1",
        "INSERT INTO plain(rowid,a) VALUES(-5,NULL),(1000,NULL)",
        "UPDATE plain SET rowid=77 WHERE rowid=1000",
        "INSERT INTO settings VALUES('Color','red')",
        "INSERT OR REPLACE INTO settings VALUES('COLOR','blue')",
        "UPDATE settings SET name='color'",
        "INSERT INTO untyped VALUES(1,'int'),(x'31','blob'),('1','text')",
        "REPLACE INTO untyped VALUES(1.0,'real')",
        "INSERT INTO users(name) VALUES('a'),('b'),('c')",
        "INSERT INTO keys VALUES(1,'k1'),(1,'k1'),(2,NULL)",
        "UPDATE users SET name=CASE name WHEN 'a' THEN 'B1' ELSE name END",
        "PRAGMA foreign_keys=ON; UPDATE users SET id=90 WHERE id=1",
        "PRAGMA foreign_keys=ON; DELETE FROM users WHERE id=90",
        "BEGIN; UPDATE users SET name='t' WHERE id=2;"
        "UPDATE users SET name='b' WHERE id=3;"
        "UPDATE users SET name='c' WHERE id=2; COMMIT",
        "INSERT OR REPLACE INTO users(id,name) VALUES(2,'b')",
        "INSERT INTO made(a) VALUES(1),(2)",
        "UPDATE made SET a=a+10",
        "INSERT OR REPLACE INTO made(a) VALUES(11)",
        "INSERT INTO part(a,b) VALUES(1,'x'),(0,'x')",
        "INSERT OR REPLACE INTO part(a,b) VALUES(2,'X')",
        "INSERT INTO logged VALUES('one'); INSERT INTO logged VALUES('two')",
        "PRAGMA user_version=7; PRAGMA application_id=-3",
        "UPDATE sqlite_sequence SET seq=500 WHERE name='users'",
        "INSERT INTO big VALUES(1,randomblob(1048576))",
        "UPDATE big SET b=randomblob(1048576)",
        "INSERT INTO users(name) VALUES('last'); DELETE FROM users WHERE "
        "name='last'",
    };
    struct fixture f;

    fixture_init(&f, *state, users_schema);
    sql(f.live, "CREATE TABLE plain(a,b,c,d,e REAL);"
                "CREATE TABLE untyped(k PRIMARY KEY, v) WITHOUT ROWID;"
                "CREATE TABLE made(a INTEGER, b INTEGER AS (a*2) STORED UNIQUE,"
                " c AS (a||'x'));"
                "CREATE TABLE part(a,b);"
                "CREATE UNIQUE INDEX part_b ON part(lower(b)) WHERE a>0;"
                "CREATE TABLE logged(a); CREATE TABLE log(n INTEGER PRIMARY"
                " KEY, a);"
                "CREATE TRIGGER log_it AFTER INSERT ON logged BEGIN INSERT"
                " INTO log(a) VALUES(new.a||'!'); END;"
                "CREATE TABLE big(id INTEGER PRIMARY KEY, b BLOB)");
    f.config.delete_guard_percent = 0;
    source_start(&f);
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        struct publish_result r;

        sql(f.live, steps[i]);
        r = publish(&f);
        if (r.compared)
            fail_msg("compared (%s) after %s", r.compare_reason, steps[i]);
        expect_equal(&f);
        if (i % 2 == 0)
            trim(&f);
    }
    fixture_release(&f);
}

static void
ddl_is_repeated(void **state)
{
    static const char *const steps[] = {
        "ALTER TABLE users ADD COLUMN shell TEXT DEFAULT '/bin/sh'",
        "UPDATE users SET shell='x' WHERE id=1",
        "ALTER TABLE users ADD COLUMN a DEFAULT ','; ALTER TABLE users ADD"
        " COLUMN b NUMERIC(3,4) CHECK(b<>1)",
        "CREATE TABLE extra(a PRIMARY KEY, b) WITHOUT ROWID; INSERT INTO extra"
        " VALUES(1,2)",
        "CREATE INDEX users_home ON users(home)",
        "CREATE VIEW v AS SELECT name FROM users",
        "CREATE TRIGGER t AFTER INSERT ON extra BEGIN UPDATE users SET"
        " home='t' WHERE id=2; END",
        "INSERT INTO extra VALUES(2,2)",
        "DROP INDEX users_home; DROP VIEW v",
        "CREATE UNIQUE INDEX users_home ON users(home)",
        "DROP TRIGGER t",
        "ALTER TABLE users ADD COLUMN upper AS (upper(name)) VIRTUAL",
        "ANALYZE",
    };
    struct fixture f;

    fixture_init(&f, *state, users_schema);
    fill_users(&f, 100);
    source_start(&f);
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        sql(f.live, steps[i]);
        publish(&f);
        expect_equal(&f);
        trim(&f);
    }
    if (strstr(f.notices, "overwrite-needed") != NULL)
        fail_msg("%s", f.notices);
    fixture_release(&f);
}

static void
schema_changes_are_no_barriers(void **state)
{
    static const char *const steps[] = {
        "ALTER TABLE users RENAME COLUMN home TO house",
        "ALTER TABLE users DROP COLUMN house",
        "ALTER TABLE users RENAME TO people",
        "DROP TABLE settings",
        "CREATE VIRTUAL TABLE f USING fts5(a); INSERT INTO f VALUES('x')",
        "INSERT INTO f VALUES('y')",
        "DROP TABLE f",
    };
    struct fixture f;

    (void)state;
    fixture_init(&f, "WAL", users_schema);
    fill_users(&f, 100);
    source_start(&f);
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        bool known, chained;
        struct err e = ERR_INIT;
        struct dataset_state before;

        source_state(f.source, &before);
        sql(f.live, steps[i]);
        f.notices[0] = '\0';
        assert_true(publish(&f).published);
        assert_null(strstr(f.notices, "overwrite-needed"));
        assert_int_equal(source_knows(f.source, before.revision, &before.digest,
                             &known, &chained, &e),
            0);
        assert_true(known);
        assert_true(chained);
        expect_equal(&f);
        trim(&f);
    }
    /* And on as usual. */
    sql(f.live, "INSERT INTO people(name) VALUES('z')");
    assert_true(publish(&f).published);
    expect_equal(&f);
    fixture_release(&f);
}

static void
unseen_writes_are_compared(void **state)
{
    struct fixture f;
    struct publish_result r;

    (void)state;
    fixture_init(&f, "WAL", users_schema);
    fill_users(&f, 100);
    source_start(&f);
    sqlite3_db_config(f.live, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    sql(f.live, "UPDATE users SET home='quiet' WHERE id=3");
    sqlite3_db_config(f.live, SQLITE_DBCONFIG_ENABLE_TRIGGER, 1, NULL);
    r = publish(&f);
    assert_true(r.published && r.compared);
    assert_int_equal(r.changed_rows, 1);
    expect_equal(&f);
    /* The same beside a journal row that was published and not trimmed. */
    sql(f.live, "UPDATE users SET home='seen' WHERE id=4");
    assert_false(publish(&f).compared);
    sqlite3_db_config(f.live, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    sql(f.live, "UPDATE users SET home='quiet' WHERE id=5");
    r = publish(&f);
    assert_true(r.published && r.compared);
    expect_equal(&f);
    fixture_release(&f);
}

static struct publish_result
publish_audited(struct fixture *f)
{
    struct publish_result result;
    struct err e = ERR_INIT;

    assert_int_equal(source_publish_audited(f->source, &result, &e), 0);
    return result;
}

/* A journal that names some rows says nothing of the others. */
static void
unseen_writes_among_seen_ones_are_audited(void **state)
{
    struct fixture f;
    struct publish_result r;

    (void)state;
    fixture_init(&f, "WAL", users_schema);
    fill_users(&f, 100);
    source_start(&f);
    for (int published = 0; published < 2; published++) {
        sql(f.live, "UPDATE users SET home='seen'||random() WHERE id=4");
        sqlite3_db_config(f.live, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
        sql(f.live, "UPDATE users SET home='quiet'||random() WHERE id=3");
        sqlite3_db_config(f.live, SQLITE_DBCONFIG_ENABLE_TRIGGER, 1, NULL);
        if (published)
            assert_int_equal(publish(&f).changed_rows, 1);
        r = publish_audited(&f);
        assert_true(r.published && r.compared);
        assert_int_equal(r.changed_rows, published ? 1 : 2);
        expect_equal(&f);
    }
    /* Nothing to tell where the journal said it all; no work where nothing
     * moved. */
    sql(f.live, "UPDATE users SET home='seen' WHERE id=4");
    r = publish_audited(&f);
    assert_true(r.published && !r.compared);
    assert_false(publish_audited(&f).published);
    expect_equal(&f);
    fixture_release(&f);
}

static void
dropped_triggers_come_back(void **state)
{
    struct fixture f;
    struct publish_result r;

    (void)state;
    fixture_init(&f, "WAL", users_schema);
    fill_users(&f, 100);
    source_start(&f);
    sql(f.live, "DROP TRIGGER _lockstep_3_au; UPDATE users SET home='q'");
    r = publish(&f);
    assert_true(r.compared);
    expect_equal(&f);
    sql(f.live, "UPDATE users SET home='r' WHERE id=1");
    assert_false(publish(&f).compared);
    expect_equal(&f);
    fixture_release(&f);
}

static void
restart_audits(void **state)
{
    struct fixture f;
    struct dataset_state s;

    (void)state;
    fixture_init(&f, "WAL", users_schema);
    fill_users(&f, 100);
    source_start(&f);
    source_stop(&f);
    sqlite3_db_config(f.live, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    sql(f.live, "UPDATE users SET home='quiet' WHERE id=3");
    source_start(&f);
    source_state(f.source, &s);
    assert_int_equal(s.revision, 2);
    expect_equal(&f);
    source_stop(&f);
    source_start(&f);
    source_state(f.source, &s);
    assert_int_equal(s.revision, 2);
    fixture_release(&f);
}

/* A crash between history's commit and the published copy's. */
static void
history_ahead_is_discarded(void **state)
{
    struct fixture f;
    struct dataset_state before, after;
    bool known, chained;
    struct err e = ERR_INIT;

    (void)state;
    fixture_init(&f, "WAL", users_schema);
    fill_users(&f, 100);
    source_start(&f);
    source_state(f.source, &before);
    source_stop(&f);
    shell("cp %s %s/kept", f.published_path, f.folder);
    source_start(&f);
    sql(f.live, "UPDATE users SET home='x' WHERE id=1");
    publish(&f);
    source_state(f.source, &after);
    assert_int_equal(after.revision, 2);
    source_stop(&f);
    shell("cp %s/kept %s", f.folder, f.published_path);
    sql(f.live, "UPDATE users SET home='y' WHERE id=1");
    source_start(&f);
    source_state(f.source, &after);
    assert_int_equal(after.revision, 2);
    expect_equal(&f);
    assert_int_equal(source_knows(f.source, before.revision, &before.digest,
                         &known, &chained, &e),
        0);
    assert_true(known && chained);
    fixture_release(&f);
}

static void
damaged_published_copy_is_made_anew(void **state)
{
    struct fixture f;
    struct dataset_state s;

    (void)state;
    fixture_init(&f, "WAL", users_schema);
    fill_users(&f, 1000);
    source_start(&f);
    sql(f.live, "UPDATE users SET home='x' WHERE id=1");
    publish(&f);
    source_stop(&f);
    shell("dd if=/dev/urandom of=%s bs=4096 seek=3 count=4 conv=notrunc"
          " 2>/dev/null",
        f.published_path);
    source_start(&f);
    assert_non_null(strstr(f.notices, "overwrite-needed"));
    source_state(f.source, &s);
    assert_int_equal(s.revision, 3);
    expect_equal(&f);
    source_stop(&f);
    shell("rm %s*", f.published_path);
    source_start(&f);
    source_state(f.source, &s);
    assert_int_equal(s.revision, 4);
    expect_equal(&f);
    fixture_release(&f);
}

/* So many that both files are read, and both written, at once. */
static void
many_rows_are_published(void **state)
{
    struct fixture f;
    struct publish_result r;

    fixture_init(&f, *state, users_schema);
    fill_users(&f, 1000);
    sql(f.live, "INSERT INTO settings SELECT name,id FROM users WHERE id<200");
    source_start(&f);
    sql(f.live,
        "BEGIN; UPDATE users SET home=hex(randomblob(2000)) WHERE id<=600;"
        "DELETE FROM users WHERE id>600 AND id<=650;"
        "INSERT INTO users(name) SELECT 'new'||id FROM users WHERE id<=300;"
        "UPDATE settings SET name=upper(name) WHERE value<150;"
        "UPDATE settings SET value=value WHERE value>170; COMMIT");
    r = publish(&f);
    assert_false(r.compared);
    assert_int_equal(r.changed_rows, 600 + 50 + 300 + 149);
    expect_equal(&f);
    trim(&f);
    /* Names change places, which no row by row update can do. */
    sql(f.live, "BEGIN; UPDATE users SET name='t'||id WHERE id<=200;"
                "UPDATE users SET name='u'||(id%200+1) WHERE id<=200; COMMIT");
    r = publish(&f);
    assert_false(r.compared);
    assert_int_equal(r.changed_rows, 200);
    expect_equal(&f);
    fixture_release(&f);
}

static void
history_of_a_publish_that_failed_goes(void **state)
{
    struct fixture f;
    struct publish_result r;
    struct dataset_state s;
    struct err e = ERR_INIT;
    sqlite3 *other;
    uint64_t newest;

    (void)state;
    fixture_init(&f, "WAL", users_schema);
    fill_users(&f, 500);
    source_start(&f);
    assert_int_equal(sqlite3_open(f.published_path, &other), SQLITE_OK);
    sql(other, "BEGIN IMMEDIATE");
    sql(f.live, "UPDATE users SET home='x'");
    assert_int_equal(source_publish(f.source, &r, &e), -1);
    assert_int_equal(history_newest(f.source, &newest, &e), 0);
    assert_int_equal(newest, 1);
    sqlite3_close(other);
    assert_true(publish(&f).published);
    expect_equal(&f);
    source_state(f.source, &s);
    assert_int_equal(s.revision, 2);
    assert_int_equal(history_newest(f.source, &newest, &e), 0);
    assert_int_equal(newest, 2);
    fixture_release(&f);
}

#define IN_BOTH_MODES(test)                           \
    { #test " (wal)", test, NULL, NULL, "WAL" },      \
    {                                                 \
#test " (delete)", test, NULL, NULL, "DELETE" \
    }

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_open_publishes_everything),
        cmocka_unit_test(changes_become_one_revision),
        IN_BOTH_MODES(hard_values),
        IN_BOTH_MODES(ddl_is_repeated),
        cmocka_unit_test(schema_changes_are_no_barriers),
        cmocka_unit_test(unseen_writes_are_compared),
        cmocka_unit_test(unseen_writes_among_seen_ones_are_audited),
        cmocka_unit_test(dropped_triggers_come_back),
        cmocka_unit_test(restart_audits),
        cmocka_unit_test(history_ahead_is_discarded),
        cmocka_unit_test(history_of_a_publish_that_failed_goes),
        IN_BOTH_MODES(many_rows_are_published),
        cmocka_unit_test(damaged_published_copy_is_made_anew),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

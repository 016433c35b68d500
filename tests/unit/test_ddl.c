/*
 * Schema changes arrive: the same texts, letter by letter, and the same rows,
 * without an overwrite, and without more rows on the way than were rebuilt.
 */
#include "tests/unit/ddl_world.h"

/* What a table of 400 rows takes if it travels. */
#define ROWS_BYTES 4000

static const char people_sql[] =
    "CREATE TABLE people(id INTEGER PRIMARY KEY, name TEXT NOT NULL, mail TEXT"
    " COLLATE NOCASE, age INT, code TEXT UNIQUE);"
    "CREATE TABLE notes(id INTEGER PRIMARY KEY AUTOINCREMENT, person INT"
    " REFERENCES people(id) ON DELETE CASCADE, body);"
    "CREATE TABLE tags(name TEXT PRIMARY KEY, n) WITHOUT ROWID;"
    "CREATE TABLE log(at, what);"
    "CREATE INDEX people_name ON people(name);"
    "CREATE INDEX people_mail ON people(mail) WHERE mail IS NOT NULL;"
    "CREATE INDEX notes_person ON notes(person);"
    "CREATE VIEW grown AS SELECT id,name,age FROM people WHERE age>=18;"
    "CREATE VIEW old_ones AS SELECT * FROM grown WHERE age>60;"
    "CREATE TRIGGER people_gone AFTER DELETE ON people BEGIN"
    " INSERT INTO log VALUES(OLD.id,'gone ' || OLD.name); END;"
    "CREATE TRIGGER grown_new INSTEAD OF INSERT ON grown BEGIN"
    " INSERT INTO people(name,age) VALUES(NEW.name,NEW.age); END;"
    "WITH n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<400)"
    " INSERT INTO people SELECT i*3,'name '||i||hex(randomblob(8)),"
    " 'm'||i||'@example.org',i%90,hex(randomblob(12)) FROM n;"
    "INSERT INTO notes(person,body) SELECT id,randomblob(20) FROM people;"
    "INSERT INTO tags SELECT code,id FROM people WHERE id<600;"
    "INSERT INTO log SELECT id,code FROM people;"
    "DELETE FROM log WHERE rowid%7=0;";

struct migration {
    const char *name;
    const char *sql;
    bool rows_travel; /* of a table as large as people */
};

static const struct migration migrations[] = {
    { .name = "create table",
        .sql = "CREATE TABLE t(a, \"b c\" DEFAULT 7, CHECK(a<>1));"
               "INSERT INTO t(a) VALUES(5)" },
    { .name = "drop table", .sql = "DROP TABLE tags" },
    { .name = "add column",
        .sql = "ALTER TABLE people ADD COLUMN nick TEXT DEFAULT 'x'" },
    { .name = "add columns",
        .sql = "ALTER TABLE people ADD COLUMN a; ALTER TABLE people ADD"
               " COLUMN \"b, c\" NUMERIC(3,4) NOT NULL DEFAULT 1" },
    { .name = "add generated",
        .sql = "ALTER TABLE people ADD COLUMN up TEXT AS (upper(name));"
               "CREATE INDEX people_up ON people(up)" },
    { .name = "drop column",
        .sql = "DROP VIEW old_ones; DROP VIEW grown; ALTER TABLE people"
               " DROP COLUMN age" },
    { .name = "drop indexed column",
        .sql = "DROP INDEX people_mail; ALTER TABLE people DROP"
               " COLUMN mail" },
    { .name = "rename column",
        .sql = "DROP TRIGGER grown_new; ALTER TABLE people RENAME COLUMN name "
               "TO full_name" },
    { .name = "rename column oddly",
        .sql = "DROP TRIGGER grown_new; ALTER TABLE people RENAME COLUMN name "
               "TO \"the \"\"name\"\" "
               "[1]\"" },
    { .name = "rename column to a keyword",
        .sql = "ALTER TABLE log RENAME COLUMN what TO \"select\"" },
    { .name = "rename referenced column",
        .sql = "ALTER TABLE people RENAME COLUMN id TO person_id" },
    { .name = "rename table", .sql = "ALTER TABLE people RENAME TO persons" },
    { .name = "rename table back and forth",
        .sql = "ALTER TABLE people RENAME TO p2; ALTER TABLE p2 RENAME TO "
               "people" },
    { .name = "rename the old way",
        .sql = "PRAGMA legacy_alter_table=ON; DROP VIEW old_ones;"
               "DROP VIEW grown; ALTER TABLE people RENAME TO"
               " persons" },
    { .name = "rename chain",
        .sql = "PRAGMA foreign_keys=OFF; DROP VIEW old_ones; DROP VIEW grown;"
               "ALTER TABLE people RENAME TO people_old; CREATE TABLE people(id"
               " INTEGER PRIMARY KEY, name TEXT, mail, age, code, extra);"
               "INSERT INTO people SELECT *,NULL FROM people_old;"
               "DROP TABLE people_old" },
    { .name = "rename chain that keeps the old",
        .sql = "DROP VIEW old_ones; DROP VIEW grown; DROP TRIGGER people_gone;"
               "ALTER TABLE people RENAME TO people_old; CREATE TABLE people(id"
               " INTEGER PRIMARY KEY, name TEXT);"
               "INSERT INTO people SELECT id,name FROM people_old",
        .rows_travel = true },
    { .name = "swap",
        .sql = "ALTER TABLE log RENAME TO x; ALTER TABLE tags RENAME TO log;"
               "ALTER TABLE x RENAME TO tags",
        .rows_travel = true },
    { .name = "twelve steps",
        .sql =
            "PRAGMA foreign_keys=OFF; BEGIN; CREATE TABLE new_people(id INTEGER"
            " PRIMARY KEY, name TEXT NOT NULL, age INT CHECK(age<200), code "
            "TEXT"
            " UNIQUE, mail TEXT);"
            "INSERT INTO new_people SELECT id,name,age,code,mail FROM people;"
            "DROP VIEW old_ones; DROP VIEW grown;"
            "DROP TABLE people; ALTER TABLE new_people RENAME TO people;"
            "CREATE INDEX people_name ON people(name);"
            "CREATE TRIGGER people_gone AFTER DELETE ON people BEGIN"
            " INSERT INTO log VALUES(OLD.id,'gone ' || OLD.name); END;"
            "CREATE VIEW grown AS SELECT id,name,age FROM people WHERE age>=18;"
            "COMMIT" },
    { .name = "to strict",
        .sql = "PRAGMA foreign_keys=OFF; CREATE TABLE n(id INTEGER PRIMARY "
               "KEY, person"
               " INT, body ANY) STRICT; INSERT INTO n SELECT * FROM notes; "
               "DROP TABLE"
               " notes; ALTER TABLE n RENAME TO notes" },
    { .name = "to without rowid",
        .sql = "DROP TRIGGER people_gone; CREATE TABLE n(at, what, PRIMARY "
               "KEY(at,what)) WITHOUT ROWID;"
               "INSERT INTO n SELECT * FROM log; DROP TABLE log;"
               "ALTER TABLE n RENAME TO log" },
    { .name = "to rowid",
        .sql = "CREATE TABLE n(name TEXT PRIMARY KEY, n); INSERT INTO n SELECT "
               "* FROM"
               " tags; DROP TABLE tags; ALTER TABLE n RENAME TO tags" },
    { .name = "another type",
        .sql = "DROP TRIGGER people_gone; CREATE TABLE n(at TEXT, what BLOB); "
               "INSERT"
               " INTO n(rowid,at,what) SELECT rowid,* FROM log; DROP TABLE log;"
               "ALTER TABLE n RENAME TO log" },
    { .name = "values computed",
        .sql = "CREATE TABLE n(name TEXT PRIMARY KEY, n, twice) WITHOUT ROWID; "
               "INSERT"
               " INTO n SELECT name,n,n*2 FROM tags; DROP TABLE tags; ALTER "
               "TABLE n"
               " RENAME TO tags",
        .rows_travel = true },
    { .name = "stored generated",
        .sql =
            "CREATE TABLE n(name TEXT PRIMARY KEY, n, twice AS (n*2) STORED)"
            " WITHOUT ROWID; INSERT INTO n SELECT name,n FROM tags; DROP TABLE"
            " tags; ALTER TABLE n RENAME TO tags" },
    { .name = "collation",
        .sql = "CREATE TABLE n(name TEXT COLLATE NOCASE PRIMARY KEY, n) "
               "WITHOUT ROWID;"
               "INSERT INTO n SELECT * FROM tags; DROP TABLE tags; ALTER TABLE "
               "n RENAME"
               " TO tags" },
    { .name = "indexes",
        .sql = "DROP INDEX people_name; CREATE UNIQUE INDEX people_name ON"
               " people(name COLLATE RTRIM DESC, id); CREATE INDEX e ON"
               " people(length(name)) WHERE age>3; DROP INDEX notes_person" },
    { .name = "views",
        .sql = "DROP VIEW old_ones; CREATE VIEW old_ones AS SELECT 'a', \"id\""
               " FROM grown; CREATE VIEW broken AS SELECT * FROM nowhere" },
    { .name = "triggers",
        .sql = "DROP TRIGGER people_gone; CREATE TRIGGER people_gone BEFORE"
               " DELETE ON people WHEN OLD.age>3 BEGIN SELECT RAISE(IGNORE);"
               " END" },
    { .name = "alter with a broken view",
        .sql = "CREATE VIEW broken AS SELECT * FROM nowhere; PRAGMA"
               " legacy_alter_table=ON; ALTER TABLE people RENAME TO persons" },
    { .name = "odd names",
        .sql =
            "CREATE TABLE \"a \"\"b\"\" [c]\"(\"x y\", 'q' INTEGER PRIMARY KEY,"
            " `group`, [order] AS (\"x y\"||1)); INSERT INTO \"a \"\"b\"\" "
            "[c]\"("
            "\"x y\") VALUES(1); CREATE INDEX \"i'1\" ON \"a \"\"b\"\" "
            "[c]\"([order]);"
            "CREATE TABLE \"sélect\"(\"–\", rowid, _rowid_); INSERT INTO "
            "\"sélect\""
            " VALUES(1,2,3); CREATE TABLE \"index\"(\"table\" PRIMARY KEY) "
            "WITHOUT"
            " ROWID" },
    { .name = "another case",
        .sql = "ALTER TABLE log RENAME TO x; ALTER TABLE x RENAME TO LOG" },
    { .name = "rows and schema at once",
        .sql = "ALTER TABLE people ADD COLUMN z; UPDATE people SET z=id WHERE "
               "id<30;"
               "DELETE FROM people WHERE id=33; INSERT INTO people(name) "
               "VALUES('n')" },
    { .name = "a new unique that rows break meanwhile",
        .sql =
            "PRAGMA foreign_keys=OFF; CREATE TABLE n(id INTEGER PRIMARY KEY, "
            "name"
            " TEXT NOT NULL UNIQUE ON CONFLICT IGNORE, mail TEXT NOT NULL "
            "DEFAULT"
            " 'none', age INT UNIQUE); INSERT INTO n SELECT id,name,mail,id "
            "FROM"
            " people; DROP VIEW old_ones; DROP VIEW grown; DROP TABLE people;"
            "ALTER TABLE n RENAME TO people",
        .rows_travel = true },
    { .name = "analyze", .sql = "ANALYZE" },
    { .name = "vacuum moves bare rowids",
        .sql = "VACUUM",
        .rows_travel = true },
    { .name = "text edited by hand",
        .sql = "PRAGMA writable_schema=ON; UPDATE sqlite_schema SET sql='CREATE"
               " TABLE log(at, what DEFAULT 5)' WHERE name='log'; PRAGMA"
               " schema_version=900; PRAGMA writable_schema=RESET" },
};

static const char *const captures[] = { "triggers", "compare" };

static void
run_migration(const struct migration *c, enum capture_mode capture)
{
    struct world w;
    size_t bytes;

    world_init(&w, capture, people_sql);
    world_sql(&w, c->sql);
    world_push(&w);
    bytes = w.bytes;
    if (getenv("SHOW_BYTES") != NULL)
        printf("%8zu bytes  %s, %s\n", bytes, c->name, captures[capture]);
    if (strstr(w.notices, "overwrite-needed") != NULL)
        fail_msg("%s, %s: %s", c->name, captures[capture], w.notices);
    world_expect_same(&w);
    if (!c->rows_travel && bytes > ROWS_BYTES)
        fail_msg("%s, %s: %zu bytes", c->name, captures[capture], bytes);
    /* What is written afterwards is captured, and is seen on the other side. */
    world_sql(&w, "INSERT OR IGNORE INTO notes(person,body) VALUES(1,'after')");
    world_push(&w);
    world_expect_same(&w);
    assert_true(w.bundles <= 1);
    assert_true(w.bytes < 1000);
    world_release(&w);
}

static void
every_change_arrives(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(migrations) / sizeof(migrations[0]); i++)
        for (int mode = 0; mode < 2; mode++)
            run_migration(&migrations[i], (enum capture_mode)mode);
}

/* A secondary that missed all of it gets every revision with DDL as a bundle of
 * its own, and what lies between as one. */
static void
one_that_is_behind_catches_up(void **state)
{
    static const char *const steps[] = {
        "UPDATE people SET age=age+1 WHERE id<60",
        "DELETE FROM people WHERE id=6; INSERT INTO people(name) VALUES('new')",
        "ALTER TABLE people RENAME TO persons; UPDATE persons SET age=1 WHERE"
        " id=9",
        "UPDATE persons SET mail='x' WHERE id=9",
        "INSERT INTO tags VALUES('a',1); DELETE FROM log WHERE at<90",
        "DROP TRIGGER people_gone; DROP TABLE log",
        "CREATE TABLE log(x PRIMARY KEY) WITHOUT ROWID",
        "INSERT INTO log VALUES('k'),('l'); PRAGMA user_version=7",
        "UPDATE log SET x='m' WHERE x='k'; DELETE FROM tags WHERE n<30",
        "ALTER TABLE tags ADD COLUMN z DEFAULT 1; ALTER TABLE log ADD y",
        "UPDATE tags SET z=n; INSERT INTO notes(person,body) VALUES(3,4)",
    };
    size_t count = sizeof(steps) / sizeof(steps[0]);

    (void)state;
    for (int mode = 0; mode < 2; mode++)
        for (size_t first = 0; first < count; first++) {
            struct world w;

            world_init(&w, (enum capture_mode)mode, people_sql);
            for (size_t i = 0; i < count; i++) {
                world_sql(&w, steps[i]);
                if (i < first)
                    world_push(&w);
                else
                    world_publish(&w);
            }
            world_push(&w);
            world_expect_same(&w);
            assert_null(strstr(w.notices, "overwrite-needed"));
            if (first == 0)
                assert_int_equal(w.bundles, 8);
            world_release(&w);
        }
}

/* The triggers that know drift by its key are there as soon as the new schema
 * is. */
static void
drift_is_known_right_after_a_schema_change(void **state)
{
    struct replica_status status;
    struct world w;
    sqlite3 *other;
    struct err e = ERR_INIT;

    (void)state;
    world_init(&w, CAPTURE_TRIGGERS, people_sql);
    world_sql(&w, "ALTER TABLE people RENAME TO persons; CREATE TABLE n(a)");
    world_push(&w);
    assert_int_equal(sqlite3_open(w.live[1], &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other,
                         "UPDATE persons SET age=7 WHERE id=9;"
                         "INSERT INTO n VALUES(1)",
                         NULL, NULL, NULL),
        SQLITE_OK);
    sqlite3_close(other);
    assert_int_equal(world_try_push(&w, &e), -1);
    assert_int_equal(e.code, ERR_DRIFTED);
    replica_status(w.replica, &status);
    assert_false(status.needs_overwrite);
    assert_int_equal(status.drift_rows, 2);
    world_release(&w);
}

/* Integers in a column that is TEXT now: no INSERT stores them so. */
static void
rows_that_no_statement_can_write_cost_an_overwrite(void **state)
{
    struct world w;

    (void)state;
    world_init(&w, CAPTURE_TRIGGERS, people_sql);
    world_sql(&w, "PRAGMA writable_schema=ON; UPDATE sqlite_schema SET"
                  " sql='CREATE TABLE log(at TEXT, what)' WHERE name='log';"
                  "PRAGMA schema_version=900; PRAGMA writable_schema=RESET");
    world_publish(&w);
    assert_non_null(strstr(w.notices, "overwrite-needed: rows of table \"log\""
                                      " cannot be written as they are"));
    world_overwrite(&w);
    world_expect_same(&w);
    world_release(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_change_arrives),
        cmocka_unit_test(one_that_is_behind_catches_up),
        cmocka_unit_test(drift_is_known_right_after_a_schema_change),
        cmocka_unit_test(rows_that_no_statement_can_write_cost_an_overwrite),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

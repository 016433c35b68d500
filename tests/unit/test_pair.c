/*
 * A real source and a real replica: whatever is written on one side, the other
 * ends with the same rows.
 */
#include "tests/unit/pair_fixture.h"

static void
random_writes_arrive(void **state)
{
    struct world *w = *state;

    assert_same(w);
    for (int round = 0; round < 150; round++) {
        for (uint32_t n = next_random(w, 30); n > 0; n--)
            write_something(w);
        push(w);
        assert_same(w);
    }
}

static void
many_revisions_arrive_in_one_bundle(void **state)
{
    struct world *w = *state;
    struct publish_result result;
    struct err e = ERR_INIT;

    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 10; i++) {
            for (int n = 0; n < 5; n++)
                write_something(w);
            CHECK(source_publish(w->source, &result, &e));
        }
        push(w);
        assert_same(w);
    }
}

static void
schema_changes_arrive(void **state)
{
    static const char *const changes[] = {
        "CREATE TABLE added(id INTEGER PRIMARY KEY, v DEFAULT 'x')",
        "INSERT INTO added(id) VALUES(1),(2)",
        "ALTER TABLE added ADD COLUMN w DEFAULT 7",
        "CREATE INDEX by_w ON added(w); DROP INDEX some",
        "CREATE VIEW seen AS SELECT * FROM added; DROP TRIGGER follow",
        "ALTER TABLE users ADD COLUMN shell TEXT; UPDATE users SET shell='s'",
    };
    struct world *w = *state;

    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        for (int n = 0; n < 10; n++)
            write_something(w);
        run_sql(w->app, changes[i]);
        push(w);
        assert_same(w);
    }
}

static void
restarts_of_both_sides_change_nothing(void **state)
{
    struct world *w = *state;

    for (int round = 0; round < 10; round++) {
        for (int n = 0; n < 20; n++)
            write_something(w);
        if (round % 2 == 0)
            open_source(w);
        if (round % 3 == 0)
            open_replica(w);
        push(w);
        assert_same(w);
    }
}

static void
overwrite_makes_equal_again(void **state)
{
    struct world *w = *state;
    struct publish_result result;
    struct err e = ERR_INIT;

    for (int round = 0; round < 3; round++) {
        for (int n = 0; n < 100; n++)
            write_something(w);
        CHECK(source_publish(w->source, &result, &e));
        open_source(w);
        overwrite(w);
        assert_same(w);
        push(w);
    }
}

/* Of several compressed frames, each with its own level. */
static void
large_overwrite_arrives(void **state)
{
    struct world *w = *state;
    struct publish_result result;
    struct err e = ERR_INIT;

    run_sql(w->app,
        "CREATE TABLE large(id INTEGER PRIMARY KEY, v BLOB);"
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n"
        " WHERE i<2500) INSERT INTO large SELECT i, randomblob(4000) FROM n");
    CHECK(source_publish(w->source, &result, &e));
    overwrite(w);
    assert_same(w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(random_writes_arrive),
        TEST(many_revisions_arrive_in_one_bundle),
        TEST(schema_changes_arrive),
        TEST(restarts_of_both_sides_change_nothing),
        TEST(overwrite_makes_equal_again),
        TEST(large_overwrite_arrives),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Drift between a real source and a real replica: mended at the revision that
 * is held, however old that is.
 */
#include "tests/unit/pair_fixture.h"

/* Asks for the drifted keys, and mends them at the revision that is held. */
static void
repair(struct world *w)
{
    struct buf keys = BUF_INIT, bundle = BUF_INIT;
    struct replica_status held;
    struct err e = ERR_INIT;

    CHECK(replica_drift(w->replica, 1000, &keys, NULL, &e));
    replica_status(w->replica, &held);
    assert_false(held.needs_overwrite);
    if (held.drifted) {
        CHECK(source_repair(w->source, held.state.revision, keys.data, keys.len,
            &signer, &bundle, &e));
        CHECK(replica_apply(w->replica, bundle.data, bundle.len, &e));
    }
    CHECK(replica_heartbeat(w->replica, held.state.cluster, held.state.epoch,
        w->writer, held.state.revision, &held.state.digest, &e));
    buf_release(&keys);
    buf_release(&bundle);
}

static void
drift_is_repaired_from_the_published_copy(void **state)
{
    struct world *w = *state;
    sqlite3 *app = w->app, *other = NULL;

    for (int n = 0; n < 200; n++)
        write_something(w);
    push(w);
    assert_int_equal(sqlite3_open(w->live[1], &other), SQLITE_OK);
    for (int round = 0; round < 30; round++) {
        w->app = other;
        for (int n = 0; n < 5; n++)
            write_something(w);
        w->app = app;
        repair(w);
        assert_same(w);
    }
    sqlite3_close(other);
}

static void
publish(struct world *w, const char *sql)
{
    struct publish_result result;
    struct err e = ERR_INIT;

    run_sql(w->app, sql);
    CHECK(source_publish(w->source, &result, &e));
    assert_true(result.published);
}

static void
drift_on_a_server_that_is_behind_is_repaired_there(void **state)
{
    struct world *w = *state;
    sqlite3 *other = NULL;
    struct buf pushed = BUF_INIT;

    run_sql(w->app, "INSERT INTO users VALUES(1,'a',1,1),(2,'b',2,2),"
                    "(3,'c',3,3),(4,'d',4,4);"
                    "INSERT INTO keys VALUES('k1',1),('k2',2);"
                    "PRAGMA user_version=3;");
    push(w);
    dump_database(w->live[1], &pushed);
    /* Each drifts below: changed twice, deleted, deleted and inserted anew,
     * not there then, spelled otherwise, its name taken by another. */
    publish(w, "UPDATE users SET n=10 WHERE id=1;"
               "UPDATE keys SET k='K1', v=9 WHERE k='k1'");
    publish(w, "UPDATE users SET n=11 WHERE id=1;"
               "DELETE FROM users WHERE id IN (2,3);"
               "INSERT INTO users VALUES(3,'c3',33,33),(5,'b',5,5)");
    publish(w, "DELETE FROM keys WHERE k='k2'; PRAGMA user_version=4;");
    assert_int_equal(sqlite3_open(w->live[1], &other), SQLITE_OK);
    run_sql(other, "UPDATE users SET r=0;"
                   "DELETE FROM users WHERE id=2;"
                   "INSERT INTO users VALUES(5,'e',7,7),(6,'f',7,7);"
                   "UPDATE keys SET k=upper(k), v=0;"
                   "INSERT INTO keys VALUES('k3',3);"
                   "PRAGMA user_version=5;");
    sqlite3_close(other);
    repair(w);
    assert_replica_is(w, &pushed);
    push(w);
    assert_same(w);
}

static void
random_drift_far_behind_is_repaired(void **state)
{
    struct world *w = *state;
    sqlite3 *app = w->app, *other = NULL;
    struct publish_result result;
    struct err e = ERR_INIT;

    assert_int_equal(sqlite3_open(w->live[1], &other), SQLITE_OK);
    for (int round = 0; round < 60; round++) {
        struct buf pushed = BUF_INIT;

        dump_database(w->live[1], &pushed);
        for (uint32_t n = next_random(w, 5); n > 0; n--) {
            for (int i = 0; i < 10; i++)
                write_something(w);
            CHECK(source_publish(w->source, &result, &e));
        }
        w->app = other;
        for (int n = 0; n < 5; n++)
            write_something(w);
        w->app = app;
        repair(w);
        assert_replica_is(w, &pushed);
        push(w);
        assert_same(w);
    }
    sqlite3_close(other);
}

static void
repair_before_a_schema_change_needs_an_overwrite(void **state)
{
    struct world *w = *state;
    static const uint8_t no_keys[] = { 0 };
    struct buf bundle = BUF_INIT;
    struct dataset_state s;
    struct err e = ERR_INIT;

    push(w);
    source_state(w->source, &s);
    publish(w, "CREATE TABLE added(id INTEGER PRIMARY KEY)");
    assert_int_equal(source_repair(w->source, s.revision, no_keys,
                         sizeof(no_keys), &signer, &bundle, &e),
        -1);
    assert_int_equal(e.code, ERR_NEEDS_OVERWRITE);
    assert_int_equal(bundle.len, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(drift_is_repaired_from_the_published_copy),
        TEST(drift_on_a_server_that_is_behind_is_repaired_there),
        TEST(random_drift_far_behind_is_repaired),
        TEST(repair_before_a_schema_change_needs_an_overwrite),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

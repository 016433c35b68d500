/*
 * Whose signature a replica takes while its primary rotates its bundle key.
 */
#include "tests/unit/model_pair.h"

static int
setup(void **state)
{
    struct pair *p = alloc_zeroed(1, sizeof(*p));

    pair_init(p, "CREATE TABLE users(id INTEGER PRIMARY KEY, n);"
                 "INSERT INTO users VALUES(1,1),(2,2)");
    pair_overwrite(p);
    *state = p;
    return 0;
}

static int
teardown(void **state)
{
    pair_release(*state);
    free(*state);
    return 0;
}

static void
the_announced_successor_signs_as_well(void **state)
{
    static const uint8_t other_seed[ED25519_SEED_SIZE] = { 9 };
    struct pair *p = *state;
    uint8_t other[ED25519_PUBLIC_SIZE], key[ED25519_PUBLIC_SIZE];
    struct err e = ERR_INIT;

    CHECK(ed25519_public(primary_seed, key, &e));
    CHECK(ed25519_public(other_seed, other, &e));
    run_sql(p->primary.db, "UPDATE users SET n=n+1");

    /* What signs is the successor of another key. */
    replica_trust(p->replica, p->primary.state.cluster, 5, other);
    assert_refused(pair_try_push(p, &e), ERR_SIGNATURE, e);
    replica_trust_next(p->replica, key);
    CHECK(pair_apply(p, &e));
    assert_in_sync(p);
    replica_trust_next(p->replica, NULL);
    assert_refused(pair_try_overwrite(p, &e), ERR_SIGNATURE, e);
    replica_trust_next(p->replica, key);
    err_clear(&e);
    CHECK(pair_try_overwrite(p, &e));
    assert_in_sync(p);

    /* A key that is trusted anew comes without a successor. */
    replica_trust(p->replica, p->primary.state.cluster, 5, other);
    run_sql(p->primary.db, "UPDATE users SET n=n+1");
    assert_refused(pair_try_push(p, &e), ERR_SIGNATURE, e);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_announced_successor_signs_as_well,
            setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

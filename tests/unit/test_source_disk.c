/*
 * A disk that fails in the middle of a publish: what was published stays known,
 * and the next publish goes on from there.
 */
#include <signal.h>
#include <sys/resource.h>

#include "tests/unit/source_fixture.h"

static const uint8_t cluster[ID_SIZE] = { 4, 5, 6 };

/* No file may grow or be written to, as on a disk that is full. */
static void
fail_writes(bool fail)
{
    struct rlimit limit;

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = fail ? 0 : limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static int
publish_without_disk(struct fixture *f)
{
    struct publish_result result;
    struct err e = ERR_INIT;
    int r;

    fail_writes(true);
    r = source_publish(f->source, &result, &e);
    fail_writes(false);
    return r;
}

static void
schema_change_survives_a_failing_disk(void **state)
{
    static const char *const changes[] = {
        "ALTER TABLE t ADD COLUMN b DEFAULT 1",
        "CREATE TABLE u(x); INSERT INTO u VALUES(1)",
        "CREATE TABLE n(id INTEGER PRIMARY KEY, a, c); INSERT INTO n SELECT"
        " id, a, 3 FROM t; DROP TABLE t; ALTER TABLE n RENAME TO t",
    };

    (void)state;
    for (int capture = 0; capture < 2; capture++) {
        struct dataset_state before, after;
        struct err e = ERR_INIT;
        struct fixture f;

        fixture_init(&f, "WAL",
            "CREATE TABLE t(id INTEGER PRIMARY KEY, a);"
            "INSERT INTO t VALUES(1,5),(2,6)");
        f.config.capture = capture == 0 ? CAPTURE_COMPARE : CAPTURE_TRIGGERS;
        source_start(&f);
        assert_int_equal(source_set_cluster(f.source, cluster, 7, &e), 0);
        for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
            sql(f.live, changes[i]);
            source_state(f.source, &before);
            assert_int_equal(publish_without_disk(&f), -1);
            assert_int_equal(publish_without_disk(&f), -1);
            source_state(f.source, &after);
            assert_memory_equal(&before, &after, sizeof(before));
            assert_true(publish(&f).published);
            expect_equal(&f);
            source_state(f.source, &after);
            assert_int_equal(after.revision, before.revision + 1);
            assert_int_equal(after.epoch, 7);
            assert_memory_equal(after.cluster, cluster, ID_SIZE);
        }
        assert_null(strstr(f.notices, "overwrite-needed"));
        fixture_release(&f);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schema_change_survives_a_failing_disk),
    };

    signal(SIGXFSZ, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Programs that set back what they did, in a file that is only compared: it
 * looks like a copy of the file as of then, unless something shows that they
 * committed.
 */
#include "base/clock.h"
#include "tests/unit/source_fixture.h"

static const char schema[] =
    "CREATE TABLE users(id INTEGER PRIMARY KEY, home TEXT);"
    "INSERT INTO users VALUES(1,'/a'),(2,'/b')";

/* Later than any change that the file's times may hide. */
static void
look_later(struct fixture *f)
{
    clock_freeze(clock_utc_ms() + 60000);
    assert_false(publish(f).published);
}

/* A change and, published in between, the way back; each by a program that
 * comes and, with LEAVE, goes. */
static void
set_back(struct fixture *f, bool leave)
{
    for (int i = 0; i < 2; i++) {
        if (f->live == NULL)
            live_connect(f);
        sql(f->live, i == 0 ? "UPDATE users SET home='/x' WHERE id=2"
                            : "UPDATE users SET home='/b' WHERE id=2");
        if (leave)
            live_disconnect(f);
        if (i == 0) {
            assert_true(publish(f).published);
            look_later(f);
        }
    }
}

static void
begin(struct fixture *f, const char *mode)
{
    fixture_init(f, mode, schema);
    f->config.capture = CAPTURE_COMPARE;
    source_start(f);
    live_disconnect(f);
    look_later(f);
}

static void
end(struct fixture *f)
{
    clock_thaw();
    fixture_release(f);
}

static void
what_may_be_an_older_copy_is_held_with_a_way_out(void **state)
{
    struct publish_result r;
    struct err e = ERR_INIT;
    struct fixture f;

    (void)state;
    begin(&f, "WAL");
    set_back(&f, true);
    assert_int_equal(source_publish(f.source, &r, &e), -1);
    assert_int_equal(e.code, ERR_HELD);
    assert_non_null(strstr(source_held(f.source), "set their changes back"));
    assert_non_null(strstr(e.hint, "dataset accept"));
    assert_non_null(strstr(e.hint, "capture = triggers"));
    err_clear(&e);
    assert_int_equal(source_accept(f.source, &r, &e), 0);
    assert_null(source_held(f.source));
    live_connect(&f);
    expect_equal(&f);
    end(&f);
}

static void
a_program_that_stays_is_known_by_its_log(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, "WAL");
    set_back(&f, false);
    assert_true(publish(&f).published);
    expect_equal(&f);
    end(&f);
}

static void
without_a_log_commits_are_counted(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, "DELETE");
    set_back(&f, true);
    assert_true(publish(&f).published);
    live_connect(&f);
    expect_equal(&f);
    end(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_may_be_an_older_copy_is_held_with_a_way_out),
        cmocka_unit_test(a_program_that_stays_is_known_by_its_log),
        cmocka_unit_test(without_a_log_commits_are_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

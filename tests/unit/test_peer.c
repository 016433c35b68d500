/* The state of a server and the rhythm of attempts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sync/peer.h"

static void
worst_state_wins(void **unused)
{
    struct peer_facts facts = { .equal = true };

    (void)unused;
    assert_int_equal(peer_state_of(&facts), PEER_SYNCHRONIZED);
    facts.equal = false;
    assert_int_equal(peer_state_of(&facts), PEER_BEHIND);
    facts.unreachable = true;
    assert_int_equal(peer_state_of(&facts), PEER_UNREACHABLE);
    facts.drifted = true;
    assert_int_equal(peer_state_of(&facts), PEER_DRIFTED);
    facts.held = true;
    assert_int_equal(peer_state_of(&facts), PEER_HELD);
    facts.refused = true;
    assert_int_equal(peer_state_of(&facts), PEER_REFUSED);
    facts.key_changed = true;
    assert_int_equal(peer_state_of(&facts), PEER_KEY_CHANGED);
}

static void
never_synchronized_unless_equal(void **unused)
{
    (void)unused;
    for (unsigned bits = 0; bits < 128; bits++) {
        const struct peer_facts facts = {
            .key_changed = bits & 1,
            .refused = bits & 2,
            .held = bits & 4,
            .drifted = bits & 8,
            .unreachable = bits & 16,
            .overwriting = bits & 32,
            .paused = bits & 64,
        };

        assert_int_not_equal(peer_state_of(&facts), PEER_SYNCHRONIZED);
    }
}

static void
a_pause_hides_what_is_not_asked_any_more(void **unused)
{
    const struct peer_facts facts = { .paused = true, .unreachable = true };

    (void)unused;
    assert_int_equal(peer_state_of(&facts), PEER_PAUSED);
}

/* A node bans for ten refused logins in 300 s ("ban_after", "ban_window"). */
static void
refused_logins_are_too_far_apart_for_a_ban(void **unused)
{
    struct backoff b = { 0 };
    int64_t since_first_ms = 0;

    (void)unused;
    for (int refused = 1; refused < 10; refused++)
        since_first_ms += backoff_refused_ms(&b, 60000, 0);
    assert_true(since_first_ms > 300 * 1000);
}

static void
backoff_grows_to_its_limit_with_jitter(void **unused)
{
    struct backoff b = { 0 };
    int64_t before = 0;

    (void)unused;
    for (int i = 0; i < 40; i++) {
        int64_t delay = backoff_next_ms(&b, 60000, (uint32_t)i * 7919u);

        assert_in_range(delay, 375, 75000);
        if (i < 5)
            assert_true(delay > before / 2);
        before = delay;
    }
    assert_in_range(before, 45000, 75000);
    backoff_reset(&b);
    assert_in_range(backoff_next_ms(&b, 60000, 0), 375, 625);
}

static void
due_times_stay_on_their_grid(void **unused)
{
    (void)unused;
    assert_int_equal(peer_next_due_ms(1000, 500, 1000), 1500);
    assert_int_equal(peer_next_due_ms(1000, 500, 1499), 1500);
    assert_int_equal(peer_next_due_ms(1000, 500, 2600), 3000);
    assert_true(peer_next_due_ms(0, 60000, 1000000007) > 1000000007);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(worst_state_wins),
        cmocka_unit_test(never_synchronized_unless_equal),
        cmocka_unit_test(a_pause_hides_what_is_not_asked_any_more),
        cmocka_unit_test(refused_logins_are_too_far_apart_for_a_ban),
        cmocka_unit_test(backoff_grows_to_its_limit_with_jitter),
        cmocka_unit_test(due_times_stay_on_their_grid),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What a server of another version says of itself is read as far as it is
 * known, or refused by the number of its protocol. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/fleet_facts.h"

static int
read_facts(struct fleet_facts *facts, const char *text, struct err *e)
{
    return fleet_facts_read(facts, text, strlen(text), e);
}

static void
what_a_newer_version_adds_is_passed_over(void **state)
{
    struct fleet_facts facts;
    struct err e = ERR_INIT;

    (void)state;
    assert_int_equal(
        read_facts(&facts,
            "{\"protocol\": 1, \"protocol_minor\": 7, \"role\": "
            "\"secondary\", \"version\": \"9.1\", \"epoch\": 3, "
            "\"revision\": 12, \"shards\": [{\"of\": null}], "
            "\"in_effect\": true, \"trees\": {\"home\": [1, 2.5]}}",
            &e),
        0);
    assert_string_equal(facts.version, "9.1");
    assert_true(facts.epoch == 3 && facts.revision == 12);
    assert_true(facts.tells_effect && facts.in_effect);
    fleet_facts_release(&facts);
}

static void
what_an_older_version_does_not_say_is_unknown(void **state)
{
    struct fleet_facts facts;
    struct err e = ERR_INIT;

    (void)state;
    assert_int_equal(read_facts(&facts,
                         "{\"protocol\": 1, \"role\": \"secondary\"}", &e),
        0);
    assert_string_equal(facts.version, "");
    assert_false(facts.tells_effect);
    assert_false(facts.has_cluster);
    assert_true(facts.revision == 0 && facts.time_ms == 0);
    fleet_facts_release(&facts);
}

static void
another_protocol_is_refused_with_whom_to_upgrade(void **state)
{
    static const struct {
        const char *text, *hint;
    } cases[] = {
        { "{\"protocol\": 0, \"role\": 7}", "Upgrade lockstepd there." },
        { "{\"protocol\": 2, \"role\": 7}", "Upgrade lockstepd here." },
    };
    struct fleet_facts facts;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct err e = ERR_INIT;

        /* Nothing else of it is read: it may mean something else. */
        assert_int_equal(read_facts(&facts, cases[i].text, &e), -1);
        assert_int_equal(e.code, ERR_VERSION);
        assert_string_equal(e.hint, cases[i].hint);
        fleet_facts_release(&facts);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_newer_version_adds_is_passed_over),
        cmocka_unit_test(what_an_older_version_does_not_say_is_unknown),
        cmocka_unit_test(another_protocol_is_refused_with_whom_to_upgrade),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Promises of the filter's rules as administrators see and change them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/file.h"
#include "daemon/config_schema.h"
#include "daemon/filter_rules.h"
#include "sync/open.h"

static char *path;
static sqlite3 *db;

static int
open_database(void **state)
{
    struct err e = ERR_INIT;

    (void)state;
    path = alloc_format("/tmp/lockstep-rules-%d.db", (int)getpid());
    return config_schema_create(path, &e) == 0 &&
                   database_open(&db, path, OPEN_WRITE, 0, &e) == 0
               ? 0
               : -1;
}

static int
close_database(void **state)
{
    (void)state;
    database_close(db);
    unlink(path);
    free(path);
    return 0;
}

static void
add_rule(const char *action, const char *address, int64_t index)
{
    json_t *args = json_pack("{s:s,s:s}", "action", action, "address", address);
    struct row row = ROW_INIT;
    struct err e = ERR_INIT;
    char text[128];
    int64_t id;

    assert_int_equal(filter_rules_take(&row, text, args, &e), 0);
    assert_int_equal(filter_rules_add(db, FILTER_CLUSTER_TABLE, &row, index,
                         &id, &e),
        0);
    json_decref(args);
}

/* The addresses of the rules, in order. */
static void
order_is(const char *wanted)
{
    struct err e = ERR_INIT;
    json_t *rules = NULL;
    struct buf found = BUF_INIT;

    assert_int_equal(filter_rules_json(db, FILTER_CLUSTER_TABLE, true, &rules,
                         &e),
        0);
    for (size_t i = 0; i < json_array_size(rules); i++)
        buf_printf(&found, "%s%s", i > 0 ? " " : "",
            json_string_value(
                json_object_get(json_array_get(rules, i), "address")));
    buf_put_u8(&found, '\0');
    assert_string_equal((char *)found.data, wanted);
    buf_release(&found);
    json_decref(rules);
}

static void
filter_rules_keep_the_order_that_was_asked_for(void **state)
{
    struct err e = ERR_INIT;
    int64_t id = 0;

    (void)state;
    add_rule("allow", "192.0.2.1", -1);
    add_rule("deny", "192.0.2.2", -1);
    add_rule("deny", "192.0.2.3", 0);
    order_is("192.0.2.3 192.0.2.1 192.0.2.2");
    /* Somebody else's positions with a gap and a repeat. */
    assert_int_equal(database_exec(db,
                         "UPDATE ip_rules SET position ="
                         " CASE address WHEN '192.0.2.3' THEN 10 ELSE 20 END",
                         &e),
        0);
    add_rule("deny", "192.0.2.4", 1);
    order_is("192.0.2.3 192.0.2.4 192.0.2.1 192.0.2.2");
    assert_int_equal(filter_rules_move(db, FILTER_CLUSTER_TABLE, 3, 0, &e), 0);
    order_is("192.0.2.2 192.0.2.3 192.0.2.4 192.0.2.1");
    assert_int_equal(filter_rules_move(db, FILTER_CLUSTER_TABLE, 0, 2, &e), 0);
    order_is("192.0.2.3 192.0.2.4 192.0.2.2 192.0.2.1");
    assert_int_equal(filter_rules_move(db, FILTER_CLUSTER_TABLE, 0, 4, &e), -1);
    assert_int_equal(filter_rules_at(db, FILTER_CLUSTER_TABLE, 4, &id, &e), -1);
    assert_int_equal(e.code, ERR_NOT_FOUND);
}

/* What is pushed when a rule is added or moved is that rule. */
static void
a_rule_added_or_moved_is_one_changed_row(void **state)
{
    struct err e = ERR_INIT;
    int before;

    (void)state;
    for (int i = 0; i < 100; i++)
        add_rule("deny", "192.0.2.1", -1);
    before = sqlite3_total_changes(db);
    for (int i = 0; i < 100; i++)
        add_rule("deny", "192.0.2.2", 0);
    /* Each was inserted, then put in its place. */
    assert_int_equal(sqlite3_total_changes(db), before + 200);
    before = sqlite3_total_changes(db);
    assert_int_equal(filter_rules_move(db, FILTER_CLUSTER_TABLE, 150, 3, &e),
        0);
    assert_int_equal(filter_rules_move(db, FILTER_CLUSTER_TABLE, 0, 199, &e),
        0);
    assert_int_equal(sqlite3_total_changes(db), before + 2);
}

static unsigned
random_below(unsigned *seed, unsigned n)
{
    *seed = *seed * 1103515245u + 12345u;
    return *seed / 65536u % n;
}

/* Halving gaps until none is left, and beyond. */
static void
any_sequence_of_adds_and_moves_keeps_the_order(void **state)
{
    struct buf wanted = BUF_INIT;
    char model[40][20];
    unsigned seed = 7, from, to, count = 0;
    struct err e = ERR_INIT;
    char moved[20];

    (void)state;
    assert_int_equal(database_exec(db, "BEGIN", &e), 0);
    for (; count < 40; count++) {
        to = random_below(&seed, count + 1);
        memmove(model[to + 1], model[to], (count - to) * sizeof(model[0]));
        snprintf(model[to], sizeof(model[0]), "192.0.2.%u", count);
        add_rule("deny", model[to], (int64_t)to);
    }
    for (int i = 0; i < 2000; i++) {
        /* Mostly into one gap, which runs out. */
        from = random_below(&seed, count);
        to = i % 8 == 0 ? random_below(&seed, count) : 20;
        memcpy(moved, model[from], sizeof(moved));
        memmove(model[from], model[from + 1],
            (count - 1 - from) * sizeof(model[0]));
        memmove(model[to + 1], model[to], (count - 1 - to) * sizeof(model[0]));
        memcpy(model[to], moved, sizeof(moved));
        assert_int_equal(filter_rules_move(db, FILTER_CLUSTER_TABLE,
                             (int64_t)from, (int64_t)to, &e),
            0);
    }
    for (unsigned i = 0; i < count; i++)
        buf_printf(&wanted, "%s%s", i > 0 ? " " : "", model[i]);
    buf_put_u8(&wanted, '\0');
    order_is((char *)wanted.data);
    buf_release(&wanted);
    assert_int_equal(database_exec(db, "COMMIT", &e), 0);
}

static void
filter_test_obeys_the_first_rule_that_matches(void **state)
{
    struct ip_address address;
    struct err e = ERR_INIT;
    json_t *rules = NULL, *result;

    (void)state;
    add_rule("deny", "10.1.0.0/16", -1);
    add_rule("allow", "10.1.2.3", -1);
    assert_int_equal(filter_rules_json(db, FILTER_CLUSTER_TABLE, true, &rules,
                         &e),
        0);
    filter_rules_number(rules);
    assert_int_equal(ip_address_parse("10.1.2.3", &address, &e), 0);
    result = filter_rules_test(rules, &address, IPFILTER_ADMIN);
    assert_string_equal(json_string_value(json_object_get(result, "action")),
        "deny");
    assert_int_equal(json_integer_value(
                         json_object_get(json_object_get(result, "rule"),
                             "position")),
        1);
    json_decref(result);
    assert_int_equal(ip_address_parse("10.2.2.3", &address, &e), 0);
    result = filter_rules_test(rules, &address, IPFILTER_ADMIN);
    assert_string_equal(json_string_value(json_object_get(result, "action")),
        "deny");
    assert_true(json_is_null(json_object_get(result, "rule")));
    json_decref(result);
    json_decref(rules);
}

/* The listing shows the networks that the filter itself allows by default. */
static void
filter_defaults_are_those_of_the_ruleset(void **state)
{
    static const char *const inside[] = { "127.0.0.1", "::1", "10.255.255.255",
        "172.16.0.0", "172.31.255.255", "192.168.0.1", "169.254.1.1",
        "fc00::", "fdff::1", "fe80::1", "febf::1" };
    static const char *const outside[] = { "9.255.255.255", "11.0.0.0",
        "172.15.255.255", "172.32.0.0", "192.167.255.255", "192.169.0.0",
        "128.0.0.1", "::2", "2001:db8::1", "fe00::1", "fec0::1" };
    struct ruleset *set = ruleset_new(IPFILTER_DENY);
    json_t *rules = filter_rules_defaults();
    struct err e = ERR_INIT;

    (void)state;
    ruleset_add_defaults(set);
    assert_int_equal(ruleset_count(set), json_array_size(rules));
    for (size_t i = 0; i < 22; i++) {
        const char *text = i < 11 ? inside[i] : outside[i - 11];
        struct ip_address address;
        json_t *result;
        int64_t which;
        bool allowed;

        assert_int_equal(ip_address_parse(text, &address, &e), 0);
        allowed = ruleset_match(set, &address, IPFILTER_ADMIN, 1, &which) ==
                  IPFILTER_ALLOW;
        assert_int_equal(allowed, i < 11);
        result = filter_rules_test(rules, &address, IPFILTER_ADMIN);
        assert_string_equal(json_string_value(
                                json_object_get(result, "action")),
            allowed ? "allow" : "deny");
        json_decref(result);
    }
    json_decref(rules);
    ruleset_free(set);
}

#define CASE(name) \
    cmocka_unit_test_setup_teardown(name, open_database, close_database)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(filter_rules_keep_the_order_that_was_asked_for),
        CASE(a_rule_added_or_moved_is_one_changed_row),
        CASE(any_sequence_of_adds_and_moves_keeps_the_order),
        CASE(filter_test_obeys_the_first_rule_that_matches),
        cmocka_unit_test(filter_defaults_are_those_of_the_ruleset),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

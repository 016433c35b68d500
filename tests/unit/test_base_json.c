/*
 * Promises of base/json.h: hostile JSON is refused with its place, members
 * have the type they should, and errors survive the trip.
 */
#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static json_t *
read_text(const char *text)
{
    struct err e = ERR_INIT;
    json_t *object;

    assert_int_equal(json_read_object(text, strlen(text), &object, &e), 0);
    return object;
}

static void
hostile_objects_are_refused(void **state)
{
    static const struct {
        const char *text;
        size_t len; /* 0: up to the NUL */
    } bad[] = {
        { "", 0 },
        { " ", 0 },
        { "[]", 0 },
        { "1", 0 },
        { "null", 0 },
        { "{", 0 },
        { "{}{}", 0 },
        { "{} x", 0 },
        { "{}\0", 3 },
        { "{\"a\":1,\"a\":1}", 0 },
        { "{\"x\":{\"a\":1,\"a\":2}}", 0 },
        { "{\"a\":\"\\u0000\"}", 0 },
        { "{\"a\":\"x\\u0000y\"}", 0 },
        { "{\"a\\u0000b\":1}", 0 },
        { "{\"a\":\"b\0c\"}", 11 },
        { "{\"a\":\"\xff\"}", 0 },
        { "{\"a\":\"\xc0\x80\"}", 0 },
        { "{\"a\":\"\\ud800\"}", 0 },
        { "{\"a\":\"\n\"}", 0 },
        { "{\"a\":01}", 0 },
        { "{\"a\":9223372036854775808}", 0 },
        { "{\"a\":1e999}", 0 },
        { "{\"a\":NaN}", 0 },
        { "{'a':1}", 0 },
        { "{a:1}", 0 },
        { "{\"a\":1,}", 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct err e = ERR_INIT;
        size_t len = bad[i].len > 0 ? bad[i].len : strlen(bad[i].text);
        json_t *object = (json_t *)&e;

        assert_int_equal(json_read_object(bad[i].text, len, &object, &e), -1);
        assert_int_equal(e.code, ERR_INVALID);
        assert_null(object);
    }
}

static void
deep_nesting_is_refused(void **state)
{
    struct err e = ERR_INIT;
    enum { DEPTH = 100000 };
    char *text = malloc(6 * DEPTH);
    json_t *object;

    (void)state;
    assert_non_null(text);
    for (size_t i = 0; i < DEPTH * 5; i++)
        text[i] = "{\"a\":"[i % 5];
    assert_int_equal(json_read_object(text, 5 * DEPTH, &object, &e), -1);
    assert_int_equal(e.code, ERR_INVALID);
    free(text);
}

static void
a_syntax_error_names_its_place(void **state)
{
    struct err e = ERR_INIT;
    json_t *object;

    (void)state;
    assert_int_equal(json_read_object("{\n\"a\": x}", 9, &object, &e), -1);
    assert_non_null(strstr(e.message, "line 2"));
}

static void
reading_stops_at_the_given_length(void **state)
{
    struct err e = ERR_INIT;
    static const char text[] = { '{', '"', 'a', '"', ':', '1', '}' };
    char *exact = malloc(sizeof(text)); /* the sanitizer watches its end */
    json_t *object;

    (void)state;
    assert_non_null(exact);
    memcpy(exact, text, sizeof(text));
    assert_int_equal(json_read_object(exact, 7, &object, &e), 0);
    json_decref(object);
    assert_int_equal(json_read_object(exact, 6, &object, &e), -1);
    free(exact);
}

static void
members_are_read_by_type(void **state)
{
    json_t *object = read_text(
        "{\"s\":\"text\",\"i\":-9223372036854775808,\"t\":true,\"f\":false}");
    struct err e = ERR_INIT;
    const char *s = NULL;
    int64_t i = 0;
    bool t = false, f = true;

    (void)state;
    assert_int_equal(json_member_string(object, "s", true, &s, &e), 0);
    assert_string_equal(s, "text");
    assert_int_equal(json_member_int(object, "i", true, &i, &e), 0);
    assert_true(i == INT64_MIN);
    assert_int_equal(json_member_bool(object, "t", true, &t, &e), 0);
    assert_true(t);
    assert_int_equal(json_member_bool(object, "f", true, &f, &e), 0);
    assert_false(f);
    json_decref(object);
}

static void
a_missing_member_keeps_the_default_unless_required(void **state)
{
    json_t *object = read_text("{\"n\":null}");
    const char *const names[] = { "n", "missing" };

    (void)state;
    for (size_t k = 0; k < 2; k++) {
        struct err e = ERR_INIT;
        const char *s = "default";
        int64_t i = 7;
        bool b = true;

        assert_int_equal(json_member_string(object, names[k], false, &s, &e),
            0);
        assert_int_equal(json_member_int(object, names[k], false, &i, &e), 0);
        assert_int_equal(json_member_bool(object, names[k], false, &b, &e), 0);
        assert_string_equal(s, "default");
        assert_true(i == 7 && b);
        assert_int_equal(json_member_int(object, names[k], true, &i, &e), -1);
        assert_int_equal(e.code, ERR_INVALID);
        assert_non_null(strstr(e.message, names[k]));
        assert_null(json_member(object, names[k]));
    }
    json_decref(object);
}

static void
a_member_of_another_type_is_refused(void **state)
{
    json_t *object =
        read_text("{\"s\":\"1\",\"i\":1,\"r\":1.0,\"b\":true,\"o\":{}}");
    static const struct {
        const char *name;
        bool string, integer, boolean;
    } cases[] = {
        { "s", true, false, false },
        { "i", false, true, false },
        { "r", false, false, false },
        { "b", false, false, true },
        { "o", false, false, false },
    };

    (void)state;
    for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); k++) {
        const char *name = cases[k].name;
        struct err e = ERR_INIT;
        const char *s;
        int64_t i;
        bool b;

        assert_int_equal(json_member_string(object, name, false, &s, &e),
            cases[k].string ? 0 : -1);
        assert_int_equal(json_member_int(object, name, false, &i, &e),
            cases[k].integer ? 0 : -1);
        assert_int_equal(json_member_bool(object, name, false, &b, &e),
            cases[k].boolean ? 0 : -1);
        assert_int_equal(e.code, ERR_INVALID);
        assert_non_null(strstr(e.message, name));
    }
    json_decref(object);
}

static void
unknown_members_are_refused(void **state)
{
    static const char *const names[] = { "a", "b", NULL };
    json_t *object = read_text("{\"a\":1}");
    struct err e = ERR_INIT;

    (void)state;
    assert_int_equal(json_only_members(object, names, &e), 0);
    json_decref(object);
    object = read_text("{\"a\":1,\"c\\u001b\":1}");
    assert_int_equal(json_only_members(object, names, &e), -1);
    assert_string_equal(e.message, "unknown member \"c\\x1b\"");
    json_decref(object);
}

static void
results_are_one_line(void **state)
{
    json_t *object = json_object();
    static const uint8_t bytes[] = { 0x00, 0xab };
    char *text;

    (void)state;
    json_object_set_new(object, "text", json_text("a\nb\xff\x1b"));
    json_object_set_new(object, "none", json_text(NULL));
    json_object_set_new(object, "never", json_time(0));
    json_object_set_new(object, "time", json_time(1));
    json_object_set_new(object, "hex", json_hex(bytes, 2));
    text = json_write(object);
    assert_string_equal(text,
        "{\"text\":\"a\\nb\xef\xbf\xbd\\u001B\",\"none\":null,"
        "\"never\":null,\"time\":\"1970-01-01T00:00:00.001Z\","
        "\"hex\":\"00ab\"}");
    free(text);
    json_decref(object);
}

static void
errors_survive_the_trip(void **state)
{
    struct err e = ERR_INIT, back = ERR_INIT;
    json_t *object;

    (void)state;
    err_set(&e, ERR_HELD, "dataset \"config\" is held");
    for (int hint = 0; hint < 2; hint++) {
        if (hint)
            err_hint(&e, "Look at \"lockstep dataset show config\".");
        object = json_error(&e);
        json_error_read(object, &back);
        json_decref(object);
        assert_int_equal(back.code, ERR_HELD);
        assert_string_equal(back.message, e.message);
        assert_string_equal(back.hint, e.hint);
    }
}

static void
a_broken_error_is_still_an_error(void **state)
{
    static const char *const broken[] = { "{}", "{\"code\":\"NONE\"}",
        "{\"code\":1,\"message\":[],\"hint\":{}}", "{\"code\":\"NEWER\"}" };

    (void)state;
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        struct err e = ERR_INIT;
        json_t *object = read_text(broken[i]);

        json_error_read(object, &e);
        assert_int_equal(e.code, ERR_INTERNAL);
        assert_string_not_equal(e.message, "");
        json_decref(object);
    }
    for (int i = 0; i < 2; i++) {
        struct err e = ERR_INIT;
        json_t *other = i == 0 ? NULL : json_integer(1);

        json_error_read(other, &e);
        assert_int_equal(e.code, ERR_INTERNAL);
        json_decref(other);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hostile_objects_are_refused),
        cmocka_unit_test(deep_nesting_is_refused),
        cmocka_unit_test(a_syntax_error_names_its_place),
        cmocka_unit_test(reading_stops_at_the_given_length),
        cmocka_unit_test(members_are_read_by_type),
        cmocka_unit_test(a_missing_member_keeps_the_default_unless_required),
        cmocka_unit_test(a_member_of_another_type_is_refused),
        cmocka_unit_test(unknown_members_are_refused),
        cmocka_unit_test(results_are_one_line),
        cmocka_unit_test(errors_survive_the_trip),
        cmocka_unit_test(a_broken_error_is_still_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

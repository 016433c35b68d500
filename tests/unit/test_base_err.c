/*
 * Promises of base/err.h: one line, safe on any screen, the same on the wire.
 */
#include "base/err.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void
err_set_clears_the_old_hint(void **state)
{
    struct err e = ERR_INIT;

    (void)state;
    err_hint(&e, "Old advice.");
    assert_int_equal(err_set(&e, ERR_BUSY, "peer \"%s\" is busy", "b"), -1);
    assert_int_equal(e.code, ERR_BUSY);
    assert_string_equal(e.message, "peer \"b\" is busy");
    assert_string_equal(e.hint, "");
}

static void
err_set_may_quote_its_own_message(void **state)
{
    struct err e = ERR_INIT;

    (void)state;
    err_set(&e, ERR_IO, "disk");
    err_set(&e, ERR_CORRUPT, "%s and %s", e.message, e.message);
    assert_string_equal(e.message, "disk and disk");
    err_hint(&e, "Look at %s.", e.message);
    err_hint(&e, "%s Twice.", e.hint);
    assert_string_equal(e.hint, "Look at disk and disk. Twice.");
}

static void
err_message_is_one_safe_line(void **state)
{
    struct err e = ERR_INIT;

    (void)state;
    err_set(&e, ERR_IO, "a\nb\x1b[2J\xff");
    assert_string_equal(e.message, "a\\x0ab\\x1b[2J\\xff");
}

static void
err_message_is_cut_between_characters(void **state)
{
    struct err e = ERR_INIT;
    char text[2 * sizeof(e.message)];

    (void)state;
    for (size_t i = 0; i + 2 < sizeof(text); i += 2)
        memcpy(text + i, "\xc3\xa4", 3);
    err_set(&e, ERR_IO, "x%s", text);
    assert_int_equal(strlen(e.message), sizeof(e.message) - 1);
    err_set(&e, ERR_IO, "%s", text);
    assert_int_equal(strlen(e.message), sizeof(e.message) - 2);
}

static void
err_set_errno_names_the_reason_in_lower_case(void **state)
{
    struct err e = ERR_INIT;

    (void)state;
    err_set_errno(&e, ERR_IO, ENOENT, "could not open \"%s\"", "f");
    assert_int_equal(e.code, ERR_IO);
    assert_string_equal(e.message,
        "could not open \"f\": no such file or directory");
    err_set_errno(&e, ERR_IO, 99999, "could not open");
    assert_string_equal(e.message, "could not open: error number 99999");
}

static void
err_set_errno_tells_a_full_disk_apart(void **state)
{
    struct err e = ERR_INIT;

    (void)state;
    err_set_errno(&e, ERR_IO, ENOSPC, "could not write");
    assert_int_equal(e.code, ERR_NO_SPACE);
    err_set_errno(&e, ERR_IO, EDQUOT, "could not write");
    assert_int_equal(e.code, ERR_NO_SPACE);
}

static void
err_wrap_keeps_code_and_hint(void **state)
{
    struct err e = ERR_INIT;

    (void)state;
    err_set(&e, ERR_LOGIN, "password refused");
    err_hint(&e, "Ask for another.");
    assert_int_equal(err_wrap(&e, "could not add \"%s\"", "edge"), -1);
    assert_int_equal(e.code, ERR_LOGIN);
    assert_string_equal(e.message, "could not add \"edge\": password refused");
    assert_string_equal(e.hint, "Ask for another.");
    for (int i = 0; i < 200; i++)
        err_wrap(&e, "again and again");
    assert_int_equal(strlen(e.message), sizeof(e.message) - 1);
}

static void
err_codes_have_names_of_their_own(void **state)
{
    (void)state;
    for (int i = 0; i < ERR_CODE_COUNT; i++)
        assert_int_equal(err_code_parse(err_code_name(i)), i);
    assert_int_equal(err_code_parse("NO_SUCH_CODE"), ERR_INTERNAL);
    assert_int_equal(err_code_parse(""), ERR_INTERNAL);
    assert_string_equal(err_code_name((enum err_code)(ERR_CODE_COUNT + 7)),
        "INTERNAL");
}

static void
err_exit_codes_are_those_that_scripts_rely_on(void **state)
{
    static const struct {
        enum err_code code;
        int exit_code;
    } promised[] = {
        { ERR_NONE, 0 },
        { ERR_INTERNAL, 1 },
        { ERR_USAGE, 2 },
        { ERR_PARTLY, 3 },
        { ERR_CONNECTION_REFUSED, 4 },
        { ERR_LOGIN, 5 },
        { ERR_KEY_CHANGED, 5 },
        { ERR_STALE_EPOCH, 6 },
        { ERR_NOT_PRIMARY, 7 },
        { ERR_HELD, 8 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(promised) / sizeof(promised[0]); i++)
        assert_int_equal(err_exit_code(promised[i].code),
            promised[i].exit_code);
    assert_int_equal(err_exit_code((enum err_code) - 1), 1);
}

static void
err_survives_the_wire(void **state)
{
    struct err e = ERR_INIT, back = ERR_INIT;
    char text[1024];

    (void)state;
    for (int code = 1; code < ERR_CODE_COUNT; code++) {
        err_set(&e, code, "could not push to \"edge: 3\": refused");
        if (code % 2 == 0)
            err_hint(&e, "Try it again.");
        err_format(&e, text, sizeof(text));
        err_parse(&back, text);
        assert_int_equal(back.code, e.code);
        assert_string_equal(back.message, e.message);
        assert_string_equal(back.hint, e.hint);
    }
}

static void
err_format_is_cut_to_its_room(void **state)
{
    struct err e = ERR_INIT;
    char text[8];

    (void)state;
    err_set(&e, ERR_IO, "abcdefgh");
    err_format(&e, text, sizeof(text));
    assert_string_equal(text, "IO: abc");
}

/* What a hostile peer may put into a STATUS: never a success, never a control
 * character, never an empty message. */
static void
err_parse_tames_hostile_text(void **state)
{
    static const struct {
        const char *text;
        enum err_code code;
        const char *message;
        const char *hint;
    } cases[] = {
        { "", ERR_INTERNAL, "no reason given", "" },
        { "\n", ERR_INTERNAL, "no reason given", "" },
        { "\nhint", ERR_INTERNAL, "no reason given", "hint" },
        { ":", ERR_INTERNAL, ":", "" },
        { "NONE: fine", ERR_INTERNAL, "NONE: fine", "" },
        { "IO", ERR_INTERNAL, "IO", "" },
        { "IO:", ERR_IO, "no reason given", "" },
        { "IO:x", ERR_IO, "x", "" },
        { "IO: ", ERR_IO, "no reason given", "" },
        { "io: x", ERR_INTERNAL, "io: x", "" },
        { "NEWER: x", ERR_INTERNAL, "NEWER: x", "" },
        { "IO: x\nA\nB", ERR_IO, "x", "A\\x0aB" },
        { "IO: \x1b]0;t\x07", ERR_IO, "\\x1b]0;t\\x07", "" },
        { "IO\n: x", ERR_INTERNAL, "IO", ": x" },
        { "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA: x", ERR_INTERNAL,
            "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA: x", "" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct err e = ERR_INIT;

        err_parse(&e, cases[i].text);
        assert_int_equal(e.code, cases[i].code);
        assert_string_equal(e.message, cases[i].message);
        assert_string_equal(e.hint, cases[i].hint);
    }
}

static void
err_clear_leaves_nothing(void **state)
{
    struct err e = ERR_INIT;

    (void)state;
    err_set(&e, ERR_IO, "x");
    err_hint(&e, "Y.");
    err_clear(&e);
    assert_int_equal(e.code, ERR_NONE);
    assert_string_equal(e.message, "");
    assert_string_equal(e.hint, "");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(err_set_clears_the_old_hint),
        cmocka_unit_test(err_set_may_quote_its_own_message),
        cmocka_unit_test(err_message_is_one_safe_line),
        cmocka_unit_test(err_message_is_cut_between_characters),
        cmocka_unit_test(err_set_errno_names_the_reason_in_lower_case),
        cmocka_unit_test(err_set_errno_tells_a_full_disk_apart),
        cmocka_unit_test(err_wrap_keeps_code_and_hint),
        cmocka_unit_test(err_codes_have_names_of_their_own),
        cmocka_unit_test(err_exit_codes_are_those_that_scripts_rely_on),
        cmocka_unit_test(err_survives_the_wire),
        cmocka_unit_test(err_format_is_cut_to_its_room),
        cmocka_unit_test(err_parse_tames_hostile_text),
        cmocka_unit_test(err_clear_leaves_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

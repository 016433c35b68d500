/*
 * Promises of base/escape.h and base/log.h: no text from outside drives a
 * terminal, forges a line or leaves its buffer.
 */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/escape.h"

static void
text_is_escaped(void **state)
{
    static const struct {
        const char *text, *safe;
    } cases[] = {
        { "", "" },
        { "plain ~", "plain ~" },
        { "a\tb\r\n", "a\\x09b\\x0d\\x0a" },
        { "\x1b[31mred\x07", "\\x1b[31mred\\x07" },
        { "\x7f", "\\x7f" },
        { "stra\xc3\x9f"
          "e \xe2\x82\xac \xf0\x9f\x98\x80",
            "stra\xc3\x9f"
            "e \xe2\x82\xac \xf0\x9f\x98\x80" },
        /* A C1 control is an escape sequence in one character. */
        { "\xc2\x9b", "\\xc2\\x9b" },
        /* Right-to-left override; line separator. */
        { "\xe2\x80\xae", "\\xe2\\x80\\xae" },
        { "\xe2\x80\xa8", "\\xe2\\x80\\xa8" },
        /* Broken UTF-8: alone, overlong, surrogate, too large, cut. */
        { "\x80x", "\\x80x" },
        { "\xc0\x80", "\\xc0\\x80" },
        { "\xe0\x80\x80", "\\xe0\\x80\\x80" },
        { "\xed\xa0\x80", "\\xed\\xa0\\x80" },
        { "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80" },
        { "\xe2\x82", "\\xe2\\x82" },
        { "\xff", "\\xff" },
    };
    char out[64], twice[64];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        escape_text(cases[i].text, strlen(cases[i].text), out, sizeof(out));
        assert_string_equal(out, cases[i].safe);
        escape_text(out, strlen(out), twice, sizeof(twice));
        assert_string_equal(twice, out);
    }
}

static void
nul_is_escaped_too(void **state)
{
    char out[16];

    (void)state;
    escape_text("a\0b", 3, out, sizeof(out));
    assert_string_equal(out, "a\\x00b");
}

/* Every byte pair, into every size of buffer, with nothing beyond it. */
static void
output_is_cut_between_characters(void **state)
{
    static const char text[] = "a\xc3\x9f\x1b\xe2\x82\xac";
    static const char *const prefixes[] = { "", "a", "a", "a\xc3\x9f" };

    (void)state;
    for (size_t size = 1; size <= 16; size++) {
        char *out = malloc(size);

        assert_non_null(out);
        escape_text(text, sizeof(text) - 1, out, size);
        assert_true(strlen(out) < size);
        if (size <= 4)
            assert_string_equal(out, prefixes[size - 1]);
        if (size >= 8 && size < 11)
            assert_string_equal(out, "a\xc3\x9f\\x1b");
        free(out);
    }
}

static void
utf8_lengths_stop_at_the_end(void **state)
{
    static const char text[] = "\xf0\x9f\x98\x80";

    (void)state;
    assert_int_equal(utf8_char_length(text, 4), 4);
    for (size_t len = 0; len < 4; len++) {
        char *exact = malloc(len > 0 ? len : 1);

        assert_non_null(exact);
        memcpy(exact, text, len);
        assert_int_equal(utf8_char_length(exact, len), 0);
        free(exact);
    }
}

/* Logs MESSAGE with standard error as a pipe; returns what came out. */
static size_t
capture_log(enum log_level level, const char *message, char *out, size_t size)
{
    int ends[2], saved = dup(STDERR_FILENO);
    ssize_t n;

    assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
    log_message(level, "%s", message);
    assert_true(dup2(saved, STDERR_FILENO) >= 0);
    close(saved);
    close(ends[1]);
    n = read(ends[0], out, size - 1);
    close(ends[0]);
    assert_true(n >= 0);
    out[n] = '\0';
    return (size_t)n;
}

static void
a_line_has_stamp_level_and_part(void **state)
{
    char line[PIPE_BUF + 1];

    (void)state;
    clock_freeze(1);
    log_init("engine", LOG_LEVEL_INFO);
    capture_log(LOG_LEVEL_WARNING, "login \"a\nb\x1b\" refused", line,
        sizeof(line));
    assert_string_equal(line, "1970-01-01T00:00:00.001Z warning engine: "
                              "login \"a\\x0ab\\x1b\" refused\n");
    clock_thaw();
}

static void
lower_levels_are_silent(void **state)
{
    char line[PIPE_BUF + 1];

    (void)state;
    log_init("engine", LOG_LEVEL_WARNING);
    assert_int_equal(capture_log(LOG_LEVEL_INFO, "x", line, sizeof(line)), 0);
    log_set_level(LOG_LEVEL_DEBUG);
    assert_true(capture_log(LOG_LEVEL_DEBUG, "x", line, sizeof(line)) > 0);
}

static void
a_long_message_is_one_line_that_no_other_splits(void **state)
{
    static char message[100000];
    char line[2 * PIPE_BUF];
    size_t n;

    (void)state;
    log_init("engine", LOG_LEVEL_INFO);
    memset(message, '\n', sizeof(message) - 1);
    n = capture_log(LOG_LEVEL_ERROR, message, line, sizeof(line));
    assert_in_range(n, 1000, PIPE_BUF);
    assert_ptr_equal(strchr(line, '\n'), line + n - 1);
}

static void
logging_keeps_errno(void **state)
{
    char line[PIPE_BUF + 1];

    (void)state;
    errno = ENOTTY;
    log_message(LOG_LEVEL_DEBUG, "silent");
    assert_int_equal(errno, ENOTTY);
    errno = EXDEV;
    capture_log(LOG_LEVEL_ERROR, "x", line, sizeof(line));
    assert_int_equal(errno, EXDEV);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_escaped),
        cmocka_unit_test(nul_is_escaped_too),
        cmocka_unit_test(output_is_cut_between_characters),
        cmocka_unit_test(utf8_lengths_stop_at_the_end),
        cmocka_unit_test(a_line_has_stamp_level_and_part),
        cmocka_unit_test(lower_levels_are_silent),
        cmocka_unit_test(a_long_message_is_one_line_that_no_other_splits),
        cmocka_unit_test(logging_keeps_errno),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

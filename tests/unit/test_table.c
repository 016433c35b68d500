/*
 * Promises of the tables of the command line: they fit every terminal, lose
 * nothing without saying so, and stay aligned whatever names hold.
 */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "manager-tui/results.h"
#include "manager-tui/text.h"
#include "manager-tui/view.h"

#define NOW_MS 1767323045678 /* 2026-01-02T03:04:05.678Z */

/* What names are made of: plain, cut-off and whole escape sequences, wide,
 * combining, bidirectional, malformed. */
static const char *const names[] = {
    "edge-1",
    "\x1b[2Jedge",
    "\x1b]0;title\x07x",
    "\xe6\x9d\xb1\xe4\xba\xac\xe3\x82\xb5\xe3\x83\xbc\xe3\x83\x90\xe3\x83\xbc",
    "e\xcc\x81\xcc\x81"
    "dge",
    "\xe2\x80\xaekcilc",
    "\xf0\x9f\x90\xa7\xf0\x9f\x90\xa7\xf0\x9f\x90\xa7\xf0\x9f\x90\xa7",
    "\xe6\x9d\xb1\xe4\xba\xac\xe6\x9d\xb1\xe4\xba\xac\xe6\x9d\xb1\xe4\xba\xac"
    "\xe6\x9d\xb1\xe4\xba\xac\xe6\x9d\xb1\xe4\xba\xac\xe6\x9d\xb1\xe4\xba\xac"
    "\xe6\x9d\xb1\xe4\xba\xac\xe6\x9d\xb1\xe4\xba\xac\xe6\x9d\xb1\xe4\xba\xac",
    "a-name-of-forty-columns-and-not-one-less",
};

#define NAME_COUNT (sizeof(names) / sizeof(names[0]))

static const struct column servers[] = {
    { "NAME", "name", COLUMN_TEXT, true },
    { "ADDRESS", "address", COLUMN_TEXT, true },
    { "STATE", "state", COLUMN_TEXT, false },
    { "LAST SYNCHRONIZED", "seen", COLUMN_AGE, false },
    { "BEHIND", "behind", COLUMN_TEXT, false },
    { "NEXT", "next", COLUMN_AGE, false },
    { "ERROR", "error", COLUMN_TEXT, true },
    COLUMNS_END,
};

static const struct column events[] = {
    { "TIME", "seen", COLUMN_TIME, false },
    { "LEVEL", "level", COLUMN_TEXT, false },
    { "KIND", "state", COLUMN_TEXT, false },
    { "SERVER", "name", COLUMN_TEXT, false },
    { "DATASET", "dataset", COLUMN_TEXT, false },
    { "TEXT", "text", COLUMN_TEXT, false },
    COLUMNS_END,
};

static const char sentence[] =
    "could not push to this server: connection refused, and what is more, "
    "nobody has ever seen a sentence of such a length end well";

static json_t *
rows(void)
{
    json_t *array = json_array();

    for (size_t i = 0; i < NAME_COUNT; i++)
        json_array_append_new(array,
            json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:i,s:n}", "name", names[i],
                "address", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "state",
                "synchronized", "seen", "2026-01-02T03:03:53.000Z", "error",
                sentence, "text", sentence, "level", "warning", "behind", 12,
                "dataset"));
    return array;
}

static char *
table_of(const json_t *array, const struct column *columns, size_t width)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    view_table(out, array, columns, width);
    fclose(out);
    return text;
}

static int
set_up(void **state)
{
    (void)state;
    clock_freeze(NOW_MS);
    return setlocale(LC_CTYPE, "C.UTF-8") != NULL ? 0 : -1;
}

static int
tear_down(void **state)
{
    (void)state;
    clock_thaw();
    return 0;
}

static void
assert_fits(const char *text, size_t width)
{
    char *copy = alloc_string(text), *save = NULL;

    for (char *line = strtok_r(copy, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save)) {
        if (text_width(line) > width)
            fail_msg("%zu columns and not %zu: %s", text_width(line), width,
                line);
        for (const char *c = line; *c != '\0'; c++)
            assert_true((unsigned char)*c >= 0x20);
    }
    free(copy);
}

static void
tables_fit_every_width(void **state)
{
    json_t *array = rows();

    (void)state;
    for (size_t width = 60; width <= 200; width++) {
        char *text = table_of(array, servers, width);

        assert_fits(text, width);
        free(text);
        text = table_of(array, events, width);
        assert_fits(text, width);
        free(text);
    }
    json_decref(array);
}

/* The column, in columns of the terminal, at which WORD stands in LINE. */
static size_t
column_of(const char *line, const char *word)
{
    const char *at = strstr(line, word);
    char *before;
    size_t width;

    assert_non_null(at);
    before = alloc_copy(line, (size_t)(at - line));
    width = text_width(before);
    free(before);
    return width;
}

static void
columns_stay_aligned_behind_wide_names(void **state)
{
    json_t *array = rows();

    (void)state;
    for (size_t width = 80; width <= 200; width++) {
        char *text = table_of(array, servers, width), *save = NULL;
        size_t count = 0, column = 0;

        for (char *line = strtok_r(text, "\n", &save); line != NULL;
             line = strtok_r(NULL, "\n", &save)) {
            if (strstr(line, "synchronized") == NULL)
                continue;
            if (count++ == 0)
                column = column_of(line, "synchronized");
            assert_int_equal(column_of(line, "synchronized"), column);
        }
        assert_int_equal(count, NAME_COUNT);
        free(text);
    }
    json_decref(array);
}

static void
sentences_of_events_are_whole_at_every_width(void **state)
{
    json_t *array = rows();

    (void)state;
    for (size_t width = 60; width <= 200; width++) {
        char *text = table_of(array, events, width), *out = text;

        /* Without the blanks and new lines that were put in between. */
        for (const char *c = text; *c != '\0'; c++)
            if (*c != ' ' && *c != '\n')
                *out++ = *c;
        *out = '\0';
        assert_non_null(strstr(text, "nobodyhaseverseenasentence"));
        assert_null(strchr(text, '~'));
        free(text);
    }
    json_decref(array);
}

static void
what_a_program_reads_is_not_cut(void **state)
{
    json_t *array = rows();
    char *text = table_of(array, servers, VIEW_UNLIMITED);

    (void)state;
    assert_null(strchr(text, '~'));
    assert_non_null(strstr(text, sentence));
    free(text);
    json_decref(array);
}

static void
columns_without_a_value_go_first(void **state)
{
    json_t *array = json_pack("[{s:s,s:s,s:s,s:n,s:i}]", "name", "edge-1",
        "address", "192.0.2.7", "state", "synchronized", "seen", "behind", 0);
    char *text = table_of(array, servers, 66);

    (void)state;
    assert_string_equal(text, "NAME    ADDRESS    STATE         BEHIND\n"
                              "edge-1  192.0.2.7  synchronized  0\n");
    free(text);
    text = table_of(array, servers, 80);
    assert_non_null(strstr(text, "LAST SYNCHRONIZED"));
    free(text);
    json_decref(array);
}

static void
what_cannot_be_a_table_is_a_list_of_fields(void **state)
{
    static const struct column wide[] = {
        { "DIGEST", "digest", COLUMN_TEXT, false },
        { "OTHER DIGEST", "other", COLUMN_TEXT, false },
        COLUMNS_END,
    };
    json_t *array = json_pack("[{s:s,s:s},{s:s}]", "digest",
        "0123456789abcdef0123456789abcdef", "other",
        "fedcba9876543210fedcba9876543210", "digest", "00");
    char *text = table_of(array, wide, 60);

    (void)state;
    assert_string_equal(text, "DIGEST        0123456789abcdef0123456789abcdef\n"
                              "OTHER DIGEST  fedcba9876543210fedcba9876543210\n"
                              "\n"
                              "DIGEST        00\n");
    free(text);
    json_decref(array);
}

static void
titles_break_before_texts_do(void **state)
{
    static const struct column columns[] = {
        { "NAME", "name", COLUMN_TEXT, true },
        { "LAST SYNCHRONIZED", "seen", COLUMN_AGE, false },
        { "STATE", "state", COLUMN_TEXT, false },
        COLUMNS_END,
    };
    json_t *array =
        json_pack("[{s:s,s:s,s:s}]", "name", "a-name-of-23-characters", "seen",
            "2026-01-02T03:03:53.000Z", "state", "synchronized");
    char *text = table_of(array, columns, 53);

    (void)state;
    assert_string_equal(text,
        "                         LAST          \n"
        "NAME                     SYNCHRONIZED  STATE\n"
        "a-name-of-23-characters  12 s ago      synchronized\n");
    free(text);
    json_decref(array);
}

static void
sentences_of_fields_break_between_words(void **state)
{
    static const struct column columns[] = {
        { "error", "error", COLUMN_TEXT, false },
        { "digest", "digest", COLUMN_TEXT, false },
        COLUMNS_END,
    };
    json_t *object =
        json_pack("{s:s,s:s}", "error", "could not push: connection refused",
            "digest", "0123456789abcdef0123456789abcdef");
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    (void)state;
    view_fields(out, object, columns, 30);
    fclose(out);
    assert_string_equal(text, "error   could not push:\n"
                              "        connection refused\n"
                              "digest  0123456789abcdef0123456789abcdef\n");
    free(text);
    json_decref(object);
}

static void
the_width_of_a_pipe_is_what_columns_says(void **state)
{
    int saved = dup(STDOUT_FILENO), ends[2];
    size_t width, limited;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    unsetenv("COLUMNS");
    fflush(stdout);
    dup2(ends[1], STDOUT_FILENO);
    width = view_width();
    setenv("COLUMNS", "72", 1);
    limited = view_width();
    dup2(saved, STDOUT_FILENO);
    unsetenv("COLUMNS");
    close(saved);
    close(ends[0]);
    close(ends[1]);
    assert_int_equal(width, VIEW_UNLIMITED);
    assert_int_equal(limited, 72);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_fit_every_width),
        cmocka_unit_test(columns_stay_aligned_behind_wide_names),
        cmocka_unit_test(sentences_of_events_are_whole_at_every_width),
        cmocka_unit_test(what_a_program_reads_is_not_cut),
        cmocka_unit_test(columns_without_a_value_go_first),
        cmocka_unit_test(what_cannot_be_a_table_is_a_list_of_fields),
        cmocka_unit_test(titles_break_before_texts_do),
        cmocka_unit_test(sentences_of_fields_break_between_words),
        cmocka_unit_test(the_width_of_a_pipe_is_what_columns_says),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}

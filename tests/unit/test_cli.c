/*
 * Promises of the command line that need no node: how words become arguments,
 * what is refused, and what people see.
 */
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
#include "base/file.h"
#include "base/json.h"
#include "manager-tui/arguments.h"
#include "manager-tui/help.h"
#include "manager-tui/results.h"
#include "manager-tui/text.h"
#include "manager-tui/view.h"

#define NOW_MS 1767323045678 /* 2026-01-02T03:04:05.678Z */

/* Splits LINE at blanks ("_" stands for one inside a word) and parses it. */
static int
parse(struct arguments *a, const char *line, struct err *e)
{
    static char words[512];
    char *argv[32], *save = NULL;
    int argc = 0;

    snprintf(words, sizeof(words), "%s", line);
    for (char *w = strtok_r(words, " ", &save); w != NULL && argc < 32;
         w = strtok_r(NULL, " ", &save)) {
        for (char *c = w; *c != '\0'; c++)
            *c = *c == '_' ? ' ' : *c;
        argv[argc++] = w;
    }
    return arguments_parse(a, argc, argv, e);
}

static char *
sorted(const json_t *value)
{
    return json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS);
}

static void
command_lines_become_arguments(void **state)
{
    static const struct {
        const char *line;
        const char *command;
        const char *values;
        const char *globals;
    } cases[] = {
        { "status", "status", "{}", "{}" },
        { "status --check", "status", "{\"check\":true}", "{}" },
        { "--json status --quiet", "status", "{}",
            "{\"json\":true,\"quiet\":true}" },
        { "user --json add ann --yes", "user add", "{\"name\":\"ann\"}",
            "{\"json\":true,\"yes\":true}" },
        { "user key add ann ssh-ed25519 AAAA a@b", "user key add",
            "{\"key\":[\"ssh-ed25519\",\"AAAA\",\"a@b\"],\"name\":\"ann\"}",
            "{}" },
        { "user set ann --uid=10001 --enabled no --comment Ann_Smith",
            "user set",
            "{\"comment\":\"Ann Smith\",\"enabled\":false,\"name\":\"ann\","
            "\"uid\":10001}",
            "{}" },
        { "sync now --wait b a", "sync now",
            "{\"servers\":[\"b\",\"a\"],\"wait\":true}", "{}" },
        { "sync now --dry-run", "sync now", "{\"dry_run\":true}", "{}" },
        { "sync config --interval 5m --instant yes", "sync config",
            "{\"instant\":true,\"interval_ms\":300000}", "{}" },
        { "group set staff --add ann,bob --add carol", "group set",
            "{\"add\":[\"ann\",\"bob\",\"carol\"],\"name\":\"staff\"}", "{}" },
        { "folder remove 7", "folder remove", "{\"id\":7}", "{}" },
        { "config set -- --odd --value", "config set",
            "{\"name\":\"--odd\",\"value\":\"--value\"}", "{}" },
        { "ipfilter move 3 1", "ipfilter move", "{\"from\":3,\"to\":1}", "{}" },
        { "ipfilter add deny 10.0.0.0/8 --position 1 --cluster", "ipfilter add",
            "{\"action\":\"deny\",\"address\":\"10.0.0.0/8\",\"cluster\":true,"
            "\"position\":1}",
            "{}" },
        { "doctor", "doctor", "{}", "{}" },
        { "doctor edge-1:2200 --timeout 3", "doctor",
            "{\"host\":\"edge-1:2200\"}", "{\"timeout_ms\":3000}" },
        /* After the verb an option is the command's own, if it has it. */
        { "--fingerprint SHA256:a --password-file p --connect h"
          " server add x --fingerprint SHA256:b",
            "server add", "{\"fingerprint\":\"SHA256:b\",\"host\":\"x\"}",
            "{\"connect\":\"h\",\"fingerprint\":\"SHA256:a\","
            "\"password_file\":\"p\"}" },
        { "server list --fingerprint SHA256:a", "server list", "{}",
            "{\"fingerprint\":\"SHA256:a\"}" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct arguments a = ARGUMENTS_INIT;
        struct err e = ERR_INIT;
        char *values, *globals, *name;

        if (parse(&a, cases[i].line, &e) != 0)
            fail_msg("%s: %s", cases[i].line, e.message);
        assert_non_null(a.command);
        name = alloc_format("%s%s%s", a.command->noun,
            a.command->verb != NULL ? " " : "",
            a.command->verb != NULL ? a.command->verb : "");
        values = sorted(a.values);
        globals = sorted(a.globals);
        assert_string_equal(name, cases[i].command);
        assert_string_equal(values, cases[i].values);
        assert_string_equal(globals, cases[i].globals);
        free(name);
        free(values);
        free(globals);
        arguments_release(&a);
    }
}

static void
wrong_command_lines_are_usage_errors(void **state)
{
    static const struct {
        const char *line;
        const char *message;
        const char *hint;
    } cases[] = {
        { "usr list", "unknown command \"usr\"", "Did you mean \"user\"?" },
        { "zzzzzz", "unknown command \"zzzzzz\"", "" },
        { "user ad ann", "unknown command \"user ad\"",
            "Did you mean \"user add\"?" },
        { "server overwite x", "unknown command \"server overwite\"",
            "Did you mean \"server overwrite\"?" },
        { "user", "\"user\" needs a verb", "" },
        { "user key", "\"user\" needs a verb", "" },
        { "user add", "something is missing: NAME", "" },
        { "user add ann bob", "\"bob\" is one word too many", "" },
        { "user add ann --uid ten", "--uid: \"ten\" is not a number", "" },
        { "user add ann --uid", "--uid needs a value: N", "" },
        { "user add ann --uid 1 --uid 2", "--uid was given twice", "" },
        { "user add ann --enabled maybe",
            "--enabled: \"maybe\" is not yes or no", "" },
        { "user add ann --expires soon",
            "--expires: \"soon\" is not a time such as 2026-01-31, "
            "2026-01-31T12:00:00Z or 2h",
            "" },
        { "user add ann --bogus", "unknown option \"--bogus\"", "" },
        { "user add ann --enbled yes", "unknown option \"--enbled\"",
            "Did you mean \"--enabled\"?" },
        { "user add ann --password=x", "unknown option \"--password\"",
            "Did you mean \"--password-file\"?" },
        { "sync now --dry", "unknown option \"--dry\"",
            "Did you mean \"--dry-run\"?" },
        { "--jsn status", "unknown option \"--jsn\"",
            "Did you mean \"--json\"?" },
        { "user key ad ann", "unknown command \"user key ad\"",
            "Did you mean \"user key add\"?" },
        { "user kye add ann", "unknown command \"user kye\"",
            "Did you mean \"user key add\"?" },
        { "user delete ann", "unknown command \"user delete\"",
            "Did you mean \"user remove\"?" },
        { "filter list", "unknown command \"filter\"",
            "Did you mean \"ipfilter\"?" },
        { "serv list", "unknown command \"serv\"", "Did you mean \"server\"?" },
        { "ab", "unknown command \"ab\"", "" },
        { "user add ann -x", "unknown option \"-x\"", "" },
        { "status --json=yes", "--json takes no value", "" },
        { "sync config --interval often",
            "--interval: \"often\" is not a duration such as 60s, 5m or 2h",
            "" },
        { "folder remove seven", "\"seven\" is not a number", "" },
        { "ipfilter move 1", "something is missing: FROM TO", "" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct arguments a = ARGUMENTS_INIT;
        struct err e = ERR_INIT;

        if (parse(&a, cases[i].line, &e) == 0)
            fail_msg("accepted: %s", cases[i].line);
        assert_int_equal(e.code, ERR_USAGE);
        assert_string_equal(e.message, cases[i].message);
        assert_string_equal(e.hint, cases[i].hint);
        arguments_release(&a);
    }
}

static void
times_may_be_relative_to_now(void **state)
{
    static const struct {
        const char *line;
        const char *values;
    } cases[] = {
        { "events --since 2h", "{\"since\":\"2026-01-02T01:04:05.678Z\"}" },
        { "events --since 2026-01-01",
            "{\"since\":\"2026-01-01T00:00:00.000Z\"}" },
        { "user set a --expires 1d",
            "{\"expires\":\"2026-01-03T03:04:05.678Z\",\"name\":\"a\"}" },
        { "user set a --expires never",
            "{\"expires\":\"never\",\"name\":\"a\"}" },
    };

    (void)state;
    clock_freeze(NOW_MS);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct arguments a = ARGUMENTS_INIT;
        struct err e = ERR_INIT;
        char *values;

        if (parse(&a, cases[i].line, &e) != 0)
            fail_msg("%s: %s", cases[i].line, e.message);
        values = sorted(a.values);
        assert_string_equal(values, cases[i].values);
        free(values);
        arguments_release(&a);
    }
    clock_thaw();
}

static void
secret_options_read_one_line_of_a_file(void **state)
{
    char path[] = "/tmp/lockstep-cli-XXXXXX";
    int fd = mkstemp(path);
    char *line = alloc_format("user passwd ann --password-file %s", path);
    struct arguments a = ARGUMENTS_INIT;
    struct err e = ERR_INIT;

    (void)state;
    assert_int_equal(write(fd, "pass word\r\nrest\n", 16), 16);
    close(fd);
    assert_int_equal(parse(&a, line, &e), 0);
    assert_string_equal(json_string_value(
                            json_object_get(a.values, "password")),
        "pass word");
    arguments_release(&a);
    assert_int_equal(truncate(path, 0), 0);
    assert_int_equal(parse(&a, line, &e), -1);
    assert_int_equal(e.code, ERR_USAGE);
    arguments_release(&a);
    unlink(path);
    free(line);
}

/* Neither a table that ends before it begins nor a list that is empty. */
static void
every_command_says_something(void **state)
{
    (void)state;
    for (size_t t = 0; command_tables[t] != NULL; t++) {
        for (const struct command *c = command_tables[t]; c->noun != NULL;
             c++) {
            const struct view *v = c->views;

            if (v != NULL && v[0].member == NULL)
                fail_msg("%s %s shows nothing", c->noun, c->verb);
            if (v != NULL && v[1].member == NULL && v[0].list &&
                v[0].empty == NULL)
                fail_msg("%s %s says nothing when there is nothing", c->noun,
                    c->verb);
        }
    }
}

static void
help_is_found_at_every_level(void **state)
{
    static const struct {
        const char *line;
        const char *noun;
        const char *verb;
    } cases[] = {
        { "--help", NULL, NULL },
        { "help", NULL, NULL },
        { "user --help", "user", NULL },
        { "help user key", "user", NULL },
        { "help user key add", "user", "key add" },
        { "user add -h", "user", "add" },
        { "--help server overwrite", "server", "overwrite" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct arguments a = ARGUMENTS_INIT;
        struct err e = ERR_INIT;

        if (parse(&a, cases[i].line, &e) != 0)
            fail_msg("%s: %s", cases[i].line, e.message);
        assert_true(a.help);
        if (cases[i].noun == NULL)
            assert_null(a.noun);
        else
            assert_string_equal(a.noun, cases[i].noun);
        if (cases[i].verb == NULL)
            assert_null(a.command);
        else
            assert_string_equal(a.command->verb, cases[i].verb);
        arguments_release(&a);
    }
}

/* Every example of every command is one that the parser accepts. */
static void
examples_are_command_lines(void **state)
{
    (void)state;
    for (size_t t = 0; command_tables[t] != NULL; t++)
        for (const struct command *c = command_tables[t]; c->noun != NULL;
             c++) {
            size_t verb = c->verb != NULL ? strlen(c->verb) : 0;

            assert_true(c->help[0] != '\0' && c->examples[0] != '\0');
            assert_null(strchr(c->help, '\n'));
            assert_true(strstr(c->examples, c->noun) != NULL);
            if (verb > 0)
                assert_true(strstr(c->examples, c->verb) != NULL);
            assert_true(c->examples[strlen(c->examples) - 1] == '\n');
        }
}

static void
every_option_says_what_it_does(void **state)
{
    (void)state;
    for (size_t t = 0; command_tables[t] != NULL; t++)
        for (const struct command *c = command_tables[t]; c->noun != NULL; c++)
            for (const struct option *o = c->options;
                 o != NULL && o->name != NULL; o++) {
                assert_true(o->help != NULL && o->help[0] != '\0');
                assert_null(strchr(o->help, '\n'));
                assert_true((o->value == NULL) == (o->kind == OPTION_FLAG));
            }
    for (const struct option *o = global_options; o->name != NULL; o++)
        assert_true(o->help != NULL && o->help[0] != '\0');
}

/* What is typed, a usage or an example, is one line however long. */
static void
help_stays_within_80_columns(void **state)
{
    (void)state;
    for (size_t t = 0; command_tables[t] != NULL; t++)
        for (const struct command *c = command_tables[t]; c->noun != NULL;
             c++) {
            char *text = NULL, *save = NULL;
            size_t size = 0;
            FILE *out = open_memstream(&text, &size);

            help_command(out, c);
            help_noun(out, c->noun);
            help_all(out);
            fclose(out);
            for (char *line = strtok_r(text, "\n", &save); line != NULL;
                 line = strtok_r(NULL, "\n", &save))
                if (strstr(line, "lockstep ") == NULL)
                    assert_true(text_width(line) <= 80);
            free(text);
        }
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

static const struct column columns[] = {
    { "NAME", "name", COLUMN_TEXT, true },
    { "SEEN", "seen", COLUMN_AGE, false },
    { "SIZE", "size", COLUMN_BYTES, false },
    { "OK", "ok", COLUMN_YES_NO, false },
    { "ERROR", "error.message", COLUMN_TEXT, true },
    COLUMNS_END,
};

static json_t *
rows(void)
{
    return json_loads("[{\"name\":\"edge-1\",\"seen\":"
                      "\"2026-01-02T03:03:53.000Z\",\"size\":4200000,"
                      "\"ok\":true,\"error\":null},"
                      "{\"name\":\"a\\u001b[2Jb\",\"seen\":null,\"size\":12,"
                      "\"ok\":false,\"error\":{\"message\":"
                      "\"could not connect to the other side\"}}]",
        0, NULL);
}

static void
tables_are_aligned_and_escaped(void **state)
{
    json_t *array = rows();
    char *text;

    (void)state;
    clock_freeze(NOW_MS);
    text = table_of(array, columns, 100);
    assert_string_equal(text,
        "NAME       SEEN      SIZE    OK   ERROR\n"
        "edge-1     12 s ago  4.2 MB  yes  -\n"
        "a\\x1b[2Jb  -         12 B    no   could not connect to the other "
        "side\n");
    clock_thaw();
    free(text);
    json_decref(array);
}

static void
tables_fit_the_width(void **state)
{
    json_t *array = rows();
    char *text, *save = NULL;

    (void)state;
    clock_freeze(NOW_MS);
    text = table_of(array, columns, 50);
    for (char *line = strtok_r(text, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save))
        assert_true(text_width(line) <= 50);
    free(text);
    text = table_of(array, columns, 50);
    assert_string_equal(text,
        "NAME       SEEN      SIZE    OK   ERROR\n"
        "edge-1     12 s ago  4.2 MB  yes  -\n"
        "a\\x1b[2Jb  -         12 B    no   could not conne~\n");
    clock_thaw();
    free(text);
    json_decref(array);
}

static void
fields_leave_out_what_is_unknown(void **state)
{
    json_t *object =
        json_pack("{s:s,s:n,s:i}", "name", "x", "seen", "size", 1000);
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    (void)state;
    view_fields(out, object, columns, 80);
    fclose(out);
    assert_string_equal(text, "NAME   x\nSIZE   1.0 kB\n");
    free(text);
    json_decref(object);
}

static void
empty_lists_say_so(void **state)
{
    json_t *result = json_pack("{s:[]}", "servers");
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    (void)state;
    view_print(out, result, server_list_views, 80);
    fclose(out);
    assert_string_equal(text, "No servers: this node is not a primary.\n");
    free(text);
    json_decref(result);
}

static void
ages_and_sizes_are_short(void **state)
{
    static const struct {
        int64_t ago_ms;
        const char *text;
    } ages[] = {
        { 0, "now" },
        { 999, "now" },
        { 1000, "1 s ago" },
        { 12400, "12 s ago" },
        { 119999, "119 s ago" },
        { 120000, "2 min ago" },
        { 185000, "3 min ago" },
        { 7199999, "119 min ago" },
        { 7200000, "2 h ago" },
        { 172800000, "2 d ago" },
        { -5000, "in 5 s" },
        { -180000, "in 3 min" },
    };
    static const struct {
        int64_t bytes;
        const char *text;
    } sizes[] = {
        { 0, "0 B" },
        { 999, "999 B" },
        { 1000, "1.0 kB" },
        { 999949, "999.9 kB" },
        { 999950, "1.0 MB" },
        { 513000000, "513.0 MB" },
        { INT64_MAX, "9223.4 PB" },
    };
    char out[32];

    (void)state;
    for (size_t i = 0; i < sizeof(ages) / sizeof(ages[0]); i++) {
        text_age(NOW_MS - ages[i].ago_ms, NOW_MS, out);
        assert_string_equal(out, ages[i].text);
    }
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        text_bytes(sizes[i].bytes, out);
        assert_string_equal(out, sizes[i].text);
    }
    text_duration(60000, out);
    assert_string_equal(out, "1 min");
    text_duration(90000, out);
    assert_string_equal(out, "90 s");
    text_duration(250, out);
    assert_string_equal(out, "250 ms");
}

static void
text_is_cut_between_characters(void **state)
{
    (void)state;
    assert_int_equal(text_width("\xc3\xa4\xc3\xb6x"), 3);
    assert_int_equal(text_fit("\xc3\xa4\xc3\xb6x", 2), 4);
    assert_int_equal(text_fit("ab", 5), 2);
}

static void
distance_counts_edits(void **state)
{
    (void)state;
    assert_int_equal(text_distance("user", "user"), 0);
    assert_int_equal(text_distance("usr", "user"), 1);
    assert_int_equal(text_distance("", "user"), 4);
    assert_int_equal(text_distance("sync", "sycn"), 2);
    assert_int_equal(text_distance("kitten", "sitting"), 3);
}

static void
command_help_begins_with_examples(void **state)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    (void)state;
    help_command(out, command_find("user", "remove"));
    fclose(out);
    assert_string_equal(text, "Examples:\n"
                              "    lockstep user remove ann\n"
                              "\n"
                              "usage: lockstep user remove NAME\n"
                              "    remove a user, its keys and folders\n"
                              "\n"
                              "Global options: see lockstep --help\n");
    free(text);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(command_lines_become_arguments),
        cmocka_unit_test(wrong_command_lines_are_usage_errors),
        cmocka_unit_test(times_may_be_relative_to_now),
        cmocka_unit_test(secret_options_read_one_line_of_a_file),
        cmocka_unit_test(every_command_says_something),
        cmocka_unit_test(help_is_found_at_every_level),
        cmocka_unit_test(examples_are_command_lines),
        cmocka_unit_test(every_option_says_what_it_does),
        cmocka_unit_test(help_stays_within_80_columns),
        cmocka_unit_test(tables_are_aligned_and_escaped),
        cmocka_unit_test(tables_fit_the_width),
        cmocka_unit_test(fields_leave_out_what_is_unknown),
        cmocka_unit_test(empty_lists_say_so),
        cmocka_unit_test(ages_and_sizes_are_short),
        cmocka_unit_test(text_is_cut_between_characters),
        cmocka_unit_test(distance_counts_edits),
        cmocka_unit_test(command_help_begins_with_examples),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

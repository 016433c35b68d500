/* What lockstepd.conf may say, and where it is told that it may not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "daemon/settings.h"
#include "tests/unit/engine_fixture.h"

static int
parse(struct settings *s, const char *text, struct err *e)
{
    settings_init(s);
    return settings_parse(s, text, strlen(text), "x.conf", e);
}

static void
defaults_are_the_documented_ones(void **state)
{
    struct settings s;

    (void)state;
    settings_init(&s);
    assert_string_equal(s.listen, "[::]:14983");
    assert_string_equal(s.state_dir, "/var/lib/lockstep");
    assert_int_equal(s.history_bytes, 256 << 20);
    assert_int_equal(s.history_age_ms, (int64_t)30 * 24 * 3600 * 1000);
    assert_int_equal(s.delete_guard_percent, 20);
    assert_int_equal(s.scrub_interval_ms, 24 * 3600 * 1000);
    assert_int_equal(s.max_sessions, 1000);
    assert_int_equal(s.max_sessions_per_source, 100);
    assert_false(s.drift_hold);
    settings_release(&s);
}

static void
every_key_is_read(void **state)
{
    static const char text[] = "# a comment\n"
                               "[node]\n"
                               "name = edge-1\n"
                               "listen = 127.0.0.1:1\n"
                               "state_dir = /x\n"
                               "source_address = 192.0.2.1\n"
                               "log_level = warning\n"
                               "[log]\n"
                               "syslog = [::1]:514\n"
                               "journal = yes\n"
                               "[history]\n"
                               "max_bytes = 2G\n"
                               "max_age = 90s\n"
                               "[guard]\n"
                               "delete_percent = 0\n"
                               "[replica]\n"
                               "drift = hold\n"
                               "scrub_interval = 0s\n"
                               "[limits]\n"
                               "max_sessions = 7\n"
                               "max_sessions_per_source = 6\n"
                               "login_grace = 5s\n"
                               "login_attempts = 2\n"
                               "monitors = 192.0.2.7, 10.0.0.0/8\n";
    struct err e = ERR_INIT;
    struct settings s;

    (void)state;
    assert_int_equal(parse(&s, text, &e), 0);
    assert_string_equal(s.name, "edge-1");
    assert_string_equal(s.listen, "127.0.0.1:1");
    assert_string_equal(s.state_dir, "/x");
    assert_string_equal(s.source_address, "192.0.2.1");
    assert_string_equal(s.syslog, "[::1]:514");
    assert_string_equal(s.journal, "/run/systemd/journal/socket");
    assert_int_equal(s.monitors.count, 2);
    assert_int_equal(s.log_level, LOG_LEVEL_WARNING);
    assert_int_equal(s.history_bytes, (int64_t)2 << 30);
    assert_int_equal(s.history_age_ms, 90000);
    assert_int_equal(s.delete_guard_percent, 0);
    assert_true(s.drift_hold);
    assert_int_equal(s.scrub_interval_ms, 0);
    assert_int_equal(s.max_sessions, 7);
    assert_int_equal(s.max_sessions_per_source, 6);
    assert_int_equal(s.login_grace_ms, 5000);
    assert_int_equal(s.login_attempts, 2);
    settings_release(&s);
}

static void
what_is_wrong_is_refused_with_its_line(void **state)
{
    static const struct {
        const char *text;
        const char *place;
        const char *word;
    } cases[] = {
        { "[node]\nnme = a\n", "x.conf:2", "nme" },
        { "[nod]\nname = a\n", "x.conf:2", "[nod]" },
        { "name = a\n", "x.conf:1", "name" },
        { "[node]\nname = -a\n", "x.conf:2", "-a" },
        { "[node]\nstate_dir = here\n", "x.conf:2", "absolute" },
        { "[node]\nlog_level = loud\n", "x.conf:2", "loud" },
        { "\n\n[guard]\ndelete_percent = 101\n", "x.conf:4", "range" },
        { "[guard]\ndelete_percent = 5x\n", "x.conf:2", "5x" },
        { "[guard]\ndelete_percent =\n", "x.conf:2", "number" },
        { "[history]\nmax_bytes = 1Q\n", "x.conf:2", "1Q" },
        { "[history]\nmax_bytes = 9999999999999T\n", "x.conf:2", "number" },
        { "[history]\nmax_age = yesterday\n", "x.conf:2", "max_age" },
        { "[replica]\ndrift = maybe\n", "x.conf:2", "maybe" },
        { "[limits]\nmax_sessions = 0\n", "x.conf:2", "range" },
        { "[node]\nnonsense\nname = -\n", "x.conf:2", "expected" },
        { "[node\nname = a\n", "x.conf:1", "expected" },
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct err e = ERR_INIT;
        struct settings s;

        assert_int_equal(parse(&s, cases[i].text, &e), -1);
        assert_int_equal(e.code, ERR_INVALID);
        if (strncmp(e.message, cases[i].place, strlen(cases[i].place)) != 0 ||
            strstr(e.message, cases[i].word) == NULL)
            fail_msg("%s: %s", cases[i].text, e.message);
        settings_release(&s);
    }
}

static void
lines_beyond_all_bounds_are_refused(void **state)
{
    size_t len = 100000;
    char *text = alloc_bytes(len + 1);
    struct err e = ERR_INIT;
    struct settings s;

    (void)state;
    memset(text, 'a', len);
    text[len] = '\0';
    assert_int_equal(parse(&s, text, &e), -1);
    assert_non_null(strstr(e.message, "x.conf:1"));
    settings_release(&s);

    settings_init(&s);
    assert_int_equal(settings_parse(&s, "[node]\n\0name = b\n", 18, "x.conf",
                         &e),
        -1);
    settings_release(&s);
    free(text);
}

static void
put(const char *path, const char *text)
{
    struct err e = ERR_INIT;

    assert_int_equal(file_write_atomic(path, text, strlen(text), 0600, &e), 0);
}

static void
parts_are_read_after_the_file_in_order_of_name(void **state)
{
    char *folder = fixture_folder();
    char *file = file_join(folder, "l.conf");
    char *parts = file_join(folder, "l.conf.d");
    char *first = file_join(parts, "10-a.conf");
    char *second = file_join(parts, "20-b.conf");
    char *other = file_join(parts, "30-c.conf.off");
    struct err e = ERR_INIT;
    struct settings s;

    (void)state;
    assert_int_equal(file_make_folder(parts, 0700, &e), 0);
    put(file, "[limits]\nmax_sessions = 1\nmax_sessions_per_source = 1\n");
    put(second, "[limits]\nmax_sessions = 3\n");
    put(first, "[limits]\nmax_sessions = 2\nmax_sessions_per_source = 2\n");
    put(other, "nonsense\n");
    assert_int_equal(settings_load(&s, file, &e), 0);
    assert_int_equal(s.max_sessions, 3);
    assert_int_equal(s.max_sessions_per_source, 2);
    settings_release(&s);

    put(first, "[limits]\nmax_sessions = no\n");
    assert_int_equal(settings_load(&s, file, &e), -1);
    assert_non_null(strstr(e.message, "10-a.conf:2"));

    assert_int_equal(settings_load(&s, "/nonexistent/l.conf", &e), -1);
    free(file);
    free(parts);
    free(first);
    free(second);
    free(other);
    fixture_remove(folder);
}

static void
what_is_protected_adds_up(void **state)
{
    static const char text[] = "[dataset \"d\"]\npath = /x/d.db\n"
                               "protect = users.seen, users.used\n"
                               "protect = quota.used\n"
                               "protect_rows = settings WHERE scope = 'a;b'\n"
                               "exclude = log\nexclude = sessions\n";
    static const char *const bad[] = {
        "protect = users\n",
        "protect_rows = users\n",
        "exclude = a b\n",
        "protect = t.a\nexclude = t\n",
    };
    struct err e = ERR_INIT;
    struct settings s;
    char *found;

    (void)state;
    assert_int_equal(parse(&s, text, &e), 0);
    found = selection_text(&s.datasets[0].selection);
    assert_string_equal(found,
        "exclude \"log\"\nprotect \"quota\".\"used\"\n"
        "exclude \"sessions\"\n"
        "protect_rows \"settings\" WHERE scope = 'a;b'\n"
        "protect \"users\".\"seen\"\nprotect \"users\".\"used\"\n");
    free(found);
    settings_release(&s);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char *whole =
            alloc_format("[dataset \"d\"]\npath = /x/d.db\n%s", bad[i]);

        err_clear(&e);
        assert_int_equal(parse(&s, whole, &e), -1);
        assert_non_null(strstr(e.message, "x.conf:"));
        settings_release(&s);
        free(whole);
    }
}

static void
a_dataset_goes_to_whom_it_is_meant_for(void **state)
{
    static const struct {
        const char *lines;
        bool to_a, to_b, secret;
    } cases[] = {
        { "", true, true, false },
        { "send_to = a\n", true, false, false },
        { "send_to = a , c\nsend_to = b\n", true, true, false },
        { "send_to = ab\n", false, false, false },
        { "secrets = *\n", false, false, true },
        { "secrets = *\nsend_to = b\n", false, true, true },
        { "secrets = *\nsend_to = *\n", true, true, true },
    };
    struct err e = ERR_INIT;
    struct settings s;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *text =
            alloc_format("[dataset \"d\"]\npath = /x/d.db\n%s", cases[i].lines);

        assert_int_equal(parse(&s, text, &e), 0);
        assert_int_equal(settings_sends_to(&s, "d", "a"), cases[i].to_a);
        assert_int_equal(settings_sends_to(&s, "d", "b"), cases[i].to_b);
        assert_int_equal(settings_all_secret(&s, "d"), cases[i].secret);
        assert_true(settings_sends_to(&s, "config", "a"));
        assert_false(settings_all_secret(&s, "config"));
        settings_release(&s);
        free(text);
    }
    assert_int_equal(
        parse(&s, "[dataset \"d\"]\npath = /x/d.db\nsend_to = a;b!\n", &e), -1);
    settings_release(&s);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_the_documented_ones),
        cmocka_unit_test(every_key_is_read),
        cmocka_unit_test(what_is_protected_adds_up),
        cmocka_unit_test(a_dataset_goes_to_whom_it_is_meant_for),
        cmocka_unit_test(what_is_wrong_is_refused_with_its_line),
        cmocka_unit_test(lines_beyond_all_bounds_are_refused),
        cmocka_unit_test(parts_are_read_after_the_file_in_order_of_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

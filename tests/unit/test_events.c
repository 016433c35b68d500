/* Events are numbered without gaps, whole lines, and kept over a rotation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "daemon/events.h"
#include "tests/unit/engine_fixture.h"

static struct err e;

static struct events *
open_events(const char *folder)
{
    struct events *ev;

    log_init("test", LOG_LEVEL_ERROR + 1);
    err_clear(&e);
    assert_int_equal(events_open(&ev, folder, "n1", &e), 0);
    return ev;
}

static json_int_t
seq_at(json_t *list, size_t i)
{
    return json_integer_value(json_object_get(json_array_get(list, i), "seq"));
}

static const char *
text_at(json_t *list, size_t i, const char *member)
{
    return json_string_value(json_object_get(json_array_get(list, i), member));
}

static void
numbers_go_on_over_a_restart(void **state)
{
    char *folder = fixture_folder();
    struct events *ev = open_events(folder);
    json_t *list;

    (void)state;
    events_add(ev, "info", "one", NULL, NULL, "first \"%s\"\n\x1b[31m", "x");
    events_add(ev, "error", "two", "edge", "config", "second");
    events_close(ev);
    ev = open_events(folder);
    events_add(ev, "info", "three", NULL, NULL, "third");

    list = events_list(ev, 0, 100);
    assert_int_equal(json_array_size(list), 3);
    assert_int_equal(seq_at(list, 0), 1);
    assert_int_equal(seq_at(list, 2), 3);
    assert_string_equal(text_at(list, 0, "node"), "n1");
    assert_null(text_at(list, 0, "server"));
    assert_string_equal(text_at(list, 1, "server"), "edge");
    assert_string_equal(text_at(list, 1, "dataset"), "config");
    assert_string_equal(text_at(list, 1, "level"), "error");
    assert_string_equal(text_at(list, 2, "text"), "third");
    json_decref(list);

    list = events_list(ev, 0, 2);
    assert_int_equal(json_array_size(list), 2);
    assert_int_equal(seq_at(list, 0), 2);
    json_decref(list);
    events_close(ev);
    fixture_remove(folder);
}

static void
only_what_is_not_older_is_listed(void **state)
{
    char *folder = fixture_folder();
    struct events *ev = open_events(folder);
    int64_t start_ms = 1700000000000;
    json_t *list;

    (void)state;
    clock_freeze(start_ms);
    events_add(ev, "info", "old", NULL, NULL, "old");
    clock_advance(1000);
    events_add(ev, "info", "new", NULL, NULL, "new");
    list = events_list(ev, start_ms + 1000, 100);
    assert_int_equal(json_array_size(list), 1);
    assert_string_equal(text_at(list, 0, "kind"), "new");
    json_decref(list);
    clock_thaw();
    events_close(ev);
    fixture_remove(folder);
}

static void
a_torn_line_is_dropped_at_the_next_start(void **state)
{
    char *folder = fixture_folder();
    char *path = file_join(folder, "events.jsonl");
    struct events *ev = open_events(folder);
    uint64_t size;
    json_t *list;
    int fd;

    (void)state;
    events_add(ev, "info", "one", NULL, NULL, "whole");
    size = events_size(ev);
    events_close(ev);
    fd = open(path, O_WRONLY | O_APPEND);
    assert_int_equal(write(fd, "{\"seq\":2,\"te", 12), 12);
    close(fd);

    ev = open_events(folder);
    assert_int_equal(events_size(ev), size);
    events_add(ev, "info", "two", NULL, NULL, "next");
    list = events_list(ev, 0, 100);
    assert_int_equal(json_array_size(list), 2);
    assert_int_equal(seq_at(list, 1), 2);
    json_decref(list);
    events_close(ev);
    free(path);
    fixture_remove(folder);
}

static void
readers_finish_a_file_that_was_rotated(void **state)
{
    char *folder = fixture_folder();
    struct events *ev = open_events(folder);
    char text[2000];
    struct stat before;
    struct stat after;
    uint64_t size = 0;
    int count = 0;
    json_t *list;
    int fd;

    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    events_add(ev, "info", "first", NULL, NULL, "first");
    assert_int_equal(events_reader(ev, &fd, &e), 0);
    assert_int_equal(fstat(fd, &before), 0);
    while (events_size(ev) > size) {
        size = events_size(ev);
        events_add(ev, "info", "fill", NULL, NULL, "%s", text);
        count++;
        assert_in_range(count, 1, 20000);
    }
    /* The reader still has the file in which it began. */
    assert_int_equal(fstat(fd, &after), 0);
    assert_int_equal(after.st_ino, before.st_ino);
    assert_in_range(after.st_size, 16 << 20, (16 << 20) + 4096);
    assert_true(events_size(ev) < 4096);
    close(fd);

    /* The one after each is found, in either file and across both. */
    for (int seq = 0; seq <= count; seq += 97) {
        list = events_after(ev, (uint64_t)seq, 3);
        assert_int_equal(seq_at(list, 0), seq + 1);
        assert_int_equal(seq_at(list, json_array_size(list) - 1),
            seq + 3 < count + 1 ? seq + 3 : count + 1);
        json_decref(list);
    }
    list = events_after(ev, (uint64_t)count + 1, 3);
    assert_int_equal(json_array_size(list), 0);
    json_decref(list);

    list = events_list(ev, 0, 10);
    assert_int_equal(json_array_size(list), 10);
    assert_int_equal(seq_at(list, 9), count + 1);
    assert_int_equal(seq_at(list, 0), count - 8);
    json_decref(list);
    events_close(ev);
    ev = open_events(folder);
    events_add(ev, "info", "last", NULL, NULL, "last");
    list = events_list(ev, 0, 1);
    assert_int_equal(seq_at(list, 0), count + 2);
    json_decref(list);
    events_close(ev);
    fixture_remove(folder);
}

static void
another_nodes_events_are_kept_once_and_within_bounds(void **state)
{
    static const char *const given[] = {
        "{\"seq\": 7, \"kind\": \"a\", \"node\": \"liar\", \"text\": \"one\"}",
        "{\"seq\": 7, \"kind\": \"a\", \"text\": \"again\"}",
        "{\"seq\": 3, \"kind\": \"a\", \"text\": \"older\"}",
        "{\"seq\": -1, \"text\": \"below\"}", "{\"text\": \"no number\"}", "[]",
        "{\"seq\": 9, \"kind\": {}, \"more\": \"x\"}"
    };
    char *folder = fixture_folder(), *text;
    struct events *ev = NULL;
    json_t *list;

    (void)state;
    for (int opened = 0; opened < 2; opened++) {
        assert_int_equal(events_open_collected(&ev, folder, "n.jsonl", "edge",
                             &e),
            0);
        for (size_t i = 0; i < sizeof(given) / sizeof(given[0]); i++) {
            json_t *event = json_loads(given[i], 0, NULL);

            events_collect(ev, event);
            json_decref(event);
        }
        list = events_list(ev, 0, 100);
        text = json_dumps(list, JSON_COMPACT);
        assert_string_equal(text,
            "[{\"seq\":7,\"node\":\"edge\",\"kind\":\"a\",\"text\":\"one\"},"
            "{\"seq\":9,\"node\":\"edge\"}]");
        free(text);
        json_decref(list);
        events_close(ev);
    }
    fixture_remove(folder);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_go_on_over_a_restart),
        cmocka_unit_test(only_what_is_not_older_is_listed),
        cmocka_unit_test(a_torn_line_is_dropped_at_the_next_start),
        cmocka_unit_test(readers_finish_a_file_that_was_rotated),
        cmocka_unit_test(another_nodes_events_are_kept_once_and_within_bounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

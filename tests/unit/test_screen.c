/*
 * What the manager draws on: texts of others do no harm and take the columns
 * that they seem to take; lists keep their cursor; lines are edited by
 * characters.
 */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "manager-tui/canvas.h"
#include "manager-tui/line_edit.h"
#include "manager-tui/manager.h"
#include "manager-tui/screen_list.h"

static const struct list_column columns[] = {
    { { "NAME", "name", COLUMN_TEXT, true }, 0, NULL, NULL },
    { { "COUNT", "count", COLUMN_TEXT, false }, 0, NULL, NULL },
    { { "NOTE", "note", COLUMN_TEXT, true }, 1, NULL, NULL },
    LIST_COLUMNS_END,
};

static const struct list_spec spec = { .columns = columns,
    .key = "name",
    .empty = "Nothing." };

static char *
printed(const struct canvas *c)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    canvas_print(c, out);
    fclose(out);
    return text;
}

static void
assert_row(struct canvas *c, int row, const char *wanted)
{
    char *text = printed(c), *line = text;

    for (int i = 0; i < row && line != NULL; i++) {
        line = strchr(line, '\n');
        line = line == NULL ? NULL : line + 1;
    }
    if (line == NULL) {
        fail_msg("there is no row %d", row);
        return;
    }
    line[strcspn(line, "\n")] = '\0';
    assert_string_equal(line, wanted);
    free(text);
}

static void
hostile_texts_are_harmless(void **state)
{
    struct canvas c = { .cells = NULL };
    struct area a;

    (void)state;
    canvas_resize(&c, 3, 40);
    a = canvas_area(&c);
    area_put(a, 0, 0, STYLE_PLAIN,
        "a\033[31mb\xe2\x80\xae"
        "c\nd\x9b");
    assert_row(&c, 0, "a\\x1b[31mb\\xe2\\x80\\xaec\\x0ad\\x9b");
    c.ascii = true;
    area_put(a, 1, 0, STYLE_PLAIN, "\xc3\xa9|");
    assert_row(&c, 1, "\\xc3\\xa9|");
    canvas_release(&c);
}

static void
wide_characters_take_two_columns(void **state)
{
    struct canvas c = { .cells = NULL };
    struct area a;

    (void)state;
    canvas_resize(&c, 4, 10);
    a = canvas_area(&c);
    /* CJK, then "e" and a combining acute. */
    assert_int_equal(area_put(a, 0, 0, STYLE_PLAIN, "\xe4\xb8\xad\xe4\xb8\xad"),
        4);
    assert_int_equal(area_put(a, 1, 0, STYLE_PLAIN, "e\xcc\x81x"), 2);
    area_put(a, 1, 2, STYLE_PLAIN, "|");
    assert_row(&c, 1, "e\xcc\x81x|");
    /* The half that is left of an overwritten one is blank. */
    area_put(a, 0, 1, STYLE_PLAIN, "|");
    assert_row(&c, 0, " |\xe4\xb8\xad");
    assert_int_equal(area_put_cut(a, 2, 0, 4, STYLE_PLAIN,
                         "\xe4\xb8\xad\xe4\xb8\xad\xe4\xb8\xad"),
        3);
    assert_row(&c, 2, "\xe4\xb8\xad~");
    /* Nothing stands outside. */
    area_put(area_part(a, 0, 6, 1, 99), 0, 0, STYLE_PLAIN, "abcdefgh");
    assert_row(&c, 0, " |\xe4\xb8\xad  abcd");
    area_put(a, 99, 0, STYLE_PLAIN, "x");
    area_put(a, -1, 0, STYLE_PLAIN, "x");
    canvas_release(&c);
}

static void
lines_are_edited_by_characters(void **state)
{
    struct line_edit line = { .text = NULL };

    (void)state;
    line_set(&line, "a\xe4\xb8\xad");
    line_press(&line, PRESS_BACKSPACE);
    assert_string_equal(line.text, "a");
    line_press(&line, 0x4e2d);
    line_press(&line, PRESS_LEFT);
    line_press(&line, 'b');
    assert_string_equal(line.text, "ab\xe4\xb8\xad");
    line_press(&line, PRESS_DELETE);
    assert_string_equal(line.text, "ab");
    line_press(&line, PRESS_HOME);
    line_press(&line, PRESS_BACKSPACE);
    line_press(&line, PRESS_CTRL('u'));
    assert_string_equal(line.text, "ab");
    assert_false(line_press(&line, PRESS_ENTER));
    for (int i = 0; i < LINE_MAX_BYTES; i++)
        line_press(&line, 'x');
    assert_int_equal(strlen(line.text), LINE_MAX_BYTES - 1);
    line_release(&line);
}

static json_t *
row(const char *name, int count)
{
    return json_pack("{s:s, s:i}", "name", name, "count", count);
}

static void
the_cursor_stays_on_its_row(void **state)
{
    struct manager m = { .plain = false };
    struct screen s = { .m = &m };
    struct canvas c = { .cells = NULL };
    struct screen_list list;
    json_t *rows =
        json_pack("[o, o, o]", row("b", 2), row("c", 10), row("a", 9));

    (void)state;
    canvas_resize(&c, 8, 30);
    list_open(&list, &spec);
    list_take(&list, rows, -1);
    list_draw(&list, &s, canvas_area(&c));
    list_move(&list, &s, 1);
    assert_string_equal(list_current_key(&list), "c");
    /* Others come in before it. */
    json_array_insert_new(rows, 0, row("z", 1));
    list_take(&list, rows, -1);
    assert_string_equal(list_current_key(&list), "c");
    /* Numbers are sorted as numbers. */
    list.sort = 1;
    list_arrange(&list);
    assert_string_equal(list_current_key(&list), "c");
    assert_int_equal(list.cursor, 3);
    line_set(&list.filter, "Z");
    list_arrange(&list);
    assert_int_equal(list.total, 1);
    assert_string_equal(list_current_key(&list), "z");
    list_close(&list);
    json_decref(rows);
    canvas_release(&c);
}

static void
columns_stay_aligned_whatever_the_names(void **state)
{
    struct manager m = { .plain = true };
    struct screen s = { .m = &m };
    struct canvas c = { .cells = NULL };
    struct screen_list list;
    json_t *rows =
        json_pack("[o, o, o]", row("\xe4\xb8\xad\xe6\x96\x87\xe4\xb8\xad", 1),
            row("e\xcc\x81", 2), row("x\033[2J", 3));

    (void)state;
    canvas_resize(&c, 5, 40);
    list_open(&list, &spec);
    list_take(&list, rows, -1);
    list_draw(&list, &s, canvas_area(&c));
    assert_row(&c, 0, "  NAME      COUNT  NOTE");
    assert_row(&c, 1, "  \xe4\xb8\xad\xe6\x96\x87\xe4\xb8\xad    1      -");
    assert_row(&c, 2, "  e\xcc\x81         2      -");
    assert_row(&c, 3, "  x\\x1b[2J  3      -");
    list_close(&list);
    json_decref(rows);
    canvas_release(&c);
}

/* An answer is of the rows that were asked for, wherever the eye is by then. */
static void
a_page_belongs_where_it_was_asked_for(void **state)
{
    static const struct list_spec paged = { .columns = columns,
        .key = "name",
        .empty = "Nothing.",
        .paged = true };
    struct screen_list list;
    json_t *args, *rows = json_array();

    (void)state;
    for (int i = 0; i < 400; i++) {
        char name[16];

        snprintf(name, sizeof(name), "row%d", i);
        json_array_append_new(rows, json_pack("{s:s}", "name", name));
    }
    list_open(&list, &paged);
    args = list_args(&list, NULL);
    assert_int_equal(json_integer_value(json_object_get(args, "offset")), 0);
    json_decref(args);
    list.top = list.cursor = 300;
    list_take(&list, rows, 100000);
    assert_string_equal(list_current_key(&list), "row300");
    assert_null(list_row(&list, 400));
    args = list_args(&list, NULL);
    assert_int_equal(json_integer_value(json_object_get(args, "offset")), 150);
    json_decref(args);
    list_close(&list);
    json_decref(rows);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hostile_texts_are_harmless),
        cmocka_unit_test(wide_characters_take_two_columns),
        cmocka_unit_test(lines_are_edited_by_characters),
        cmocka_unit_test(the_cursor_stays_on_its_row),
        cmocka_unit_test(columns_stay_aligned_whatever_the_names),
        cmocka_unit_test(a_page_belongs_where_it_was_asked_for),
    };

    setlocale(LC_CTYPE, "C.UTF-8");
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * How a form looks: text, fields, what is wrong, buttons, in a frame that is as
 * small as it can be.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/json.h"
#include "manager-tui/form_internal.h"
#include "manager-tui/text.h"

#define FORM_WIDTH 76

static const char *
help_of(const struct form *f)
{
    const char *help = NULL;

    if (f->active < f->count)
        help = f->spec->fields[f->active].help;
    return help != NULL ? help : "";
}

/* Rows that TEXT takes in WIDTH columns. */
static int
rows_of(const char *text, int width, bool ascii)
{
    struct canvas nowhere = { .height = 1, .width = width, .ascii = ascii };
    /* An area without rows takes nothing in, and still counts. */
    struct area a = { &nowhere, 0, 0, 0, width };

    return area_put_wrapped(a, 0, 0, STYLE_PLAIN, text);
}

static char *
error_text(const struct form *f)
{
    if (f->error.code == ERR_NONE)
        return alloc_string("");
    return alloc_format("Error: %s%s%s", f->error.message,
        f->error.hint[0] != '\0' ? "\n" : "", f->error.hint);
}

/* "12.3 MB of 51.0 MB, 24 %, 8.1 MB/s"; "" when nothing is counted. */
static char *
amount_text(const struct form *f)
{
    int64_t done = 0, total = 0;
    char done_text[32], total_text[32], rate_text[32];
    struct err ignored = ERR_INIT;

    json_member_int(f->progress, "done", false, &done, &ignored);
    json_member_int(f->progress, "total", false, &total, &ignored);
    if (total <= 0)
        return alloc_string("");
    text_bytes(done, done_text);
    text_bytes(total, total_text);
    text_bytes((int64_t)f->rate, rate_text);
    return alloc_format(": %s of %s, %d %%%s%s%s", done_text, total_text,
        (int)((double)done * 100.0 / (double)total), f->rate > 0 ? ", " : "",
        f->rate > 0 ? rate_text : "", f->rate > 0 ? "/s" : "");
}

/* Every step, with what is done, what is under way and what is to come. */
static char *
steps_text(const struct form *f, const char *amount)
{
    struct buf b = BUF_INIT;
    bool before = f->step[0] != '\0';
    size_t len;

    for (const struct form_step *step = f->spec->steps; step->step != NULL;
         step++) {
        bool here = strcmp(step->step, f->step) == 0;

        before = before && !here;
        buf_printf(&b, "%s%s %s%s", b.len > 0 ? "\n" : "",
            before ? "+"
            : here ? ">"
                   : " ",
            step->label, here ? amount : "");
    }
    return (char *)buf_steal(&b, &len);
}

static char *
progress_text(const struct form *f)
{
    const char *step = "", *text = "";
    struct err ignored = ERR_INIT;
    char *amount, *all;

    if (!f->sending)
        return alloc_string("");
    amount = amount_text(f);
    json_member_string(f->progress, "step", false, &step, &ignored);
    json_member_string(f->progress, "text", false, &text, &ignored);
    if (f->spec->steps != NULL)
        all = steps_text(f, amount);
    else if (f->progress == NULL)
        all = alloc_string("Waiting for the node.");
    else
        all = alloc_format("%s %s%s", step, text, amount);
    free(amount);
    return all;
}

static int
label_width(const struct form *f)
{
    size_t width = 0;

    for (size_t i = 0; i < f->count; i++)
        if (text_width(f->spec->fields[i].label) > width)
            width = text_width(f->spec->fields[i].label);
    return (int)width;
}

static void
draw_field(struct form *f, size_t i, struct area a, int y)
{
    const struct form_field *field = &f->spec->fields[i];
    bool active = i == f->active;
    int x = label_width(f) + 3;

    area_put(a, y, 0, STYLE_PLAIN, active ? ">" : " ");
    area_put(a, y, 2, active ? STYLE_STRONG : STYLE_DIM, field->label);
    if (field->kind == FIELD_YES_NO || field->kind == FIELD_CHOICE) {
        area_putf(a, y, x + 1, active ? STYLE_STRONG : STYLE_PLAIN, "< %s >",
            f->lines[i].text);
        if (active)
            area_cursor(a, y, x + 1);
    } else {
        line_draw(&f->lines[i], a, y, x + 1, a.width - x - 1,
            active && !f->sending);
    }
    f->spots[i] = (struct form_spot){ a.y + y, a.x, a.x + a.width };
}

/* As many fields as there is room for, the active one among them. */
static void
draw_fields(struct form *f, struct area a)
{
    size_t rows = (size_t)a.height, first = 0;

    if (f->active < f->count && f->active >= rows)
        first = f->active - rows + 1;
    else if (f->active >= f->count && f->count > rows)
        first = f->count - rows;
    for (size_t i = 0; i < f->count; i++)
        f->spots[i] = (struct form_spot){ -1, 0, 0 };
    for (size_t i = first; i < f->count && i - first < rows; i++)
        draw_field(f, i, a, (int)(i - first));
}

static int
draw_button(struct form *f, struct area a, int x, size_t place,
    const char *label)
{
    int style = STYLE_BAR | (f->active == place ? STYLE_SELECTED : 0);
    int columns =
        area_putf(a, 0, x, style, f->active == place ? ">%s<" : " %s ", label);

    f->spots[place] = (struct form_spot){ a.y, a.x + x, a.x + x + columns };
    return columns;
}

static void
draw_buttons(struct form *f, struct area a)
{
    int x = 0;

    f->spots[f->count] = (struct form_spot){ -1, 0, 0 };
    if (f->sending) {
        f->spots[f->count + 1] = (struct form_spot){ -1, 0, 0 };
        area_putf(a, 0, 0, STYLE_DIM, "Esc: %s",
            f->spec->cancel != NULL ? f->spec->cancel_label : "do not wait");
        return;
    }
    if (f->spec->submit != NULL)
        x = draw_button(f, a, 0, f->count, f->spec->submit) + 2;
    x += draw_button(f, a, x, f->count + 1,
        f->spec->submit == NULL ? "Close"
        : f->spec->back != NULL ? "Back"
                                : "Cancel");
    if (f->scroll_max > 0)
        area_put(a, 0, x + 2, STYLE_DIM, "PgUp/PgDn: more");
}

/* Text that may be longer than its room; the part from the scroll on. */
static void
draw_text(struct form *f, struct area a, const char *text, int rows)
{
    struct canvas tall = { .ascii = a.canvas->ascii };

    f->scroll_max = rows > a.height ? rows - a.height : 0;
    if (f->scroll > f->scroll_max)
        f->scroll = f->scroll_max;
    if (a.width == 0 || rows == 0)
        return;
    canvas_resize(&tall, rows, a.width);
    area_put_wrapped(canvas_area(&tall), 0, 0, STYLE_PLAIN, text);
    for (int y = 0; y < a.height && y + f->scroll < rows; y++)
        memcpy(&a.canvas->cells[(a.y + y) * a.canvas->width + a.x],
            &tall.cells[(y + f->scroll) * a.width],
            (size_t)a.width * sizeof(*tall.cells));
    canvas_release(&tall);
}

void
form_draw(struct form *f, struct area a)
{
    int width = a.width < FORM_WIDTH ? a.width : FORM_WIDTH, inner = width - 4;
    bool ascii = a.canvas->ascii;
    char *wrong = error_text(f), *progress = progress_text(f);
    const char *below = progress[0] != '\0' ? progress : help_of(f);
    int text_rows = rows_of(f->text, inner, ascii);
    int wrong_rows = rows_of(wrong, inner, ascii);
    int below_rows = rows_of(below, inner, ascii);
    int fields = (int)f->count, gap = text_rows > 0, room, height, y = 0;
    struct area in;

    /* Frame, a blank above the buttons, the buttons. */
    room = a.height - 4 - wrong_rows - below_rows - gap;
    if (fields > room)
        fields = room > 1 ? room : 1;
    if (text_rows > room - fields)
        height = a.height;
    else
        height = 4 + wrong_rows + below_rows + gap + fields + text_rows;
    height = height > a.height ? a.height : height;
    in = area_frame(area_part(a, (a.height - height) / 2, (a.width - width) / 2,
                        height, width),
        f->title);
    room = height - 4 - wrong_rows - below_rows - gap - fields;
    draw_text(f, area_part(in, 0, 0, room, in.width), f->text, text_rows);
    y = (room > 0 ? room : 0) + gap;
    draw_fields(f, area_part(in, y, 0, fields, in.width));
    y += fields;
    area_put_wrapped(area_part(in, y, 0, wrong_rows, in.width), 0, 0, STYLE_BAD,
        wrong);
    y += wrong_rows;
    area_put_wrapped(area_part(in, y, 0, below_rows, in.width), 0, 0,
        progress[0] != '\0' ? STYLE_STRONG : STYLE_DIM, below);
    draw_buttons(f, area_part(in, in.height - 1, 0, 1, in.width));
    free(progress);
    free(wrong);
}

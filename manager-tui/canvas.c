/*
 * Cells, and putting text into them.
 */
#include "manager-tui/canvas.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/escape.h"
#include "manager-tui/text.h"

#define SIDE_MAX 10000

static void
cell_blank(struct cell *cell, int style)
{
    cell->text[0] = ' ';
    cell->text[1] = '\0';
    cell->style = (uint8_t)style;
    cell->width = 1;
}

void
canvas_clear(struct canvas *c)
{
    for (int i = 0; i < c->height * c->width; i++)
        cell_blank(&c->cells[i], STYLE_PLAIN);
    c->cursor_y = -1;
}

void
canvas_resize(struct canvas *c, int height, int width)
{
    height = height < 1 ? 1 : height > SIDE_MAX ? SIDE_MAX : height;
    width = width < 1 ? 1 : width > SIDE_MAX ? SIDE_MAX : width;
    if (height != c->height || width != c->width) {
        free(c->cells);
        c->cells =
            alloc_zeroed((size_t)height * (size_t)width, sizeof(*c->cells));
        c->height = height;
        c->width = width;
    }
    canvas_clear(c);
}

void
canvas_release(struct canvas *c)
{
    free(c->cells);
    c->cells = NULL;
    c->height = c->width = 0;
}

struct area
canvas_area(struct canvas *c)
{
    return (struct area){ c, 0, 0, c->height, c->width };
}

void
canvas_print(const struct canvas *c, FILE *out)
{
    int rows = 0;

    for (int i = 0; i < c->height * c->width; i++)
        if (c->cells[i].width > 0 && strcmp(c->cells[i].text, " ") != 0)
            rows = i / c->width + 1;
    for (int y = 0; y < rows; y++) {
        const struct cell *row = &c->cells[(size_t)y * (size_t)c->width];
        int end = c->width;

        while (end > 0 && row[end - 1].width == 1 &&
               strcmp(row[end - 1].text, " ") == 0)
            end--;
        for (int x = 0; x < end; x++)
            if (row[x].width > 0)
                fputs(row[x].text, out);
        fputc('\n', out);
    }
}

struct area
area_part(struct area a, int y, int x, int height, int width)
{
    y = y < 0 ? 0 : y > a.height ? a.height : y;
    x = x < 0 ? 0 : x > a.width ? a.width : x;
    if (height > a.height - y)
        height = a.height - y;
    if (width > a.width - x)
        width = a.width - x;
    return (struct area){ a.canvas, a.y + y, a.x + x, height < 0 ? 0 : height,
        width < 0 ? 0 : width };
}

static wchar_t
code_point(const char *text, size_t len)
{
    static const unsigned char masks[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
    wchar_t point = (unsigned char)text[0] & masks[len];

    for (size_t i = 1; i < len; i++)
        point = (point << 6) | ((unsigned char)text[i] & 0x3f);
    return point;
}

char *
screen_text(const char *text, bool ascii)
{
    size_t size = 4 * strlen(text) + 1, left, len;
    char *escaped = alloc_bytes(size);
    struct buf b = BUF_INIT;

    escape_text(text, strlen(text), escaped, size);
    left = strlen(escaped);
    for (const char *p = escaped; left > 0; p += len, left -= len) {
        len = utf8_char_length(p, left);
        if (len == 1 || (!ascii && wcwidth(code_point(p, len)) >= 0)) {
            buf_put(&b, p, len);
            continue;
        }
        for (size_t i = 0; i < len; i++)
            buf_printf(&b, "\\x%02x", (unsigned char)p[i]);
    }
    free(escaped);
    return (char *)buf_steal(&b, &len);
}

static struct cell *
cell_at(struct area a, int y, int x)
{
    return &a.canvas->cells[(size_t)(a.y + y) * (size_t)a.canvas->width +
                            (size_t)(a.x + x)];
}

/* A wide character of which one half is overwritten loses the other too. */
static void
cell_split(struct area a, int y, int x)
{
    struct cell *row = cell_at((struct area){ a.canvas, a.y, 0, 0, 0 }, y, 0);
    int at = a.x + x;

    if (row[at].width == 0 && at > 0)
        cell_blank(&row[at - 1], row[at - 1].style);
    if (row[at].width == 2 && at + 1 < a.canvas->width)
        cell_blank(&row[at + 1], row[at + 1].style);
}

static void
cell_combine(struct cell *cell, const char *text, size_t len)
{
    size_t used = strlen(cell->text);

    if (used + len < CELL_BYTES) {
        memcpy(cell->text + used, text, len);
        cell->text[used + len] = '\0';
    }
}

/* SAFE is what screen_text gave, or our own. */
static int
put_safe(struct area a, int y, int x, int style, const char *safe)
{
    size_t left = strlen(safe), len;
    int begin = x;
    struct cell *last = NULL;

    if (y < 0 || y >= a.height || x < 0)
        return 0;
    for (; left > 0; safe += len, left -= len) {
        struct cell *cell;
        int width;

        len = utf8_char_length(safe, left);
        width = wcwidth(code_point(safe, len));
        if (width == 0) {
            if (last != NULL)
                cell_combine(last, safe, len);
            continue;
        }
        if (x + width > a.width)
            break;
        cell = cell_at(a, y, x);
        for (int i = 0; i < width; i++)
            cell_split(a, y, x + i);
        memcpy(cell->text, safe, len);
        cell->text[len] = '\0';
        cell->style = (uint8_t)style;
        cell->width = (uint8_t)width;
        if (width == 2) {
            cell_blank(cell + 1, style);
            cell[1].width = 0;
        }
        last = cell;
        x += width;
    }
    return x - begin;
}

int
area_put(struct area a, int y, int x, int style, const char *text)
{
    char *safe = screen_text(text, a.canvas->ascii);
    int columns = put_safe(a, y, x, style, safe);

    free(safe);
    return columns;
}

int
area_putf(struct area a, int y, int x, int style, const char *fmt, ...)
{
    char *text;
    int columns;
    va_list ap;

    va_start(ap, fmt);
    text = alloc_vformat(fmt, ap);
    va_end(ap);
    columns = area_put(a, y, x, style, text);
    free(text);
    return columns;
}

int
area_put_cut(struct area a, int y, int x, int width, int style,
    const char *text)
{
    char *safe;
    int columns;

    if (width > a.width - x)
        width = a.width - x;
    if (width <= 0)
        return 0;
    safe = screen_text(text, a.canvas->ascii);
    if (text_width(safe) > (size_t)width) {
        safe[text_fit(safe, (size_t)width - 1)] = '\0';
        columns = put_safe(a, y, x, style, safe);
        columns += put_safe(a, y, x + columns, style, "~");
    } else {
        columns = put_safe(a, y, x, style, safe);
    }
    free(safe);
    return columns;
}

/* The bytes of TEXT for one row: to a line break, or to the last blank that
 * fits; the whole width of a word that is longer. */
static size_t
wrap_point(const char *text, size_t width)
{
    size_t line = strcspn(text, "\n"), fit = text_fit(text, width), at;

    if (line <= fit)
        return line;
    for (at = fit; at > 0 && text[at] != ' '; at--)
        ;
    if (at > 0)
        return at;
    return fit > 0 ? fit : 1;
}

int
area_put_wrapped(struct area a, int y, int x, int style, const char *text)
{
    int rows = 0, width = a.width - x;

    if (width <= 0)
        return 0;
    while (*text != '\0') {
        size_t len = wrap_point(text, (size_t)width);
        char *line = alloc_copy(text, len);

        area_put(a, y + rows, x, style, line);
        free(line);
        rows++;
        text += len;
        text += *text == '\n' || *text == ' ';
    }
    return rows;
}

void
area_fill(struct area a, int y, int style)
{
    if (y < 0 || y >= a.height)
        return;
    for (int x = 0; x < a.width; x++) {
        cell_split(a, y, x);
        cell_blank(cell_at(a, y, x), style);
    }
}

struct area
area_frame(struct area a, const char *title)
{
    static const char *const wide[] = { "┌", "─", "┐", "│", "└", "┘" };
    static const char *const narrow[] = { "+", "-", "+", "|", "+", "+" };
    const char *const *line = a.canvas->ascii ? narrow : wide;
    int right = a.width - 1, bottom = a.height - 1;

    for (int y = 0; y < a.height; y++)
        area_fill(a, y, STYLE_PLAIN);
    for (int x = 1; x < right; x++) {
        put_safe(a, 0, x, STYLE_DIM, line[1]);
        put_safe(a, bottom, x, STYLE_DIM, line[1]);
    }
    for (int y = 1; y < bottom; y++) {
        put_safe(a, y, 0, STYLE_DIM, line[3]);
        put_safe(a, y, right, STYLE_DIM, line[3]);
    }
    put_safe(a, 0, 0, STYLE_DIM, line[0]);
    put_safe(a, 0, right, STYLE_DIM, line[2]);
    put_safe(a, bottom, 0, STYLE_DIM, line[4]);
    put_safe(a, bottom, right, STYLE_DIM, line[5]);
    if (title != NULL && a.width > 8) {
        int columns = area_put_cut(a, 0, 3, a.width - 6, STYLE_STRONG, title);

        put_safe(a, 0, 2, STYLE_DIM, " ");
        put_safe(a, 0, 3 + columns, STYLE_DIM, " ");
    }
    return area_part(a, 1, 2, a.height - 2, a.width - 4);
}

void
area_cursor(struct area a, int y, int x)
{
    if (y < 0 || y >= a.height || x < 0 || x >= a.width)
        return;
    a.canvas->cursor_y = a.y + y;
    a.canvas->cursor_x = a.x + x;
}

/*
 * Editing one line.
 */
#include "manager-tui/line_edit.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/escape.h"
#include "manager-tui/terminal.h"
#include "manager-tui/text.h"

/* Everything lies in one block of full size, so that no growing leaves a copy
 * of a secret behind. */
void
line_set(struct line_edit *line, const char *text)
{
    size_t len = strlen(text);

    if (line->text == NULL)
        line->text = alloc_zeroed(1, LINE_MAX_BYTES);
    explicit_bzero(line->text, LINE_MAX_BYTES);
    if (len >= LINE_MAX_BYTES)
        len = LINE_MAX_BYTES - 1;
    memcpy(line->text, text, len);
    line->len = line->at = len;
}

void
line_release(struct line_edit *line)
{
    if (line->text != NULL)
        explicit_bzero(line->text, LINE_MAX_BYTES);
    free(line->text);
    *line = (struct line_edit){ .secret = line->secret };
}

static size_t
encode(int point, char out[4])
{
    if (point < 0x80) {
        out[0] = (char)point;
        return 1;
    }
    if (point < 0x800) {
        out[0] = (char)(0xc0 | point >> 6);
        out[1] = (char)(0x80 | (point & 0x3f));
        return 2;
    }
    if (point < 0x10000) {
        out[0] = (char)(0xe0 | point >> 12);
        out[1] = (char)(0x80 | (point >> 6 & 0x3f));
        out[2] = (char)(0x80 | (point & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | point >> 18);
    out[1] = (char)(0x80 | (point >> 12 & 0x3f));
    out[2] = (char)(0x80 | (point >> 6 & 0x3f));
    out[3] = (char)(0x80 | (point & 0x3f));
    return 4;
}

static void
insert(struct line_edit *line, int point)
{
    char bytes[4];
    size_t len = encode(point, bytes);

    if (line->len + len >= LINE_MAX_BYTES ||
        utf8_char_length(bytes, len) != len)
        return;
    memmove(line->text + line->at + len, line->text + line->at,
        line->len - line->at + 1);
    memcpy(line->text + line->at, bytes, len);
    line->len += len;
    line->at += len;
}

static size_t
before(const struct line_edit *line)
{
    size_t at = line->at;

    while (at > 0 && (line->text[--at] & 0xc0) == 0x80)
        ;
    return at;
}

static size_t
after(const struct line_edit *line)
{
    size_t at = line->at;

    if (at < line->len)
        at++;
    while (at < line->len && (line->text[at] & 0xc0) == 0x80)
        at++;
    return at;
}

static void
cut(struct line_edit *line, size_t from, size_t to)
{
    memmove(line->text + from, line->text + to, line->len - to + 1);
    line->len -= to - from;
    line->at = from;
}

bool
line_press(struct line_edit *line, int press)
{
    if (press == PRESS_LEFT)
        line->at = before(line);
    else if (press == PRESS_RIGHT)
        line->at = after(line);
    else if (press == PRESS_HOME || press == PRESS_CTRL('a'))
        line->at = 0;
    else if (press == PRESS_END || press == PRESS_CTRL('e'))
        line->at = line->len;
    else if (press == PRESS_BACKSPACE)
        cut(line, before(line), line->at);
    else if (press == PRESS_DELETE)
        cut(line, line->at, after(line));
    else if (press == PRESS_CTRL('u'))
        cut(line, 0, line->at);
    else if (press >= 32 && press < PRESS_BASE)
        insert(line, press);
    else
        return false;
    return true;
}

/* A secret is shown as stars, of which there are as many as characters. */
static char *
shown(const struct line_edit *line, size_t *at)
{
    size_t stars = 0, before_cursor = 0;
    char *text;

    *at = line->at;
    if (!line->secret)
        return alloc_string(line->text);
    for (size_t i = 0; i < line->len; i++)
        if ((line->text[i] & 0xc0) != 0x80) {
            stars++;
            before_cursor += i < line->at;
        }
    text = alloc_zeroed(1, stars + 1);
    memset(text, '*', stars);
    *at = before_cursor;
    return text;
}

void
line_draw(const struct line_edit *line, struct area a, int y, int x, int width,
    bool active)
{
    struct area field = area_part(a, y, x, 1, width);
    size_t at, skip = 0;
    char *text = shown(line, &at), *left, *safe;
    int column;

    area_fill(field, 0, STYLE_FIELD);
    /* The cursor stays inside: what is left of the window is passed over. */
    for (;;) {
        left = alloc_copy(text + skip, at - skip);
        safe = screen_text(left, a.canvas->ascii);
        column = (int)text_width(safe);
        free(safe);
        free(left);
        if (column < field.width || skip >= at)
            break;
        skip += utf8_char_length(text + skip, at - skip);
    }
    area_put(field, 0, 0, STYLE_FIELD, text + skip);
    if (active)
        area_cursor(field, 0, column);
    free(text);
}

/*
 * Members of JSON as cells, and the parts of a result one after the other.  How
 * cells become tables and lists of fields is table.c.
 */
#include "manager-tui/view.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/escape.h"
#include "manager-tui/text.h"

#define DEFAULT_WIDTH 80
#define COLUMNS_LIMIT 10000
#define CELL_MAX 4096

size_t
view_width(void)
{
    const char *columns = getenv("COLUMNS");
    struct winsize size;
    long wanted;

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    wanted = columns != NULL ? strtol(columns, NULL, 10) : 0;
    if (wanted > 0 && wanted <= COLUMNS_LIMIT)
        return (size_t)wanted;
    return isatty(STDOUT_FILENO) ? DEFAULT_WIDTH : VIEW_UNLIMITED;
}

const json_t *
view_member(const json_t *object, const char *path)
{
    while (object != NULL && *path != '\0') {
        size_t len = strcspn(path, ".");
        char name[64];

        if (len >= sizeof(name))
            return NULL;
        memcpy(name, path, len);
        name[len] = '\0';
        object = json_object_get(object, name);
        path += len + (path[len] == '.');
    }
    return json_is_null(object) ? NULL : object;
}

static char *
escaped(const char *text)
{
    char shown[CELL_MAX];

    escape_text(text, strlen(text), shown, sizeof(shown));
    return alloc_string(shown);
}

static char *
cell_text(const json_t *value)
{
    if (json_is_string(value))
        return escaped(json_string_value(value));
    if (json_is_integer(value))
        return alloc_format("%lld", (long long)json_integer_value(value));
    if (json_is_real(value))
        return alloc_format("%.3g", json_real_value(value));
    if (json_is_boolean(value))
        return alloc_string(json_is_true(value) ? "yes" : "no");
    return alloc_string("-");
}

static char *
cell_age(const json_t *value)
{
    struct err ignored = ERR_INIT;
    int64_t utc_ms = 0;
    char out[32];

    if (!json_is_string(value) ||
        clock_parse(json_string_value(value), &utc_ms, &ignored) != 0)
        return cell_text(value);
    text_age(utc_ms, clock_utc_ms(), out);
    return alloc_string(out);
}

static char *
cell_bytes(const json_t *value)
{
    char out[32];

    if (!json_is_integer(value))
        return cell_text(value);
    text_bytes(json_integer_value(value), out);
    return alloc_string(out);
}

static char *
cell_ms(const json_t *value)
{
    char out[32];

    if (!json_is_integer(value))
        return cell_text(value);
    text_duration(json_integer_value(value), out);
    return alloc_string(out);
}

static char *
cell_seconds(const json_t *value)
{
    char out[32];

    if (!json_is_integer(value))
        return cell_text(value);
    text_duration(json_integer_value(value) * 1000, out);
    return alloc_string(out);
}

static char *
cell_list(const json_t *value)
{
    struct buf b = BUF_INIT;
    size_t len;

    for (size_t i = 0; i < json_array_size(value); i++) {
        char *item = cell_text(json_array_get(value, i));

        buf_printf(&b, "%s%s", i > 0 ? ", " : "", item);
        free(item);
    }
    if (b.len == 0)
        buf_put(&b, "-", 1);
    return (char *)buf_steal(&b, &len);
}

static char *
cell_enforcers(const json_t *value)
{
    char *list, *text;

    if (json_array_size(value) == 0)
        return alloc_string("not enforced here");
    list = cell_list(value);
    text = alloc_format("enforced by %s", list);
    free(list);
    return text;
}

static char *
cell_count(const json_t *value)
{
    if (!json_is_array(value))
        return cell_text(value);
    return alloc_format("%zu", json_array_size(value));
}

char *
view_cell(const json_t *object, const struct column *column)
{
    static char *(*const kinds[])(const json_t *) = {
        [COLUMN_TEXT] = cell_text,
        [COLUMN_AGE] = cell_age,
        [COLUMN_TIME] = cell_text,
        [COLUMN_YES_NO] = cell_text,
        [COLUMN_BYTES] = cell_bytes,
        [COLUMN_MS] = cell_ms,
        [COLUMN_SECONDS] = cell_seconds,
        [COLUMN_LIST] = cell_list,
        [COLUMN_ENFORCERS] = cell_enforcers,
        [COLUMN_COUNT] = cell_count,
    };
    const json_t *value = view_member(object, column->member);

    return value != NULL ? kinds[column->kind](value) : alloc_string("-");
}

static bool
has_fields(const json_t *object, const struct column *columns)
{
    for (; columns->title != NULL; columns++)
        if (view_member(object, columns->member) != NULL)
            return true;
    return false;
}

void
view_print(FILE *out, const json_t *result, const struct view *views,
    size_t width)
{
    for (bool first = true; views->member != NULL; views++) {
        const json_t *part = view_member(result, views->member);
        bool empty = views->list && json_array_size(part) == 0;

        if (part == NULL || (empty && views->empty == NULL) ||
            (!views->list && !has_fields(part, views->columns)))
            continue;
        if (!first)
            fputc('\n', out);
        first = false;
        if (empty)
            fprintf(out, "%s\n", views->empty);
        else if (views->list)
            view_table(out, part, views->columns, width);
        else
            view_fields(out, part, views->columns, width);
    }
}

/*
 * Words for numbers and times.
 */
#include "manager-tui/text.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>
#include <wchar.h>

#include "base/escape.h"

#define DISTANCE_MAX 32
#define WRAP_LEAST 20 /* columns; in fewer nothing is broken */

static const struct unit {
    int64_t size;
    const char *name;
} time_units[] = {
    { (int64_t)86400 * 1000, "d" },
    { (int64_t)3600 * 1000, "h" },
    { (int64_t)60 * 1000, "min" },
    { 1000, "s" },
};

/* The largest unit of which there are two or more, so that 90 s stay 90 s. */
void
text_duration(int64_t ms, char out[32])
{
    for (size_t i = 0; i < sizeof(time_units) / sizeof(time_units[0]); i++) {
        const struct unit *unit = &time_units[i];
        bool exact = ms >= unit->size && ms % unit->size == 0;

        if (ms >= 2 * unit->size || exact) {
            snprintf(out, 32, "%" PRId64 " %s", ms / unit->size, unit->name);
            return;
        }
    }
    snprintf(out, 32, "%" PRId64 " ms", ms);
}

void
text_age(int64_t utc_ms, int64_t now_ms, char out[32])
{
    int64_t age_ms = now_ms - utc_ms;
    int64_t rounded = (age_ms < 0 ? -age_ms : age_ms) / 1000 * 1000;
    char duration[32];

    if (rounded == 0) {
        snprintf(out, 32, "now");
        return;
    }
    /* Past two minutes nobody counts seconds. */
    if (rounded >= 120000)
        rounded = rounded / 60000 * 60000;
    if (rounded >= (int64_t)2 * 3600 * 1000)
        rounded = rounded / 3600000 * 3600000;
    text_duration(rounded, duration);
    if (age_ms < 0)
        snprintf(out, 32, "in %.24s", duration);
    else
        snprintf(out, 32, "%.24s ago", duration);
}

void
text_bytes(int64_t bytes, char out[32])
{
    static const char *const units[] = { "B", "kB", "MB", "GB", "TB", "PB" };
    double value = (double)bytes;
    size_t unit = 0;

    while (value >= 999.95 && unit + 1 < sizeof(units) / sizeof(units[0])) {
        value /= 1000;
        unit++;
    }
    if (unit == 0)
        snprintf(out, 32, "%" PRId64 " B", bytes);
    else
        snprintf(out, 32, "%.1f %s", value, units[unit]);
}

/* Columns of the character of LEN bytes at TEXT. */
static size_t
character_width(const char *text, size_t len)
{
    static const unsigned char masks[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
    wchar_t point = (unsigned char)text[0] & masks[len];
    int width;

    for (size_t i = 1; i < len; i++)
        point = (point << 6) | ((unsigned char)text[i] & 0x3f);
    width = wcwidth(point);
    return width < 0 ? 1 : (size_t)width;
}

/* Goes on while the columns are at most WIDTH. */
static size_t
measure(const char *text, size_t width, size_t *columns)
{
    size_t left = strlen(text), used = 0, total = 0;

    while (left > 0) {
        size_t len = utf8_char_length(text + used, left);
        size_t add;

        if (len == 0)
            len = 1;
        add = character_width(text + used, len);
        if (total + add > width)
            break;
        total += add;
        used += len;
        left -= len;
    }
    *columns = total;
    return used;
}

size_t
text_width(const char *text)
{
    size_t columns;

    measure(text, SIZE_MAX / 2, &columns);
    return columns;
}

size_t
text_fit(const char *text, size_t width)
{
    size_t columns;

    return measure(text, width, &columns);
}

size_t
text_line(const char *text, size_t width)
{
    size_t fits = text_fit(text, width), end = fits;

    if (text[fits] == '\0')
        return fits;
    while (end > 0 && text[end] != ' ')
        end--;
    while (end > 0 && text[end - 1] == ' ')
        end--;
    /* Nothing is gained by breaking what is copied as one. */
    return end > 0 ? end : strcspn(text, " ");
}

void
text_wrap(FILE *out, const char *text, size_t indent, size_t width)
{
    size_t room = width > indent + WRAP_LEAST ? width - indent : SIZE_MAX / 2;

    for (;;) {
        size_t len = text_line(text, room);

        fprintf(out, "%.*s\n", (int)len, text);
        text += len;
        text += strspn(text, " ");
        if (*text == '\0')
            return;
        fprintf(out, "%*s", (int)indent, "");
    }
}

static size_t
least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Levenshtein's, one row at a time. */
size_t
text_distance(const char *a, const char *b)
{
    size_t row[DISTANCE_MAX + 1];
    size_t len = strlen(b);

    if (strlen(a) > DISTANCE_MAX || len > DISTANCE_MAX)
        return DISTANCE_MAX;
    for (size_t j = 0; j <= len; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1] != '\0'; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= len; j++) {
            size_t change = diagonal + (a[i - 1] != b[j - 1]);

            diagonal = row[j];
            row[j] = least(change, least(row[j], row[j - 1]) + 1);
        }
    }
    return row[len];
}

/*
 * Halving over bytes, then lines one after the other.
 */
#include "daemon/events_after.h"

#include <string.h>
#include <unistd.h>

#include "base/buf.h"

#define BLOCK ((size_t)64 * 1024)
#define LINE_LIMIT ((size_t)256 * 1024)

/* The number of a line; 0 for one that has none. */
static uint64_t
line_seq(const char *line, size_t len, json_t **event)
{
    *event = json_loadb(line, len, 0, NULL);
    return (uint64_t)json_integer_value(json_object_get(*event, "seq"));
}

/* The number of the first line that begins after AT, and where it begins; 0 for
 * none within a block. */
static uint64_t
next_line(int fd, uint64_t size, uint64_t at, uint64_t *begins)
{
    char block[8192];
    size_t want =
        size - at < sizeof(block) ? (size_t)(size - at) : sizeof(block);
    ssize_t got = pread(fd, block, want, (off_t)at);
    char *line, *end;
    json_t *event;
    uint64_t seq;

    if (got <= 0 || (line = memchr(block, '\n', (size_t)got)) == NULL)
        return 0;
    line++;
    end = memchr(line, '\n', (size_t)(block + got - line));
    if (end == NULL)
        return 0;
    *begins = at + (uint64_t)(line - block);
    seq = line_seq(line, (size_t)(end - line), &event);
    json_decref(event);
    return seq;
}

/* A line start at or before the first line above AFTER. */
static uint64_t
find_start(int fd, uint64_t size, uint64_t after)
{
    uint64_t low = 0, high = size;

    while (high - low > BLOCK) {
        uint64_t middle = low + (high - low) / 2, begins = 0;
        uint64_t seq = next_line(fd, size, middle, &begins);

        if (seq != 0 && seq <= after && begins < high)
            low = begins;
        else
            high = middle;
    }
    return low;
}

/* Takes whole lines off TEXT. */
static void
take_lines(struct buf *text, uint64_t after, size_t max, json_t *list)
{
    const char *line, *end;

    while (json_array_size(list) < max && text->len > 0 &&
           (end = memchr(text->data, '\n', text->len)) != NULL) {
        json_t *event;

        line = (const char *)text->data;
        if (line_seq(line, (size_t)(end - line), &event) > after)
            json_array_append(list, event);
        json_decref(event);
        buf_consume(text, (size_t)(end - line) + 1);
    }
}

void
events_file_after(int fd, uint64_t size, uint64_t after, size_t max,
    json_t *list)
{
    uint64_t at = find_start(fd, size, after);
    struct buf text = BUF_INIT;

    while (at < size && json_array_size(list) < max && text.len < LINE_LIMIT) {
        size_t want = size - at < BLOCK ? (size_t)(size - at) : BLOCK;
        ssize_t got = pread(fd, buf_reserve(&text, want), want, (off_t)at);

        if (got <= 0)
            break;
        text.len += (size_t)got;
        at += (uint64_t)got;
        take_lines(&text, after, max, list);
    }
    buf_release(&text);
}

/*
 * Blocks are read backwards; the beginning of a block that may be the end of a
 * line is kept for the block before it.
 */
#include "daemon/events_tail.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"

#define BLOCK ((size_t)64 * 1024)
#define LINE_LIMIT ((size_t)256 * 1024)

uint64_t
events_tail_size(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 ? (uint64_t)st.st_size : 0;
}

uint64_t
events_tail_whole(int fd, uint64_t size)
{
    char block[4096];

    while (size > 0) {
        size_t n = size < sizeof(block) ? (size_t)size : sizeof(block);
        uint64_t start = size - n;
        const char *newline;

        if (pread(fd, block, n, (off_t)start) != (ssize_t)n)
            return size;
        newline = memrchr(block, '\n', n);
        if (newline != NULL)
            return start + (uint64_t)(newline - block) + 1;
        size = start;
    }
    return 0;
}

static bool
give_line(const char *line, size_t len, bool (*fn)(void *ctx, json_t *event),
    void *ctx)
{
    json_t *event;
    bool more;

    if (len == 0)
        return true;
    event = json_loadb(line, len, 0, NULL);
    if (!json_is_object(event)) {
        json_decref(event);
        return true;
    }
    more = fn(ctx, event);
    json_decref(event);
    return more;
}

/* Puts the LEN bytes before START in front of TAIL. */
static bool
prepend(int fd, uint64_t start, size_t len, struct buf *tail)
{
    struct buf joined = BUF_INIT;
    uint8_t *block = buf_reserve(&joined, len + tail->len);

    if (pread(fd, block, len, (off_t)start) != (ssize_t)len) {
        buf_release(&joined);
        return false;
    }
    joined.len = len;
    buf_put(&joined, tail->data, tail->len);
    buf_release(tail);
    *tail = joined;
    return true;
}

bool
events_tail_walk(int fd, uint64_t size, bool (*fn)(void *ctx, json_t *event),
    void *ctx)
{
    struct buf tail = BUF_INIT;
    uint64_t start = size;
    bool more = true;

    while (more && (start > 0 || tail.len > 0)) {
        size_t n = start < BLOCK ? (size_t)start : BLOCK;
        const char *newline;

        start -= n;
        if (!prepend(fd, start, n, &tail))
            break;
        while (more) {
            const char *text = (const char *)tail.data;

            newline = memrchr(text, '\n', tail.len);
            if (newline == NULL)
                break;
            n = (size_t)(newline - text);
            more = give_line(newline + 1, tail.len - n - 1, fn, ctx);
            tail.len = n;
        }
        if (more && start == 0) {
            more = give_line((const char *)tail.data, tail.len, fn, ctx);
            tail.len = 0;
        }
        if (tail.len > LINE_LIMIT)
            break;
    }
    buf_release(&tail);
    return more;
}

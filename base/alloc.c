/*
 * Allocation wrappers that abort.  They write the last message with write(2),
 * since nothing that allocates can be trusted at that moment.
 */
#include "base/alloc.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static _Noreturn void
die_out_of_memory(void)
{
    static const char text[] = "out of memory\n";
    ssize_t n = write(STDERR_FILENO, text, sizeof(text) - 1);

    (void)n; /* nothing is left to be done about it */
    abort();
}

void *
alloc_bytes(size_t size)
{
    void *p = malloc(size > 0 ? size : 1);

    if (p == NULL)
        die_out_of_memory();
    return p;
}

void *
alloc_zeroed(size_t count, size_t size)
{
    void *p;

    if (count == 0 || size == 0)
        count = size = 1;
    p = calloc(count, size);
    if (p == NULL)
        die_out_of_memory();
    return p;
}

void *
alloc_resize(void *p, size_t count, size_t size)
{
    size_t total;

    if (__builtin_mul_overflow(count, size, &total))
        die_out_of_memory();
    p = realloc(p, total > 0 ? total : 1);
    if (p == NULL)
        die_out_of_memory();
    return p;
}

char *
alloc_string(const char *s)
{
    return s == NULL ? NULL : alloc_copy(s, strlen(s));
}

void *
alloc_copy(const void *data, size_t len)
{
    char *copy;

    if (len == SIZE_MAX)
        die_out_of_memory();
    copy = alloc_bytes(len + 1);
    if (len > 0)
        memcpy(copy, data, len);
    copy[len] = '\0';
    return copy;
}

char *
alloc_vformat(const char *fmt, va_list ap)
{
    char *text;

    if (vasprintf(&text, fmt, ap) < 0)
        die_out_of_memory();
    return text;
}

char *
alloc_format(const char *fmt, ...)
{
    char *text;
    va_list ap;

    va_start(ap, fmt);
    text = alloc_vformat(fmt, ap);
    va_end(ap);
    return text;
}

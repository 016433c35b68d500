/*
 * Allocation that cannot fail: every wrapper aborts when memory is exhausted,
 * so callers need no error path.  Sizes that come from outside must have been
 * bounded before they reach these functions.
 */
#ifndef BASE_ALLOC_H
#define BASE_ALLOC_H

#include <stdarg.h>
#include <stddef.h>

/* Returns SIZE bytes, uninitialised.  The caller frees with free(). */
void *alloc_bytes(size_t size);
/* Returns COUNT * SIZE zeroed bytes; aborts on overflow. */
void *alloc_zeroed(size_t count, size_t size);
/* Resizes P (which may be NULL) to COUNT * SIZE bytes. */
void *alloc_resize(void *p, size_t count, size_t size);
/* Copies S, which may be NULL (the result is NULL then). */
char *alloc_string(const char *s);
/* Copies LEN bytes of DATA and appends a NUL that is not counted. */
void *alloc_copy(const void *data, size_t len);
/* Formats into a fresh string. */
char *alloc_format(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
char *alloc_vformat(const char *fmt, va_list ap)
    __attribute__((format(printf, 1, 0)));

#endif

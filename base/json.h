/*
 * jansson with our errors: typed members that are required or have a default,
 * and results that are one line of text.
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Reads one object; ERR_INVALID names the place of a syntax error.  Duplicate
 * keys and NUL in strings are refused.  The caller decrefs. */
int json_read_object(const char *text, size_t len, json_t **object,
    struct err *e);
/* Compact, one line, without newline; fresh string, caller frees. */
char *json_write(const json_t *value);

/* Members.  A missing or null member leaves *OUT as it is and returns 0 unless
 * REQUIRED; another type is ERR_INVALID naming the member.  Strings are
 * borrowed from OBJECT. */
int json_member_string(const json_t *object, const char *name, bool required,
    const char **out, struct err *e);
int json_member_int(const json_t *object, const char *name, bool required,
    int64_t *out, struct err *e);
int json_member_bool(const json_t *object, const char *name, bool required,
    bool *out, struct err *e);
/* Borrowed; array or object as the caller checks. */
const json_t *json_member(const json_t *object, const char *name);
/* Every member's name must be in NAMES (NULL-terminated), else ERR_INVALID. */
int json_only_members(const json_t *object, const char *const *names,
    struct err *e);

/* New references. */
json_t *json_time(int64_t utc_ms); /* RFC 3339 text, null for 0 */
json_t *json_hex(const void *data, size_t len);
/* Null for NULL; bytes that are not UTF-8 are replaced. */
json_t *json_text(const char *s);
json_t *json_error(const struct err *e); /* {"code","message","hint"} */
/* The reverse of json_error. */
void json_error_read(const json_t *object, struct err *e);

#endif

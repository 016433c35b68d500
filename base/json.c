/*
 * jansson with our errors.
 */
#include "base/json.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/escape.h"
#include "base/hash.h"

int
json_read_object(const char *text, size_t len, json_t **object, struct err *e)
{
    json_error_t fault;
    json_t *value;

    *object = NULL;
    value = json_loadb(text, len, JSON_REJECT_DUPLICATES, &fault);
    if (value == NULL)
        return err_set(e, ERR_INVALID, "invalid JSON at line %d, column %d: %s",
            fault.line, fault.column, fault.text);
    if (!json_is_object(value)) {
        json_decref(value);
        return err_set(e, ERR_INVALID, "invalid JSON: an object is expected");
    }
    *object = value;
    return 0;
}

char *
json_write(const json_t *value)
{
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);

    if (text == NULL)
        abort(); /* out of memory, or a value that contains itself */
    return text;
}

const json_t *
json_member(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);

    return json_is_null(value) ? NULL : value;
}

/* The member if it is there and of type WANTED (or, for booleans, either of
 * the two); *VALUE is NULL when it is missing and may be. */
static int
find_member(const json_t *object, const char *name, bool required,
    json_type wanted, const json_t **value, struct err *e)
{
    static const char *const type_names[] = {
        [JSON_OBJECT] = "an object",
        [JSON_ARRAY] = "an array",
        [JSON_STRING] = "a string",
        [JSON_INTEGER] = "an integer",
        [JSON_REAL] = "a number",
        [JSON_TRUE] = "true or false",
        [JSON_FALSE] = "true or false",
    };
    json_type type;

    *value = json_member(object, name);
    if (*value == NULL) {
        if (!required)
            return 0;
        return err_set(e, ERR_INVALID, "member \"%s\" is missing", name);
    }
    type = json_typeof(*value);
    if (type == JSON_FALSE)
        type = JSON_TRUE;
    if (type != wanted)
        return err_set(e, ERR_INVALID, "member \"%s\" must be %s", name,
            type_names[wanted]);
    return 0;
}

int
json_member_string(const json_t *object, const char *name, bool required,
    const char **out, struct err *e)
{
    const json_t *value;

    if (find_member(object, name, required, JSON_STRING, &value, e) != 0)
        return -1;
    if (value != NULL)
        *out = json_string_value(value);
    return 0;
}

int
json_member_int(const json_t *object, const char *name, bool required,
    int64_t *out, struct err *e)
{
    const json_t *value;

    if (find_member(object, name, required, JSON_INTEGER, &value, e) != 0)
        return -1;
    if (value != NULL)
        *out = json_integer_value(value);
    return 0;
}

int
json_member_bool(const json_t *object, const char *name, bool required,
    bool *out, struct err *e)
{
    const json_t *value;

    if (find_member(object, name, required, JSON_TRUE, &value, e) != 0)
        return -1;
    if (value != NULL)
        *out = json_is_true(value);
    return 0;
}

static bool
name_is_listed(const char *name, const char *const *names)
{
    for (; *names != NULL; names++)
        if (strcmp(*names, name) == 0)
            return true;
    return false;
}

int
json_only_members(const json_t *object, const char *const *names, struct err *e)
{
    const char *name;
    json_t *value;

    /* jansson's iteration macro wants a mutable object and changes nothing. */
    json_object_foreach ((json_t *)object, name, value)
        if (!name_is_listed(name, names))
            return err_set(e, ERR_INVALID, "unknown member \"%.64s\"", name);
    return 0;
}

/* No constructor of jansson's fails but for memory, once text is valid. */
static json_t *
must(json_t *value)
{
    if (value == NULL)
        abort();
    return value;
}

json_t *
json_text(const char *s)
{
    static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */
    struct buf clean = BUF_INIT;
    size_t len;
    json_t *value;

    if (s == NULL)
        return must(json_null());
    len = strlen(s);
    while (len > 0) {
        size_t n = utf8_char_length(s, len);

        if (n > 0)
            buf_put(&clean, s, n);
        else
            buf_put(&clean, replacement, 3);
        s += n > 0 ? n : 1;
        len -= n > 0 ? n : 1;
    }
    buf_reserve(&clean, 0);
    value = must(json_stringn((const char *)clean.data, clean.len));
    buf_release(&clean);
    return value;
}

json_t *
json_time(int64_t utc_ms)
{
    char text[CLOCK_TEXT_SIZE];

    if (utc_ms == 0)
        return must(json_null());
    clock_format(utc_ms, text);
    return json_text(text);
}

json_t *
json_hex(const void *data, size_t len)
{
    char *text = alloc_bytes(2 * len + 1);
    json_t *value;

    hex_encode(data, len, text);
    value = json_text(text);
    free(text);
    return value;
}

json_t *
json_error(const struct err *e)
{
    return must(json_pack("{s:s, s:o, s:o}", "code", err_code_name(e->code),
        "message", json_text(e->message), "hint",
        json_text(e->hint[0] != '\0' ? e->hint : NULL)));
}

void
json_error_read(const json_t *object, struct err *e)
{
    struct err ignored = ERR_INIT;
    const char *code = "INTERNAL";
    const char *message = "no reason given";
    const char *hint = "";
    enum err_code value;

    /* A member of another type keeps its default: a peer's broken error is
     * still an error. */
    (void)json_member_string(object, "code", false, &code, &ignored);
    (void)json_member_string(object, "message", false, &message, &ignored);
    (void)json_member_string(object, "hint", false, &hint, &ignored);
    value = err_code_parse(code);
    err_set(e, value != ERR_NONE ? value : ERR_INTERNAL, "%s", message);
    err_hint(e, "%s", hint);
}

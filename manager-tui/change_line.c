/*
 * A changed row as a line of text, and what a list of them came to.
 */
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "manager-tui/changes.h"

static void
put_escaped(struct buf *out, const char *text)
{
    size_t len = strlen(text);
    size_t size = len * 4 + 1;

    buf_reserve(out, size);
    escape_text(text, len, (char *)out->data + out->len, size);
    out->len += strlen((char *)out->data + out->len);
}

/* 'text' as SQL writes it, so that its end can be seen. */
static void
put_quoted(struct buf *out, const char *text)
{
    struct buf plain = BUF_INIT;

    put_escaped(&plain, text);
    buf_put_u8(out, '\'');
    for (size_t i = 0; i < plain.len; i++) {
        if (plain.data[i] == '\'')
            buf_put_u8(out, '\'');
        buf_put_u8(out, plain.data[i]);
    }
    buf_put_u8(out, '\'');
    buf_release(&plain);
}

static bool
is_secret(const json_t *value)
{
    return json_is_true(json_object_get(value, "secret"));
}

static void
put_object(struct buf *out, const json_t *value)
{
    const char *text = json_string_value(json_object_get(value, "text"));
    const char *blob = json_string_value(json_object_get(value, "blob"));
    const char *real = json_string_value(json_object_get(value, "real"));
    json_int_t bytes = json_integer_value(json_object_get(value, "bytes"));

    if (is_secret(value)) {
        buf_printf(out, "(secret)");
    } else if (text != NULL) {
        put_quoted(out, text);
        buf_printf(out, "... (%lld bytes)", (long long)bytes);
    } else if (blob != NULL) {
        buf_printf(out, "x'");
        put_escaped(out, blob);
        buf_printf(out, "'%s (%lld bytes)",
            (json_int_t)strlen(blob) / 2 < bytes ? "..." : "",
            (long long)bytes);
    } else if (real != NULL) {
        put_escaped(out, real);
    } else {
        buf_printf(out, "?");
    }
}

static void
put_value(struct buf *out, const json_t *value)
{
    if (json_is_string(value))
        put_quoted(out, json_string_value(value));
    else if (json_is_integer(value))
        buf_printf(out, "%lld", (long long)json_integer_value(value));
    else if (json_is_real(value))
        buf_printf(out, "%.17g", json_real_value(value));
    else if (json_is_object(value))
        put_object(out, value);
    else
        buf_printf(out, "NULL");
}

static void
put_key(struct buf *out, const json_t *key)
{
    const char *name;
    const json_t *value;
    bool first = true;

    json_object_foreach ((json_t *)(uintptr_t)key, name, value) {
        buf_printf(out, "%s", first ? " " : ",");
        put_escaped(out, name);
        buf_printf(out, "=");
        put_value(out, value);
        first = false;
    }
}

/* "home: '/a' -> '/b'", or "home='/b'" where there is one side only. */
static void
put_column(struct buf *out, const char *name, const json_t *column)
{
    const json_t *old = json_object_get(column, "old");
    const json_t *new = json_object_get(column, "new");

    put_escaped(out, name);
    if (old == NULL || new == NULL) {
        buf_printf(out, "=");
        put_value(out, old != NULL ? old : new);
    } else if (is_secret(old) && is_secret(new)) {
        buf_printf(out, ": (secret, changed)");
    } else {
        buf_printf(out, ": ");
        put_value(out, old);
        buf_printf(out, " -> ");
        put_value(out, new);
    }
}

static const char *
text_member(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text != NULL ? text : "";
}

void
change_line(const json_t *row, struct buf *out)
{
    const char *schema = json_string_value(json_object_get(row, "schema"));
    json_t *columns = json_object_get(row, "columns");
    json_int_t more = json_integer_value(json_object_get(row, "more_columns"));
    const char *name;
    const json_t *column;
    bool first = true;

    put_escaped(out, text_member(row, "op"));
    if (schema != NULL) {
        buf_printf(out, " schema ");
        put_escaped(out, schema);
        buf_printf(out, "\n");
        return;
    }
    buf_printf(out, " ");
    put_escaped(out, text_member(row, "table"));
    put_key(out, json_object_get(row, "key"));
    if (json_is_true(json_object_get(row, "drifted")))
        buf_printf(out, "  (drifted there)");
    if (json_is_true(json_object_get(row, "large")))
        buf_printf(out, "  (too large to be shown)");
    if (json_is_true(json_object_get(row, "unnamed")))
        buf_printf(out, "  (the names of its columns are not known any more)");
    json_object_foreach (columns, name, column) {
        buf_printf(out, "%s", first ? "  " : ", ");
        put_column(out, name, column);
        first = false;
    }
    if (more > 0)
        buf_printf(out, ", and %lld more columns", (long long)more);
    buf_printf(out, "\n");
}

static long long
number(const json_t *summary, const char *name)
{
    return json_integer_value(json_object_get(summary, name));
}

static void
put_counts(struct buf *out, const json_t *s)
{
    long long statements = number(s, "statements");
    long long drifted = number(s, "drifted");

    buf_printf(out, "%lld added, %lld changed, %lld removed",
        number(s, "added"), number(s, "changed"), number(s, "removed"));
    if (drifted > 0)
        buf_printf(out, ", %lld drifted", drifted);
    if (statements > 0)
        buf_printf(out, ", %lld of the schema", statements);
    if (number(s, "more") > 0)
        buf_printf(out, "; not shown: %lld", number(s, "more"));
}

static bool
is_nothing(const json_t *s)
{
    return number(s, "added") + number(s, "changed") + number(s, "removed") +
               number(s, "drifted") + number(s, "statements") ==
           0;
}

/* What a revision was: when, who, how it was found. */
static void
put_revision(struct buf *out, const json_t *s)
{
    const char *who = text_member(s, "who");
    const char *reason = text_member(s, "reason");

    buf_printf(out, " revision %lld, ", number(s, "revision"));
    put_escaped(out, text_member(s, "time"));
    buf_printf(out, ", by ");
    put_escaped(out, who[0] != '\0' ? who : "somebody unknown");
    buf_printf(out, ", found by ");
    put_escaped(out, text_member(s, "found"));
    if (reason[0] != '\0') {
        buf_printf(out, " (");
        put_escaped(out, reason);
        buf_printf(out, ")");
    }
    buf_printf(out, ": ");
    if (json_is_true(json_object_get(s, "whole")))
        buf_printf(out, "%lld rows, not kept one by one",
            number(s, "row_count"));
    else
        put_counts(out, s);
    buf_printf(out, "\n");
}

void
change_summary(const json_t *s, struct buf *out)
{
    const char *server = text_member(s, "server");
    const char *held = text_member(s, "held");

    put_escaped(out, text_member(s, "dataset"));
    if (json_object_get(s, "revision") != NULL) {
        put_revision(out, s);
        return;
    }
    if (server[0] != '\0') {
        buf_printf(out, " to ");
        put_escaped(out, server);
    }
    if (json_is_true(json_object_get(s, "whole"))) {
        buf_printf(out, ": everything would be sent (overwrite): ");
        put_escaped(out, text_member(s, "why"));
        if (number(s, "total") > 0)
            buf_printf(out, ": %lld rows", number(s, "total"));
        if (!is_nothing(s)) {
            buf_printf(out, ": ");
            put_counts(out, s);
        }
    } else if (is_nothing(s)) {
        buf_printf(out, ": nothing would be sent");
    } else {
        buf_printf(out, ", revision %lld to %lld: ", number(s, "from_revision"),
            number(s, "to_revision"));
        put_counts(out, s);
    }
    buf_printf(out, "\n");
    if (text_member(s, "as_of")[0] != '\0') {
        buf_printf(out, "(it was not heard from since this node's start: as of "
                        "when it was synchronized last, ");
        put_escaped(out, text_member(s, "as_of"));
        buf_printf(out, ")\n");
    }
    if (held[0] != '\0') {
        buf_printf(out, "(held: ");
        put_escaped(out, held);
        buf_printf(out, ")\n");
    }
}

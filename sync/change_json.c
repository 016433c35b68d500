/*
 * Changed rows as JSON, with what is secret left out.
 */
#include "sync/change_json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/escape.h"
#include "sync/value.h"

/* Bytes of a text and of a blob, and columns of a row, that are shown. */
#define TEXT_SHOWN 200
#define BLOB_SHOWN 32
#define COLUMNS_SHOWN 200

/* One side of a change, decoded; values are borrowed from the tuple. */
struct side {
    const struct shape *shape;
    struct value *values;
    size_t count;
    bool named; /* there are as many names as values */
};

static void
side_init(struct side *s, const uint8_t *row, size_t len,
    const struct shape *shape)
{
    struct reader r = reader_over(row, len);
    size_t capacity = 0;
    struct value v;

    *s = (struct side){ .shape = shape };
    while (row != NULL && reader_left(&r) > 0 && value_read(&r, &v) == 0) {
        if (s->count == capacity) {
            capacity = capacity == 0 ? 16 : capacity * 2;
            s->values = alloc_resize(s->values, capacity, sizeof(v));
        }
        s->values[s->count++] = v;
    }
    s->named = shape != NULL && shape->column_count == s->count && !r.failed;
}

static json_t *
secret_json(void)
{
    return json_pack("{s:b}", "secret", 1);
}

static json_t *
real_json(uint64_t bits)
{
    double real;

    memcpy(&real, &bits, sizeof(real));
    if (isinf(real))
        return json_pack("{s:s}", "real", real > 0 ? "Inf" : "-Inf");
    return isnan(real) ? json_null() : json_real(real);
}

/* The longest beginning of whole characters; bytes that are no UTF-8 count one
 * by one. */
static size_t
shown_length(const char *text, size_t len)
{
    size_t shown = 0;

    while (shown < len) {
        size_t step = utf8_char_length(text + shown, len - shown);

        step = step == 0 ? 1 : step;
        if (shown + step > TEXT_SHOWN)
            break;
        shown += step;
    }
    return shown;
}

static json_t *
text_json(const char *text, size_t len)
{
    size_t shown = shown_length(text, len);
    char escaped[TEXT_SHOWN * 4 + 1];
    json_t *json = NULL;

    /* A JSON string holds no NUL, and only UTF-8. */
    if (memchr(text, '\0', shown) == NULL)
        json = json_stringn(text, shown);
    if (json == NULL) {
        escape_text(text, shown, escaped, sizeof(escaped));
        json = json_string(escaped);
    }
    if (shown < len)
        json = json_pack("{s:o, s:I}", "text", json, "bytes", (json_int_t)len);
    return json;
}

static json_t *
blob_json(const struct value *v)
{
    size_t shown = v->len < BLOB_SHOWN ? v->len : BLOB_SHOWN;
    char hex[BLOB_SHOWN * 2 + 1] = "";

    for (size_t i = 0; i < shown; i++)
        snprintf(hex + 2 * i, 3, "%02x", v->data[i]);
    return json_pack("{s:s, s:I}", "blob", hex, "bytes", (json_int_t)v->len);
}

static json_t *
value_json(const struct value *v, bool secret, const struct change_secrets *x)
{
    const char *text = v->len > 0 ? (const char *)v->data : "";

    /* That there is none is no secret. */
    if (v->type == VALUE_NULL)
        return json_null();
    if (secret || ((v->type == VALUE_TEXT || v->type == VALUE_BLOB) &&
                      x->text(x->ctx, text, v->len)))
        return secret_json();
    switch (v->type) {
    case VALUE_INTEGER:
        return json_integer((json_int_t)v->bits);
    case VALUE_REAL:
        return real_json(v->bits);
    case VALUE_TEXT:
        return text_json(text, v->len);
    case VALUE_BLOB:
        return blob_json(v);
    case VALUE_NULL:
        break;
    }
    return json_null();
}

/* Whether another column of the row says that this one is secret. */
static bool
is_named_secret(const struct side *s, size_t column,
    const struct change_secrets *x)
{
    for (size_t i = 0; i < s->count; i++)
        if (i != column && s->values[i].type == VALUE_TEXT &&
            x->named(x->ctx, s->shape->columns[i],
                s->values[i].len > 0 ? (const char *)s->values[i].data : "",
                s->values[i].len, s->shape->columns[column]))
            return true;
    return false;
}

/* A value is secret by either side's name for its place: after a schema change
 * a row may stand under the names before it or after it. */
static bool
is_secret(const struct side *s, const struct side *other, size_t column,
    const struct change_secrets *x)
{
    const struct shape *names = other->shape;

    return x->column(x->ctx, s->shape->table, s->shape->columns[column]) ||
           (names != NULL && names != s->shape &&
               column < names->column_count &&
               x->column(x->ctx, names->table, names->columns[column])) ||
           is_named_secret(s, column, x);
}

static bool
same_value(const struct value *a, const struct value *b)
{
    return a->type == b->type && a->bits == b->bits && a->len == b->len &&
           (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

/* The place of that name, or -1. */
static ssize_t
find_column(const struct side *s, const char *name)
{
    for (size_t i = 0; s->named && i < s->count; i++)
        if (strcmp(s->shape->columns[i], name) == 0)
            return (ssize_t)i;
    return -1;
}

static bool
is_key(const struct shape *shape, const char *column)
{
    for (size_t i = 0; i < shape->key_count; i++)
        if (strcmp(shape->keys[i], column) == 0)
            return true;
    return false;
}

/* A member whose name may be any bytes. */
static void
set_named(json_t *object, const char *name, json_t *value)
{
    char escaped[4 * 256 + 1];

    escape_text(name, strlen(name), escaped, sizeof(escaped));
    json_object_set_new(object, escaped, value);
}

/* The columns of S, each beside the same one of OTHER, if that has it; MINE and
 * THEIRS are how the two are called. */
static void
put_columns(json_t *columns, const struct side *s, const struct side *other,
    const char *mine, const char *theirs, const struct change_secrets *x)
{
    for (size_t i = 0; s->named && i < s->count; i++) {
        const char *name = s->shape->columns[i];
        ssize_t o = find_column(other, name);
        bool secret = is_secret(s, other, i, x);
        json_t *both;

        if (o >= 0 ? same_value(&s->values[i], &other->values[o])
                   : is_key(s->shape, name) && other->count == 0)
            continue;
        if (o >= 0)
            secret = secret || is_secret(other, s, (size_t)o, x);
        both = json_object();
        if (o >= 0)
            json_object_set_new(both, theirs,
                value_json(&other->values[o], secret, x));
        json_object_set_new(both, mine, value_json(&s->values[i], secret, x));
        set_named(columns, name, both);
    }
}

/* Columns of OLD that NEW no longer has. */
static void
put_dropped(json_t *columns, const struct side *old, const struct side *new,
    const struct change_secrets *x)
{
    for (size_t i = 0; old->named && i < old->count; i++) {
        const char *name = old->shape->columns[i];

        if (find_column(new, name) < 0)
            set_named(columns, name,
                json_pack("{s:o}", "old",
                    value_json(&old->values[i], is_secret(old, new, i, x), x)));
    }
}

static void
cut_columns(json_t *row, json_t *columns)
{
    size_t count = json_object_size(columns), i = 0;
    const char *name;
    json_t *value;
    void *next;

    if (count <= COLUMNS_SHOWN)
        return;
    json_object_foreach_safe(columns, next, name, value)
    {
        if (i++ >= COLUMNS_SHOWN)
            json_object_del(columns, name);
    }
    json_object_set_new(row, "more_columns",
        json_integer((json_int_t)(count - COLUMNS_SHOWN)));
}

static json_t *
key_json(const char *table, const uint8_t *key, size_t len,
    const struct shape *shape, const struct change_secrets *x)
{
    struct reader r = reader_over(key, len);
    json_t *json = json_object();
    struct value v;
    char number[32];

    for (size_t i = 0; reader_left(&r) > 0 && value_read(&r, &v) == 0; i++) {
        bool named = shape != NULL && i < shape->key_count;
        bool secret = named ? x->column(x->ctx, table, shape->keys[i])
                            : v.type != VALUE_INTEGER;

        snprintf(number, sizeof(number), "key%zu", i + 1);
        set_named(json, named ? shape->keys[i] : number,
            value_json(&v, secret, x));
    }
    return json;
}

json_t *
change_key_json(const char *table, const uint8_t *key, size_t key_len,
    const struct shape *shape, const struct change_secrets *secrets)
{
    char name[4 * 256 + 1];

    escape_text(table, strlen(table), name, sizeof(name));
    return json_pack("{s:s, s:o}", "table", name, "key",
        key_json(table, key, key_len, shape, secrets));
}

json_t *
change_json(const struct change *c, const struct shape *old,
    const struct shape *new, const struct change_secrets *secrets)
{
    struct side a, b;
    const char *op = c->old_row == NULL ? "+" : c->new_row == NULL ? "-" : "~";
    json_t *row = json_pack("{s:s}", "op", op);
    json_t *columns = json_object();
    bool named;

    side_init(&a, c->old_row, c->old_row_len, old);
    side_init(&b, c->new_row, c->new_row_len, new);
    /* Rows of a revision with a schema change may be in either form. */
    if (!a.named && c->old_row != NULL && new != NULL)
        a.named = (a.shape = new)->column_count == a.count;
    if (!b.named && c->new_row != NULL && old != NULL)
        b.named = (b.shape = old)->column_count == b.count;
    named = (c->old_row == NULL || a.named) && (c->new_row == NULL || b.named);
    json_object_update_new(row,
        c->new_row != NULL
            ? change_key_json(c->table, c->new_key, c->new_key_len,
                  named ? b.shape : NULL, secrets)
            : change_key_json(c->table, c->old_key, c->old_key_len,
                  named ? a.shape : NULL, secrets));
    if (!named) {
        json_object_set_new(row, "unnamed", json_true());
    } else if (c->new_row != NULL) {
        put_columns(columns, &b, &a, "new", "old", secrets);
        put_dropped(columns, &a, &b, secrets);
    } else {
        put_columns(columns, &a, &b, "old", "new", secrets);
    }
    cut_columns(row, columns);
    json_object_set_new(row, "columns", columns);
    free(a.values);
    free(b.values);
    return row;
}

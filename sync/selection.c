/*
 * The text of a selection, read and written.
 */
#include "sync/selection.h"

#include <ctype.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "sync/sqltext.h"

static struct sql_slice
slice_of(const char *text)
{
    return (struct sql_slice){ text, strlen(text) };
}

static void
table_release(struct selection_table *t)
{
    for (size_t i = 0; i < t->column_count; i++)
        free(t->columns[i]);
    free(t->columns);
    free(t->filter);
    free(t->name);
}

void
selection_release(struct selection *s)
{
    for (size_t i = 0; i < s->count; i++)
        table_release(&s->tables[i]);
    free(s->tables);
    *s = (struct selection)SELECTION_INIT;
}

const struct selection_table *
selection_find(const struct selection *s, const char *table)
{
    for (size_t i = 0; i < s->count; i++)
        if (sqlite3_stricmp(s->tables[i].name, table) == 0)
            return &s->tables[i];
    return NULL;
}

bool
selection_excludes(const struct selection *s, const char *table)
{
    const struct selection_table *t = selection_find(s, table);

    return t != NULL && t->excluded;
}

bool
selection_has_column(const struct selection_table *t, const char *column)
{
    for (size_t i = 0; t != NULL && i < t->column_count; i++)
        if (sqlite3_stricmp(t->columns[i], column) == 0)
            return true;
    return false;
}

/* Finds or adds NAME, which it takes over. */
static struct selection_table *
table_named(struct selection *s, char *name)
{
    size_t at = 0;

    while (at < s->count && strcmp(s->tables[at].name, name) < 0)
        at++;
    if (at < s->count && strcmp(s->tables[at].name, name) == 0) {
        free(name);
        return &s->tables[at];
    }
    s->tables = alloc_resize(s->tables, s->count + 1, sizeof(*s->tables));
    memmove(&s->tables[at + 1], &s->tables[at],
        (s->count - at) * sizeof(*s->tables));
    s->count++;
    s->tables[at] = (struct selection_table){ .name = name };
    return &s->tables[at];
}

/* Takes NAME over. */
static void
add_column(struct selection_table *t, char *name)
{
    size_t at = 0;

    while (at < t->column_count && strcmp(t->columns[at], name) < 0)
        at++;
    if (at < t->column_count && strcmp(t->columns[at], name) == 0) {
        free(name);
        return;
    }
    t->columns =
        alloc_resize(t->columns, t->column_count + 1, sizeof(*t->columns));
    memmove(&t->columns[at + 1], &t->columns[at],
        (t->column_count - at) * sizeof(*t->columns));
    t->column_count++;
    t->columns[at] = name;
}

/* A name off the front of *REST without its quotes, in lower case; NULL when
 * there is none. */
static char *
take_name(struct sql_slice *rest)
{
    struct sql_slice token;
    enum sql_kind kind = sql_next_visible(rest, &token);
    char *name;

    if (kind != SQL_WORD && (kind != SQL_NAME || token.len < 3))
        return NULL;
    name = sql_unquote(token);
    for (char *p = name; *p != '\0'; p++) {
        unsigned char c = (unsigned char)*p;

        if (c < ' ') {
            free(name);
            return NULL;
        }
        *p = (char)(c < 0x80 ? tolower(c) : c);
    }
    return name;
}

static bool
take_character(struct sql_slice *rest, char c)
{
    struct sql_slice token;

    return sql_next_visible(rest, &token) == SQL_OTHER && token.text[0] == c;
}

static bool
at_end(struct sql_slice rest)
{
    struct sql_slice token;

    return sql_next_visible(&rest, &token) == SQL_END;
}

static int
check_contradiction(const struct selection_table *t, struct err *e)
{
    if (!t->excluded || (t->column_count == 0 && t->filter == NULL))
        return 0;
    return err_set(e, ERR_INVALID,
        "table \"%s\" is both left out and protected in part", t->name);
}

static int
add_one_column(struct selection *s, struct sql_slice part, struct err *e)
{
    struct sql_slice rest = part;
    char *table = take_name(&rest);
    char *column =
        table != NULL && take_character(&rest, '.') ? take_name(&rest) : NULL;
    struct selection_table *t;

    if (column == NULL || !at_end(rest)) {
        free(table);
        free(column);
        part = sql_trim(part);
        return err_set(e, ERR_INVALID, "\"%.*s\" is not TABLE.COLUMN",
            part.len > 100 ? 100 : (int)part.len, part.text);
    }
    t = table_named(s, table);
    add_column(t, column);
    return check_contradiction(t, e);
}

int
selection_add_columns(struct selection *s, const char *list, struct err *e)
{
    struct sql_slice rest = slice_of(list), part;

    while (sql_next_part(&rest, &part))
        if (add_one_column(s, part, e) != 0)
            return -1;
    return 0;
}

int
selection_add_tables(struct selection *s, const char *list, struct err *e)
{
    struct sql_slice rest = slice_of(list), part;

    while (sql_next_part(&rest, &part)) {
        struct sql_slice item = part;
        struct selection_table *t;
        char *name = take_name(&item);

        if (name == NULL || !at_end(item)) {
            free(name);
            part = sql_trim(part);
            return err_set(e, ERR_INVALID, "\"%.*s\" is no name of a table",
                part.len > 100 ? 100 : (int)part.len, part.text);
        }
        t = table_named(s, name);
        t->excluded = true;
        if (check_contradiction(t, e) != 0)
            return -1;
    }
    return 0;
}

/* One expression that ends where its text does: nothing in it may close a
 * parenthesis around it, or hide what follows. */
static bool
is_closed(struct sql_slice expression)
{
    struct sql_slice rest = expression, token;
    enum sql_kind kind;
    int depth = 0;

    if (expression.len == 0)
        return false;
    for (size_t i = 0; i < expression.len; i++)
        if ((unsigned char)expression.text[i] < ' ')
            return false;
    while ((kind = sql_next(&rest, &token)) != SQL_END) {
        if (kind == SQL_SPACE && token.text[0] != ' ')
            return false; /* a comment */
        if (kind == SQL_WORD && token.text[0] == '$')
            return false; /* a parameter */
        if (kind != SQL_OTHER) {
            /* A quote that stays open runs to the end of the text. */
            if ((kind == SQL_STRING || kind == SQL_NAME) &&
                (token.len < 2 ||
                    token.text[token.len - 1] !=
                        (token.text[0] == '[' ? ']' : token.text[0])))
                return false;
            continue;
        }
        depth += token.text[0] == '(';
        depth -= token.text[0] == ')';
        if (depth < 0 || token.text[0] == ';' || token.text[0] == '?' ||
            token.text[0] == ':' || token.text[0] == '@')
            return false;
    }
    return depth == 0;
}

static int
add_one_filter(struct selection *s, struct sql_slice part, struct err *e)
{
    struct sql_slice rest = part, token;
    char *table = take_name(&rest);
    bool where = table != NULL && sql_next_visible(&rest, &token) == SQL_WORD &&
                 sql_is_word(token, "where");
    struct selection_table *t;
    char *filter;

    rest = sql_trim(rest);
    if (!where || !is_closed(rest)) {
        free(table);
        part = sql_trim(part);
        err_set(e, ERR_INVALID, "\"%.*s\" is not TABLE WHERE EXPRESSION",
            part.len > 100 ? 100 : (int)part.len, part.text);
        err_hint(e, "One line, without comments and parameters.");
        return -1;
    }
    t = table_named(s, table);
    filter = alloc_copy(rest.text, rest.len);
    if (t->filter == NULL) {
        t->filter = filter;
    } else if (strcmp(t->filter, filter) == 0) {
        free(filter);
    } else {
        char *both = alloc_format("(%s) OR (%s)", t->filter, filter);

        free(t->filter);
        free(filter);
        t->filter = both;
    }
    return check_contradiction(t, e);
}

/* Takes the part up to the next ";" outside quotes off the front of *REST. */
static bool
next_condition(struct sql_slice *rest, struct sql_slice *part)
{
    struct sql_slice token;
    enum sql_kind kind;

    if (at_end(*rest))
        return false;
    part->text = rest->text;
    while ((kind = sql_next(rest, &token)) != SQL_END)
        if (kind == SQL_OTHER && token.text[0] == ';')
            break;
    part->len = (size_t)(rest->text - part->text) - (kind != SQL_END);
    return true;
}

int
selection_add_rows(struct selection *s, const char *list, struct err *e)
{
    struct sql_slice rest = slice_of(list), part;

    while (next_condition(&rest, &part))
        if (add_one_filter(s, part, e) != 0)
            return -1;
    return 0;
}

static void
put_name(struct buf *b, const char *name)
{
    buf_put_u8(b, '"');
    for (; *name != '\0'; name++) {
        if (*name == '"')
            buf_put_u8(b, '"');
        buf_put_u8(b, (uint8_t)*name);
    }
    buf_put_u8(b, '"');
}

/* Every line is one of these words and what the function takes. */
static const struct line_kind {
    const char *word;
    int (*add)(struct selection *s, const char *list, struct err *e);
} line_kinds[] = {
    { "exclude ", selection_add_tables },
    { "protect ", selection_add_columns },
    { "protect_rows ", selection_add_rows },
};

char *
selection_text(const struct selection *s)
{
    struct buf b = BUF_INIT;
    size_t len;

    for (size_t i = 0; i < s->count; i++) {
        const struct selection_table *t = &s->tables[i];

        if (t->excluded) {
            buf_printf(&b, "exclude ");
            put_name(&b, t->name);
            buf_printf(&b, "\n");
        }
        for (size_t c = 0; c < t->column_count; c++) {
            buf_printf(&b, "protect ");
            put_name(&b, t->name);
            buf_printf(&b, ".");
            put_name(&b, t->columns[c]);
            buf_printf(&b, "\n");
        }
        if (t->filter != NULL) {
            buf_printf(&b, "protect_rows ");
            put_name(&b, t->name);
            buf_printf(&b, " WHERE ");
            buf_put(&b, t->filter, strlen(t->filter));
            buf_printf(&b, "\n");
        }
    }
    buf_put_u8(&b, 0);
    return (char *)buf_steal(&b, &len);
}

static int
read_line(struct selection *s, const char *line, struct err *e)
{
    for (size_t i = 0; i < sizeof(line_kinds) / sizeof(line_kinds[0]); i++) {
        size_t len = strlen(line_kinds[i].word);

        if (strncmp(line, line_kinds[i].word, len) == 0)
            return line_kinds[i].add(s, line + len, e);
    }
    return err_set(e, ERR_INVALID, "malformed selection");
}

int
selection_read(struct selection *s, const char *text, struct err *e)
{
    char *again;
    int r = 0;

    if (strlen(text) > SELECTION_TEXT_MAX)
        return err_set(e, ERR_INVALID, "malformed selection");
    for (const char *p = text; r == 0 && *p != '\0';) {
        const char *end = strchr(p, '\n');
        char *line;

        if (end == NULL)
            return err_set(e, ERR_INVALID, "malformed selection");
        line = alloc_copy(p, (size_t)(end - p));
        r = read_line(s, line, e);
        free(line);
        p = end + 1;
    }
    if (r != 0)
        return -1;
    /* One text for one meaning: its bytes are part of the schema hash. */
    again = selection_text(s);
    if (strcmp(again, text) != 0)
        r = err_set(e, ERR_INVALID, "malformed selection");
    free(again);
    return r;
}

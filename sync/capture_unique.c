/*
 * INSERT OR REPLACE evicts rows without firing delete triggers, so BEFORE
 * triggers must find them: per unique index, with its own collation, expression
 * and WHERE, over the values as they will be stored (a NULL in a NOT NULL
 * column with a default becomes the default).
 */
#include "sync/capture_unique.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "sync/open.h"
#include "sync/sqltext.h"

/* How each replicated column's value will be stored. */
struct stored_column {
    char *fallback; /* literal that replaces NULL, or NULL */
    bool uncertain; /* the value is not known before the row is stored */
};

struct work {
    sqlite3 *db;
    const struct schema *schema;
    const struct table *t;
    struct stored_column *stored;
    char **generated; /* names of generated columns */
    size_t generated_count;
    struct collisions *out;
};

static const char *
text_of(sqlite3_stmt *stmt, int column)
{
    const char *text = (const char *)sqlite3_column_text(stmt, column);

    return text == NULL ? "" : text;
}

static struct sql_slice
slice_of(const char *text)
{
    return (struct sql_slice){ text, strlen(text) };
}

static bool
is_constant(const char *expression)
{
    struct sql_slice rest = slice_of(expression), token;
    enum sql_kind kind;

    while ((kind = sql_next(&rest, &token)) != SQL_END) {
        if (kind != SQL_WORD || (token.text[0] >= '0' && token.text[0] <= '9'))
            continue;
        if (!sql_is_word(token, "x") && !sql_is_word(token, "null") &&
            !sql_is_word(token, "true") && !sql_is_word(token, "false"))
            return false;
    }
    return true;
}

/* The default as a column of that type stores it, as a literal; NULL when it
 * is not constant. */
static char *
stored_default(const struct table_column *c)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    char *sql, *literal = NULL;

    if (!is_constant(c->default_sql) ||
        sqlite3_open(":memory:", &db) != SQLITE_OK)
        goto out;
    sql = alloc_format("CREATE TABLE z(v %s DEFAULT (%s));"
                       "INSERT INTO z DEFAULT VALUES",
        c->affinity_type, c->default_sql);
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK &&
        sqlite3_prepare_v2(db, "SELECT quote(v) FROM z", -1, &stmt, NULL) ==
            SQLITE_OK &&
        sqlite3_step(stmt) == SQLITE_ROW)
        literal = alloc_string(text_of(stmt, 0));
    free(sql);
out:
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return literal;
}

static void
load_stored(struct work *w)
{
    w->stored =
        alloc_zeroed((size_t)w->t->column_count + 1, sizeof(*w->stored));
    for (int i = 0; i < w->t->column_count; i++) {
        const struct table_column *c = &w->t->columns[i];

        if (w->t->rowid_is_column && c->key_rank == 1)
            w->stored[i].uncertain = true; /* may still be assigned */
        else if (c->not_null && c->default_sql != NULL) {
            w->stored[i].fallback = stored_default(c);
            w->stored[i].uncertain = w->stored[i].fallback == NULL;
        }
    }
}

static int
load_generated(struct work *w, struct err *e)
{
    sqlite3_stmt *stmt;
    int rc;

    if (database_prepare(w->db,
            "SELECT name FROM pragma_table_xinfo(?1,'main')"
            " WHERE hidden IN (2,3)",
            &stmt, e) != 0)
        return -1;
    sqlite3_bind_text(stmt, 1, w->t->name, -1, SQLITE_STATIC);
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        w->generated =
            alloc_resize(w->generated, w->generated_count + 1, sizeof(char *));
        w->generated[w->generated_count++] = alloc_string(text_of(stmt, 0));
    }
    sqlite3_finalize(stmt);
    if (rc != SQLITE_DONE)
        return database_error(w->db, e, "could not read the schema");
    return 0;
}

static int
find_column(const struct table *t, const char *name)
{
    for (int i = 0; i < t->column_count; i++)
        if (sqlite3_stricmp(t->columns[i].name, name) == 0)
            return i;
    return -1;
}

/* NEW's value of a column as it will be stored. */
static void
put_stored(struct work *w, struct buf *b, int column)
{
    char *name = sql_quote_name(w->t->columns[column].name);

    if (w->stored[column].fallback != NULL)
        buf_printf(b, "coalesce(NEW.%s,%s)", name, w->stored[column].fallback);
    else
        buf_printf(b, "NEW.%s", name);
    free(name);
}

/* A text in which columns compare would lose their affinity and collation when
 * a default stands in for the column. */
static bool
compares(struct sql_slice text)
{
    static const char *const words[] = { "in", "is", "like", "glob", "between",
        "case", "match", "regexp", "min", "max", "nullif", "iif", "isnull" };
    struct sql_slice token;
    enum sql_kind kind;

    while ((kind = sql_next(&text, &token)) != SQL_END) {
        if (kind == SQL_OTHER && strchr("=<>!", token.text[0]) != NULL)
            return true;
        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
            if (kind == SQL_WORD && sql_is_word(token, words[i]))
                return true;
    }
    return false;
}

/* Whether an expression means the same over NEW's values as over the row. */
static bool
can_evaluate(struct work *w, struct sql_slice expression)
{
    bool comparing = compares(expression);

    for (int i = 0; i < w->t->column_count; i++) {
        if (!sql_mentions(expression, w->t->columns[i].name))
            continue;
        if (w->stored[i].uncertain ||
            (comparing && w->stored[i].fallback != NULL))
            return false;
    }
    for (size_t i = 0; i < w->generated_count; i++)
        if (sql_mentions(expression, w->generated[i]))
            return false;
    return true;
}

/* "(SELECT expression FROM (SELECT NEW's values) AS t)" */
static void
put_evaluated(struct work *w, struct buf *b, struct sql_slice expression)
{
    char *name;

    buf_printf(b, "(SELECT (%.*s) FROM (SELECT ", (int)expression.len,
        expression.text);
    for (int i = 0; i < w->t->column_count; i++) {
        name = sql_quote_name(w->t->columns[i].name);
        buf_printf(b, "%s", i > 0 ? "," : "");
        put_stored(w, b, i);
        buf_printf(b, " AS %s", name);
        free(name);
    }
    name = sql_quote_name(w->t->name);
    buf_printf(b, ") AS %s)", name);
    free(name);
}

/* The expression of a generated column, from the table's text. */
static bool
find_generator(const struct table *t, const char *column,
    struct sql_slice *expression)
{
    struct sql_slice rest = slice_of(t->sql), body, part, token, found;
    enum sql_kind kind;

    if (!sql_next_parenthesis(&rest, &body))
        return false;
    while (sql_next_part(&body, &part)) {
        kind = sql_next_visible(&part, &token);
        if (!sql_is_name(kind, token, column) &&
            !(kind == SQL_STRING && token.len == strlen(column) + 2 &&
                strncmp(token.text + 1, column, token.len - 2) == 0))
            continue;
        while ((kind = sql_next(&part, &token)) != SQL_END)
            if (kind == SQL_WORD && sql_is_word(token, "as"))
                break;
        if (kind == SQL_END || !sql_next_parenthesis(&part, &found))
            return false;
        *expression = sql_trim(found);
        return true;
    }
    return false;
}

/* One term of an index that is a column. */
static bool
put_column_term(struct work *w, struct buf *b, const char *column,
    const char *collation)
{
    int i = find_column(w->t, column);
    char *name = sql_quote_name(column), *quoted;
    struct sql_slice generator;
    bool ok = false;

    buf_printf(b, "%s", name);
    if (i < 0 || sqlite3_stricmp(w->t->columns[i].collation, collation) != 0) {
        quoted = sql_quote_name(collation);
        buf_printf(b, " COLLATE %s", quoted);
        free(quoted);
    }
    buf_printf(b, "=");
    if (i >= 0) {
        ok = !w->stored[i].uncertain;
        put_stored(w, b, i);
    } else if (find_generator(w->t, column, &generator) &&
               can_evaluate(w, generator)) {
        ok = true;
        put_evaluated(w, b, generator);
    }
    free(name);
    return ok;
}

/* The expression without ASC or DESC at its end. */
static struct sql_slice
without_order(struct sql_slice part)
{
    struct sql_slice rest = part, token, last = { part.text, 0 };
    enum sql_kind kind;

    while ((kind = sql_next(&rest, &token)) != SQL_END)
        if (kind != SQL_SPACE)
            last = token;
    if (sql_is_word(last, "asc") || sql_is_word(last, "desc"))
        part.len = (size_t)(last.text - part.text);
    return sql_trim(part);
}

static bool
put_expression_term(struct work *w, struct buf *b, struct sql_slice part)
{
    struct sql_slice expression = without_order(part);

    if (!can_evaluate(w, expression))
        return false;
    buf_printf(b, "(%.*s)=", (int)expression.len, expression.text);
    put_evaluated(w, b, expression);
    return true;
}

/* An index's text, cut into its list of terms and its WHERE. */
static void
cut_index_sql(const char *sql, struct sql_slice *terms, struct sql_slice *where)
{
    struct sql_slice rest = slice_of(sql), token;
    enum sql_kind kind;

    *terms = *where = slice_of("");
    if (!sql_next_parenthesis(&rest, terms))
        return;
    kind = sql_next_visible(&rest, &token);
    if (kind == SQL_WORD && sql_is_word(token, "where"))
        *where = sql_trim(rest);
}

static const char *
index_sql(const struct schema *s, const char *name)
{
    for (size_t i = 0; i < s->object_count; i++)
        if (strcmp(s->objects[i].type, "index") == 0 &&
            sqlite3_stricmp(s->objects[i].name, name) == 0)
            return s->objects[i].sql;
    return "";
}

static int
add_index(struct work *w, const char *index, bool partial, struct err *e)
{
    struct sql_slice terms, where, part = { NULL, 0 };
    struct buf b = BUF_INIT;
    sqlite3_stmt *stmt;
    bool ok = true, same_row = false;
    size_t len;
    int rc;

    cut_index_sql(index_sql(w->schema, index), &terms, &where);
    if (database_prepare(w->db,
            "SELECT cid,name,coll FROM pragma_index_xinfo(?1,'main')"
            " WHERE key ORDER BY seqno",
            &stmt, e) != 0)
        return -1;
    sqlite3_bind_text(stmt, 1, index, -1, SQLITE_STATIC);
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        bool has_part = sql_next_part(&terms, &part);

        buf_printf(&b, "%s", b.len > 0 ? " AND " : "");
        if (sqlite3_column_int(stmt, 0) == -2) {
            ok = has_part && put_expression_term(w, &b, part) && ok;
            continue;
        }
        if (w->t->rowid_is_column &&
            sqlite3_stricmp(text_of(stmt, 1), w->t->rowid_name) == 0)
            same_row = true;
        ok = put_column_term(w, &b, text_of(stmt, 1), text_of(stmt, 2)) && ok;
    }
    sqlite3_finalize(stmt);
    if (rc != SQLITE_DONE) {
        buf_release(&b);
        return database_error(w->db, e, "could not read the schema");
    }
    if (same_row) { /* who collides there has the very same key */
        buf_release(&b);
        return 0;
    }
    if (partial) {
        ok = ok && where.len > 0;
        buf_printf(&b, " AND (%.*s\n)", (int)where.len, where.text);
    }
    if (!ok)
        w->out->refused = "a unique index over values that are not known "
                          "before the row is stored";
    w->out->conditions =
        alloc_resize(w->out->conditions, w->out->count + 1, sizeof(char *));
    w->out->conditions[w->out->count++] = (char *)buf_steal(&b, &len);
    return 0;
}

static int
add_indexes(struct work *w, struct err *e)
{
    sqlite3_stmt *stmt;
    int rc, r = 0;

    if (database_prepare(w->db,
            "SELECT name,partial FROM pragma_index_list(?1,'main')"
            " WHERE \"unique\" AND NOT (origin='pk' AND ?2) ORDER BY name",
            &stmt, e) != 0)
        return -1;
    sqlite3_bind_text(stmt, 1, w->t->name, -1, SQLITE_STATIC);
    sqlite3_bind_int(stmt, 2, w->t->without_rowid);
    while (r == 0 && (rc = sqlite3_step(stmt)) == SQLITE_ROW)
        r = add_index(w, text_of(stmt, 0), sqlite3_column_int(stmt, 1) != 0, e);
    if (r == 0 && rc != SQLITE_DONE)
        r = database_error(w->db, e, "could not read the schema");
    sqlite3_finalize(stmt);
    return r;
}

int
collisions_load(struct collisions *c, sqlite3 *db, const struct schema *s,
    const struct table *t, struct err *e)
{
    struct work w = { .db = db, .schema = s, .t = t, .out = c };
    int r;

    memset(c, 0, sizeof(*c));
    load_stored(&w);
    r = load_generated(&w, e);
    if (r == 0)
        r = add_indexes(&w, e);
    for (int i = 0; i < t->column_count; i++)
        free(w.stored[i].fallback);
    for (size_t i = 0; i < w.generated_count; i++)
        free(w.generated[i]);
    free(w.stored);
    free(w.generated);
    return r;
}

void
collisions_release(struct collisions *c)
{
    for (size_t i = 0; i < c->count; i++)
        free(c->conditions[i]);
    free(c->conditions);
    memset(c, 0, sizeof(*c));
}

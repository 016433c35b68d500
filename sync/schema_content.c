/*
 * Full text search over the content of another table (content=NAME): its index
 * holds that table's words, and is sent.  So what it reads must be sent too.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "sync/open.h"
#include "sync/schema_select.h"
#include "sync/sqltext.h"

static const char option[] = "content";

/* What an argument names as content: a fresh string, or NULL.  FTS5 takes any
 * beginning of the option's name too. */
static char *
content_of(struct sql_slice argument)
{
    struct sql_slice rest = argument, token, value;

    if (sql_next_visible(&rest, &token) != SQL_WORD ||
        token.len > strlen(option) ||
        sqlite3_strnicmp(token.text, option, (int)token.len) != 0 ||
        sql_next_visible(&rest, &token) != SQL_OTHER || token.text[0] != '=')
        return NULL;
    value = sql_trim(rest);
    return value.len > 0 ? sql_unquote(value) : NULL;
}

static char *
find_content(const char *sql)
{
    struct sql_slice rest = { sql, strlen(sql) }, arguments, argument;
    char *found = NULL;

    if (sql_next_parenthesis(&rest, &arguments))
        while (found == NULL && sql_next_part(&arguments, &argument))
            found = content_of(argument);
    return found;
}

/* Reads while a statement is prepared, those behind views too. */
struct read_check {
    const struct schema *schema;
    char *what; /* the first that is not sent, for people; or NULL */
};

static void
check_read(struct read_check *c, const char *table, const char *column)
{
    const struct selection_table *of =
        selection_find(&c->schema->selection, table);
    const struct table *t = schema_find_table(c->schema, table);

    if (of == NULL)
        return;
    if (of->excluded || t == NULL)
        c->what = alloc_format("table \"%s\"", table);
    else if (of->filter != NULL)
        c->what = alloc_format("rows of table \"%s\"", table);
    else if (column[0] != '\0' && sqlite3_stricmp(column, "ROWID") != 0 &&
             !schema_sends_column(t, column))
        c->what = alloc_format("column \"%s\" of table \"%s\"", column, table);
}

static int
note_read(void *ctx, int action, const char *a, const char *b,
    const char *database, const char *trigger)
{
    struct read_check *c = ctx;

    (void)database;
    (void)trigger;
    if (action == SQLITE_READ && c->what == NULL)
        check_read(c, a, b);
    return SQLITE_OK;
}

/* The SELECT of what VIRTUAL is over; NULL with E. */
static char *
content_sql(sqlite3 *db, const char *virtual, const char *content,
    struct err *e)
{
    struct buf b = BUF_INIT;
    sqlite3_stmt *stmt;
    size_t len;
    int rc;

    if (database_prepare(db,
            "SELECT name FROM pragma_table_xinfo(?1,'main') WHERE hidden=0",
            &stmt, e) != 0)
        return NULL;
    sqlite3_bind_text(stmt, 1, virtual, -1, SQLITE_STATIC);
    buf_printf(&b, "SELECT 1");
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(stmt, 0);

        buf_printf(&b, ",");
        sql_put_name(&b, name == NULL ? "" : name);
    }
    sqlite3_finalize(stmt);
    buf_printf(&b, " FROM main.");
    sql_put_name(&b, content);
    buf_put_u8(&b, 0);
    if (rc == SQLITE_DONE)
        return (char *)buf_steal(&b, &len);
    buf_release(&b);
    database_error(db, e, "could not read the schema");
    return NULL;
}

int
schema_check_content(const struct schema *s, const struct schema_object *o,
    sqlite3 *db, char **why, struct err *e)
{
    struct read_check check = { .schema = s };
    char *content = find_content(o->sql), *sql;
    sqlite3_stmt *stmt = NULL;

    *why = NULL;
    if (content == NULL)
        return 0;
    /* A table that is gone may have left its words there. */
    if (selection_excludes(&s->selection, content))
        check_read(&check, content, "");
    if ((sql = content_sql(db, o->name, content, e)) == NULL) {
        free(check.what);
        free(content);
        return -1;
    }
    sqlite3_set_authorizer(db, note_read, &check);
    /* What cannot be read has no words. */
    sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
    sqlite3_set_authorizer(db, NULL, NULL);
    sqlite3_finalize(stmt);
    if (check.what != NULL)
        *why = alloc_format("%s cannot be kept back: \"%s\" is an index of its "
                            "words, to be excluded too",
            check.what, o->name);
    free(check.what);
    free(content);
    free(sql);
    return 0;
}

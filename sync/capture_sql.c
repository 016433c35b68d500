/*
 * The six triggers of a table.  Each writes by upsert, because the conflict
 * clause of the statement that fires a trigger overrides an OR IGNORE inside
 * it, and does not override an upsert.
 */
#include "sync/capture_sql.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "sync/capture_unique.h"
#include "sync/sqltext.h"

const char *const capture_suffixes[CAPTURE_TRIGGERS] = { "bi", "bu", "bd", "ai",
    "au", "ad" };

/* What each trigger notes. */
static const struct trigger_kind {
    const char *when;
    bool old, new, collisions;
    bool update, after;
} kinds[CAPTURE_TRIGGERS] = {
    { "BEFORE INSERT", false, false, true, false, false },
    { "BEFORE UPDATE", true, true, true, true, false },
    { "BEFORE DELETE", true, false, false, false, false },
    { "AFTER INSERT", false, true, false, false, true },
    { "AFTER UPDATE", true, true, false, true, true },
    { "AFTER DELETE", true, false, false, false, true },
};

char *
capture_journal_sql(int key_count)
{
    struct buf b = BUF_INIT;
    size_t len;

    buf_printf(&b, "CREATE TABLE _lockstep_journal%d(t", key_count);
    for (int i = 0; i < key_count; i++)
        buf_printf(&b, ",k%d", i);
    buf_printf(&b, ",n,PRIMARY KEY(t");
    for (int i = 0; i < key_count; i++)
        buf_printf(&b, ",k%d", i);
    buf_printf(&b, ")) WITHOUT ROWID");
    return (char *)buf_steal(&b, &len);
}

static char *
key_name(const struct table *t, int rank)
{
    return sql_quote_name(t->without_rowid
                              ? t->columns[t->key_columns[rank]].name
                              : t->rowid_name);
}

/* "INSERT INTO journal SELECT id, key, 1"; the key's parts after PREFIX. */
static void
put_note(struct buf *b, const struct table *t, int64_t id, const char *prefix)
{
    buf_printf(b, "INSERT INTO _lockstep_journal%d SELECT %lld", t->key_count,
        (long long)id);
    for (int i = 0; i < t->key_count; i++) {
        char *name = key_name(t, i);

        buf_printf(b, ",%s%s", prefix, name);
        free(name);
    }
    buf_printf(b, ",1");
}

static void
put_upsert(struct buf *b)
{
    buf_printf(b, " ON CONFLICT DO UPDATE SET n=n+1; ");
}

/* Unless the row with that key, as it stands, is protected.  Asked of the table
 * itself, where columns have their affinity. */
static void
put_unprotected(struct buf *b, const struct table *t, const char *prefix)
{
    char *table;

    if (t->filter == NULL)
        return;
    table = sql_quote_name(t->name);
    buf_printf(b, " AND NOT EXISTS(SELECT 1 FROM %s WHERE ", table);
    for (int i = 0; i < t->key_count; i++) {
        char *name = key_name(t, i);

        buf_printf(b, "%s%s.%s=%s%s", i > 0 ? " AND " : "", table, name, prefix,
            name);
        free(name);
    }
    buf_printf(b, " AND coalesce((");
    buf_put(b, t->filter, strlen(t->filter));
    buf_printf(b, "),0))");
    free(table);
}

/* Before a row is stored its key may still be NULL; the journal takes none. */
static void
put_note_row(struct buf *b, const struct table *t, int64_t id,
    const char *prefix)
{
    put_note(b, t, id, prefix);
    for (int i = 0; i < t->key_count; i++) {
        char *name = key_name(t, i);

        buf_printf(b, " %s %s%s IS NOT NULL", i == 0 ? "WHERE" : "AND", prefix,
            name);
        free(name);
    }
    put_unprotected(b, t, prefix);
    put_upsert(b);
}

/* " OF" and what may be set but protected columns; a rowid by all its names,
 * which are no columns. */
static void
put_columns(struct buf *b, const struct table *t)
{
    buf_printf(b, " OF ");
    for (int i = 0; i < t->column_count; i++) {
        buf_printf(b, "%s", i > 0 ? "," : "");
        sql_put_name(b, t->columns[i].name);
    }
    if (!t->without_rowid)
        buf_printf(b, ",rowid,_rowid_,oid");
}

static char *
trigger_sql(const struct table *t, int64_t id, int kind,
    const struct collisions *c)
{
    const struct trigger_kind *k = &kinds[kind];
    struct buf b = BUF_INIT;
    /* Whether an old row was protected is known as long as it stands. */
    bool old = k->old && (t->filter == NULL || !k->after);
    char *name;
    size_t len;

    if (!old && !k->new && (!k->collisions || c->count == 0))
        return NULL;
    name = sql_quote_name(t->name);
    buf_printf(&b, "CREATE TRIGGER _lockstep_%lld_%s %s", (long long)id,
        capture_suffixes[kind], k->when);
    if (k->update && t->kept_count > 0)
        put_columns(&b, t);
    buf_printf(&b, " ON %s BEGIN ", name);
    if (old)
        put_note_row(&b, t, id, "OLD.");
    if (k->new)
        put_note_row(&b, t, id, "NEW.");
    for (size_t i = 0; k->collisions && i < c->count; i++) {
        put_note(&b, t, id, "");
        buf_printf(&b, " FROM %s WHERE %s", name, c->conditions[i]);
        table_put_filter(&b, t, " AND ");
        put_upsert(&b);
    }
    buf_printf(&b, "END");
    free(name);
    return (char *)buf_steal(&b, &len);
}

/* A trigger of the application's with RAISE(IGNORE) may end a statement between
 * the change of a row and our note of it. */
static bool
has_raise_ignore(const struct schema *s, const struct table *t)
{
    for (size_t i = 0; i < s->object_count; i++) {
        const struct schema_object *o = &s->objects[i];
        struct sql_slice sql = { o->sql, strlen(o->sql) };

        if (strcmp(o->type, "trigger") == 0 &&
            sqlite3_stricmp(o->table, t->name) == 0 &&
            sql_mentions(sql, "raise") && sql_mentions(sql, "ignore"))
            return true;
    }
    return false;
}

int
capture_trigger_sql(sqlite3 *db, const struct schema *s, const struct table *t,
    int64_t id, char *sql[CAPTURE_TRIGGERS], const char **refused,
    struct err *e)
{
    struct collisions c;
    int r;

    memset(sql, 0, CAPTURE_TRIGGERS * sizeof(*sql));
    *refused = t->unsupported;
    if (*refused == NULL && t->is_shadow)
        *refused = "it belongs to a virtual table";
    if (*refused == NULL && has_raise_ignore(s, t))
        *refused = "a trigger of its own with RAISE(IGNORE)";
    if (*refused != NULL)
        return 0;
    r = collisions_load(&c, db, s, t, e);
    *refused = c.refused;
    for (int i = 0; r == 0 && c.refused == NULL && i < CAPTURE_TRIGGERS; i++)
        sql[i] = trigger_sql(t, id, i, &c);
    collisions_release(&c);
    return r;
}

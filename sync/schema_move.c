/*
 * Tables made anew: the old one is put out of the way under a name of ours, the
 * new one is made from its text, the rows that both can hold are moved over,
 * and the old one is dropped.  What the move gets wrong is found by the compare
 * that follows every schema change, and travels as rows.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "sync/schema_plan.h"

/* Where table number N of NEW has its rows meanwhile. */
static void
moved_name(char name[64], size_t n)
{
    snprintf(name, 64, "_lockstep_moved_%zu", n);
}

static const char *
column_like(const struct table *t, const char *name)
{
    for (int i = 0; i < t->column_count; i++)
        if (sqlite3_stricmp(t->columns[i].name, name) == 0)
            return t->columns[i].name;
    return NULL;
}

/* The column of OLD that column C of NEW gets its values from: that of its
 * name, or the one in its place, if that name is gone. */
static const char *
column_source(const struct table *old, const struct table *new, int c)
{
    const char *same = column_like(old, new->columns[c].name);

    if (same != NULL)
        return same;
    if (old->column_count == new->column_count &&
        column_like(new, old->columns[c].name) == NULL)
        return old->columns[c].name;
    if (old->rowid_name != NULL &&
        new->rowid_is_column &&new->columns[c].key_rank == 1)
        return old->rowid_name;
    return NULL;
}

static void
put_name(struct buf *b, const char *separator, const char *name)
{
    char *quoted = sql_quote_name(name);

    buf_printf(b, "%s%s", separator, quoted);
    free(quoted);
}

/* Keys in order, so that both sides meet a conflict at the same row. */
static void
put_order(struct buf *b, const struct table *t)
{
    for (int i = 0; i < t->key_count; i++)
        put_name(b, i == 0 ? " ORDER BY " : ",",
            t->without_rowid ? t->columns[t->key_columns[i]].name
                             : t->rowid_name);
}

/* Moves the rows of OLD, which is called FROM now; without a column in common
 * there are none to move. */
static bool
carry_rows(struct plan *p, const struct table *old, const char *from,
    const struct table *new)
{
    struct buf to = BUF_INIT, values = BUF_INIT, order = BUF_INIT;
    const char *separator = "";
    char *name = sql_quote_name(new->name);
    bool ok = true;

    for (int i = 0; i < new->column_count; i++) {
        const char *source = column_source(old, new, i);

        if (source == NULL)
            continue;
        put_name(&to, separator, new->columns[i].name);
        put_name(&values, separator, source);
        separator = ",";
    }
    if (to.len > 0 && !new->without_rowid && !new->rowid_is_column &&
        old->rowid_name != NULL) {
        put_name(&to, separator, new->rowid_name);
        put_name(&values, separator, old->rowid_name);
    }
    put_order(&order, old);
    if (to.len > 0)
        ok = plan_try(p,
            "INSERT OR IGNORE INTO main.%s(%.*s) SELECT %.*s"
            " FROM main.%s%.*s",
            name, (int)to.len, (char *)to.data, (int)values.len,
            (char *)values.data, from, (int)order.len, (char *)order.data);
    buf_release(&to);
    buf_release(&values);
    buf_release(&order);
    free(name);
    return ok;
}

static bool
drop_table(struct plan *p, const char *name)
{
    char *quoted = sql_quote_name(name);
    bool ok = plan_try(p, "DROP TABLE main.%s", quoted);

    free(quoted);
    return ok;
}

/* The table of OLD, still there under its name, that T is made from. */
static const struct table *
find_origin(struct plan *p, const struct table *t)
{
    const struct table *same = schema_find_table(p->old, t->name);
    char *text;

    if (t->is_shadow || p->origins[t - p->new->tables] != NULL)
        return NULL;
    if (same != NULL && !same->is_shadow) {
        text = plan_table_text(p, same->name);
        if (text[0] == '\0')
            same = NULL;
        free(text);
        return same;
    }
    for (size_t i = 0; i < p->old->table_count; i++) {
        const struct table *old = &p->old->tables[i];

        if (!old->is_shadow && table_same_shape(old, t) &&
            schema_find_table(p->new, old->name) == NULL) {
            text = plan_table_text(p, old->name);
            if (text[0] != '\0') {
                free(text);
                return old;
            }
            free(text);
        }
    }
    return NULL;
}

/* Puts what new tables will take their rows from out of the way. */
static bool
move_origins(struct plan *p, const struct table **moved)
{
    char name[64];

    for (size_t i = 0; i < p->new->table_count; i++) {
        const struct table *t = &p->new->tables[i];
        const struct schema_object *o = plan_object(p->new, t->name);
        char *quoted;
        bool ok;

        if (o == NULL || plan_has(p, o) ||
            (moved[i] = find_origin(p, t)) == NULL)
            continue;
        moved_name(name, i);
        quoted = sql_quote_name(moved[i]->name);
        ok = plan_set_legacy(p, true) &&
             plan_try(p, "ALTER TABLE %s RENAME TO %s", quoted, name);
        free(quoted);
        if (!ok)
            return false;
    }
    return true;
}

/* Drops the model's tables that are not as they should be. */
static bool
drop_others(struct plan *p)
{
    for (size_t i = 0; i < p->old->object_count; i++) {
        const struct schema_object *o = &p->old->objects[i];
        const struct schema_object *wanted;
        char *text;
        bool there;

        if (!schema_object_is_table(o) || o->is_shadow)
            continue;
        text = plan_table_text(p, o->name);
        there = text[0] != '\0';
        free(text);
        wanted = plan_object(p->new, o->name);
        if (there && (wanted == NULL || !plan_has(p, wanted)) &&
            !drop_table(p, o->name))
            return false;
    }
    return true;
}

static bool
make_tables(struct plan *p, const struct table **moved)
{
    char name[64];

    for (size_t i = 0; i < p->new->object_count; i++) {
        const struct schema_object *o = &p->new->objects[i];
        const struct table *t = schema_find_table(p->new, o->name);
        size_t n = t == NULL ? 0 : (size_t)(t - p->new->tables);

        if (!schema_object_is_table(o) || o->is_shadow || plan_has(p, o))
            continue;
        if (!(schema_is_virtual(o->sql) ? plan_make_virtual(p, o)
                                        : plan_try(p, "%s", o->sql)))
            return false;
        if (t == NULL || moved[n] == NULL)
            continue;
        moved_name(name, n);
        if (!carry_rows(p, moved[n], name, t) || !drop_table(p, name))
            return false;
    }
    return true;
}

bool
plan_replace_tables(struct plan *p, bool carry)
{
    const struct table **moved =
        alloc_zeroed(p->new->table_count + 1, sizeof(*moved));
    bool ok;

    ok = (!carry || move_origins(p, moved)) && drop_others(p) &&
         make_tables(p, moved) && plan_set_legacy(p, false);
    free(moved);
    return ok;
}

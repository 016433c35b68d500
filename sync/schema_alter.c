/*
 * Guesses at ALTER TABLE: which renames, new and dropped columns would explain
 * a table's new text.  A guess stays only if the model then has that text.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "sync/schema_plan.h"

static int
count_parts(struct sql_slice s)
{
    struct sql_slice part;
    int n = 0;

    while (sql_next_part(&s, &part))
        n++;
    return n;
}

/* ADD COLUMN puts ", definition" into the stored text; finds that piece, taking
 * the last place at which both texts allow it. */
static bool
find_added_columns(const char *old, const char *new, int added,
    struct sql_slice *definitions)
{
    size_t old_len = strlen(old), new_len = strlen(new);
    size_t same = 0, grown;

    if (new_len < old_len + 3)
        return false;
    grown = new_len - old_len;
    while (same < old_len && old[same] == new[same])
        same++;
    for (size_t at = same + 1; at > 0; at--) {
        size_t i = at - 1;

        if (strncmp(&new[i], ", ", 2) != 0 ||
            strcmp(&new[i + grown], &old[i]) != 0)
            continue;
        definitions->text = &new[i + 2];
        definitions->len = grown - 2;
        if (count_parts(*definitions) == added)
            return true;
    }
    return false;
}

static bool
add_columns(struct plan *p, const char *quoted, struct sql_slice definitions)
{
    struct sql_slice part;

    while (sql_next_part(&definitions, &part)) {
        part = sql_trim(part);
        if (!plan_try(p, "ALTER TABLE %s ADD COLUMN %.*s", quoted,
                (int)part.len, part.text))
            return false;
    }
    return true;
}

/* Generated columns may be added too; their number is not known here. */
#define ADDED_MAX 64

/* A fast way to tell that the texts do not differ by a piece put in. */
static bool
add_missing_columns(struct plan *p, const struct table *t, const char *quoted)
{
    char *text = plan_table_text(p, t->name);
    struct sql_slice definitions;
    bool ok = strcmp(text, t->sql) == 0;

    for (int n = 1; !ok && n <= ADDED_MAX; n++)
        if (find_added_columns(text, t->sql, n, &definitions)) {
            ok = add_columns(p, quoted, definitions);
            break;
        }
    free(text);
    return ok;
}

static bool
has_column(const struct table *t, const char *name)
{
    for (int i = 0; i < t->column_count; i++)
        if (sqlite3_stricmp(t->columns[i].name, name) == 0)
            return true;
    return false;
}

/* Columns of OLD that NEW lacks: in its place NEW has another (a rename), or
 * nothing (a drop).  As the statement spells the new name, so will the text. */
static bool
change_columns(struct plan *p, const struct table *old, const struct table *new,
    const char *quoted, bool bare)
{
    bool renamed = new->column_count >= old->column_count;

    for (int i = 0; i < old->column_count; i++) {
        char *from, *to;
        bool ok;

        if (has_column(new, old->columns[i].name))
            continue;
        if (renamed && has_column(old, new->columns[i].name))
            return false;
        from = sql_quote_name(old->columns[i].name);
        to = !renamed ? NULL
             : bare   ? alloc_string(new->columns[i].name)
                      : sql_quote_name(new->columns[i].name);
        if (renamed)
            ok = plan_try(p, "ALTER TABLE %s RENAME COLUMN %s TO %s", quoted,
                from, to);
        else
            ok = plan_try(p, "ALTER TABLE %s DROP COLUMN %s", quoted, from);
        free(from);
        free(to);
        if (!ok)
            return false;
    }
    return true;
}

static bool
alter_table(struct plan *p, const struct table *old, const struct table *new,
    const char *quoted, bool bare)
{
    struct plan_mark mark = plan_mark(p);
    char *text;
    bool ok;

    ok = plan_set_legacy(p, false) &&
         change_columns(p, old, new, quoted, bare) &&
         add_missing_columns(p, new, quoted);
    text = plan_table_text(p, new->name);
    ok = ok && strcmp(text, new->sql) == 0;
    free(text);
    if (ok)
        plan_keep(p);
    else
        plan_undo(p, mark);
    return ok;
}

/* A name that needs no quotes as far as bytes go; a keyword fails to parse. */
static bool
is_plain_name(const char *name)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";

    return name[strspn(name, letters)] == '\0' && name[0] != '\0' &&
           (name[0] < '0' || name[0] > '9');
}

static bool
has_plain_names(const struct table *t)
{
    for (int i = 0; i < t->column_count; i++)
        if (!is_plain_name(t->columns[i].name))
            return false;
    return true;
}

/* The table of OLD that the model has under NEW's name. */
static const struct table *
old_table_of(struct plan *p, const struct table *new)
{
    const char *origin = p->origins[new - p->new->tables];

    return schema_find_table(p->old, origin != NULL ? origin : new->name);
}

void
plan_alter_tables(struct plan *p)
{
    for (size_t i = 0; i < p->new->table_count; i++) {
        const struct table *new = &p->new->tables[i];
        const struct table *old = old_table_of(p, new);
        char *text = plan_table_text(p, new->name);
        char *quoted = sql_quote_name(new->name);

        if (old != NULL && !new->is_shadow && text[0] != '\0' &&
            strcmp(text, new->sql) != 0 &&
            !(has_plain_names(new) && alter_table(p, old, new, quoted, true)))
            alter_table(p, old, new, quoted, false);
        free(quoted);
        free(text);
    }
}

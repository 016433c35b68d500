/*
 * Two cursors over stored rows, side by side.
 *
 * Why "the same bytes" means "equal": a record's meaning depends on nothing but
 * its bytes, the table's definition (its text must be the same on both sides)
 * and the encoding of the database (likewise).  Where rows stand, in which page
 * and behind which free space, is not compared: both trees are walked in the
 * order of rowids, each by its own pages.  Only to be faster, two pages of rows
 * that are the same to the byte are stepped over at once.  Whatever is not as
 * it should be in a page, or is not known of a file, leaves the table to SQL.
 */
#include "sync/compare_stored.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "sync/cells.h"
#include "sync/open.h"

/* A table of which so many rows, and most of those that were looked up, were
 * stored otherwise but equal is faster read by SQL. */
#define EQUAL_MAX 4096
/* How many steps between two looks at whether to stop. */
#define STEPS 256

struct walk {
    const struct stored_walk *w;
    struct cells *a, *b;
    uint32_t looked_up, equal;
};

static int
look_up(struct walk *w, int64_t rowid, struct err *e)
{
    bool equal = false;

    if (w->w->look_up(w->w->ctx, rowid, &equal, e) != 0)
        return -1;
    w->looked_up++;
    w->equal += equal;
    return 0;
}

/* Steps over the row or rows in front. */
static int
step(struct walk *w, struct err *e)
{
    const struct cell *x = cells_get(w->a), *y = cells_get(w->b);
    int order = x == NULL              ? 1
                : y == NULL            ? -1
                : x->rowid == y->rowid ? 0
                : x->rowid < y->rowid  ? -1
                                       : 1;
    int same = 0;

    if (order == 0)
        same = cells_same(w->a, w->b, w->w->breathe, w->w->ctx, e);
    if (same < 0 ||
        (same == 0 && look_up(w, order <= 0 ? x->rowid : y->rowid, e) != 0))
        return -1;
    if (order <= 0)
        cells_next(w->a);
    if (order >= 0)
        cells_next(w->b);
    return 0;
}

/* 0 done, 1 to be done by SQL, -1 with E. */
static int
walk_all(struct walk *w, struct err *e)
{
    while (cells_get(w->a) != NULL || cells_get(w->b) != NULL) {
        for (int i = 0;
             i < STEPS && (cells_get(w->a) != NULL || cells_get(w->b) != NULL);
             i++) {
            if (!cells_skip_same(w->a, w->b) && step(w, e) != 0)
                return -1;
        }
        if (w->equal > EQUAL_MAX && w->equal > w->looked_up / 2)
            return 1;
        if (w->w->breathe(w->w->ctx, e) != 0)
            return -1;
    }
    return cells_failed(w->a) || cells_failed(w->b) ? 1 : 0;
}

/* Where the table stands in DB, and its definition there; a fresh string, NULL
 * when there is no such table. */
static int
find_table(sqlite3 *db, const struct table *t, uint32_t *root, char **sql,
    struct err *e)
{
    sqlite3_stmt *stmt;
    int rc;

    *root = 0;
    *sql = NULL;
    if (database_prepare(db,
            "SELECT rootpage, sql FROM main.sqlite_schema"
            " WHERE type='table' AND name=?1",
            &stmt, e) != 0)
        return -1;
    sqlite3_bind_text(stmt, 1, t->name, -1, SQLITE_STATIC);
    rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW && sqlite3_column_type(stmt, 1) == SQLITE_TEXT) {
        *root = (uint32_t)sqlite3_column_int64(stmt, 0);
        *sql = alloc_string((const char *)sqlite3_column_text(stmt, 1));
    }
    sqlite3_finalize(stmt);
    return rc == SQLITE_ROW || rc == SQLITE_DONE
               ? 0
               : database_error(db, e, "could not read the schema");
}

static int
walk_pages(const struct stored_walk *w, const struct table *t,
    struct pages *old, struct pages *new, struct err *e)
{
    struct walk walk = { .w = w };
    uint32_t old_root, new_root;
    char *old_sql = NULL, *new_sql = NULL;
    int r = -1;

    if (find_table(w->old, t, &old_root, &old_sql, e) != 0 ||
        find_table(w->new, t, &new_root, &new_sql, e) != 0)
        goto out;
    r = 1;
    if (old_sql == NULL || new_sql == NULL || strcmp(old_sql, new_sql) != 0)
        goto out;
    walk.a = cells_open(old, old_root);
    walk.b = cells_open(new, new_root);
    r = walk_all(&walk, e);
    cells_close(walk.a);
    cells_close(walk.b);
out:
    free(old_sql);
    free(new_sql);
    return r;
}

int
stored_compare(const struct stored_walk *w, const struct table *t,
    struct err *e)
{
    struct pages *old, *new;
    int r = 1;

    /* What a filter says of a row may depend on more than the row. */
    if (t->without_rowid || t->filter != NULL)
        return 1;
    old = pages_open(w->old, w->old_log);
    new = pages_open(w->new, w->new_log);
    if (old != NULL && new != NULL && pages_size(old) == pages_size(new) &&
        pages_usable(old) == pages_usable(new) &&
        pages_encoding(old) == pages_encoding(new))
        r = walk_pages(w, t, old, new, e);
    pages_close(old);
    pages_close(new);
    return r;
}

/*
 * What the next publish would make: from the published copy to the live
 * database.  A few changes as a publish finds them; what is more is compared
 * and given piece by piece, so that any number is counted.
 */
#include "sync/source_internal.h"

#include <stdio.h>
#include <string.h>

#include "sync/compare.h"
#include "sync/open.h"

static const struct schema_object *
find_object(const struct schema *s, const struct schema_object *wanted)
{
    for (size_t i = 0; i < s->object_count; i++)
        if (strcmp(s->objects[i].type, wanted->type) == 0 &&
            strcmp(s->objects[i].name, wanted->name) == 0)
            return &s->objects[i];
    return NULL;
}

/* The stored objects of A that B does not have just so. */
static void
show_objects(const struct schema *a, const struct schema *b, char op,
    const struct diff_sink *sink)
{
    for (size_t i = 0; i < a->object_count; i++) {
        const struct schema_object *o = &a->objects[i];
        const struct schema_object *other = find_object(b, o);

        if (o->sql != NULL && (other == NULL || other->sql == NULL ||
                                  strcmp(other->sql, o->sql) != 0))
            sink->schema(sink->ctx, op, o->sql, strlen(o->sql));
    }
}

/* The rows that differ, in the open read transaction of the live file. */
static int
preview_rows(struct source *s, const struct schema *live, bool collect,
    struct change_set *set, struct err *e)
{
    struct collection c = { .compare_reason = NULL };
    int r;

    if (!collect)
        return source_compare(s, live, set, SOURCE_CHANGES_MAX, e);
    r = source_collect(s, &c, e);
    if (r == 0) {
        *set = c.set;
        change_set_init(&c.set);
    }
    collection_release(&c);
    return r;
}

/* Where rows go, and the names of their columns. */
struct giving {
    const struct diff_sink *sink;
    struct shapes old, new;
};

static int
give_rows(void *ctx, struct change_set *set, struct err *e)
{
    const struct giving *g = ctx;
    int r = 0;

    for (size_t i = 0; r == 0 && i < set->count; i++) {
        const struct change *c = &set->items[i];

        r = g->sink->row(g->sink->ctx, c, shapes_find(&g->old, c->table),
            shapes_find(&g->new, c->table), e);
    }
    return r;
}

static int
give_large(void *ctx, char op, const struct table *t, const struct buf *key,
    struct err *e)
{
    const struct giving *g = ctx;

    return g->sink->large(g->sink->ctx, op, t->name, key->data, key->len,
        shapes_find(op == '-' ? &g->old : &g->new, t->name), e);
}

/* More than a publish takes row by row: the servers would be overwritten. */
static int
give_all(struct source *s, const struct schema *live, struct giving *g,
    struct diff_summary *summary, struct err *e)
{
    const struct compare_drain drain = { give_rows, give_large, g };

    summary->whole = summary->counted = true;
    snprintf(summary->why, sizeof(summary->why), "more than %zu MiB of changes",
        SOURCE_CHANGES_MAX >> 20);
    err_clear(e);
    return source_compare_all(s, live, &drain, e);
}

static int
give(struct source *s, const struct schema *live, bool collect,
    const struct diff_sink *sink, struct diff_summary *summary, struct err *e)
{
    struct giving g = { sink, SHAPES_INIT, SHAPES_INIT };
    struct change_set set;
    int r;

    change_set_init(&set);
    shapes_of_schema(&g.old, s->schema);
    shapes_of_schema(&g.new, live);
    r = preview_rows(s, live, collect, &set, e);
    if (r == 0 || e->code == ERR_INVALID) {
        show_objects(s->schema, live, '-', sink);
        show_objects(live, s->schema, '+', sink);
    }
    if (r == 0)
        r = give_rows(&g, &set, e);
    else if (e->code == ERR_INVALID)
        r = give_all(s, live, &g, summary, e);
    change_set_release(&set);
    shapes_release(&g.old);
    shapes_release(&g.new);
    return r;
}

/* A file that is held because it was replaced is looked at all the same, and
 * stays as suspect as it was. */
static int
begin_preview(struct source *s, struct err *e)
{
    bool nonce_before = s->nonce_before;
    bool maybe_older = s->maybe_older, replaced = s->replaced;
    uint64_t base_revision = s->base_revision;
    struct file_mark base_mark = s->base_mark;
    bool held = s->held != NULL;
    enum live_look look = source_live_begin(s, held, e);

    if (held) {
        s->nonce_before = nonce_before;
        s->maybe_older = maybe_older;
        s->replaced = replaced;
        s->base_revision = base_revision;
        s->base_mark = base_mark;
    }
    return look == LIVE_ERROR ? -1 : 0;
}

int
source_preview(struct source *source, const struct diff_sink *sink,
    struct diff_summary *summary, struct err *e)
{
    struct source *s = source;
    struct schema *live = NULL;
    uint32_t cookie;
    int r = -1;

    memset(summary, 0, sizeof(*summary));
    summary->from_revision = s->state.revision;
    summary->to_revision = s->state.revision + 1;
    if (begin_preview(s, e) != 0)
        goto out;
    if (s->published == NULL) {
        err_set(e, ERR_NOT_FOUND, "nothing is published yet");
        goto out;
    }
    if (source_selects_anew(s)) {
        summary->whole = true;
        snprintf(summary->why, sizeof(summary->why),
            "what is protected or left out was changed");
        r = 0;
        goto out;
    }
    if (source_load_live(s, &live, e) != 0 ||
        database_schema_cookie(s->live, &cookie, e) != 0)
        goto out;
    r = give(s, live, s->live_known && s->held == NULL && cookie == s->cookie,
        sink, summary, e);
out:
    source_live_rest(s);
    schema_free(live);
    return r;
}

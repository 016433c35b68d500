/*
 * Differing rows as lines of JSON.
 */
#include "daemon/diff_lines.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/escape.h"
#include "base/json.h"

/* Rows are gathered into lines of about this size. */
#define LINE_BYTES 16384
/* Of a statement that is shown. */
#define SQL_SHOWN 2000

static int
end_line(struct diff_lines *l, struct err *e)
{
    int r;

    if (l->line_rows == 0)
        return 0;
    buf_printf(&l->line, "]}}\n");
    r = diff_spool_put(&l->spool, l->line.data, l->line.len, e);
    buf_clear(&l->line);
    l->line_rows = 0;
    return r;
}

/* Takes ROW over. */
static int
put_row(struct diff_lines *l, json_t *row, struct err *e)
{
    char *text = json_write(row);

    json_decref(row);
    buf_printf(&l->line, "%s%s", l->line_rows++ > 0 ? ", " : l->head, text);
    free(text);
    return l->line.len < LINE_BYTES ? 0 : end_line(l, e);
}

/* Whether one more row is given, or only counted. */
static bool
has_room(struct diff_lines *l)
{
    if (l->given < l->limit) {
        l->given++;
        return true;
    }
    l->counts.more++;
    return false;
}

/* A statement without what stands between its quotes, if it has to do with
 * secrets. */
static char *
shown_sql(const struct change_secrets *secrets, const char *sql, size_t len)
{
    char shown[SQL_SHOWN + 1];
    struct buf text = BUF_INIT;
    bool hide = secrets->statement(secrets->ctx, sql, len);
    bool inside = false;
    size_t n;

    for (size_t i = 0; i < len && text.len < SQL_SHOWN; i++) {
        if (sql[i] == '\'')
            inside = !inside;
        if (!hide || !inside || sql[i] == '\'')
            buf_put_u8(&text, (uint8_t)sql[i]);
        else if (sql[i - 1] == '\'')
            buf_printf(&text, "...");
    }
    escape_text((const char *)text.data, text.len, shown, sizeof(shown));
    buf_release(&text);
    n = strlen(shown);
    return alloc_format("%s%s", shown, n >= SQL_SHOWN - 1 ? "..." : "");
}

static void
take_statement(void *ctx, char op, const char *sql, size_t len)
{
    struct diff_lines *l = ctx;
    char name[2] = { op, '\0' };
    char *text = shown_sql(&l->secrets, sql, len);

    l->counts.statements++;
    put_row(l, json_pack("{s:s, s:s}", "op", name, "schema", text), &l->failed);
    free(text);
}

/* A drifted key, with the row as it is published. */
static json_t *
drifted_json(struct diff_lines *l, const struct change *c,
    const struct shape *shape)
{
    json_t *row = change_key_json(c->table, c->old_key, c->old_key_len, shape,
        &l->secrets);

    json_object_set_new(row, "op", json_string(c->new_row != NULL ? "~" : "-"));
    json_object_set_new(row, "drifted", json_true());
    return row;
}

static int
take_row(void *ctx, const struct change *c, const struct shape *old,
    const struct shape *new, struct err *e)
{
    struct diff_lines *l = ctx;

    if (l->failed.code != ERR_NONE) {
        *e = l->failed;
        return -1;
    }
    l->counts.drifted += l->in_drift;
    l->counts.added += !l->in_drift && c->old_row == NULL;
    l->counts.removed += !l->in_drift && c->new_row == NULL;
    l->counts.changed +=
        !l->in_drift && c->old_row != NULL && c->new_row != NULL;
    if (!has_room(l))
        return 0;
    return put_row(l,
        l->in_drift ? drifted_json(l, c, new)
                    : change_json(c, old, new, &l->secrets),
        e);
}

static int
take_large(void *ctx, char op, const char *table, const void *key,
    size_t key_len, const struct shape *shape, struct err *e)
{
    struct diff_lines *l = ctx;
    char name[2] = { op, '\0' };
    json_t *row;

    l->counts.drifted += l->in_drift;
    l->counts.added += !l->in_drift && op == '+';
    l->counts.removed += !l->in_drift && op == '-';
    l->counts.changed += !l->in_drift && op == '~';
    if (!has_room(l))
        return 0;
    row = change_key_json(table, key, key_len, shape, &l->secrets);
    json_object_set_new(row, "op", json_string(name));
    json_object_set_new(row, "large", json_true());
    if (l->in_drift)
        json_object_set_new(row, "drifted", json_true());
    return put_row(l, row, e);
}

int
diff_lines_open(struct diff_lines *l, const char *folder, const char *head,
    const struct change_secrets *secrets, uint64_t limit, struct err *e)
{
    *l = (struct diff_lines){ .head = alloc_string(head),
        .secrets = *secrets,
        .limit = limit };
    return diff_spool_open(&l->spool, folder, e);
}

struct diff_sink
diff_lines_sink(struct diff_lines *l)
{
    return (struct diff_sink){ take_statement, take_row, take_large, l };
}

int
diff_lines_end(struct diff_lines *l, struct err *e)
{
    if (l->failed.code != ERR_NONE) {
        *e = l->failed;
        return -1;
    }
    return end_line(l, e) != 0 ? -1 : diff_spool_flush(&l->spool, e);
}

void
diff_lines_close(struct diff_lines *l)
{
    diff_spool_close(&l->spool);
    buf_release(&l->line);
    free(l->head);
    l->head = NULL;
    l->line_rows = 0;
}

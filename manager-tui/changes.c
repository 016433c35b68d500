/*
 * Changed rows from the answer of a command to stdout: as lines while they
 * come, or into a file without a name that becomes one JSON document, so that a
 * connection that is lost leaves no half of one.
 */
#include "manager-tui/changes.h"

#include <errno.h>
#include <string.h>

struct changes {
    struct cli *cli;
    FILE *json; /* NULL: lines for people */
    bool list;
    size_t units; /* ended */
    size_t rows;  /* of the unit under way */
};

static void
write_value(FILE *out, const json_t *value)
{
    json_dumpf(value, out, JSON_COMPACT | JSON_ENCODE_ANY);
}

static void
take_row(struct changes *c, const json_t *row)
{
    struct buf line = BUF_INIT;

    if (c->json != NULL) {
        if (c->rows == 0)
            fputs(c->units > 0 ? ",\n{\"rows\": [" : "{\"rows\": [", c->json);
        fputs(c->rows > 0 ? ",\n  " : "\n  ", c->json);
        write_value(c->json, row);
    } else {
        change_line(row, &line);
        fwrite(line.data, 1, line.len, stdout);
        buf_release(&line);
    }
    c->rows++;
}

/* Ends the unit with its summary. */
static void
take_summary(struct changes *c, const json_t *summary)
{
    struct buf line = BUF_INIT;
    const char *name;
    const json_t *value;

    if (c->json == NULL) {
        change_summary(summary, &line);
        fwrite(line.data, 1, line.len, stdout);
        buf_release(&line);
    } else {
        if (c->rows == 0)
            fputs(c->units > 0 ? ",\n{\"rows\": [" : "{\"rows\": [", c->json);
        fputs("]", c->json);
        json_object_foreach ((json_t *)(uintptr_t)summary, name, value) {
            fputs(",\n  ", c->json);
            json_t *text = json_string(name);

            write_value(c->json, text);
            json_decref(text);
            fputs(": ", c->json);
            write_value(c->json, value);
        }
        fputs("}", c->json);
    }
    c->rows = 0;
    c->units++;
}

static void
on_progress(void *ctx, json_t *line)
{
    struct changes *c = ctx;
    const json_t *summary = json_object_get(line, "summary");
    const json_t *rows = json_object_get(line, "rows");
    const json_t *row;
    size_t i;

    json_array_foreach (rows, i, row)
        take_row(c, row);
    if (summary != NULL)
        take_summary(c, summary);
}

static int
copy_out(FILE *from, struct err *e)
{
    char piece[65536];
    size_t got;

    if (fflush(from) != 0 || ferror(from))
        return err_set_errno(e, ERR_IO, errno,
            "could not keep the answer in a temporary file");
    rewind(from);
    while ((got = fread(piece, 1, sizeof(piece), from)) > 0)
        fwrite(piece, 1, got, stdout);
    return 0;
}

int
changes_run(struct cli *cli, const char *name, json_t *args, bool list,
    struct err *e)
{
    struct changes c = { .cli = cli, .list = list };
    json_t *result = NULL;
    int r = -1;

    if (cli->json && (c.json = tmpfile()) == NULL)
        return err_set_errno(e, ERR_IO, errno,
            "could not make a temporary file");
    if (c.json != NULL && list)
        fputs("{\"changes\": [", c.json);
    if (cli_control_lines(cli, name, args, LONG_WAIT_MS, on_progress, &c,
            &result, e) != 0)
        goto out;
    if (!list)
        take_summary(&c, result);
    if (c.json != NULL) {
        fputs(list ? "]}\n" : "\n", c.json);
        if (copy_out(c.json, e) != 0)
            goto out;
    }
    fflush(stdout);
    r = 0;
out:
    json_decref(result);
    if (c.json != NULL)
        fclose(c.json);
    return r;
}

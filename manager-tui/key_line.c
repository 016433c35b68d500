/*
 * Public keys on the command line.
 */
#include "manager-tui/key_line.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/json.h"
#include "manager-tui/results.h"

#define KEY_FILE_MAX 65536

const struct column key_columns[] = {
    { "ID", "id", COLUMN_TEXT, false },
    { "FINGERPRINT", "fingerprint", COLUMN_TEXT, false },
    { "COMMENT", "comment", COLUMN_TEXT, true },
    { "TYPE", "type", COLUMN_TEXT, true },
    COLUMNS_END,
};

static const struct column one_key_columns[] = {
    { "id", "id", COLUMN_TEXT, false },
    { "type", "type", COLUMN_TEXT, false },
    { "fingerprint", "fingerprint", COLUMN_TEXT, false },
    { "comment", "comment", COLUMN_TEXT, false },
    COLUMNS_END,
};

const struct view key_views[] = {
    { "key", false, one_key_columns, NULL },
    { "keys", true, key_columns, "No keys." },
    VIEWS_END,
};

static int
read_stdin(struct buf *text, struct err *e)
{
    ssize_t n;

    do {
        n = read(STDIN_FILENO, buf_reserve(text, 4096), 4096);
        if (n > 0)
            text->len += (size_t)n;
    } while (n > 0 && text->len <= KEY_FILE_MAX);
    return n == 0 ? 0 : err_set(e, ERR_IO, "could not read stdin");
}

/* The words of an unquoted line are put together again. */
static void
join(const json_t *words, struct buf *text)
{
    for (size_t i = 0; i < json_array_size(words); i++)
        buf_printf(text, "%s%s", i > 0 ? " " : "",
            json_string_value(json_array_get(words, i)));
}

static int
read_key(const json_t *words, struct buf *text, struct err *e)
{
    const char *first = json_string_value(json_array_get(words, 0));

    if (first == NULL)
        return err_set(e, ERR_USAGE, "the key is missing");
    if (json_array_size(words) > 1 || strchr(first, ' ') != NULL) {
        join(words, text);
        return 0;
    }
    return strcmp(first, "-") == 0 ? read_stdin(text, e)
                                   : file_read(first, KEY_FILE_MAX, text, e);
}

/* The text as a line, without what ends it. */
static int
take_line(const struct buf *text, json_t **line, struct err *e)
{
    size_t len = text->len;

    while (len > 0 && strchr("\r\n ", text->data[len - 1]) != NULL)
        len--;
    *line = json_stringn((const char *)text->data, len);
    if (*line != NULL)
        return 0;
    err_set(e, ERR_INVALID, "the key is not text");
    err_hint(e, "Give a file that ends in .pub, or the line in it.");
    return -1;
}

int
key_line_typed(const char *typed, json_t **line, struct err *e)
{
    struct buf text = BUF_INIT;
    const char *home = getenv("HOME");
    char *path = NULL;
    int r = -1;

    typed += strspn(typed, " ");
    if (strchr(typed, ' ') != NULL) {
        buf_printf(&text, "%s", typed);
    } else {
        if (strncmp(typed, "~/", 2) == 0 && home != NULL)
            path = alloc_format("%s%s", home, typed + 1);
        if (file_read(path != NULL ? path : typed, KEY_FILE_MAX, &text, e) != 0)
            goto out;
    }
    r = take_line(&text, line, e);
out:
    free(path);
    buf_release(&text);
    return r;
}

int
key_line_run(struct cli *cli, const struct command *command, json_t *args,
    struct err *e)
{
    struct buf text = BUF_INIT;
    json_t *line = NULL;
    int r = -1;

    if (read_key(json_object_get(args, "key"), &text, e) == 0 &&
        take_line(&text, &line, e) == 0) {
        json_object_set_new(args, "key", line);
        r = cli_run_plain(cli, command, args, e);
    }
    buf_release(&text);
    return r;
}

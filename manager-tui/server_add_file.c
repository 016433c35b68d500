/*
 * Many registrations from a file, one a line:
 *     HOST[:PORT] [name=N] [user=U] [fingerprint=F] [password-file=F] [join=F]
 * Blank lines and those that begin with "#" say nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/json.h"
#include "manager-tui/results.h"
#include "manager-tui/server_add.h"

#define FILE_MAX ((size_t)1024 * 1024)

static int
take_setting(json_t *args, const char *word, size_t len, struct err *e)
{
    static const struct {
        const char *name;
        const char *member;
    } settings[] = {
        { "name=", "name" },
        { "user=", "user" },
        { "fingerprint=", "fingerprint" },
        { "password-file=", "password_file" },
        { "join=", "join" },
    };

    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        size_t prefix = strlen(settings[i].name);

        if (len <= prefix || strncmp(word, settings[i].name, prefix) != 0)
            continue;
        json_object_set_new(args, settings[i].member,
            json_stringn(word + prefix, len - prefix));
        return 0;
    }
    err_set(e, ERR_USAGE, "\"%.*s\" is unknown", (int)len, word);
    err_hint(e, "A line is HOST[:PORT] [name=N] [user=U] [fingerprint=F] "
                "[password-file=F] [join=F].");
    return -1;
}

/* ARGS of a line; *ARGS stays NULL for one that says nothing. */
static int
parse_line(const char *line, const json_t *common, json_t **args, struct err *e)
{
    static const char blanks[] = " \t\r";

    *args = NULL;
    line += strspn(line, blanks);
    if (*line == '\0' || *line == '#')
        return 0;
    *args = json_copy((json_t *)common);
    for (bool first = true; *line != '\0'; first = false) {
        size_t len = strcspn(line, blanks);

        if (first)
            json_object_set_new(*args, "host", json_stringn(line, len));
        else if (take_setting(*args, line, len, e) != 0)
            return -1;
        line += len + strspn(line + len, blanks);
    }
    return 0;
}

struct additions {
    json_t *added;
    json_t *failed;
    struct err first; /* the first failure */
};

static void
add_line(struct cli *cli, const char *line, int number, const json_t *common,
    struct additions *all)
{
    json_t *args = NULL, *entry = NULL;
    struct err e = ERR_INIT;
    const char *host;

    if (parse_line(line, common, &args, &e) == 0 && args == NULL)
        return;
    host = json_string_value(json_object_get(args, "host"));
    host = host != NULL ? host : "";
    if (e.code == ERR_NONE) {
        char *shown = alloc_string(host);

        cli_say(cli, "Adding %s ...", shown);
        server_add_one(cli, args, &entry, &e);
        free(shown);
    }
    if (entry != NULL) {
        json_array_append_new(all->added, entry);
    } else {
        err_wrap(&e, "line %d", number);
        json_array_append_new(all->failed,
            json_pack("{s:i,s:O?,s:o}", "line", number, "address",
                json_object_get(args, "host"), "error", json_error(&e)));
        if (all->first.code == ERR_NONE)
            all->first = e;
        if (!cli->json)
            fprintf(stderr, "lockstep: %s\n%s%s", e.message, e.hint,
                e.hint[0] != '\0' ? "\n" : "");
    }
    json_decref(args);
}

static int
finish(struct cli *cli, struct additions *all, struct err *e)
{
    size_t added = json_array_size(all->added);
    size_t failed = json_array_size(all->failed);
    json_t *result;

    if (failed > 0 && added == 0 && failed == 1) {
        *e = all->first;
        return -1;
    }
    if (failed > 0)
        err_set(e, added > 0 ? ERR_PARTLY : all->first.code,
            "%zu of %zu servers were not added", failed, failed + added);
    result =
        json_pack("{s:O,s:O}", "servers", all->added, "failed", all->failed);
    if (failed > 0)
        json_object_set_new(result, "error", json_error(e));
    if (cli->json || added > 0)
        cli_show(cli, result, server_list_views);
    json_decref(result);
    cli->exit_code = err_exit_code(e->code);
    if (failed > 0)
        cli_say(cli, "%s", e->message);
    return 0;
}

int
server_add_file(struct cli *cli, const char *path, const json_t *common,
    struct err *e)
{
    struct additions all = { json_array(), json_array(), ERR_INIT };
    struct buf text = BUF_INIT;
    char *line, *next;
    int number = 0, r = -1;

    if (file_read(path, FILE_MAX, &text, e) != 0)
        goto out;
    buf_put_u8(&text, '\0');
    for (line = (char *)text.data; line != NULL; line = next) {
        next = strchr(line, '\n');
        if (next != NULL)
            *next++ = '\0';
        add_line(cli, line, ++number, common, &all);
    }
    r = finish(cli, &all, e);
out:
    buf_release(&text);
    json_decref(all.added);
    json_decref(all.failed);
    return r;
}

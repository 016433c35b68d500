/*
 * What adding a server and registering one again have in common: what the pages
 * hand on, how they are cancelled, and the summary.
 */
#include "manager-tui/server_pages.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "manager-tui/host_key.h"
#include "manager-tui/text.h"
#include "manager-tui/view.h"

const char *
server_page_text(const json_t *object, const char *path)
{
    const char *text = json_string_value(view_member(object, path));

    return text != NULL ? text : "";
}

void
server_page_keep(json_t *args, const char *const *names)
{
    json_t *kept = json_object();

    for (; *names != NULL; names++)
        if (json_member(args, *names) != NULL)
            json_object_set(kept, *names, json_object_get(args, *names));
    json_object_clear(args);
    json_object_update(args, kept);
    json_decref(kept);
}

int
server_page_accept_key(struct form *f, json_t *args, const char *whose,
    const char *const *names, struct err *e)
{
    const char *shown = server_page_text(args, "shown");

    if (host_key_compare(whose, shown, form_typed(f, "expected"), e) != 0)
        return -1;
    json_object_set_new(args, "fingerprint", json_string(shown));
    server_page_keep(args, names);
    return 0;
}

void
server_page_login_failed(struct form *f, const struct err *error,
    struct form *(*open)(struct screen *s, const json_t *known))
{
    struct err e = *error; /* the form, and its error, go away */

    if (e.code != ERR_LOGIN)
        return;
    f = open(form_screen(f), form_fixed(f));
    form_set_error(f, &e);
    form_focus(f, "password");
}

void
server_page_cancel(struct form *f)
{
    json_t *args = json_deep_copy(form_fixed(f));
    static const char *const names[] = { "host", "port", NULL };

    if (json_member(args, "host") == NULL) {
        json_object_set_new(args, "host", json_string(form_typed(f, "host")));
        json_object_set_new(args, "port",
            json_integer(strtol(form_typed(f, "port"), NULL, 10)));
    }
    server_page_keep(args, names);
    json_object_set_new(args, "ticket", json_string(form_ticket(f)));
    screen_act(form_screen(f), "server cancel", args,
        "Cancelled, unless it is a secondary already.");
}

void
server_page_cancel_early(struct form *f)
{
    static const char *const before[] = { "", "connect", "login" };

    for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++)
        if (strcmp(form_step(f), before[i]) == 0) {
            server_page_cancel(f);
            return;
        }
    screen_say(form_screen(f), "It is a secondary already: this cannot be "
                               "cancelled, only removed afterwards.");
}

const struct form_step server_page_steps[] = {
    { "connect", "connect" },
    { "login", "log in" },
    { "enroll", "make it a secondary (from here on there is no way back)" },
    { "narrow", "narrow its filter, if wanted" },
    { "overwrite", "overwrite what it has; it keeps a backup" },
    { "verify", "verify that it is equal" },
    { NULL, NULL },
};

static void
put_dataset(struct buf *b, struct screen *s, const json_t *ds)
{
    char size[32], *changed = screen_time(s, json_member(ds, "last_change"));

    text_bytes(json_integer_value(json_object_get(ds, "bytes")), size);
    buf_printf(b, "    %s: revision %lld, %lld rows, %s, last change %s\n",
        server_page_text(ds, "name"),
        (long long)json_integer_value(json_object_get(ds, "revision")),
        (long long)json_integer_value(json_object_get(ds, "rows")), size,
        strcmp(changed, "-") == 0 ? "unknown" : changed);
    free(changed);
}

char *
server_page_summary(struct screen *s, const char *host, const json_t *facts,
    const char *more)
{
    const json_t *datasets = json_object_get(facts, "datasets");
    int64_t free_bytes =
        json_integer_value(json_object_get(facts, "disk_free"));
    char disk[32];
    struct buf b = BUF_INIT;
    size_t len;

    buf_printf(&b, "\"%s\" at %s is a %s node, version %s.\n\n",
        server_page_text(facts, "node.name"), host,
        server_page_text(facts, "node.role"),
        server_page_text(facts, "node.version"));
    if (json_array_size(datasets) > 0)
        buf_printf(&b, "This is overwritten there with what is here:\n");
    for (size_t i = 0; i < json_array_size(datasets); i++)
        put_dataset(&b, s, json_array_get(datasets, i));
    buf_printf(&b,
        "A backup of it is kept there, in datasets/NAME/backups of its state "
        "directory.");
    if (free_bytes > 0) {
        text_bytes(free_bytes, disk);
        buf_printf(&b, "  Free on its disk: %s.", disk);
    }
    if (more[0] != '\0')
        buf_printf(&b, "\n\n%s", more);
    return (char *)buf_steal(&b, &len);
}

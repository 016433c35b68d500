/*
 * Decisions about a server or a dataset that waits for one: a changed host key,
 * an overwrite, and what is held.  Each shows first what would be lost.
 */
#include "manager-tui/server_rescue.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "manager-tui/form.h"
#include "manager-tui/host_key.h"
#include "manager-tui/view.h"

static const struct form_field name_fields[] = {
    { "confirm", "Type the name", FIELD_CONFIRM, NULL,
        "Enter goes on, Esc changes nothing", true },
    FIELDS_END,
};

static const char *
text_of(const json_t *object, const char *path)
{
    const char *text = json_string_value(view_member(object, path));

    return text != NULL ? text : "";
}

/* A changed host key: read it, compare it, trust it. */

static const struct form_field trust_fields[] = {
    EXPECTED_KEY_FIELD,
    { "confirm", "Type the name", FIELD_CONFIRM, NULL,
        "Enter trusts it, Esc changes nothing", true },
    FIELDS_END,
};

static int
check_trust(struct form *f, json_t *args, struct err *e)
{
    json_object_del(args, "expected");
    return host_key_compare(text_of(args, "name"), text_of(args, "fingerprint"),
        form_typed(f, "expected"), e);
}

static void
key_read(struct form *f, const json_t *result)
{
    static const struct form_spec spec = { .title = "Trust a new host key",
        .submit = "Trust",
        .fields = trust_fields,
        .command = "server trust",
        .takes_long = true,
        .check = check_trust,
        .done = "The new host key is trusted." };
    const json_t *known = form_fixed(f);
    const char *shown = text_of(result, "fingerprint");
    const char *pinned = text_of(known, "pinned");
    char *text = alloc_format(
        "\"%s\" shows the host key\n    %s\nand %s\n    %s\n\nCompare the "
        "first with what \"lockstep status\" says there: whoever has the "
        "other half of a key that you trust gets everything that is sent.",
        text_of(known, "name"), shown,
        strcmp(shown, pinned) == 0 ? "that is the one that is trusted already:"
                                   : "the one that is trusted is",
        pinned);

    form_open(form_screen(f), &spec, text,
        json_pack("{s:s, s:s}", "name", text_of(known, "name"), "fingerprint",
            shown),
        text_of(known, "name"));
    free(text);
}

static int
only_where(struct form *f, json_t *args, struct err *e)
{
    (void)f;
    (void)e;
    json_object_del(args, "name");
    json_object_del(args, "pinned");
    return 0;
}

void
server_trust(struct screen *s, const json_t *row)
{
    static const struct form_spec spec = { .title = "Trust a new host key",
        .submit = "Read it",
        .command = "server probe",
        .takes_long = true,
        .check = only_where,
        .finish = key_read };
    char *text = alloc_format(
        "The host key of \"%s\" is read now; nothing else is sent.\n\nIf it "
        "was installed anew, a new key is not enough: register it again (A).",
        text_of(row, "name"));

    form_open(s, &spec, text,
        json_pack("{s:s, s:I, s:s, s:s}", "host", text_of(row, "address"),
            "port", json_integer_value(json_object_get(row, "port")), "name",
            text_of(row, "name"), "pinned", text_of(row, "fingerprint")),
        NULL);
    free(text);
}

/* Everything again. */

static const struct form_step overwrite_steps[] = {
    { "connect", "connect" },
    { "overwrite", "overwrite what it has; it keeps a backup" },
    { "verify", "verify that it is equal" },
    { NULL, NULL },
};

void
server_overwrite(struct screen *s, const json_t *row)
{
    static const struct form_spec spec = { .title = "Overwrite a server",
        .submit = "Overwrite",
        .fields = name_fields,
        .command = "server overwrite",
        .takes_long = true,
        .done = "The server is overwritten.",
        .steps = overwrite_steps };
    const char *why = text_of(row, "error.message");
    char *text = alloc_format(
        "Everything on the server \"%s\" will be overwritten with what this "
        "primary has; what it has now is kept there as a backup.%s%s",
        text_of(row, "name"), why[0] != '\0' ? "\n\nIt says: " : "", why);

    form_open(s, &spec, text, json_pack("{s:s}", "name", text_of(row, "name")),
        text_of(row, "name"));
    free(text);
}

/* A dataset that is held: what publishing it would lose. */

static long long
number_of(const json_t *object, const char *member)
{
    return json_integer_value(json_object_get(object, member));
}

static void
accepted(struct form *f, const json_t *result)
{
    struct screen *s = form_screen(f);
    long long revision = number_of(result, "revision");

    if (json_is_false(json_object_get(result, "published")))
        screen_say(s, "Nothing differed: revision %lld stands.", revision);
    else if (json_is_null(json_object_get(result, "removed")))
        screen_say(s, "Published whole as revision %lld, %lld rows.", revision,
            number_of(result, "rows"));
    else
        screen_say(s,
            "Published as revision %lld: %lld rows added, %lld changed, %lld "
            "removed.",
            revision, number_of(result, "added"), number_of(result, "changed"),
            number_of(result, "removed"));
}

static void
diff_read(struct form *f, const json_t *result)
{
    static const struct form_spec spec = { .title = "Accept what is held",
        .submit = "Accept",
        .fields = name_fields,
        .command = "dataset accept",
        .takes_long = true,
        .finish = accepted };
    const char *name = text_of(form_fixed(f), "name");
    struct buf b = BUF_INIT;
    char *text;
    size_t len;

    buf_printf(&b, "The dataset \"%s\" is held: %s\n\n", name,
        text_of(result, "held"));
    if (json_is_true(json_object_get(result, "whole")))
        buf_printf(&b, "Accepted, it would be published whole (%s).\n",
            text_of(result, "why"));
    else
        buf_printf(&b,
            "Accepted, it would be published: %lld rows added, %lld changed, "
            "%lld REMOVED, %lld changes of the schema.\n",
            number_of(result, "added"), number_of(result, "changed"),
            number_of(result, "removed"), number_of(result, "statements"));
    buf_printf(&b,
        "What is lost by it stays in history; \"lockstep dataset "
        "diff %s\" shows it row by row.",
        name);
    text = (char *)buf_steal(&b, &len);
    form_open(form_screen(f), &spec, text, json_pack("{s:s}", "name", name),
        name);
    free(text);
}

static void
open_held(struct screen *s, const json_t *ds)
{
    static const struct form_spec spec = { .title = "What is held",
        .submit = "Look",
        .command = "dataset diff",
        .takes_long = true,
        .finish = diff_read };
    char *text = alloc_format(
        "The dataset \"%s\" is held: %s\n\nNothing is published until you "
        "decide.  Look at what would be lost first.",
        text_of(ds, "name"), text_of(ds, "held"));

    form_open(s, &spec, text, json_pack("{s:s}", "name", text_of(ds, "name")),
        NULL);
    free(text);
}

void
datasets_decide(struct screen *s)
{
    const json_t *datasets = view_member(screen_status(s), "datasets");

    for (size_t i = 0; i < json_array_size(datasets); i++) {
        const json_t *ds = json_array_get(datasets, i);

        if (text_of(ds, "held")[0] != '\0') {
            open_held(s, ds);
            return;
        }
    }
    screen_say(s, "No dataset is held.");
}

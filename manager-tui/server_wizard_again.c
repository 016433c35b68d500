/*
 * A listed server that was installed anew is registered again, page by page: it
 * keeps its entry.  Its host key is another one now, so it is reviewed as that
 * of a stranger before the password leaves this node.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "manager-tui/form.h"
#include "manager-tui/host_key.h"
#include "manager-tui/secret.h"
#include "manager-tui/server_pages.h"
#include "manager-tui/server_wizard.h"

static struct form *open_login(struct screen *s, const json_t *known);
static void open_key(struct screen *s, const json_t *known);

/* 1. Whose password. */

static const struct form_field login_fields[] = {
    LOGIN_FIELDS,
    FIELDS_END,
};

static int
check_login(struct form *f, json_t *args, struct err *e)
{
    static const char *const names[] = { "host", "port", NULL };

    (void)f;
    (void)e;
    server_page_keep(args, names);
    return 0;
}

static void
login_done(struct form *f, const json_t *result)
{
    json_t *known = json_deep_copy(form_fixed(f));

    json_object_set_new(known, "user", json_string(form_typed(f, "user")));
    json_object_set_new(known, "password",
        json_string(form_typed(f, "password")));
    json_object_set(known, "shown", json_object_get(result, "fingerprint"));
    open_key(form_screen(f), known);
    secret_wipe_members(known);
    json_decref(known);
}

static struct form *
open_login(struct screen *s, const json_t *known)
{
    static const struct form_spec spec = { .title = "Register again (1 of 3)",
        .submit = "Next",
        .fields = login_fields,
        .command = "server probe",
        .takes_long = true,
        .check = check_login,
        .finish = login_done,
        .cancel = server_page_cancel,
        .cancel_label = "cancel" };
    /* The form that has it goes away, and wipes it. */
    json_t *kept = json_deep_copy(known), *fixed = json_deep_copy(known);
    char *text = alloc_format(
        "\"%s\" was installed anew: it becomes a secondary of this node again "
        "and keeps its name, interval and counters here.  First its host key "
        "is read, and nothing is sent.",
        server_page_text(known, "name"));
    struct form *f;

    secret_wipe_members(fixed);
    json_object_del(fixed, "password");
    f = form_open(s, &spec, text, fixed, NULL);
    form_fill(f, kept);
    secret_wipe_members(kept);
    json_decref(kept);
    free(text);
    return f;
}

/* 2. The host key. */

static const struct form_field key_fields[] = {
    EXPECTED_KEY_FIELD,
    FIELDS_END,
};

static const char *const trust_names[] = { "name", "fingerprint", "user",
    "password", "narrow", NULL };

static int
check_key(struct form *f, json_t *args, struct err *e)
{
    const char *name = server_page_text(args, "name");

    if (server_page_accept_key(f, args, name, trust_names, e) != 0)
        return -1;
    json_object_set_new(args, "dry_run", json_true());
    return 0;
}

static void
key_back(struct form *f)
{
    open_login(form_screen(f), form_fixed(f));
}

static void
key_failed(struct form *f, const struct err *error)
{
    server_page_login_failed(f, error, open_login);
}

static void open_summary(struct form *f, const json_t *facts);

static void
open_key(struct screen *s, const json_t *known)
{
    static const struct form_spec spec = { .title = "Register again (2 of 3)",
        .submit = "It is the same",
        .fields = key_fields,
        .command = "server trust",
        .takes_long = true,
        .check = check_key,
        .finish = open_summary,
        .failed = key_failed,
        .back = key_back,
        .cancel = server_page_cancel,
        .cancel_label = "cancel" };
    const char *shown = server_page_text(known, "shown");
    const char *pinned = server_page_text(known, "pinned");
    char *text = alloc_format(
        "\"%s\" shows the host key\n\n    %s\n\n%s\n\n    %s\n\nCompare the "
        "first with what \"lockstep status\" says there.  The password has not "
        "been sent.",
        server_page_text(known, "name"), shown,
        strcmp(shown, pinned) == 0 ? "It is the one that was trusted so far:"
                                   : "It is another one than so far:",
        pinned);

    form_open(s, &spec, text, json_deep_copy(known), NULL);
    free(text);
}

/* 3. What will be overwritten, and the registration. */

static const struct form_field summary_fields[] = {
    NARROW_FIELD,
    { "confirm", "Type the server's name", FIELD_CONFIRM, NULL,
        "Enter registers and overwrites it, Esc goes back", true },
    FIELDS_END,
};

static int
check_summary(struct form *f, json_t *args, struct err *e)
{
    (void)f;
    (void)e;
    server_page_keep(args, trust_names);
    return 0;
}

static void
summary_back(struct form *f)
{
    open_key(form_screen(f), form_fixed(f));
}

static void
summary_done(struct form *f, const json_t *result)
{
    char *text = alloc_format(
        "\"%s\" is a secondary of this node again, and %s.\n\nThe password was "
        "not stored.  Next: change the password of \"%s\" there if it is the "
        "initial one.",
        server_page_text(result, "name"), server_page_text(result, "state"),
        server_page_text(form_fixed(f), "user"));

    form_message(form_screen(f), "Registered again", text);
    free(text);
}

static void
open_summary(struct form *f, const json_t *facts)
{
    static const struct form_spec spec = { .title = "Register again (3 of 3)",
        .submit = "Register",
        .fields = summary_fields,
        .command = "server trust",
        .takes_long = true,
        .check = check_summary,
        .finish = summary_done,
        .failed = key_failed,
        .back = summary_back,
        .cancel = server_page_cancel_early,
        .cancel_label = "cancel, until it is made a secondary",
        .steps = server_page_steps };
    struct screen *s = form_screen(f);
    json_t *known = json_deep_copy(form_fixed(f));
    char *text =
        server_page_summary(s, server_page_text(known, "host"), facts, "");

    json_object_set_new(known, "fingerprint",
        json_string(server_page_text(known, "shown")));
    form_open(s, &spec, text, known, server_page_text(known, "name"));
    free(text);
}

void
server_again_start(struct screen *s, const json_t *row)
{
    json_t *known = json_pack("{s:s, s:s, s:I, s:s, s:s}", "name",
        server_page_text(row, "name"), "host", server_page_text(row, "address"),
        "port", json_integer_value(json_object_get(row, "port")), "pinned",
        server_page_text(row, "fingerprint"), "user", "admin");

    open_login(s, known);
    json_decref(known);
}

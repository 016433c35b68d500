/*
 * Add server, page by page.  The password leaves this node only after the host
 * key was accepted.
 */
#include "manager-tui/server_wizard.h"

#include <stdlib.h>
#include <string.h>

#include "admin-proto/ssh_client.h"
#include "base/alloc.h"
#include "base/json.h"
#include "manager-tui/form.h"
#include "manager-tui/host_key.h"
#include "manager-tui/secret.h"
#include "manager-tui/server_pages.h"

static struct form *open_details(struct screen *s, const json_t *typed);
static void open_key(struct screen *s, const json_t *known);

/* 1. Details. */

static const struct form_field details_fields[] = {
    { "host", "Host", FIELD_TEXT, NULL, "a name or an address", true },
    { "port", "Port", FIELD_INT, NULL, "of its admin port", true },
    LOGIN_FIELDS,
    { "name", "Name here", FIELD_TEXT, NULL,
        "what the server is called here; empty: as it calls itself", false },
    FIELDS_END,
};

/* The probe wants only where; the rest is kept for later pages. */
static int
check_details(struct form *f, json_t *args, struct err *e)
{
    static const char *const names[] = { "host", "port", NULL };
    char *host = NULL;
    uint16_t port = 0;

    (void)f;
    if (admin_address_parse(server_page_text(args, "host"), &host, &port, e) !=
        0)
        return -1;
    if (strcmp(host, server_page_text(args, "host")) != 0) {
        free(host);
        return err_set(e, ERR_USAGE, "Host: write the port into its own field");
    }
    free(host);
    server_page_keep(args, names);
    return 0;
}

static void
details_done(struct form *f, const json_t *result)
{
    static const char *const members[] = { "host", "user", "password", "name",
        NULL };
    json_t *known = json_object();

    for (size_t i = 0; members[i] != NULL; i++)
        if (form_typed(f, members[i])[0] != '\0')
            json_object_set_new(known, members[i],
                json_string(form_typed(f, members[i])));
    json_object_set_new(known, "port",
        json_integer(strtol(form_typed(f, "port"), NULL, 10)));
    json_object_set_new(known, "shown",
        json_string(server_page_text(result, "fingerprint")));
    json_object_set_new(known, "address",
        json_string(server_page_text(result, "address")));
    open_key(form_screen(f), known);
    secret_wipe_members(known);
    json_decref(known);
}

static struct form *
open_details(struct screen *s, const json_t *typed)
{
    static const struct form_spec spec = { .title = "Add a server (1 of 3)",
        .submit = "Next",
        .fields = details_fields,
        .command = "server probe",
        .takes_long = true,
        .check = check_details,
        .finish = details_done,
        .cancel = server_page_cancel,
        .cancel_label = "cancel" };
    /* The form that has it goes away, and wipes it. */
    json_t *kept = json_deep_copy(typed);
    struct form *f = form_open(s, &spec,
        "It becomes a secondary of this node.  First its host key is read, and "
        "nothing is sent.",
        NULL, NULL);

    form_fill(f, kept);
    secret_wipe_members(kept);
    json_decref(kept);
    return f;
}

/* 2. The host key. */

static const struct form_field key_fields[] = {
    EXPECTED_KEY_FIELD,
    FIELDS_END,
};

static int
check_key(struct form *f, json_t *args, struct err *e)
{
    static const char *const names[] = { "host", "port", "user", "password",
        "fingerprint", NULL };

    return server_page_accept_key(f, args, server_page_text(args, "host"),
        names, e);
}

static void
key_back(struct form *f)
{
    open_details(form_screen(f), form_fixed(f));
}

static void
key_failed(struct form *f, const struct err *error)
{
    server_page_login_failed(f, error, open_details);
}

static void open_summary(struct form *f, const json_t *facts);

static void
open_key(struct screen *s, const json_t *known)
{
    static const struct form_spec spec = { .title = "Add a server (2 of 3)",
        .submit = "It is the same",
        .fields = key_fields,
        .command = "server facts",
        .takes_long = true,
        .check = check_key,
        .finish = open_summary,
        .failed = key_failed,
        .back = key_back,
        .cancel = server_page_cancel,
        .cancel_label = "cancel" };
    char *text = alloc_format(
        "%s (%s) shows the host key\n\n    %s\n\nCompare it with the host key "
        "that the manager or \"lockstep status\" shows there.  The password "
        "has not been sent.",
        server_page_text(known, "host"), server_page_text(known, "address"),
        server_page_text(known, "shown"));

    form_open(s, &spec, text, json_deep_copy(known), NULL);
    free(text);
}

/* 3. What will be overwritten, and the adding. */

static const struct form_field summary_fields[] = {
    NARROW_FIELD,
    { "confirm", "Type the server's name", FIELD_CONFIRM, NULL,
        "Enter adds and overwrites it, Esc goes back", true },
    FIELDS_END,
};

static const struct form_field first_summary_fields[] = {
    { "cluster_name", "Name of the cluster", FIELD_TEXT, NULL,
        "empty: as this node is called", false },
    NARROW_FIELD,
    { "confirm", "Type the server's name", FIELD_CONFIRM, NULL,
        "Enter adds and overwrites it, Esc goes back", true },
    FIELDS_END,
};

static int
check_summary(struct form *f, json_t *args, struct err *e)
{
    static const char *const names[] = { "host", "port", "user", "password",
        "fingerprint", "name", "cluster_name", "narrow", NULL };

    (void)f;
    (void)e;
    server_page_keep(args, names);
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
        "\"%s\" is a secondary of this node now, and %s.\n\nFrom now on this "
        "primary logs in there with a key of its own; the password was not "
        "stored.  Next: change the password of \"%s\" there if it is the "
        "initial one, or add another server (a).",
        server_page_text(result, "name"), server_page_text(result, "state"),
        server_page_text(form_fixed(f), "user"));

    form_message(form_screen(f), "Added", text);
    free(text);
}

/* The first server also makes the cluster, which has a name. */
static const struct form_spec first_summary = {
    .title = "Add a server (3 of 3)",
    .submit = "Add",
    .fields = first_summary_fields,
    .command = "server add",
    .takes_long = true,
    .check = check_summary,
    .finish = summary_done,
    .failed = key_failed,
    .back = summary_back,
    .cancel = server_page_cancel_early,
    .cancel_label = "cancel, until it is made a secondary",
    .steps = server_page_steps,
};

static const struct form_spec further_summary = {
    .title = "Add a server (3 of 3)",
    .submit = "Add",
    .fields = summary_fields,
    .command = "server add",
    .takes_long = true,
    .check = check_summary,
    .finish = summary_done,
    .failed = key_failed,
    .back = summary_back,
    .cancel = server_page_cancel_early,
    .cancel_label = "cancel, until it is made a secondary",
    .steps = server_page_steps,
};

static void
open_summary(struct form *f, const json_t *facts)
{
    struct screen *s = form_screen(f);
    json_t *known = json_deep_copy(form_fixed(f));
    const char *name = server_page_text(known, "name");
    char *text = server_page_summary(s, server_page_text(known, "host"), facts,
        screen_is_primary(s) ? ""
                             : "This node becomes the primary of a new "
                               "cluster.");

    json_object_set_new(known, "fingerprint",
        json_string(server_page_text(known, "shown")));
    form_open(s, screen_is_primary(s) ? &further_summary : &first_summary, text,
        known, name[0] != '\0' ? name : server_page_text(facts, "node.name"));
    free(text);
}

void
server_wizard_start(struct screen *s)
{
    json_t *typed =
        json_pack("{s:i, s:s}", "port", ADMIN_PORT, "user", "admin");

    open_details(s, typed);
    json_decref(typed);
}

/*
 * Forms about rules.  A change is taken back unless it is kept in time, so that
 * who shuts himself out is let in again; 0 seconds is for who knows.
 */
#include "manager-tui/filter_acts.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "manager-tui/form.h"
#include "manager-tui/view.h"

#define KEEP_SECONDS "60"

#define SAFETY                                                               \
    { "confirm", "Taken back after", FIELD_INT, NULL,                        \
        "seconds in which F2 keeps the change; 0: it stays without", true }, \
    {                                                                        \
        "force", "Even if it shuts you out", FIELD_YES_NO, NULL,             \
            "you, or the primary of this node", false                        \
    }

static const char *
text_of(const json_t *row, const char *member)
{
    const char *text = json_string_value(json_object_get(row, member));

    return text != NULL ? text : "";
}

static void
open_safe(struct screen *s, const struct form_spec *spec, const char *text,
    json_t *fixed, const char *must_type)
{
    json_t *values = json_pack("{s:s}", "confirm", KEEP_SECONDS);

    form_fill(form_open(s, spec, text, fixed, must_type), values);
    json_decref(values);
}

static void
changed(struct form *f, const json_t *result)
{
    bool waits = json_is_string(json_object_get(result, "reverts_at"));

    screen_say(form_screen(f),
        waits ? "It reverts soon: F2 keeps it." : "The rules are changed.");
}

#define WHICH                                                                  \
    { "action", "Action", FIELD_CHOICE, "allow|deny", "Left and Right choose", \
        true },                                                                \
    {                                                                          \
        "address", "Address", FIELD_TEXT, NULL,                                \
            "192.0.2.7, 192.0.2.0/24, 192.0.2.1-192.0.2.9, 2001:db8::/32",     \
            true                                                               \
    }

#define HOW                                                      \
    { "position", "Position", FIELD_INT, NULL,                   \
        "its place; empty: after the others", false },           \
        { "scope", "Scope", FIELD_CHOICE, "admin|service|both",  \
            "the admin port, the SFTP service, or both", true }, \
        { "expires", "Expires", FIELD_TIME, NULL,                \
            "2026-12-31, or 2h from now", false },               \
        { "comment", "Comment", FIELD_TEXT, NULL, "free text", false }, SAFETY

static const struct form_field add_fields[] = {
    WHICH,
    { "cluster", "On every server", FIELD_YES_NO, NULL,
        "yes: a rule of the cluster, asked after each node's own", false },
    HOW,
    FIELDS_END,
};

/* A secondary has rules of its own alone. */
static const struct form_field own_fields[] = {
    WHICH,
    HOW,
    FIELDS_END,
};

void
filter_add_rule(struct screen *s)
{
    static const struct form_spec spec = { .title = "Add a rule",
        .submit = "Add",
        .fields = add_fields,
        .command = "ipfilter add",
        .finish = changed };
    static const struct form_spec own = { .title = "Add a rule",
        .submit = "Add",
        .fields = own_fields,
        .command = "ipfilter add",
        .finish = changed };

    open_safe(s, screen_is_read_only(s) ? &own : &spec, NULL, NULL, NULL);
}

/* A default is no rule of anybody's, and a secondary gets the cluster's from
 * its primary; says so. */
static bool
is_fixed(struct screen *s, const json_t *rule)
{
    if (json_is_null(json_object_get(rule, "id")))
        screen_say(s, "This is what holds by default; add a rule before it.");
    else if (screen_is_read_only(s) &&
             json_is_true(json_object_get(rule, "cluster")))
        screen_say(s, "The cluster's rules are changed on its primary.");
    else
        return false;
    return true;
}

static char *
describe(const json_t *rule, const char *what)
{
    return alloc_format("Rule %lld, \"%s %s\" of %s, %s",
        (long long)json_integer_value(json_object_get(rule, "position")),
        text_of(rule, "action"), text_of(rule, "address"),
        json_is_true(json_object_get(rule, "cluster")) ? "the cluster"
                                                       : "this node",
        what);
}

static const struct form_field move_fields[] = {
    { "to", "To position", FIELD_INT, NULL,
        "its place afterwards, among the rules of the same list", true },
    SAFETY,
    FIELDS_END,
};

void
filter_move_rule(struct screen *s, const json_t *rule)
{
    static const struct form_spec spec = { .title = "Move a rule",
        .submit = "Move",
        .fields = move_fields,
        .command = "ipfilter move",
        .finish = changed };
    char *text;

    if (is_fixed(s, rule))
        return;
    text = describe(rule, "gets another place.");
    open_safe(s, &spec, text,
        json_pack("{s:O, s:O}", "from", json_object_get(rule, "position"),
            "cluster", json_object_get(rule, "cluster")),
        NULL);
    free(text);
}

static const struct form_field remove_fields[] = {
    SAFETY,
    { "typed", "Type the address", FIELD_CONFIRM, NULL,
        "Enter removes the rule, Esc changes nothing", true },
    FIELDS_END,
};

void
filter_remove_rule(struct screen *s, const json_t *rule)
{
    static const struct form_spec spec = { .title = "Remove a rule",
        .submit = "Remove",
        .fields = remove_fields,
        .command = "ipfilter remove",
        .finish = changed };
    char *text;

    if (is_fixed(s, rule))
        return;
    text = describe(rule, "will be removed.");
    open_safe(s, &spec, text,
        json_pack("{s:O, s:O}", "id", json_object_get(rule, "id"), "cluster",
            json_object_get(rule, "cluster")),
        text_of(rule, "address"));
    free(text);
}

static const struct form_field test_fields[] = {
    { "address", "Address", FIELD_TEXT, NULL, "of a client: 192.0.2.7", true },
    { "scope", "Scope", FIELD_CHOICE, "admin|service",
        "the admin port, or the SFTP service", true },
    FIELDS_END,
};

static void
tested(struct form *f, const json_t *result)
{
    const json_t *rule = json_object_get(result, "rule");
    const char *banned = text_of(result, "banned_until");
    char *by = json_is_object(rule)
                   ? describe(rule, "decides.")
                   : alloc_string("No rule allows it, so it is denied.");
    char *text = alloc_format("%s: %s\n\n%s%s%s", form_typed(f, "address"),
        text_of(result, "action"), by,
        banned[0] != '\0' ? "\nIt is banned until " : "", banned);

    form_message(form_screen(f), "What an address may", text);
    free(text);
    free(by);
}

void
filter_test_address(struct screen *s)
{
    static const struct form_spec spec = { .title = "Test an address",
        .submit = "Test",
        .fields = test_fields,
        .command = "ipfilter test",
        .finish = tested };

    form_open(s, &spec, NULL, NULL, NULL);
}

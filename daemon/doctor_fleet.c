/*
 * "doctor" about the servers of a primary: the words of "server list", one
 * check each, and what their clocks say.
 */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/version.h"
#include "daemon/doctor_check.h"
#include "daemon/engine.h"
#include "daemon/fleet.h"

static const char *
text_of(const json_t *object, const char *member)
{
    const char *text = json_string_value(json_object_get(object, member));

    return text != NULL ? text : "";
}

static void
check_server(const json_t *server, json_t *checks)
{
    static const char *const good[] = { "synchronized", "paused", "behind",
        "overwriting" };
    const json_t *error = json_object_get(server, "error");
    const char *state = text_of(server, "state");
    const char *seen = text_of(server, "seen_from");
    char name[300], text[1024];
    bool ok = false;

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        ok = ok || strcmp(state, good[i]) == 0;
    ok = ok && !json_is_object(error);
    snprintf(name, sizeof(name), "server %s", text_of(server, "name"));
    if (json_is_object(error))
        snprintf(text, sizeof(text), "%s: %s", state,
            text_of(error, "message"));
    else
        snprintf(text, sizeof(text), "%s%s%s", state,
            seen[0] != '\0' ? "; it sees us come from " : "", seen);
    doctor_add(checks, name, ok, text,
        json_is_object(error) ? text_of(error, "hint") : NULL);
}

static void
check_rule(const json_t *server, json_t *checks)
{
    const char *rule = text_of(server, "rule_refused");
    char name[300], text[512];

    if (rule[0] == '\0')
        return;
    snprintf(name, sizeof(name), "filter of %s", text_of(server, "name"));
    snprintf(text, sizeof(text),
        "%s would shut us out, who come from %s: not applied to us there", rule,
        text_of(server, "seen_from"));
    doctor_add(checks, name, false, text,
        "Change that rule, or allow our address in one before it.");
    doctor_advise(checks, "ipfilter add allow %s --cluster --position 1",
        text_of(server, "seen_from"));
}

static void
check_clock(const json_t *server, json_t *checks)
{
    const json_t *skew = json_object_get(server, "clock_skew_ms");
    int64_t skew_ms = json_integer_value(skew);
    bool ok = skew_ms >= -FLEET_SKEW_MS && skew_ms <= FLEET_SKEW_MS;
    char name[300], text[96];

    if (!json_is_integer(skew))
        return;
    snprintf(name, sizeof(name), "clock of %s", text_of(server, "name"));
    snprintf(text, sizeof(text), "%.3f s %s ours",
        (double)(skew_ms < 0 ? -skew_ms : skew_ms) / 1000,
        skew_ms < 0 ? "behind" : "ahead of");
    doctor_add(checks, name, ok, text,
        ok ? NULL
           : "Set the clock that is wrong, and let chrony or another service "
             "keep both right.");
}

/* Both versions work together; which one a server has shows why it cannot do
 * what another can. */
static void
check_version(const json_t *server, json_t *checks)
{
    const char *version = text_of(server, "version");
    char name[300], text[128];

    if (version[0] == '\0' || strcmp(version, LOCKSTEP_VERSION) == 0)
        return;
    snprintf(name, sizeof(name), "version of %s", text_of(server, "name"));
    snprintf(text, sizeof(text), "%s there, %s here", version,
        LOCKSTEP_VERSION);
    doctor_add(checks, name, true, text,
        "Bring every node to one version, the primary last.");
}

void
doctor_check_fleet(const struct engine *engine, json_t *checks)
{
    json_t *list = fleet_json(engine->fleet);
    const json_t *servers = json_object_get(list, "servers");

    /* The first is this node itself. */
    for (size_t i = 1; i < json_array_size(servers); i++) {
        check_server(json_array_get(servers, i), checks);
        check_rule(json_array_get(servers, i), checks);
        check_clock(json_array_get(servers, i), checks);
        check_version(json_array_get(servers, i), checks);
    }
    json_decref(list);
}

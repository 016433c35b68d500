/*
 * A node from outside: each layer needs the one before it, so the first that
 * fails is the one to mend.
 */
#include "manager-tui/doctor_host.h"

#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "admin-proto/push_frame.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/version.h"

#define CONNECT_TIMEOUT_MS 15000
#define SKEW_MS 5000

struct examination {
    struct cli *cli;
    json_t *checks;
    const char *user;
    char *host;
    uint16_t port;
    char *source;         /* our address, as configured, or NULL */
    char local[64];       /* the one that we really come from */
    char fingerprint[64]; /* that it showed */
    const char *password_file;
    const char *wanted; /* fingerprint */
    bool trust;
    struct admin_client *client;
    json_t *said;     /* by the node of itself; NULL: not asked */
    int64_t asked_ms; /* UTC */
    int64_t asked_mono_ms;
    int64_t took_ms;
};

static void
add_check(struct examination *x, const char *name, bool ok, const char *text,
    const char *hint)
{
    json_array_append_new(x->checks,
        json_pack("{s:s,s:b,s:o,s:o,s:[]}", "name", name, "ok", ok, "text",
            json_text(text), "hint", json_text(hint[0] != '\0' ? hint : NULL),
            "type"));
}

/* A command to type on the other side, for the last check. */
static void
advise(struct examination *x, const char *command, const char *argument,
    const char *more)
{
    json_t *check = json_array_get(x->checks, json_array_size(x->checks) - 1);
    char *text = alloc_format("lockstep %s%s%s", command, argument, more);

    json_array_append_new(json_object_get(check, "type"), json_text(text));
    free(text);
}

static int
examine_name(struct examination *x, struct err *e)
{
    struct addrinfo wanted = { .ai_socktype = SOCK_STREAM }, *found = NULL;
    int rc = getaddrinfo(x->host, NULL, &wanted, &found);
    char text[NI_MAXHOST];

    if (rc != 0) {
        err_set(e, ERR_RESOLVE, "could not resolve \"%s\": %s", x->host,
            gai_strerror(rc));
        err_hint(e, "Check the spelling and this host's DNS.");
        return -1;
    }
    if (getnameinfo(found->ai_addr, found->ai_addrlen, text, sizeof(text), NULL,
            0, NI_NUMERICHOST) != 0)
        snprintf(text, sizeof(text), "%s", x->host);
    freeaddrinfo(found);
    add_check(x, "name", true, text, "");
    return 0;
}

static int
examine_connection(struct examination *x, struct err *e)
{
    struct sockaddr_storage ss;
    socklen_t len = sizeof(ss);
    char peer[64], *text;
    int64_t timeout_ms = x->cli->timeout_ms;
    int fd = -1;

    if (timeout_ms == 0)
        timeout_ms = CONNECT_TIMEOUT_MS;
    if (admin_tcp_connect(x->host, x->port, x->source, (int)timeout_ms, &fd,
            peer, sizeof(peer), e) != 0)
        return -1;
    if (getsockname(fd, (struct sockaddr *)&ss, &len) != 0 ||
        getnameinfo((struct sockaddr *)&ss, len, x->local, sizeof(x->local),
            NULL, 0, NI_NUMERICHOST) != 0)
        x->local[0] = '\0';
    close(fd);
    text = alloc_format("port %u answers; we come from %s", (unsigned)x->port,
        x->local);
    add_check(x, "connection", true, text, "");
    free(text);
    return 0;
}

static int
examine_key(struct examination *x, struct err *e)
{
    struct admin_client *probe = NULL;
    struct admin_client_options options = { .host = x->host,
        .port = x->port,
        .source_address = x->source,
        .user = x->user,
        .fingerprint = x->wanted,
        .timeout_ms = (int)x->cli->timeout_ms,
        .stop_at_key = true };
    int r = admin_client_connect(&probe, &options, e);

    if (r == 0) {
        snprintf(x->fingerprint, sizeof(x->fingerprint), "%s",
            admin_client_fingerprint(probe));
        add_check(x, "key", true, x->fingerprint,
            x->wanted != NULL || x->trust
                ? ""
                : "Compare it with what \"lockstep status\" shows there.");
    }
    admin_client_close(probe);
    return r;
}

/* A password goes only to a host whose key somebody vouched for. */
static int
examine_login(struct examination *x, struct err *e)
{
    char secret[SECRET_SIZE];
    char *prompt = NULL;
    int r;

    if ((x->wanted == NULL && !x->trust) ||
        (x->password_file == NULL && !cli_can_ask(x->cli)))
        return 0;
    prompt = alloc_format("Password of %s on %s: ", x->user, x->host);
    r = cli_password(x->cli, x->password_file, prompt, secret, e);
    free(prompt);
    if (r == 0)
        r = admin_client_connect(&x->client,
            &(struct admin_client_options){ .host = x->host,
                .port = x->port,
                .source_address = x->source,
                .user = x->user,
                .password = secret,
                .fingerprint = x->fingerprint,
                .timeout_ms = (int)x->cli->timeout_ms },
            e);
    explicit_bzero(secret, sizeof(secret));
    if (r == 0)
        add_check(x, "login", true, x->user, "");
    else if (e->code == ERR_LOGIN)
        err_hint(e, "Look there with \"lockstep events --since 10m\": a wrong "
                    "password, a banned address, or a secondary, which takes "
                    "passwords from loopback only.");
    return r;
}

/* The node examines itself; what it answers is read here. */
static int
examine_itself(struct examination *x, struct err *e)
{
    if (x->client == NULL)
        return 0;
    x->asked_ms = clock_utc_ms();
    x->asked_mono_ms = clock_mono_ms();
    if (admin_client_control(x->client, "doctor", NULL, NULL, NULL, 0, &x->said,
            e) != 0)
        return -1;
    x->took_ms = clock_mono_ms() - x->asked_mono_ms;
    return 0;
}

static const char *
said(const struct examination *x, const char *member)
{
    const char *text = json_string_value(json_object_get(x->said, member));

    return text != NULL ? text : "";
}

static int
examine_role(struct examination *x, struct err *e)
{
    const char *role = said(x, "role"), *cluster = said(x, "cluster");
    char *text;

    (void)e;
    if (x->said == NULL)
        return 0;
    text = alloc_format("\"%s\" is %s%s%s", said(x, "name"), role,
        cluster[0] != '\0' ? " in the cluster " : "", cluster);
    add_check(x, "role", true, text,
        strcmp(role, "primary") == 0
            ? "A primary cannot be added to another one's cluster."
            : "");
    free(text);
    return 0;
}

static int
examine_version(struct examination *x, struct err *e)
{
    int64_t protocol = 0;
    char *text;
    int r = 0;

    if (x->said == NULL)
        return 0;
    if (json_member_int(x->said, "protocol", true, &protocol, e) != 0)
        return -1;
    if (protocol != PUSH_PROTOCOL_VERSION) {
        err_set(e, ERR_VERSION,
            "%s speaks protocol %lld (version %s), we "
            "speak %d (version %s)",
            x->host, (long long)protocol, said(x, "version"),
            PUSH_PROTOCOL_VERSION, LOCKSTEP_VERSION);
        err_hint(e, "Install the same version of lockstepd on both.");
        return -1;
    }
    text =
        alloc_format("%s there, %s here", said(x, "version"), LOCKSTEP_VERSION);
    add_check(x, "version", true, text, "");
    free(text);
    return r;
}

/* Somewhere between asking and its answer the node looked at its clock. */
static int
examine_clock(struct examination *x, struct err *e)
{
    int64_t there_ms = 0, skew_ms, half_ms = x->took_ms / 2;
    bool ok;
    char *text;

    if (x->said == NULL)
        return 0;
    if (clock_parse(said(x, "time"), &there_ms, e) != 0)
        return -1;
    skew_ms = there_ms - x->asked_ms - half_ms;
    ok = llabs(skew_ms) <= SKEW_MS + half_ms;
    text = alloc_format("%.3f s %s ours", (double)llabs(skew_ms) / 1000,
        skew_ms < 0 ? "behind" : "ahead of");
    add_check(x, "clock", ok, text,
        ok ? ""
           : "Set the clock that is wrong, and let chrony or another service "
             "keep both right.");
    free(text);
    return 0;
}

static int
examine_address(struct examination *x, struct err *e)
{
    const char *seen = said(x, "seen_from");
    bool same = strcmp(seen, x->local) == 0;
    char *text;

    (void)e;
    if (x->said == NULL)
        return 0;
    text = alloc_format("we come from %s and are seen as %s%s", x->local, seen,
        same ? "" : ": addresses are translated in between");
    add_check(x, "address", true, text,
        same ? "" : "Rules there must name the address that is seen.");
    free(text);
    return 0;
}

static int
examine_inside(struct examination *x, struct err *e)
{
    const json_t *checks = json_object_get(x->said, "checks");

    (void)e;
    for (size_t i = 0; i < json_array_size(checks); i++) {
        json_t *check = json_copy(json_array_get(checks, i));
        const char *name = json_string_value(json_object_get(check, "name"));
        char *there = alloc_format("there: %s", name != NULL ? name : "");

        json_object_set_new(check, "name", json_text(there));
        json_array_append_new(x->checks, check);
        free(there);
    }
    return 0;
}

static const struct layer {
    const char *name;
    int (*examine)(struct examination *x, struct err *e);
} layers[] = {
    { "name", examine_name },
    { "connection", examine_connection },
    { "key", examine_key },
    { "login", examine_login },
    { "node", examine_itself },
    { "role", examine_role },
    { "version", examine_version },
    { "clock", examine_clock },
    { "address", examine_address },
    { "inside", examine_inside },
};

static void
fail_layer(struct examination *x, const char *name, const struct err *e)
{
    add_check(x, name, false, e->message, e->hint);
    x->cli->exit_code = err_exit_code(e->code);
    if (e->code == ERR_CLOSED) {
        advise(x, "ipfilter test ", x->local, "");
        advise(x, "ipfilter add allow ", x->local, " --position 1");
        advise(x, "ipfilter unban ", x->local, "");
    } else if (e->code == ERR_LOGIN) {
        advise(x, "events --since 10m", "", "");
        advise(x, "ipfilter unban ", x->local, "");
    } else if (e->code == ERR_CONNECTION_REFUSED) {
        advise(x, "doctor", "", "");
    }
}

int
doctor_examine_host(struct cli *cli, const char *target, json_t **result,
    struct err *e)
{
    const char *at = strrchr(target, '@');
    char *user = at != NULL ? alloc_copy(target, (size_t)(at - target))
                            : alloc_string("admin");
    struct examination x = { .cli = cli,
        .user = user,
        .checks = json_array(),
        .source = cli_source_address(cli),
        .password_file = cli->password_file,
        .wanted = cli->fingerprint,
        .trust = cli->trust_on_first_use };
    int r = -1;

    if (admin_address_parse(at != NULL ? at + 1 : target, &x.host, &x.port,
            e) != 0) {
        e->code = ERR_USAGE;
        goto out;
    }
    for (size_t i = 0; i < sizeof(layers) / sizeof(layers[0]); i++) {
        if (layers[i].examine(&x, e) == 0)
            continue;
        fail_layer(&x, layers[i].name, e);
        break;
    }
    *result = json_pack("{s:O,s:s,s:o?}", "checks", x.checks, "host", x.host,
        "error", e->code != ERR_NONE ? json_error(e) : NULL);
    r = 0;
out:
    json_decref(x.said);
    json_decref(x.checks);
    admin_client_close(x.client);
    free(x.source);
    free(x.host);
    free(user);
    return r;
}

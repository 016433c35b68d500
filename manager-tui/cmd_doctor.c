/*
 * doctor: what is wrong.  Without a host the node examines itself; with one,
 * this program looks from outside, layer by layer, and stops at the first that
 * fails.
 */
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/version.h"
#include "manager-tui/cli.h"
#include "manager-tui/results.h"

#define CONNECT_TIMEOUT_MS 15000

static const struct column check_columns[] = {
    { "CHECK", "name", COLUMN_TEXT, false },
    { "OK", "ok", COLUMN_YES_NO, false },
    { "TEXT", "text", COLUMN_TEXT, false },
    COLUMNS_END,
};

static const struct view check_views[] = {
    { "checks", true, check_columns, NULL },
    VIEWS_END,
};

struct examination {
    struct cli *cli;
    json_t *checks;
    const char *user;
    char *host;
    uint16_t port;
    char local[64];       /* our address towards it */
    char fingerprint[64]; /* that it showed */
    const char *password_file;
    const char *wanted; /* fingerprint */
    bool trust;
    struct admin_client *client;
};

static void
add_check(struct examination *x, const char *name, bool ok, const char *text,
    const char *hint)
{
    json_array_append_new(x->checks,
        json_pack("{s:s,s:b,s:o,s:o}", "name", name, "ok", ok, "text",
            json_text(text), "hint", json_text(hint[0] != '\0' ? hint : NULL)));
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
    if (admin_tcp_connect(x->host, x->port, (int)timeout_ms, &fd, peer,
            sizeof(peer), e) != 0)
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
        .user = x->user,
        .fingerprint = x->wanted,
        .timeout_ms = (int)x->cli->timeout_ms,
        .stop_at_key = true };
    int r = admin_client_connect(&probe, &options, e);

    if (r != 0 && e->code == ERR_CLOSED) {
        err_set(e, ERR_CLOSED,
            "%s closed the connection without a byte: its filter refuses our "
            "address %s",
            x->host, x->local);
        err_hint(e, "Type there: lockstep ipfilter add allow %s", x->local);
    }
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
                .user = x->user,
                .password = secret,
                .fingerprint = x->fingerprint,
                .timeout_ms = (int)x->cli->timeout_ms },
            e);
    explicit_bzero(secret, sizeof(secret));
    if (r == 0)
        add_check(x, "login", true, x->user, "");
    return r;
}

static int
examine_node(struct examination *x, struct err *e)
{
    json_t *status = NULL;
    const char *role, *version;
    char *text;

    if (x->client == NULL)
        return 0;
    if (admin_client_control(x->client, "status", NULL, NULL, NULL, 0, &status,
            e) != 0)
        return -1;
    role = json_string_value(view_member(status, "node.role"));
    version = json_string_value(view_member(status, "node.version"));
    add_check(x, "role", role != NULL, role != NULL ? role : "unknown", "");
    text = alloc_format("%s there, %s here",
        version != NULL ? version : "unknown", LOCKSTEP_VERSION);
    add_check(x, "version", version != NULL, text, "");
    free(text);
    json_decref(status);
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
    { "node", examine_node },
};

static void
show_checks(struct cli *cli, const json_t *result)
{
    const json_t *checks = json_object_get(result, "checks");

    cli_show(cli, result, check_views);
    for (size_t i = 0; !cli->json && i < json_array_size(checks); i++) {
        const json_t *check = json_array_get(checks, i);
        const char *hint = json_string_value(json_object_get(check, "hint"));

        if (hint != NULL)
            cli_say(cli, "%s", hint);
    }
}

static int
examine_host(struct cli *cli, json_t *args, const char *target, struct err *e)
{
    const char *at = strrchr(target, '@');
    char *user = at != NULL ? alloc_copy(target, (size_t)(at - target))
                            : alloc_string("admin");
    struct examination x = { .cli = cli,
        .user = user,
        .checks = json_array(),
        .password_file = cli->password_file,
        .wanted = cli->fingerprint,
        .trust = cli->trust_on_first_use };
    json_t *result = NULL;
    int r = -1;

    (void)args;
    if (admin_address_parse(at != NULL ? at + 1 : target, &x.host, &x.port,
            e) != 0) {
        e->code = ERR_USAGE;
        goto out;
    }
    for (size_t i = 0; i < sizeof(layers) / sizeof(layers[0]); i++) {
        if (layers[i].examine(&x, e) == 0)
            continue;
        add_check(&x, layers[i].name, false, e->message, e->hint);
        cli->exit_code = err_exit_code(e->code);
        break;
    }
    result = json_pack("{s:O,s:s,s:o?}", "checks", x.checks, "host", x.host,
        "error", e->code != ERR_NONE ? json_error(e) : NULL);
    show_checks(cli, result);
    r = 0;
out:
    json_decref(result);
    json_decref(x.checks);
    admin_client_close(x.client);
    free(x.host);
    free(user);
    return r;
}

static int
run_doctor(struct cli *cli, const struct command *command, json_t *args,
    struct err *e)
{
    json_t *result = NULL, *checks, *check;
    const char *target = NULL;
    size_t i;

    (void)command;
    if (json_member_string(args, "host", false, &target, e) != 0)
        return -1;
    if (target != NULL)
        return examine_host(cli, args, target, e);
    if (cli_control(cli, "doctor", NULL, 0, &result, e) != 0)
        return -1;
    show_checks(cli, result);
    checks = json_object_get(result, "checks");
    json_array_foreach (checks, i, check)
        if (json_is_false(json_object_get(check, "ok")))
            cli->exit_code = 1;
    json_decref(result);
    return 0;
}

const struct command doctor_commands[] = {
    { "doctor", NULL, "[[USER@]HOST[:PORT]]",
        "what is wrong with this node, or on the way to another",
        "doctor\ndoctor edge-1.example.org\n"
        "doctor edge-1 --fingerprint SHA256:... --password-file edge-1.pw\n",
        "host?", NULL, run_doctor, check_views },
    { .noun = NULL },
};

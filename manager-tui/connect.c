/*
 * Reaching a node: the local one by what its daemon left in the state
 * directory, a remote one by what the caller said.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/json.h"
#include "manager-tui/cli.h"

#define LOCAL_FILE_MAX 65536
#define DEFAULT_USER "admin"

static int
not_running(const struct cli *cli, struct err *e)
{
    err_hint(e,
        "Start lockstepd, or name its folder with --state-dir (now \"%s\") or "
        "a remote node with --connect.",
        cli->state_dir);
    return -1;
}

static int
read_local(const struct cli *cli, json_t **local, struct err *e)
{
    char *path = file_join(cli->state_dir, "local.json");
    struct buf text = BUF_INIT;
    int r = file_read(path, LOCAL_FILE_MAX, &text, e);

    if (r != 0 && e->code == ERR_NOT_FOUND) {
        err_set(e, ERR_CONNECTION_REFUSED, "no daemon runs on \"%s\"",
            cli->state_dir);
        not_running(cli, e);
    } else if (r != 0) {
        err_hint(e, "Only root and the daemon's own user may administer the "
                    "local node; others use --connect.");
    } else {
        r = json_read_object((char *)text.data, text.len, local, e);
    }
    buf_release(&text);
    free(path);
    return r;
}

/* Where to reach a daemon that listens everywhere. */
static const char *
reachable(const char *address)
{
    if (strcmp(address, "::") == 0)
        return "::1";
    if (strcmp(address, "0.0.0.0") == 0)
        return "127.0.0.1";
    return address;
}

static int
connect_local(struct cli *cli, struct admin_client **client, struct err *e)
{
    const char *address = NULL, *fingerprint = NULL, *user = "local";
    char *key = file_join(cli->state_dir, "local-admin-key");
    json_t *local = NULL;
    int64_t port = ADMIN_PORT;
    int r = -1;

    if (read_local(cli, &local, e) != 0)
        goto out;
    if (json_member_string(local, "address", true, &address, e) != 0 ||
        json_member_int(local, "port", true, &port, e) != 0 ||
        json_member_string(local, "fingerprint", true, &fingerprint, e) != 0 ||
        json_member_string(local, "user", false, &user, e) != 0) {
        err_wrap(e, "\"%s/local.json\"", cli->state_dir);
        goto out;
    }
    r = admin_client_connect(client,
        &(struct admin_client_options){ .host = reachable(address),
            .port = (uint16_t)port,
            .user = user,
            .key_path = key,
            .fingerprint = fingerprint,
            .timeout_ms = (int)cli->timeout_ms },
        e);
    if (r != 0 && e->code == ERR_CONNECTION_REFUSED)
        not_running(cli, e);
out:
    json_decref(local);
    free(key);
    return r;
}

static bool
accept_key(void *ctx, const char *fingerprint)
{
    struct cli *cli = ctx;
    char answer[16];

    if (cli->trust_on_first_use) {
        cli_say(cli, "Trusting the host key %s.", fingerprint);
        return true;
    }
    if (!cli_can_ask(cli))
        return false;
    fprintf(stderr,
        "%s shows the host key %s\n"
        "Compare it with what \"lockstep status\" says there.  "
        "Type \"yes\" if it is the same: ",
        cli->connect, fingerprint);
    return fgets(answer, sizeof(answer), stdin) != NULL &&
           strcmp(answer, "yes\n") == 0;
}

static int
connect_remote(struct cli *cli, struct admin_client **client, struct err *e)
{
    const char *at = strrchr(cli->connect, '@');
    char *user = at != NULL
                     ? alloc_copy(cli->connect, (size_t)(at - cli->connect))
                     : alloc_string(DEFAULT_USER);
    char secret[SECRET_SIZE] = "", *host = NULL, *prompt = NULL;
    struct admin_client *probe = NULL;
    struct admin_client_options options = { .user = user,
        .fingerprint = cli->fingerprint,
        .accept = accept_key,
        .ctx = cli,
        .timeout_ms = (int)cli->timeout_ms };
    char shown[64];
    int r = -1;

    if (admin_address_parse(at != NULL ? at + 1 : cli->connect, &host,
            &options.port, e) != 0)
        goto out;
    options.host = host;
    /* The key is settled before a password is asked for. */
    options.stop_at_key = true;
    if (admin_client_connect(&probe, &options, e) != 0) {
        if (e->code == ERR_KEY_CHANGED && cli->fingerprint == NULL)
            err_hint(e, "Give --fingerprint with the key that \"lockstep "
                        "status\" shows there, or --trust-on-first-use.");
        goto out;
    }
    snprintf(shown, sizeof(shown), "%s", admin_client_fingerprint(probe));
    options.fingerprint = shown;
    options.stop_at_key = false;
    prompt = alloc_format("Password of %s on %s: ", user, host);
    if (cli_password(cli, cli->password_file, prompt, secret, e) != 0)
        goto out;
    options.password = secret;
    r = admin_client_connect(client, &options, e);
out:
    explicit_bzero(secret, sizeof(secret));
    admin_client_close(probe);
    free(prompt);
    free(host);
    free(user);
    return r;
}

int
cli_connect(struct cli *cli, struct admin_client **client, struct err *e)
{
    *client = NULL;
    return cli->connect != NULL ? connect_remote(cli, client, e)
                                : connect_local(cli, client, e);
}

int
cli_client(struct cli *cli, struct admin_client **client, struct err *e)
{
    if (cli->client == NULL && cli_connect(cli, &cli->client, e) != 0)
        return -1;
    *client = cli->client;
    return 0;
}

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

char *
cli_source_address(const struct cli *cli)
{
    const char *address = NULL;
    struct err ignored = ERR_INIT;
    json_t *local = NULL;
    char *copy = NULL;

    if (read_local(cli, &local, &ignored) == 0 &&
        json_member_string(local, "source_address", false, &address,
            &ignored) == 0)
        copy = alloc_string(address);
    json_decref(local);
    return copy;
}

/* What local.json says that our own daemon may show: its host key, and the
 * successor of that while there is one. */
struct local_keys {
    const char *now;
    const char *next;
};

static bool
is_local_key(void *ctx, const char *fingerprint)
{
    const struct local_keys *keys = ctx;

    return strcmp(fingerprint, keys->now) == 0 ||
           strcmp(fingerprint, keys->next) == 0;
}

static int
try_local(struct cli *cli, struct admin_client **client, struct err *e)
{
    const char *address = NULL, *user = "local";
    struct local_keys keys = { NULL, "" };
    char *key = file_join(cli->state_dir, "local-admin-key");
    json_t *local = NULL;
    int64_t port = ADMIN_PORT;
    int r = -1;

    if (read_local(cli, &local, e) != 0)
        goto out;
    if (json_member_string(local, "address", true, &address, e) != 0 ||
        json_member_int(local, "port", true, &port, e) != 0 ||
        json_member_string(local, "fingerprint", true, &keys.now, e) != 0 ||
        json_member_string(local, "fingerprint_next", false, &keys.next, e) !=
            0 ||
        json_member_string(local, "user", false, &user, e) != 0) {
        err_wrap(e, "\"%s/local.json\"", cli->state_dir);
        goto out;
    }
    r = admin_client_connect(client,
        &(struct admin_client_options){ .host = reachable(address),
            .port = (uint16_t)port,
            .user = user,
            .key_path = key,
            .fingerprint = keys.next[0] == '\0' ? keys.now : NULL,
            .accept = is_local_key,
            .ctx = &keys,
            .timeout_ms = (int)cli->timeout_ms },
        e);
    if (r != 0 && e->code == ERR_CONNECTION_REFUSED)
        not_running(cli, e);
out:
    json_decref(local);
    free(key);
    return r;
}

static int
connect_local(struct cli *cli, struct admin_client **client, struct err *e)
{
    int r = try_local(cli, client, e);

    /* The key may have been rotated since local.json was read. */
    if (r != 0 && e->code == ERR_KEY_CHANGED) {
        err_clear(e);
        r = try_local(cli, client, e);
    }
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

/* Where and as whom, settled once: whoever connects again asks nobody. */
struct cli_login {
    char *host;
    uint16_t port;
    char *user;
    char fingerprint[64];
    char secret[SECRET_SIZE];
};

void
cli_forget_login(struct cli *cli)
{
    if (cli->login == NULL)
        return;
    free(cli->login->host);
    free(cli->login->user);
    explicit_bzero(cli->login, sizeof(*cli->login));
    free(cli->login);
    cli->login = NULL;
}

/* The key is settled before a password is asked for. */
static int
settle_key(struct cli *cli, struct cli_login *login, struct err *e)
{
    struct admin_client *probe = NULL;
    struct admin_client_options options = { .host = login->host,
        .port = login->port,
        .user = login->user,
        .fingerprint = cli->fingerprint,
        .accept = accept_key,
        .ctx = cli,
        .timeout_ms = (int)cli->timeout_ms,
        .stop_at_key = true };

    if (admin_client_connect(&probe, &options, e) != 0) {
        if (e->code == ERR_KEY_CHANGED && cli->fingerprint == NULL)
            err_hint(e, "Give --fingerprint with the key that \"lockstep "
                        "status\" shows there, or --trust-on-first-use.");
        return -1;
    }
    snprintf(login->fingerprint, sizeof(login->fingerprint), "%s",
        admin_client_fingerprint(probe));
    admin_client_close(probe);
    return 0;
}

static int
settle_login(struct cli *cli, struct err *e)
{
    const char *at = strrchr(cli->connect, '@');
    struct cli_login *login = alloc_zeroed(1, sizeof(*login));
    char *prompt;
    int r;

    cli->login = login;
    login->user = at != NULL
                      ? alloc_copy(cli->connect, (size_t)(at - cli->connect))
                      : alloc_string(DEFAULT_USER);
    if (admin_address_parse(at != NULL ? at + 1 : cli->connect, &login->host,
            &login->port, e) != 0 ||
        settle_key(cli, login, e) != 0) {
        cli_forget_login(cli);
        return -1;
    }
    prompt = alloc_format("Password of %s on %s: ", login->user, login->host);
    r = cli_password(cli, cli->password_file, prompt, login->secret, e);
    free(prompt);
    if (r != 0)
        cli_forget_login(cli);
    return r;
}

static int
connect_remote(struct cli *cli, struct admin_client **client, struct err *e)
{
    if (cli->login == NULL && settle_login(cli, e) != 0)
        return -1;
    return admin_client_connect(client,
        &(struct admin_client_options){ .host = cli->login->host,
            .port = cli->login->port,
            .user = cli->login->user,
            .password = cli->login->secret,
            .fingerprint = cli->login->fingerprint,
            .timeout_ms = (int)cli->timeout_ms },
        e);
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

/*
 * join-file, join: a fresh node becomes a secondary without a password and
 * without anybody reading a fingerprint (docs/join.md).
 */
#include <stdlib.h>
#include <string.h>

#include "admin-proto/ssh_client.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/join_secret.h"
#include "base/json.h"
#include "manager-tui/cli.h"
#include "manager-tui/results.h"
#include "manager-tui/secret.h"
#include "manager-tui/server_add.h"

#define EXPIRES_DEFAULT "1d"
#define EXPIRES_MOST_MS ((int64_t)30 * 24 * 3600 * 1000)
#define FILE_MAX ((size_t)64 * 1024)
#define HINT_MADE "Name a file that \"lockstep join-file create\" made."
#define HINT_ANOTHER \
    "Run \"lockstep join-file create\" on the primary for another."

static const char *
key_of(const json_t *shown, const char *kind)
{
    const json_t *key;
    size_t i;

    json_array_foreach (json_object_get(shown, "keys"), i, key) {
        const char *found = json_string_value(json_object_get(key, "kind"));

        if (found != NULL && strcmp(found, kind) == 0)
            return json_string_value(json_object_get(key, "fingerprint"));
    }
    return NULL;
}

/* What the file says of the primary: who it is, and its keys. */
static int
add_primary(struct cli *cli, json_t *file, struct err *e)
{
    json_t *status = NULL, *keys = NULL;
    const json_t *node;
    const char *role;
    int r = -1;

    if (cli_control(cli, "status", NULL, 0, &status, e) != 0 ||
        cli_control(cli, "key show", NULL, 0, &keys, e) != 0)
        goto out;
    node = json_object_get(status, "node");
    role = json_string_value(json_object_get(node, "role"));
    if (role == NULL || strcmp(role, "secondary") == 0) {
        err_set(e, ERR_NOT_PRIMARY, "this node is a secondary");
        err_hint(e, "Make the join file on the primary.");
        goto out;
    }
    if (key_of(keys, "login") == NULL || key_of(keys, "bundle") == NULL) {
        err_set(e, ERR_PROTOCOL, "the node does not show its keys");
        goto out;
    }
    json_object_set(file, "primary_id", json_object_get(node, "id"));
    json_object_set(file, "primary_name", json_object_get(node, "name"));
    json_object_set_new(file, "login", json_string(key_of(keys, "login")));
    json_object_set_new(file, "bundle", json_string(key_of(keys, "bundle")));
    r = 0;
out:
    json_decref(status);
    json_decref(keys);
    return r;
}

static int
add_time(const json_t *args, json_t *file, struct err *e)
{
    const char *text = EXPIRES_DEFAULT;
    int64_t ms = 0;

    if (json_member_string(args, "expires", false, &text, e) != 0 ||
        clock_parse_duration(text, &ms, e) != 0)
        return -1;
    if (ms < 1000 || ms > EXPIRES_MOST_MS)
        return err_set(e, ERR_USAGE, "a join file lasts from 1s to 30d");
    json_object_set_new(file, "expires", json_time(clock_utc_ms() + ms));
    return 0;
}

static void
add_secret(json_t *file)
{
    uint8_t secret[JOIN_SECRET_SIZE];
    char text[2 * JOIN_SECRET_SIZE + 1];

    random_bytes(secret, sizeof(secret));
    hex_encode(secret, sizeof(secret), text);
    json_object_set_new(file, "secret", json_string(text));
    explicit_bzero(secret, sizeof(secret));
    explicit_bzero(text, sizeof(text));
}

static int
write_file(const json_t *file, const char *path, struct err *e)
{
    char *text;
    int r;

    if (file_exists(path)) {
        err_set(e, ERR_EXISTS, "\"%s\" is there already", path);
        err_hint(e, "Name another file, or remove that one.");
        return -1;
    }
    text = json_write(file);
    r = file_write_atomic(path, text, strlen(text), 0600, e);
    explicit_bzero(text, strlen(text));
    free(text);
    return r;
}

/* The name of the server that has this name or address; NULL when none has. */
static const char *
listed_name(const json_t *shown, const char *name, const char *host, int port)
{
    const json_t *server;
    size_t i;

    json_array_foreach (json_object_get(shown, "servers"), i, server) {
        const char *own = json_string_value(json_object_get(server, "name"));
        const char *address =
            json_string_value(json_object_get(server, "address"));

        if (own != NULL && address != NULL &&
            (strcmp(own, name) == 0 ||
                (strcmp(address, host) == 0 &&
                    json_integer_value(json_object_get(server, "port")) ==
                        port)))
            return own;
    }
    return NULL;
}

/* A file for who is listed already would be of no use in the end. */
static int
check_not_listed(struct cli *cli, const json_t *file, struct err *e)
{
    const json_t *port = json_object_get(file, "port");
    const char *listed;
    json_t *shown = NULL;
    int r = 0;

    if (cli_control(cli, "server list", NULL, 0, &shown, e) != 0)
        return -1;
    listed =
        listed_name(shown, json_string_value(json_object_get(file, "name")),
            json_string_value(json_object_get(file, "host")),
            port != NULL ? (int)json_integer_value(port) : ADMIN_PORT);
    if (listed != NULL) {
        r = err_set(e, ERR_EXISTS, "server \"%s\" is listed already", listed);
        err_hint(e,
            "Give another name or address, or remove it first; one that "
            "was installed anew comes back by \"lockstep server trust "
            "NAME --again\".");
    }
    json_decref(shown);
    return r;
}

static int
run_create(struct cli *cli, const struct command *command, json_t *args,
    struct err *e)
{
    json_t *file = json_pack("{s:i}", "lockstep_join", JOIN_FILE_VERSION);
    json_t *shown = NULL;
    const char *path = NULL;
    int r = -1;

    if (json_member_string(args, "file", true, &path, e) != 0 ||
        server_split_address(args, e) != 0 || add_time(args, file, e) != 0 ||
        add_primary(cli, file, e) != 0)
        goto out;
    json_object_set(file, "host", json_object_get(args, "host"));
    if (json_object_get(args, "port") != NULL)
        json_object_set(file, "port", json_object_get(args, "port"));
    json_object_set(file, "name",
        json_object_get(args,
            json_object_get(args, "name") != NULL ? "name" : "host"));
    if (check_not_listed(cli, file, e) != 0)
        goto out;
    add_secret(file);
    if (write_file(file, path, e) != 0)
        goto out;
    shown = json_pack("{s:s, s:O, s:O}", "path", path, "name",
        json_object_get(file, "name"), "expires",
        json_object_get(file, "expires"));
    cli_show(cli, shown, command->views);
    r = 0;
out:
    secret_wipe_members(file);
    json_decref(shown);
    json_decref(file);
    return r;
}

static int
read_file(const char *path, json_t **file, struct err *e)
{
    struct buf text = BUF_INIT;
    int r = file_read(path, FILE_MAX, &text, e);

    if (r == 0 &&
        json_read_object((const char *)text.data, text.len, file, e) != 0)
        r = err_wrap(e, "\"%s\"", path);
    if (r != 0)
        err_hint(e, HINT_MADE);
    if (text.data != NULL)
        explicit_bzero(text.data, text.len);
    buf_release(&text);
    return r;
}

static int
run_join(struct cli *cli, const struct command *command, json_t *args,
    struct err *e)
{
    json_t *file = NULL, *sent = NULL, *result = NULL;
    const char *path = NULL;
    int r = -1;

    if (json_member_string(args, "file", true, &path, e) != 0 ||
        read_file(path, &file, e) != 0)
        goto out;
    sent = json_pack("{s:O}", "file", file);
    if (cli_control(cli, "node join", sent, 0, &result, e) != 0)
        goto out;
    cli_show(cli, result, command->views);
    r = 0;
out:
    if (file != NULL)
        secret_wipe_members(file);
    json_decref(sent);
    json_decref(file);
    json_decref(result);
    return r;
}

static int
check_time(const json_t *file, struct err *e)
{
    const char *text = NULL;
    int64_t expires_ms = 0;

    if (json_member_string(file, "expires", true, &text, e) != 0 ||
        clock_parse(text, &expires_ms, e) != 0)
        return -1;
    if (clock_utc_ms() < expires_ms)
        return 0;
    err_set(e, ERR_TIMEOUT, "the join file has expired");
    err_hint(e, HINT_ANOTHER);
    return -1;
}

static void
set_unless_given(json_t *args, const json_t *file, const char *member)
{
    if (json_object_get(args, member) == NULL &&
        json_object_get(file, member) != NULL)
        json_object_set(args, member, json_object_get(file, member));
}

/* The key that it shows now is the one that both sides prove the secret for. */
static int
add_proofs(struct cli *cli, const json_t *file, json_t *args, struct err *e)
{
    json_t *asked = json_object(), *shown = NULL;
    uint8_t secret[JOIN_SECRET_SIZE];
    char proof[JOIN_PROOF_SIZE];
    const char *text = NULL, *fingerprint = NULL;
    int r = -1;

    json_object_set(asked, "host", json_object_get(args, "host"));
    if (json_object_get(args, "port") != NULL)
        json_object_set(asked, "port", json_object_get(args, "port"));
    if (json_member_string(file, "secret", true, &text, e) != 0 ||
        cli_control(cli, "server probe", asked, LONG_WAIT_MS, &shown, e) != 0 ||
        json_member_string(shown, "fingerprint", true, &fingerprint, e) != 0)
        goto out;
    if (!hex_decode(text, secret, sizeof(secret))) {
        err_set(e, ERR_INVALID, "the join file is damaged");
        err_hint(e, HINT_MADE);
        goto out;
    }
    json_object_set_new(args, "user", json_string("join"));
    json_object_set_new(args, "fingerprint", json_string(fingerprint));
    join_secret_prove(secret, JOIN_PRIMARY, fingerprint, proof);
    json_object_set_new(args, "password", json_string(proof));
    join_secret_prove(secret, JOIN_NODE, fingerprint, proof);
    json_object_set_new(args, "join_proof", json_string(proof));
    r = 0;
out:
    explicit_bzero(secret, sizeof(secret));
    explicit_bzero(proof, sizeof(proof));
    json_decref(shown);
    json_decref(asked);
    return r;
}

int
server_add_joined(struct cli *cli, const char *path, json_t *args,
    json_t **entry, struct err *e)
{
    json_t *file = NULL;
    int r = -1;

    if (read_file(path, &file, e) != 0 || check_time(file, e) != 0)
        goto out;
    set_unless_given(args, file, "host");
    set_unless_given(args, file, "port");
    set_unless_given(args, file, "name");
    if (add_proofs(cli, file, args, e) == 0)
        r = cli_control(cli, "server add", args, LONG_WAIT_MS, entry, e);
    if (r != 0 && e->code == ERR_LOGIN) {
        err_set(e, ERR_LOGIN, "\"%s\" admits nobody by this join file",
            json_string_value(json_object_get(args, "host")));
        err_hint(e, "Run \"lockstep join FILE\" there first; one that was used "
                    "is over, \"lockstep join-file create\" makes another.");
    }
out:
    if (file != NULL)
        secret_wipe_members(file);
    json_decref(file);
    return r;
}

static const struct column created_columns[] = {
    { "file", "path", COLUMN_TEXT, false },
    { "for", "name", COLUMN_TEXT, false },
    { "expires", "expires", COLUMN_TIME, false },
    COLUMNS_END,
};

static const struct view created_views[] = {
    { "", false, created_columns, NULL },
    VIEWS_END,
};

static const struct column joined_columns[] = {
    { "waits for", "primary_name", COLUMN_TEXT, false },
    { "until", "expires", COLUMN_TIME, false },
    COLUMNS_END,
};

static const struct view joined_views[] = {
    { "", false, joined_columns, NULL },
    VIEWS_END,
};

static const struct option create_options[] = {
    { "name", "NAME", OPTION_TEXT, "name",
        "what the server will be called (default: HOST)" },
    { "expires", "DURATION", OPTION_TEXT, "expires",
        "how long it may be used: 1s to 30d (default 1d)" },
    { NULL, NULL, OPTION_FLAG, NULL, NULL },
};

const struct command join_file_commands[] = {
    { "join-file", "create", "HOST[:PORT] FILE",
        "a file by which a fresh node becomes a secondary of this one, once",
        "join-file create 192.0.2.7 edge-1.join --name edge-1\n", "host file",
        create_options, run_create, created_views },
    { .noun = NULL },
};

const struct command join_commands[] = {
    { "join", NULL, "FILE",
        "let the primary that made FILE make this fresh node its secondary",
        "join edge-1.join\n", "file", NULL, run_join, joined_views },
    { .noun = NULL },
};

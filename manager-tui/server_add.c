/*
 * One registration, step by step.
 */
#include "manager-tui/server_add.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/escape.h"
#include "manager-tui/host_key.h"
#include "manager-tui/results.h"
#include "manager-tui/text.h"

int
server_split_address(json_t *args, struct err *e)
{
    const char *text = NULL;
    char *host = NULL;
    uint16_t port = 0;

    if (json_member_string(args, "host", true, &text, e) != 0)
        return -1;
    if (admin_address_parse(text, &host, &port, e) != 0) {
        e->code = ERR_USAGE;
        return -1;
    }
    json_object_set_new(args, "host", json_string(host));
    json_object_set_new(args, "port", json_integer(port));
    free(host);
    return 0;
}

/* The key that the server shows, accepted by the caller's word; ARGS names it
 * from then on, so that every later step insists on it. */
static int
review_key(struct cli *cli, json_t *args, struct err *e)
{
    const char *host = json_string_value(json_object_get(args, "host"));
    const char *wanted = NULL, *shown = "";
    bool trust = false;
    char *question = NULL;
    json_t *probe = NULL, *where = NULL;
    int r = -1;

    where = json_pack("{s:s,s:O}", "host", host, "port",
        json_object_get(args, "port"));
    if (json_member_string(args, "fingerprint", false, &wanted, e) != 0 ||
        json_member_bool(args, "trust_on_first_use", false, &trust, e) != 0 ||
        cli_control(cli, "server probe", where, 0, &probe, e) != 0 ||
        json_member_string(probe, "fingerprint", true, &shown, e) != 0)
        goto out;
    if (host_key_compare(host, shown, wanted, e) != 0)
        goto out;
    if (wanted == NULL && !trust) {
        if (!cli_can_ask(cli)) {
            err_set(e, ERR_KEY_CHANGED,
                "nobody confirmed that %s has the host key %s", host, shown);
            err_hint(e, "Give --fingerprint with the key that \"lockstep "
                        "status\" shows there, or --trust-on-first-use.");
            goto out;
        }
        fprintf(stderr,
            "%s shows the host key\n    %s\nCompare it with what \"lockstep "
            "status\" says there.  Type \"yes\" if it is the same: ",
            host, shown);
        question = alloc_zeroed(1, SECRET_SIZE);
        if (fgets(question, SECRET_SIZE, stdin) == NULL ||
            strcmp(question, "yes\n") != 0) {
            err_set(e, ERR_KEY_CHANGED, "the host key was not accepted");
            goto out;
        }
    }
    json_object_set_new(args, "fingerprint", json_string(shown));
    json_object_del(args, "trust_on_first_use");
    r = 0;
out:
    free(question);
    json_decref(probe);
    json_decref(where);
    return r;
}

static int
read_password(struct cli *cli, json_t *args, const char *where,
    const char *file, struct err *e)
{
    const char *user = json_string_value(json_object_get(args, "user"));
    char *prompt = alloc_format("Password of %s on %s: ", user, where);
    char secret[SECRET_SIZE];
    int r = cli_password(cli, file, prompt, secret, e);

    if (r == 0 &&
        json_object_set_new(args, "password", json_string(secret)) != 0)
        r = err_set(e, ERR_USAGE, "the password is not UTF-8 text");
    explicit_bzero(secret, sizeof(secret));
    free(prompt);
    return r;
}

static void
summarize(struct cli *cli, const json_t *facts)
{
    const json_t *datasets = json_object_get(facts, "datasets");
    const json_t *node = json_object_get(facts, "node");
    int64_t free_bytes =
        json_integer_value(json_object_get(facts, "disk_free"));
    char text[32];

    cli_say(cli, "%s is a %s node, version %s.",
        json_string_value(json_object_get(node, "name")),
        json_string_value(json_object_get(node, "role")),
        json_string_value(json_object_get(node, "version")));
    if (json_array_size(datasets) > 0)
        cli_say(cli, "These datasets on it will be overwritten (it keeps a "
                     "backup):");
    for (size_t i = 0; i < json_array_size(datasets); i++) {
        const json_t *d = json_array_get(datasets, i);
        const char *changed =
            json_string_value(json_object_get(d, "last_change"));

        cli_say(cli, "    %s: revision %lld, %lld rows, last change %s",
            json_string_value(json_object_get(d, "name")),
            (long long)json_integer_value(json_object_get(d, "revision")),
            (long long)json_integer_value(json_object_get(d, "rows")),
            changed != NULL ? changed : "unknown");
    }
    if (free_bytes > 0) {
        text_bytes(free_bytes, text);
        cli_say(cli, "Free on its disk: %s.", text);
    }
}

/* Whoever was not asked keeps what is there: nobody is shut out unasked. */
static void
offer_narrow(struct cli *cli, json_t *args, const json_t *facts)
{
    const char *address = json_string_value(json_object_get(facts, "address"));
    char answer[SECRET_SIZE] = "";

    if (json_object_get(args, "narrow") != NULL || cli->yes ||
        !cli_can_ask(cli) || address == NULL)
        return;
    fprintf(stderr,
        "It sees this primary come from %s.  Let only that address and itself "
        "in on its admin port from now on?  [y/N] ",
        address);
    if (fgets(answer, sizeof(answer), stdin) != NULL &&
        (answer[0] == 'y' || answer[0] == 'Y'))
        json_object_set_new(args, "narrow", json_true());
}

/* What will be lost there, and whether that is agreed to. */
static int
review_facts(struct cli *cli, json_t *args, bool again, struct err *e)
{
    json_t *asked = json_copy(args), *facts = NULL;
    const char *name = json_string_value(json_object_get(args, "name"));
    int r = -1;

    json_object_del(asked, "narrow");
    if (again) {
        json_object_set_new(asked, "dry_run", json_true());
    } else {
        json_object_del(asked, "name");
        json_object_del(asked, "cluster_name");
    }
    if (cli_control(cli, again ? "server trust" : "server facts", asked,
            LONG_WAIT_MS, &facts, e) != 0)
        goto out;
    if (!cli->yes)
        summarize(cli, facts);
    if (name == NULL)
        name = json_string_value(
            json_object_get(json_object_get(facts, "node"), "name"));
    if (name == NULL)
        name = json_string_value(json_object_get(args, "host"));
    r = cli_confirm(cli,
        again ? "It becomes a secondary of this node again."
              : "It becomes a secondary of this node.",
        name, e);
    if (r == 0)
        offer_narrow(cli, args, facts);
out:
    json_decref(facts);
    json_decref(asked);
    return r;
}

int
server_register(struct cli *cli, json_t *args, bool again, const char *file,
    json_t **entry, struct err *e)
{
    const char *where = NULL;
    int r = -1;

    if (json_object_get(args, "user") == NULL)
        json_object_set_new(args, "user", json_string("admin"));
    /* Said before anything is sent anywhere. */
    if (!cli->yes && !cli_can_ask(cli))
        return cli_confirm(cli, "", "", e);
    if (json_member_string(args, again ? "name" : "host", true, &where, e) !=
            0 ||
        (!again && review_key(cli, args, e) != 0) ||
        read_password(cli, args, where, file, e) != 0 ||
        review_facts(cli, args, again, e) != 0 ||
        cli_control(cli, again ? "server trust" : "server add", args,
            LONG_WAIT_MS, entry, e) != 0)
        goto out;
    r = 0;
out:
    secret_wipe_members(args);
    return r;
}

int
server_add_one(struct cli *cli, json_t *args, json_t **entry, struct err *e)
{
    json_t *file = NULL, *join_file = NULL;
    const char *path = cli_take_text(args, "password_file", &file);
    const char *join = cli_take_text(args, "join", &join_file);
    int r = -1;

    if ((join == NULL || json_object_get(args, "host") != NULL) &&
        server_split_address(args, e) != 0)
        goto out;
    r = join != NULL ? server_add_joined(cli, join, args, entry, e)
                     : server_register(cli, args, false, path, entry, e);
out:
    secret_wipe_members(args);
    json_decref(file);
    json_decref(join_file);
    return r;
}

int
server_add_run(struct cli *cli, const struct command *command, json_t *args,
    struct err *e)
{
    json_t *from = NULL, *entry = NULL;
    const char *path = cli_take_text(args, "from", &from);
    bool one = json_object_get(args, "host") != NULL ||
               json_object_get(args, "join") != NULL;
    int r = -1;

    if (one == (path != NULL)) {
        err_set(e, ERR_USAGE, "give HOST[:PORT], --join FILE or --from FILE");
    } else if (path != NULL) {
        r = server_add_file(cli, path, args, e);
    } else if (server_add_one(cli, args, &entry, e) == 0) {
        cli_show(cli, entry, command->views);
        r = 0;
    }
    json_decref(entry);
    json_decref(from);
    return r;
}

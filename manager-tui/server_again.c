/*
 * "server trust": a changed host key is accepted; a server that was installed
 * anew is registered again, after its summary was confirmed.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "manager-tui/results.h"
#include "manager-tui/server_add.h"

static int
review(struct cli *cli, json_t *args, const char *name, struct err *e)
{
    json_t *asked = json_copy(args), *facts = NULL;
    int r = -1;

    json_object_set_new(asked, "dry_run", json_true());
    json_object_del(asked, "narrow");
    if (cli_control(cli, "server trust", asked, LONG_WAIT_MS, &facts, e) != 0)
        goto out;
    if (!cli->yes)
        server_summarize(cli, facts);
    r = cli_confirm(cli, "It becomes a secondary of this node again.", name, e);
    if (r == 0)
        server_offer_narrow(cli, args, facts);
out:
    json_decref(facts);
    json_decref(asked);
    return r;
}

static int
register_again(struct cli *cli, const struct command *command, json_t *args,
    const char *path, struct err *e)
{
    const char *name = "", *fingerprint = NULL;
    json_t *entry = NULL;
    int r = -1;

    if (json_object_get(args, "user") == NULL)
        json_object_set_new(args, "user", json_string("admin"));
    /* Said before anything is sent anywhere. */
    if (!cli->yes && !cli_can_ask(cli))
        return cli_confirm(cli, "", "", e);
    if (json_member_string(args, "name", true, &name, e) != 0 ||
        json_member_string(args, "fingerprint", true, &fingerprint, e) != 0 ||
        server_add_password(cli, args, name, path, e) != 0 ||
        review(cli, args, name, e) != 0 ||
        cli_control(cli, "server trust", args, LONG_WAIT_MS, &entry, e) != 0)
        goto out;
    cli_show(cli, entry, command->views);
    r = 0;
out:
    secret_wipe_members(args);
    json_decref(entry);
    return r;
}

int
server_trust_run(struct cli *cli, const struct command *command, json_t *args,
    struct err *e)
{
    json_t *file = NULL;
    const char *path = cli_take_text(args, "password_file", &file);
    bool again = json_is_true(json_object_get(args, "again")) || path != NULL;
    int r;

    json_object_del(args, "again");
    if (again) {
        r = register_again(cli, command, args, path, e);
    } else if (json_object_get(args, "user") != NULL ||
               json_object_get(args, "narrow") != NULL) {
        r = err_set(e, ERR_USAGE, "--user and --narrow go with --again");
    } else {
        r = cli_run_plain(cli, command, args, e);
    }
    json_decref(file);
    return r;
}

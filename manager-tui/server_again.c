/*
 * "server trust": a changed host key is accepted; a server that was installed
 * anew is registered again, after its summary was confirmed.
 */
#include "base/json.h"
#include "manager-tui/results.h"
#include "manager-tui/server_add.h"

static int
register_again(struct cli *cli, const struct command *command, json_t *args,
    const char *path, struct err *e)
{
    const char *fingerprint = NULL;
    json_t *entry = NULL;
    int r = -1;

    if (json_member_string(args, "fingerprint", true, &fingerprint, e) == 0 &&
        server_register(cli, args, true, path, &entry, e) == 0) {
        cli_show(cli, entry, command->views);
        r = 0;
    }
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

/*
 * The overview: status and servers of the node, then where to go on.
 */
#include "manager-tui/overview.h"

#include "manager-tui/results.h"

int
overview_run(struct cli *cli, struct err *e)
{
    json_t *status = NULL, *servers = NULL;
    int r = -1;

    if (cli_control(cli, "status", NULL, 0, &status, e) != 0 ||
        cli_control(cli, "server list", NULL, 0, &servers, e) != 0)
        goto out;
    if (cli->json) {
        json_object_update(status, servers);
        cli_show(cli, status, NULL);
    } else {
        cli_show(cli, status, status_views);
        if (json_array_size(json_object_get(servers, "servers")) > 0) {
            putchar('\n');
            cli_show(cli, servers, server_list_views);
        }
        cli_say(cli, "lockstep --help lists the commands.");
    }
    r = 0;
out:
    json_decref(status);
    json_decref(servers);
    return r;
}

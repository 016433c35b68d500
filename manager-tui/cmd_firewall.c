/*
 * firewall: what a firewall team is given.  Printed, never applied: rules for
 * each secondary, and the matrix of who connects to whom.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/escape.h"
#include "base/json.h"
#include "manager-tui/cli.h"
#include "manager-tui/firewall_rules.h"
#include "manager-tui/results.h"

static const struct column flow_columns[] = {
    { "FROM", "from", COLUMN_TEXT, false },
    { "WHO", "from_name", COLUMN_TEXT, true },
    { "TO", "to", COLUMN_TEXT, false },
    { "WHOM", "to_name", COLUMN_TEXT, true },
    { "PORT", "port", COLUMN_TEXT, false },
    { "PROTOCOL", "protocol", COLUMN_TEXT, false },
    { "WHY", "why", COLUMN_TEXT, false },
    COLUMNS_END,
};

static const struct column date_columns[] = {
    { "generated", "generated", COLUMN_TEXT, false },
    { "cluster", "cluster", COLUMN_TEXT, false },
    COLUMNS_END,
};

static const struct view matrix_views[] = {
    { "", false, date_columns, NULL },
    { "flows", true, flow_columns, "Nobody connects to anybody." },
    VIEWS_END,
};

/* RFC 4180; a spreadsheet that takes a leading sign for a formula gets none. */
static void
print_csv_field(const json_t *value)
{
    const char *text = json_string_value(value);
    char shown[512];

    if (json_is_integer(value)) {
        printf("%lld", (long long)json_integer_value(value));
        return;
    }
    if (text == NULL)
        return;
    escape_text(text, strlen(text), shown, sizeof(shown));
    putchar('"');
    if (shown[0] != '\0' && strchr("=+-@", shown[0]) != NULL)
        putchar('\'');
    for (const char *c = shown; *c != '\0'; c++) {
        if (*c == '"')
            putchar('"');
        putchar(*c);
    }
    putchar('"');
}

static void
print_csv(const json_t *matrix)
{
    static const char *const fields[] = { "from", "from_name", "to", "to_name",
        "to_host", "port", "protocol", "why" };
    const json_t *flows = json_object_get(matrix, "flows");

    printf("from,from_name,to,to_name,to_host,port,protocol,why,generated\r\n");
    for (size_t i = 0; i < json_array_size(flows); i++) {
        const json_t *flow = json_array_get(flows, i);

        for (size_t k = 0; k < sizeof(fields) / sizeof(fields[0]); k++) {
            print_csv_field(json_object_get(flow, fields[k]));
            putchar(',');
        }
        print_csv_field(json_object_get(matrix, "generated"));
        printf("\r\n");
    }
}

static int
show_matrix(struct cli *cli, const char *format, const json_t *matrix,
    struct err *e)
{
    if (cli->json || strcmp(format, "json") == 0) {
        cli_show_json(matrix);
    } else if (strcmp(format, "csv") == 0) {
        print_csv(matrix);
    } else if (strcmp(format, "text") == 0) {
        cli_show(cli, matrix, matrix_views);
    } else {
        err_set(e, ERR_USAGE, "there is no format \"%s\" of the matrix",
            format);
        err_hint(e, "Use text, csv or json.");
        return -1;
    }
    return 0;
}

static const char *
text_of(const json_t *object, const char *member)
{
    const char *text = json_string_value(json_object_get(object, member));

    return text != NULL ? text : "";
}

/* One secondary: {name, address, from, rules}, rules null while nobody knows
 * which address it sees. */
static json_t *
server_rules(const char *format, const json_t *flow, struct err *e)
{
    const struct firewall_door door = { .from = text_of(flow, "from"),
        .port = (uint16_t)json_integer_value(json_object_get(flow, "port")) };
    struct buf rules = BUF_INIT;
    json_t *server = NULL;

    if (door.from[0] == '\0') {
        server = json_pack("{s:O, s:O, s:n, s:n}", "name",
            json_object_get(flow, "to_name"), "address",
            json_object_get(flow, "to_host"), "from", "rules");
    } else if (firewall_rules(format, &door, &rules, e) == 0) {
        buf_put_u8(&rules, '\0');
        server = json_pack("{s:O, s:O, s:s, s:s}", "name",
            json_object_get(flow, "to_name"), "address",
            json_object_get(flow, "to_host"), "from", door.from, "rules",
            (const char *)rules.data);
    }
    buf_release(&rules);
    return server;
}

static void
print_comment(const char *text)
{
    char shown[512];

    escape_text(text, strlen(text), shown, sizeof(shown));
    printf("%s", shown);
}

static void
print_rules(const json_t *result)
{
    const json_t *servers = json_object_get(result, "servers");

    printf("# lockstep, cluster ");
    print_comment(text_of(result, "cluster"));
    printf(", %s.  To be applied by hand, each part on its server.\n",
        text_of(result, "generated"));
    for (size_t i = 0; i < json_array_size(servers); i++) {
        const json_t *server = json_array_get(servers, i);
        const char *rules = text_of(server, "rules");

        printf("\n# On ");
        print_comment(text_of(server, "name"));
        printf(" (");
        print_comment(text_of(server, "address"));
        printf(")\n%s", rules[0] != '\0' ? rules
                                         : "# It has not said yet which "
                                           "address it sees this primary come "
                                           "from.\n");
    }
}

static int
show_rules(struct cli *cli, const char *format, const char *only,
    const json_t *matrix, struct err *e)
{
    const json_t *flows = json_object_get(matrix, "flows");
    json_t *servers = json_array(), *result = NULL;
    int r = -1;

    for (size_t i = 0; i < json_array_size(flows); i++) {
        const json_t *flow = json_array_get(flows, i);
        json_t *server;

        if (strcmp(text_of(flow, "why"), "push") != 0 ||
            (only != NULL && strcmp(text_of(flow, "to_name"), only) != 0))
            continue;
        server = server_rules(format, flow, e);
        if (server == NULL)
            goto out;
        json_array_append_new(servers, server);
    }
    if (only != NULL && json_array_size(servers) == 0) {
        err_set(e, ERR_NOT_FOUND, "there is no server \"%s\"", only);
        goto out;
    }
    result = json_pack("{s:O, s:O, s:s, s:O}", "generated",
        json_object_get(matrix, "generated"), "cluster",
        json_object_get(matrix, "cluster"), "format", format, "servers",
        servers);
    if (cli->json)
        cli_show_json(result);
    else
        print_rules(result);
    r = 0;
out:
    json_decref(servers);
    json_decref(result);
    return r;
}

static int
run_firewall(struct cli *cli, const struct command *command, json_t *args,
    struct err *e)
{
    const char *what = NULL, *format = NULL, *server = NULL;
    json_t *matrix = NULL;
    int r = -1;

    (void)command;
    if (json_member_string(args, "what", false, &what, e) != 0 ||
        json_member_string(args, "format", false, &format, e) != 0 ||
        json_member_string(args, "server", false, &server, e) != 0)
        return -1;
    if (what != NULL && strcmp(what, "matrix") != 0) {
        err_set(e, ERR_USAGE, "unknown command \"firewall %s\"", what);
        err_hint(e, "Type \"lockstep firewall\" or \"lockstep firewall "
                    "matrix\".");
        return -1;
    }
    if (cli_control(cli, "firewall matrix", NULL, 0, &matrix, e) != 0)
        return -1;
    if (what != NULL)
        r = show_matrix(cli, format != NULL ? format : "text", matrix, e);
    else
        r = show_rules(cli, format != NULL ? format : "nftables", server,
            matrix, e);
    json_decref(matrix);
    return r;
}

static const struct option firewall_options[] = {
    { "format", "nftables|iptables|ufw|firewalld|text|csv|json", OPTION_TEXT,
        "format", "the last three for the matrix (default nftables, text)" },
    { "server", "NAME", OPTION_TEXT, "server", "the rules of this one alone" },
    { NULL, NULL, OPTION_FLAG, NULL, NULL },
};

const struct command firewall_commands[] = {
    { "firewall", NULL, "[matrix]",
        "rules for the secondaries' firewalls, or who connects to whom",
        "firewall --server edge-1 > edge-1.nft\n"
        "firewall --format ufw\nfirewall matrix --format csv\n",
        "what?", firewall_options, run_firewall, matrix_views },
    { .noun = NULL },
};

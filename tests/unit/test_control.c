/* Which requests reach a command, and what the others are told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/json.h"
#include "daemon/backup.h"
#include "daemon/control.h"
#include "daemon/datasets.h"
#include "daemon/events.h"
#include "daemon/node_role.h"
#include "daemon/store.h"
#include "tests/unit/engine_fixture.h"

struct reply {
    struct buf lines;
    bool finished;
};

static void
take_line(void *ctx, const char *line, size_t len, bool last)
{
    struct reply *r = ctx;

    assert_false(r->finished);
    assert_int_equal(line[len - 1], '\n');
    buf_put(&r->lines, line, len);
    r->finished = last;
}

/* The object that a request ends with: its "result", or its "error" with
 * CODE (NULL: none may come). */
static json_t *
ask(struct engine *engine, enum role role, const char *request,
    const char *code)
{
    struct reply r = { BUF_INIT, false };
    const char *got;
    json_t *line;
    json_t *content;

    control_run(engine, role, "me from 192.0.2.9", request, strlen(request),
        take_line, &r);
    fixture_wait(engine, &r.finished);
    line = json_loadb((char *)r.lines.data, r.lines.len, 0, NULL);
    assert_non_null(line);
    got = json_string_value(
        json_object_get(json_object_get(line, "error"), "code"));
    if (code == NULL && got != NULL)
        fail_msg("%s: %.*s", request, (int)r.lines.len, r.lines.data);
    if (code != NULL) {
        assert_non_null(got);
        assert_string_equal(got, code);
    }
    content =
        json_incref(json_object_get(line, code == NULL ? "result" : "error"));
    json_decref(line);
    buf_release(&r.lines);
    return content;
}

static void
expect(struct engine *engine, enum role role, const char *request,
    const char *code)
{
    json_decref(ask(engine, role, request, code));
}

static void
malformed_requests_run_nothing(void **state)
{
    static const char *const cases[] = { "", "{", "[]", "null",
        "{\"command\": 5}", "{\"args\": {}}",
        "{\"command\": \"status\", \"args\": []}",
        "{\"command\": \"status\", \"more\": 1}",
        "{\"command\": \"status\", \"args\": {\"x\": 1}}",
        "{\"command\": \"status\", \"command\": \"doctor\"}" };
    char *folder = fixture_folder();
    struct engine engine;
    size_t i;

    (void)state;
    fixture_start(&engine, folder);
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        expect(&engine, ROLE_ADMIN, cases[i], "INVALID");
    expect(&engine, ROLE_ADMIN, "{\"command\": \"make coffee\"}", "NOT_FOUND");
    expect(&engine, ROLE_ADMIN, "{\"command\": \"status\"}", NULL);
    expect(&engine, ROLE_ADMIN, "{\"command\": \"status\", \"args\": null}",
        NULL);
    fixture_stop(&engine);
    fixture_remove(folder);
}

static void
roles_reach_what_the_table_grants(void **state)
{
    static const struct {
        const char *request;
        bool viewer;
        bool push;
    } cases[] = {
        { "{\"command\": \"status\"}", true, true },
        { "{\"command\": \"events list\"}", true, true },
        { "{\"command\": \"dataset list\"}", true, false },
        { "{\"command\": \"doctor\"}", true, false },
        { "{\"command\": \"server list\"}", true, false },
        { "{\"command\": \"node release\","
          " \"args\": {\"cluster\": \"00000000000000000000000000000000\"}}",
            false, true },
        { "{\"command\": \"dataset verify\", \"args\": {\"name\": \"config\"}}",
            false, false },
        { "{\"command\": \"admin list\"}", false, false },
    };
    char *folder = fixture_folder();
    struct engine engine;
    size_t i;

    (void)state;
    fixture_start(&engine, folder);
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *request = cases[i].request;

        expect(&engine, ROLE_NONE, request, "PERMISSION");
        expect(&engine, ROLE_VIEWER, request,
            cases[i].viewer ? NULL : "PERMISSION");
        expect(&engine, ROLE_PUSH, request,
            cases[i].push ? NULL : "PERMISSION");
        expect(&engine, ROLE_ADMIN, request, NULL);
    }
    fixture_stop(&engine);
    fixture_remove(folder);
}

static void
a_secondary_says_where_changes_are_made(void **state)
{
    char *folder = fixture_folder();
    struct engine engine;
    json_t *error;

    (void)state;
    fixture_start(&engine, folder);
    engine.node.role = NODE_SECONDARY;
    strcpy(engine.node.primary_name, "north");
    strcpy(engine.node.primary_address, "192.0.2.1");
    error = ask(&engine, ROLE_ADMIN,
        "{\"command\": \"user add\", \"args\": {\"name\": \"ann\"}}",
        "NOT_PRIMARY");
    assert_non_null(
        strstr(json_string_value(json_object_get(error, "message")), "north"));
    assert_non_null(
        strstr(json_string_value(json_object_get(error, "hint")), "192.0.2.1"));
    json_decref(error);
    expect(&engine, ROLE_ADMIN,
        "{\"command\": \"dataset accept\", \"args\": {\"name\": \"config\"}}",
        "NOT_PRIMARY");
    expect(&engine, ROLE_ADMIN,
        "{\"command\": \"server pause\", \"args\": {\"name\": \"x\"}}",
        "NOT_PRIMARY");
    engine.node.role = NODE_STANDALONE;
    expect(&engine, ROLE_ADMIN,
        "{\"command\": \"server pause\", \"args\": {\"name\": \"x\"}}", "ROLE");
    fixture_stop(&engine);
    fixture_remove(folder);
}

#define ENROLL(cluster, primary, epoch, more)                                \
    "{\"command\": \"node enroll\", \"args\": {\"cluster\": \"" cluster      \
    "\", \"cluster_name\": \"c\", \"epoch\": " epoch                         \
    ", \"primary_id\": \"" primary "\", \"primary_name\": \"north\","        \
    " \"login_key\": \"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAA" \
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAA\", \"bundle_key\": \"" A "" A              \
    "\", \"fingerprint\": \"SHA256:x\"" more "}}"
#define A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define P "cccccccccccccccccccccccccccccccc"
#define Q "dddddddddddddddddddddddddddddddd"

static void
a_node_belongs_to_one_primary(void **state)
{
    char *folder = fixture_folder();
    char id[2 * ID_SIZE + 1];
    struct engine engine;
    json_t *result;
    char *request;

    (void)state;
    fixture_start(&engine, folder);
    result = ask(&engine, ROLE_ADMIN, ENROLL(A, P, "1", ", \"dry_run\": true"),
        NULL);
    assert_string_equal(json_string_value(json_object_get(result, "address")),
        "192.0.2.9");
    assert_true(json_is_null(json_object_get(result, "cluster")));
    json_decref(result);
    assert_int_equal(engine.node.role, NODE_STANDALONE);

    hex_encode(engine.node.id, ID_SIZE, id);
    request = alloc_string(ENROLL(A, P, "1", ""));
    memcpy(strstr(request, P), id, 2 * ID_SIZE);
    expect(&engine, ROLE_ADMIN, request, "IS_SELF");
    free(request);

    expect(&engine, ROLE_ADMIN, ENROLL(A, P, "3", ""), NULL);
    assert_int_equal(engine.node.role, NODE_SECONDARY);
    assert_int_equal(engine.node.epoch, 3);
    expect(&engine, ROLE_ADMIN, ENROLL(B, P, "9", ""), "OTHER_CLUSTER");
    expect(&engine, ROLE_ADMIN, ENROLL(A, P, "2", ""), "STALE_EPOCH");
    expect(&engine, ROLE_ADMIN, ENROLL(A, Q, "3", ""), "OTHER_WRITER");
    expect(&engine, ROLE_ADMIN, ENROLL(A, P, "3", ""), NULL);
    expect(&engine, ROLE_ADMIN, ENROLL(A, Q, "4", ""), NULL);
    assert_int_equal(engine.node.epoch, 4);
    fixture_stop(&engine);

    /* It is still so after a restart. */
    fixture_start(&engine, folder);
    assert_int_equal(engine.node.role, NODE_SECONDARY);
    expect(&engine, ROLE_ADMIN, ENROLL(B, P, "9", ""), "OTHER_CLUSTER");
    expect(&engine, ROLE_PUSH,
        "{\"command\": \"node release\", \"args\": {\"cluster\": \"" B "\"}}",
        "OTHER_CLUSTER");
    expect(&engine, ROLE_PUSH,
        "{\"command\": \"node release\", \"args\": {\"cluster\": \"" A "\"}}",
        NULL);
    assert_int_equal(engine.node.role, NODE_STANDALONE);
    expect(&engine, ROLE_ADMIN, "{\"command\": \"node detach\"}", "ROLE");
    expect(&engine, ROLE_ADMIN, ENROLL(B, P, "1", ""), NULL);
    expect(&engine, ROLE_ADMIN, "{\"command\": \"node detach\"}", NULL);
    assert_int_equal(engine.node.role, NODE_STANDALONE);
    fixture_stop(&engine);
    fixture_remove(folder);
}

static void
a_primary_with_secondaries_is_not_enrolled(void **state)
{
    char *folder = fixture_folder();
    struct server_record server;
    struct engine engine;
    struct err e = ERR_INIT;

    (void)state;
    fixture_start(&engine, folder);
    memset(&server, 0, sizeof(server));
    strcpy(server.name, "edge");
    strcpy(server.host, "edge");
    assert_int_equal(store_server_save(engine.node.store, &server, &e), 0);
    engine.node.role = NODE_PRIMARY;
    expect(&engine, ROLE_ADMIN, ENROLL(A, P, "1", ""), "ROLE");
    assert_int_equal(store_server_delete(engine.node.store, server.id, &e), 0);
    expect(&engine, ROLE_ADMIN, ENROLL(A, P, "1", ", \"dry_run\": true"), NULL);
    engine.node.role = NODE_STANDALONE;
    fixture_stop(&engine);
    fixture_remove(folder);
}

static void
events_are_listed_by_time_server_and_number(void **state)
{
    char *folder = fixture_folder();
    struct engine engine;
    json_t *result;

    (void)state;
    fixture_start(&engine, folder);
    events_add(engine.events, "info", "a", "edge", NULL, "one");
    events_add(engine.events, "info", "a", "core", NULL, "two");
    events_add(engine.events, "info", "a", "edge", NULL, "three");
    result = ask(&engine, ROLE_VIEWER,
        "{\"command\": \"events list\","
        " \"args\": {\"server\": \"edge\", \"since\": \"1h\"}}",
        NULL);
    assert_int_equal(json_array_size(json_object_get(result, "events")), 2);
    json_decref(result);
    result = ask(&engine, ROLE_VIEWER,
        "{\"command\": \"events list\", \"args\": {\"limit\": 1}}", NULL);
    assert_string_equal(
        json_string_value(json_object_get(
            json_array_get(json_object_get(result, "events"), 0), "text")),
        "three");
    json_decref(result);
    expect(&engine, ROLE_VIEWER,
        "{\"command\": \"events list\", \"args\": {\"limit\": 0}}", "INVALID");
    expect(&engine, ROLE_VIEWER,
        "{\"command\": \"events list\", \"args\": {\"since\": \"soon\"}}",
        "INVALID");
    fixture_stop(&engine);
    fixture_remove(folder);
}

static void
a_backup_brings_back_identity_rows_and_servers(void **state)
{
    char *folder = fixture_folder();
    char *target = alloc_format("%s.restored", folder);
    char *file = file_join(folder, "b.lockstep");
    struct err e = ERR_INIT;
    struct engine engine;
    struct server_record server;
    struct server_record *servers;
    uint8_t id[ID_SIZE];
    char fingerprint[64];
    char *request;
    size_t count;

    (void)state;
    fixture_start(&engine, folder);
    expect(&engine, ROLE_ADMIN,
        "{\"command\": \"user add\", \"args\": {\"name\": \"ann\","
        " \"home\": \"/srv/ann\"}}",
        NULL);
    memset(&server, 0, sizeof(server));
    snprintf(server.name, sizeof(server.name), "edge");
    assert_int_equal(store_server_save(engine.node.store, &server, &e), 0);
    request = alloc_format(
        "{\"command\": \"backup create\", \"args\": {\"path\": \"%s\"}}", file);
    expect(&engine, ROLE_ADMIN, request, NULL);
    expect(&engine, ROLE_ADMIN, request, "EXISTS");
    memcpy(id, engine.node.id, ID_SIZE);
    memcpy(fingerprint, engine.keys.fingerprint, sizeof(fingerprint));
    fixture_stop(&engine);
    free(request);

    assert_int_equal(backup_restore(file, folder, false, &e), -1);
    assert_int_equal(e.code, ERR_EXISTS);
    assert_int_equal(backup_restore(file, target, false, &e), 0);
    fixture_start(&engine, target);
    assert_memory_equal(engine.node.id, id, ID_SIZE);
    assert_string_equal(engine.keys.fingerprint, fingerprint);
    expect(&engine, ROLE_ADMIN,
        "{\"command\": \"user show\", \"args\": {\"name\": \"ann\"}}", NULL);
    assert_int_equal(store_servers_load(engine.node.store, &servers, &count,
                         &e),
        0);
    assert_int_equal(count, 1);
    store_servers_free(servers, count);
    fixture_stop(&engine);
    free(file);
    fixture_remove(target);
    fixture_remove(folder);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(malformed_requests_run_nothing),
        cmocka_unit_test(roles_reach_what_the_table_grants),
        cmocka_unit_test(a_secondary_says_where_changes_are_made),
        cmocka_unit_test(a_node_belongs_to_one_primary),
        cmocka_unit_test(a_primary_with_secondaries_is_not_enrolled),
        cmocka_unit_test(events_are_listed_by_time_server_and_number),
        cmocka_unit_test(a_backup_brings_back_identity_rows_and_servers),
    };

    if (child_is_requested(argc, argv))
        return child_run(argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

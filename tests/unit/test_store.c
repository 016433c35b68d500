/* The node store keeps what it was told, whole or not at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "daemon/node.h"
#include "daemon/store.h"
#include "sync/open.h"
#include "tests/unit/engine_fixture.h"

static struct err e;

static struct store *
open_store(const char *folder)
{
    struct store *store;

    err_clear(&e);
    assert_int_equal(store_open(&store, folder, &e), 0);
    return store;
}

static void
values_survive_closing(void **state)
{
    char *folder = fixture_folder();
    struct store *store = open_store(folder);
    uint8_t *value;
    size_t len;

    (void)state;
    assert_int_equal(store_get(store, "a", &value, &len, &e), 0);
    assert_null(value);
    assert_int_equal(store_put(store, "a", "1\0002", 3, &e), 0);
    assert_int_equal(store_put(store, "empty", NULL, 0, &e), 0);
    assert_int_equal(store_put(store, "gone", "x", 1, &e), 0);
    assert_int_equal(store_delete(store, "gone", &e), 0);
    store_close(store);

    store = open_store(folder);
    assert_int_equal(store_get(store, "a", &value, &len, &e), 0);
    assert_int_equal(len, 3);
    assert_memory_equal(value, "1\0002", 4);
    free(value);
    assert_int_equal(store_get(store, "empty", &value, &len, &e), 0);
    assert_non_null(value);
    assert_int_equal(len, 0);
    free(value);
    assert_int_equal(store_get(store, "gone", &value, &len, &e), 0);
    assert_null(value);
    store_close(store);
    fixture_remove(folder);
}

static void
a_transaction_rolled_back_leaves_nothing(void **state)
{
    char *folder = fixture_folder();
    struct store *store = open_store(folder);
    uint8_t *value;
    size_t len;

    (void)state;
    assert_int_equal(store_begin(store, &e), 0);
    assert_int_equal(store_put(store, "a", "1", 1, &e), 0);
    store_rollback(store);
    assert_int_equal(store_get(store, "a", &value, &len, &e), 0);
    assert_null(value);
    store_close(store);
    fixture_remove(folder);
}

static void
a_store_of_a_newer_version_is_refused(void **state)
{
    char *folder = fixture_folder();
    struct store *store = open_store(folder);

    (void)state;
    assert_int_equal(database_exec(store_database(store),
                         "PRAGMA user_version = 99", &e),
        0);
    store_close(store);
    assert_int_equal(store_open(&store, folder, &e), -1);
    assert_int_equal(e.code, ERR_VERSION);
    assert_null(store);
    fixture_remove(folder);
}

static struct server_record
sample_server(const char *name, uint8_t id)
{
    struct server_record s;

    memset(&s, 0, sizeof(s));
    snprintf(s.name, sizeof(s.name), "%s", name);
    strcpy(s.host, "h.example");
    s.port = 14983;
    memset(s.node_id, id, ID_SIZE);
    s.host_key = alloc_copy("key", 3);
    s.host_key_len = 3;
    s.paused = true;
    s.interval_ms = 5;
    s.added_ms = 1;
    s.last_synchronized_ms = 2;
    s.last_verified_ms = 3;
    s.last_change_ms = 4;
    s.overwrites = 5;
    s.pushes = 6;
    s.bytes_sent = UINT64_C(1) << 40;
    strcpy(s.last_address, "192.0.2.1");
    strcpy(s.seen_address, "192.0.2.2");
    strcpy(s.version, "9");
    return s;
}

static void
assert_same_server(const struct server_record *a, const struct server_record *b)
{
    struct server_record x = *a;
    struct server_record y = *b;

    assert_int_equal(x.host_key_len, y.host_key_len);
    assert_memory_equal(x.host_key, y.host_key, x.host_key_len);
    x.host_key = NULL;
    y.host_key = NULL;
    assert_memory_equal(&x, &y, sizeof(x));
}

static void
servers_come_back_as_they_were_saved(void **state)
{
    char *folder = fixture_folder();
    struct store *store = open_store(folder);
    struct server_record a = sample_server("a", 1);
    struct server_record b = sample_server("b", 2);
    struct server_record *list;
    size_t count;

    (void)state;
    assert_int_equal(store_server_save(store, &b, &e), 0);
    assert_int_equal(store_server_save(store, &a, &e), 0);
    b.pushes = 77;
    b.paused = false;
    assert_int_equal(store_server_save(store, &b, &e), 0);
    store_close(store);

    store = open_store(folder);
    assert_int_equal(store_servers_load(store, &list, &count, &e), 0);
    assert_int_equal(count, 2);
    assert_same_server(&list[0], &a);
    assert_same_server(&list[1], &b);
    store_servers_free(list, count);

    assert_int_equal(store_server_delete(store, a.id, &e), 0);
    assert_int_equal(store_servers_load(store, &list, &count, &e), 0);
    assert_int_equal(count, 1);
    assert_string_equal(list[0].name, "b");
    store_servers_free(list, count);
    server_record_release(&a);
    server_record_release(&b);
    store_close(store);
    fixture_remove(folder);
}

static void
keys_of_a_server_come_back_and_go_with_it(void **state)
{
    char *folder = fixture_folder();
    struct store *store = open_store(folder);
    struct server_record a = sample_server("a", 1);
    struct server_keys keys = { .has_host_next = true };
    struct server_keys got;

    (void)state;
    assert_int_equal(store_server_save(store, &a, &e), 0);
    assert_int_equal(store_server_keys_load(store, a.id, &got, &e), 0);
    assert_false(got.was_told);
    assert_false(got.has_host_next);
    memset(keys.host_next, 5, sizeof(keys.host_next));
    assert_int_equal(store_server_keys_save(store, a.id, &keys, &e), 0);
    keys.was_told = true;
    memset(keys.told, 6, sizeof(keys.told));
    assert_int_equal(store_server_keys_save(store, a.id, &keys, &e), 0);
    store_close(store);

    store = open_store(folder);
    assert_int_equal(store_server_keys_load(store, a.id, &got, &e), 0);
    assert_memory_equal(&got, &keys, sizeof(got));
    assert_int_equal(store_server_delete(store, a.id, &e), 0);
    assert_int_equal(store_server_keys_load(store, a.id, &got, &e), 0);
    assert_false(got.was_told);
    server_record_release(&a);
    store_close(store);
    fixture_remove(folder);
}

static void
one_name_or_node_is_registered_once(void **state)
{
    char *folder = fixture_folder();
    struct store *store = open_store(folder);
    struct server_record first = sample_server("edge", 1);
    struct server_record same_name = sample_server("EDGE", 2);
    struct server_record same_node = sample_server("other", 1);

    (void)state;
    assert_int_equal(store_server_save(store, &first, &e), 0);
    assert_int_equal(store_server_save(store, &same_name, &e), -1);
    assert_int_equal(e.code, ERR_EXISTS);
    assert_int_equal(store_server_save(store, &same_node, &e), -1);
    assert_int_equal(e.code, ERR_EXISTS);
    server_record_release(&first);
    server_record_release(&same_name);
    server_record_release(&same_node);
    store_close(store);
    fixture_remove(folder);
}

static void
a_node_keeps_its_identity_and_role(void **state)
{
    char *folder = fixture_folder();
    uint8_t writer[ID_SIZE];
    uint8_t id[ID_SIZE];
    struct node n;

    (void)state;
    assert_int_equal(node_open(&n, folder, "one", &e), 0);
    assert_int_equal(n.role, NODE_STANDALONE);
    assert_true(n.sync_enabled);
    assert_int_equal(n.interval_ms, 60000);
    memcpy(id, n.id, ID_SIZE);
    memcpy(writer, n.writer, ID_SIZE);
    n.role = NODE_SECONDARY;
    n.epoch = 7;
    n.instant = true;
    strcpy(n.primary_name, "p");
    memset(n.primary_bundle_key, 9, sizeof(n.primary_bundle_key));
    n.primary_login_blob = alloc_copy("blob", 4);
    n.primary_login_blob_len = 4;
    assert_int_equal(node_save(&n, &e), 0);
    node_close(&n);

    assert_int_equal(node_open(&n, folder, "renamed", &e), 0);
    assert_string_equal(n.name, "renamed");
    assert_memory_equal(n.id, id, ID_SIZE);
    assert_memory_not_equal(n.writer, writer, ID_SIZE);
    assert_int_equal(n.role, NODE_SECONDARY);
    assert_int_equal(n.epoch, 7);
    assert_true(n.instant);
    assert_string_equal(n.primary_name, "p");
    assert_int_equal(n.primary_bundle_key[31], 9);
    assert_int_equal(n.primary_login_blob_len, 4);
    assert_memory_equal(n.primary_login_blob, "blob", 4);
    node_close(&n);
    fixture_remove(folder);
}

static void
a_damaged_value_stops_the_start(void **state)
{
    char *folder = fixture_folder();
    struct node n;

    (void)state;
    assert_int_equal(node_open(&n, folder, "one", &e), 0);
    assert_int_equal(store_put(n.store, "node.role", "emperor", 7, &e), 0);
    node_close(&n);
    assert_int_equal(node_open(&n, folder, "one", &e), -1);
    assert_int_equal(e.code, ERR_CORRUPT);
    assert_non_null(strstr(e.message, "node.role"));
    fixture_remove(folder);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_survive_closing),
        cmocka_unit_test(a_transaction_rolled_back_leaves_nothing),
        cmocka_unit_test(a_store_of_a_newer_version_is_refused),
        cmocka_unit_test(servers_come_back_as_they_were_saved),
        cmocka_unit_test(keys_of_a_server_come_back_and_go_with_it),
        cmocka_unit_test(one_name_or_node_is_registered_once),
        cmocka_unit_test(a_node_keeps_its_identity_and_role),
        cmocka_unit_test(a_damaged_value_stops_the_start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

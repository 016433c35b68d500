/* The file tree: what a client sees, and what its role keeps from it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/clock.h"
#include "daemon/datasets.h"
#include "daemon/events.h"
#include "tests/unit/vfs_fixture.h"

static void
stat_tells_the_exact_size_of_what_open_gives(void **state)
{
    static const char *const paths[] = { "/README.txt", "/status.json",
        "/servers.json", "/metrics.prom" };
    struct engine engine;
    struct peer p;
    char *folder;
    size_t i;

    (void)state;
    start(&engine, &folder);
    login(&p, &engine, ROLE_ADMIN);
    clock_freeze(1700000000000);
    for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        uint64_t size;
        uint32_t handle;

        ask_path(&p, IPC_STAT, paths[i], 0);
        size = size_of(&p);
        assert_int_equal(size % 4096, 0);
        assert_true(size > 0);
        handle = open_file(&p, paths[i], SFTP_OPEN_READ);
        ask_handle(&p, IPC_FSTAT, handle);
        assert_int_equal(size_of(&p), size);
        assert_int_equal(read_at(&p, handle, 0), IPC_DATA);
        assert_int_equal(p.body.len, size);
        assert_int_equal(p.body.data[size - 1], '\n');
        read_at(&p, handle, size);
        assert_int_equal(status_of(&p, NULL), SFTP_EOF);
        ask_handle(&p, IPC_CLOSE, handle);
    }
    clock_thaw();
    logout(&p);
    stop(&engine, folder);
}

static void
a_rendering_is_shared_for_a_second_and_kept_by_its_handle(void **state)
{
    struct engine engine;
    uint32_t first;
    uint32_t second;
    struct buf before = BUF_INIT;
    struct peer p;
    char *folder;

    (void)state;
    start(&engine, &folder);
    login(&p, &engine, ROLE_VIEWER);
    clock_freeze(1700000000000);
    first = open_file(&p, "/status.json", SFTP_OPEN_READ);
    read_at(&p, first, 0);
    buf_put(&before, p.body.data, p.body.len);
    strcpy(engine.node.name, "renamed");
    second = open_file(&p, "/status.json", SFTP_OPEN_READ);
    read_at(&p, second, 0);
    assert_memory_equal(p.body.data, before.data, before.len);
    clock_advance(1001);
    second = open_file(&p, "/status.json", SFTP_OPEN_READ);
    read_at(&p, second, 0);
    assert_non_null(strstr((char *)p.body.data, "renamed"));
    read_at(&p, first, 0);
    assert_memory_equal(p.body.data, before.data, before.len);
    clock_thaw();
    buf_release(&before);
    logout(&p);
    stop(&engine, folder);
}

static void
roles_open_what_the_table_grants(void **state)
{
    static const struct {
        const char *path;
        int flags;
        bool viewer;
        bool push;
        bool admin;
    } cases[] = {
        { "/README.txt", SFTP_OPEN_READ, true, true, true },
        { "/README.txt", SFTP_OPEN_WRITE, false, false, false },
        { "/status.json", SFTP_OPEN_READ, true, true, true },
        { "/servers.json", SFTP_OPEN_READ, true, false, true },
        { "/metrics.prom", SFTP_OPEN_READ, true, false, true },
        { "/events.jsonl", SFTP_OPEN_READ, true, true, true },
        { "/events.jsonl", SFTP_OPEN_READ | SFTP_OPEN_WRITE, false, false,
            false },
        { "/control", SFTP_OPEN_WRITE | SFTP_OPEN_CREATE | SFTP_OPEN_TRUNCATE,
            true, true, true },
        { "/datasets/config/snapshot.db", SFTP_OPEN_READ, false, false, true },
        { "/datasets/config/snapshot.db", SFTP_OPEN_WRITE, false, false, true },
        { "/datasets/config/push", SFTP_OPEN_READ | SFTP_OPEN_WRITE, false,
            true, true },
    };
    static const enum role roles[] = { ROLE_VIEWER, ROLE_PUSH, ROLE_ADMIN };
    struct engine engine;
    struct peer p;
    char *folder;
    size_t i;
    size_t k;

    (void)state;
    start(&engine, &folder);
    for (k = 0; k < 3; k++) {
        login(&p, &engine, roles[k]);
        for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
            bool may = k == 0   ? cases[i].viewer
                       : k == 1 ? cases[i].push
                                : cases[i].admin;
            uint8_t type =
                ask_path(&p, IPC_OPEN, cases[i].path, cases[i].flags);

            if (may)
                assert_int_equal(type, IPC_HANDLE);
            else
                assert_int_equal(status_of(&p, NULL), SFTP_PERMISSION_DENIED);
        }
        logout(&p);
    }
    stop(&engine, folder);
}

static void
nothing_else_exists_or_can_be_made(void **state)
{
    static const char *const paths[] = { "/etc/passwd", "/node.db", "/keys",
        "/datasets/nope", "/datasets/config/other", "/datasets/config.db",
        "/datasets/*", "/datasets//push", "/status.json/x", "/control/", "" };
    struct engine engine;
    struct peer p;
    char *folder;
    size_t i;

    (void)state;
    start(&engine, &folder);
    login(&p, &engine, ROLE_ADMIN);
    for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        ask_path(&p, IPC_STAT, paths[i], 0);
        assert_int_equal(status_of(&p, NULL), SFTP_NO_SUCH_FILE);
        ask_path(&p, IPC_OPEN, paths[i], SFTP_OPEN_READ);
        assert_int_equal(status_of(&p, NULL), SFTP_NO_SUCH_FILE);
        ask_path(&p, IPC_OPEN, paths[i], SFTP_OPEN_WRITE | SFTP_OPEN_CREATE);
        assert_int_equal(status_of(&p, NULL), SFTP_PERMISSION_DENIED);
    }
    ask_path(&p, IPC_OPEN, "/datasets", SFTP_OPEN_READ);
    assert_int_equal(status_of(&p, NULL), SFTP_FAILURE);
    assert_int_equal(ask_path(&p, IPC_READ_FOLDER, "/", 0), IPC_LIST);
    assert_int_equal(p.body.data[3], 7);
    ask_path(&p, IPC_READ_FOLDER, "/datasets", 0);
    assert_int_equal(p.body.data[3], 2);
    ask_path(&p, IPC_READ_FOLDER, "/datasets/config", 0);
    assert_int_equal(p.body.data[3], 2);
    logout(&p);
    login(&p, &engine, ROLE_VIEWER);
    ask_path(&p, IPC_READ_FOLDER, "/datasets/config", 0);
    assert_int_equal(p.body.data[3], 0);
    logout(&p);
    stop(&engine, folder);
}

static void
a_session_has_so_many_files_and_gets_them_back(void **state)
{
    struct engine engine;
    uint32_t handle = 0;
    struct peer p;
    char *folder;
    int i;

    (void)state;
    start(&engine, &folder);
    login(&p, &engine, ROLE_VIEWER);
    for (i = 0; i < SFTP_MAX_HANDLES; i++)
        handle = open_file(&p, "/README.txt", SFTP_OPEN_READ);
    ask_path(&p, IPC_OPEN, "/README.txt", SFTP_OPEN_READ);
    assert_int_equal(status_of(&p, NULL), SFTP_FAILURE);
    ask_handle(&p, IPC_CLOSE, handle);
    assert_int_equal(status_of(&p, NULL), SFTP_OK);
    assert_int_equal(open_file(&p, "/README.txt", SFTP_OPEN_READ), handle);
    ask_handle(&p, IPC_CLOSE, handle);
    ask_handle(&p, IPC_FSTAT, handle);
    assert_int_equal(status_of(&p, NULL), SFTP_FAILURE);
    ask_handle(&p, IPC_FSTAT, UINT32_MAX);
    assert_int_equal(status_of(&p, NULL), SFTP_FAILURE);
    logout(&p);
    stop(&engine, folder);
}

static void
malformed_messages_end_the_session(void **state)
{
    static const uint8_t types[] = { IPC_OPEN, IPC_CLOSE, IPC_READ, IPC_WRITE,
        IPC_STAT, IPC_FSTAT, IPC_READ_FOLDER, IPC_SETSTAT, IPC_SYNC,
        IPC_LOGIN_KEY, 0, 255 };
    struct engine engine;
    struct peer p;
    char *folder;
    size_t i;

    (void)state;
    start(&engine, &folder);
    login(&p, &engine, ROLE_ADMIN);
    for (i = 0; i < sizeof(types); i++) {
        struct ipc_message m = { .type = types[i],
            .body = (const uint8_t *)"\0\0\0",
            .body_len = 3,
            .fd = -1 };

        assert_false(vfs_session_request(p.session, &m));
    }
    logout(&p);
    stop(&engine, folder);
}

static void
control_answers_the_handle_and_the_next_one(void **state)
{
    static const char request[] = "{\"command\": \"status\"}";
    char text[1024];
    struct engine engine;
    uint32_t handle;
    struct peer p;
    char *folder;
    char *big;

    (void)state;
    start(&engine, &folder);
    login(&p, &engine, ROLE_VIEWER);
    /* Nothing was asked: nothing is there to read. */
    handle = open_file(&p, "/control", SFTP_OPEN_READ);
    read_at(&p, handle, 0);
    assert_int_equal(status_of(&p, NULL), SFTP_EOF);

    handle = open_file(&p, "/control", SFTP_OPEN_READ | SFTP_OPEN_WRITE);
    assert_int_equal(write_at(&p, handle, 0, request, 5, text), SFTP_OK);
    assert_int_equal(write_at(&p, handle, 7, request + 7, 3, text),
        SFTP_FAILURE);
    assert_int_equal(write_at(&p, handle, 5, request + 5, strlen(request) - 5,
                         text),
        SFTP_OK);
    assert_int_equal(read_at(&p, handle, 0), IPC_DATA);
    assert_int_equal(strncmp((char *)p.body.data, "{\"result\":", 10), 0);
    read_at(&p, handle, p.body.len);
    assert_int_equal(status_of(&p, NULL), SFTP_EOF);
    assert_int_equal(write_at(&p, handle, 0, request, 5, text), SFTP_FAILURE);
    ask_handle(&p, IPC_CLOSE, handle);

    /* Written with one handle, run by its CLOSE, read with another. */
    handle = open_file(&p, "/control", SFTP_OPEN_WRITE);
    write_at(&p, handle, 0, "{\"command\": \"nope\"}", 19, text);
    ask_handle(&p, IPC_CLOSE, handle);
    assert_int_equal(status_of(&p, NULL), SFTP_OK);
    handle = open_file(&p, "/control", SFTP_OPEN_READ);
    assert_int_equal(read_at(&p, handle, 0), IPC_DATA);
    assert_non_null(strstr((char *)p.body.data, "NOT_FOUND"));

    /* 64 KiB, and not a byte more. */
    big = alloc_zeroed(1, 65537);
    handle = open_file(&p, "/control", SFTP_OPEN_WRITE);
    assert_int_equal(write_at(&p, handle, 0, big, 65537, text), SFTP_FAILURE);
    assert_int_equal(write_at(&p, handle, 0, big, 65536, text), SFTP_OK);
    assert_int_equal(write_at(&p, handle, 65536, big, 1, text), SFTP_FAILURE);
    free(big);
    logout(&p);
    stop(&engine, folder);
}

static void
a_read_of_control_waits_and_blocks_nothing(void **state)
{
    static const char request[] =
        "{\"command\": \"dataset verify\", \"args\": {\"name\": \"config\"}}";
    struct buf body = BUF_INIT;
    struct engine engine;
    uint32_t waiting_tag;
    uint32_t handle;
    struct peer p;
    char *folder;

    (void)state;
    start(&engine, &folder);
    login(&p, &engine, ROLE_ADMIN);
    handle = open_file(&p, "/control", SFTP_OPEN_READ | SFTP_OPEN_WRITE);
    write_at(&p, handle, 0, request, strlen(request), NULL);
    buf_put_u32(&body, handle);
    buf_put_u64(&body, 0);
    buf_put_u32(&body, 1000);
    post(&p, IPC_READ, &body); /* the dataset's strand works on it */
    assert_false(p.came);
    waiting_tag = p.tag;
    buf_release(&body);
    assert_int_equal(ask_path(&p, IPC_STAT, "/control", 0), IPC_ATTRS);
    p.tag = waiting_tag;
    p.came = false;
    fixture_wait(&engine, &p.came);
    assert_int_equal(p.type, IPC_DATA);
    assert_non_null(strstr((char *)p.body.data, "\"equal\":true"));
    logout(&p);

    /* Its reader gone, a command goes on. */
    login(&p, &engine, ROLE_ADMIN);
    handle = open_file(&p, "/control", SFTP_OPEN_WRITE);
    write_at(&p, handle, 0, request, strlen(request), NULL);
    ask_handle(&p, IPC_CLOSE, handle);
    logout(&p);
    stop(&engine, folder);
}

static void
events_never_wait(void **state)
{
    struct engine engine;
    uint32_t handle;
    uint64_t size;
    struct peer p;
    char *folder;

    (void)state;
    start(&engine, &folder);
    events_add(engine.events, "info", "a", NULL, NULL, "first");
    login(&p, &engine, ROLE_VIEWER);
    handle = open_file(&p, "/events.jsonl", SFTP_OPEN_READ);
    ask_handle(&p, IPC_FSTAT, handle);
    size = size_of(&p);
    read_at(&p, handle, 0);
    assert_int_equal(p.body.len, size);
    read_at(&p, handle, size);
    assert_int_equal(status_of(&p, NULL), SFTP_EOF);
    read_at(&p, handle, UINT64_MAX);
    assert_int_equal(status_of(&p, NULL), SFTP_FAILURE);
    events_add(engine.events, "info", "a", NULL, NULL, "second");
    ask_handle(&p, IPC_FSTAT, handle);
    assert_true(size_of(&p) > size);
    assert_int_equal(read_at(&p, handle, size), IPC_DATA);
    assert_non_null(strstr((char *)p.body.data, "second"));
    logout(&p);
    stop(&engine, folder);
}

static void
a_snapshot_is_a_database_of_the_size_that_stat_told(void **state)
{
    struct engine engine;
    struct peer p;
    uint32_t handle;
    uint64_t size;
    char *folder;

    (void)state;
    start(&engine, &folder);
    login(&p, &engine, ROLE_ADMIN);
    ask_path(&p, IPC_STAT, "/datasets/config/snapshot.db", 0);
    size = size_of(&p);
    handle = open_file(&p, "/datasets/config/snapshot.db", SFTP_OPEN_READ);
    ask_handle(&p, IPC_FSTAT, handle);
    assert_int_equal(size_of(&p), size);
    assert_int_equal(read_at(&p, handle, 0), IPC_DATA);
    assert_memory_equal(p.body.data, "SQLite format 3", 16);
    read_at(&p, handle, size);
    assert_int_equal(status_of(&p, NULL), SFTP_EOF);
    logout(&p);
    stop(&engine, folder);
}

static void
an_upload_that_is_no_database_changes_nothing(void **state)
{
    struct engine engine;
    uint64_t revision;
    char text[1024];
    uint32_t handle;
    struct peer p;
    char *folder;

    (void)state;
    start(&engine, &folder);
    revision = datasets_find(engine.datasets, "config")->view.state.revision;
    login(&p, &engine, ROLE_ADMIN);
    handle = open_file(&p, "/datasets/config/snapshot.db", SFTP_OPEN_WRITE);
    assert_int_equal(write_at(&p, handle, 0, "nonsense", 8, NULL), SFTP_OK);
    ask_handle(&p, IPC_CLOSE, handle);
    assert_int_equal(status_of(&p, text), SFTP_FAILURE);
    assert_int_equal(strncmp(text, "CORRUPT: ", 9), 0);
    assert_int_equal(
        datasets_find(engine.datasets, "config")->view.state.revision,
        revision);
    engine.node.role = NODE_SECONDARY;
    ask_path(&p, IPC_OPEN, "/datasets/config/snapshot.db", SFTP_OPEN_WRITE);
    assert_int_equal(status_of(&p, text), SFTP_FAILURE);
    assert_int_equal(strncmp(text, "NOT_PRIMARY: ", 13), 0);
    engine.node.role = NODE_STANDALONE;
    logout(&p);
    stop(&engine, folder);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stat_tells_the_exact_size_of_what_open_gives),
        cmocka_unit_test(
            a_rendering_is_shared_for_a_second_and_kept_by_its_handle),
        cmocka_unit_test(roles_open_what_the_table_grants),
        cmocka_unit_test(nothing_else_exists_or_can_be_made),
        cmocka_unit_test(a_session_has_so_many_files_and_gets_them_back),
        cmocka_unit_test(malformed_messages_end_the_session),
        cmocka_unit_test(control_answers_the_handle_and_the_next_one),
        cmocka_unit_test(a_read_of_control_waits_and_blocks_nothing),
        cmocka_unit_test(events_never_wait),
        cmocka_unit_test(a_snapshot_is_a_database_of_the_size_that_stat_told),
        cmocka_unit_test(an_upload_that_is_no_database_changes_nothing),
    };

    if (child_is_requested(argc, argv))
        return child_run(argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

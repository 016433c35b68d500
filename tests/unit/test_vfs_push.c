/* Frames on /datasets/NAME/push: what is refused, and what that poisons. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "admin-proto/push_frame.h"
#include "base/json.h"
#include "daemon/node_role.h"
#include "tests/unit/vfs_fixture.h"

static void
enrolled(void *ctx, const struct err *e)
{
    bool *done = ctx;

    assert_int_equal(e->code, ERR_NONE);
    *done = true;
}

static void
enroll(struct engine *engine)
{
    struct enrollment en = { .cluster_name = "c",
        .epoch = 5,
        .primary_name = "p",
        .primary_address = "192.0.2.1",
        .login_blob = (const uint8_t *)"x",
        .login_blob_len = 1,
        .fingerprint = "f" };
    struct err e = ERR_INIT;
    bool done = false;

    memset(en.cluster, 1, ID_SIZE);
    memset(en.primary_id, 2, ID_SIZE);
    assert_int_equal(node_enroll(engine, &en, enrolled, &done, &e), 0);
    fixture_wait(engine, &done);
}

static uint32_t
write_frame(struct peer *p, uint32_t handle, const struct push_frame *frame,
    char text[1024])
{
    struct buf b = BUF_INIT;
    uint32_t status;

    push_frame_encode(frame, &b);
    status = write_at(p, handle, 0, b.data, b.len, text);
    buf_release(&b);
    return status;
}

static void
the_first_refused_frame_poisons_until_the_facts_are_read(void **state)
{
    struct push_frame heartbeat = { .kind = PUSH_HEARTBEAT, .last = true };
    struct push_frame bundle = { .kind = PUSH_BUNDLE,
        .bundle_id = 1,
        .index = 0,
        .last = false,
        .payload = (const uint8_t *)"LSB1\1.....",
        .payload_len = 10 };
    struct push_heartbeat none = { .epoch = 5 };
    struct buf payload = BUF_INIT;
    struct engine engine;
    char text[1024];
    uint32_t handle;
    struct peer p;
    json_t *facts;
    char *folder;

    (void)state;
    start(&engine, &folder);
    push_heartbeat_encode(&none, &payload);
    heartbeat.payload = payload.data;
    heartbeat.payload_len = payload.len;
    login(&p, &engine, ROLE_ADMIN);
    handle = open_file(&p, "/datasets/config/push",
        SFTP_OPEN_READ | SFTP_OPEN_WRITE);
    /* On a standalone node there are facts, and no pushes. */
    assert_int_equal(read_at(&p, handle, 0), IPC_DATA);
    assert_int_equal(write_frame(&p, handle, &heartbeat, text), SFTP_FAILURE);
    assert_int_equal(strncmp(text, "ROLE: ", 6), 0);

    enroll(&engine);
    write_frame(&p, handle, &heartbeat, text);
    assert_int_equal(strncmp(text, "POISONED: ", 10), 0);
    assert_int_equal(read_at(&p, handle, 0), IPC_DATA);
    facts = json_loadb((char *)p.body.data, p.body.len, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(facts, "role")),
        "secondary");
    assert_int_equal(json_integer_value(json_object_get(facts, "epoch")), 5);
    assert_true(json_is_true(json_object_get(facts, "needs_overwrite")));
    assert_string_equal(json_string_value(
                            json_object_get(facts, "peer_address")),
        "192.0.2.9");
    json_decref(facts);
    assert_int_equal(write_frame(&p, handle, &heartbeat, text), SFTP_OK);

    /* Out of order, and what follows it. */
    bundle.index = 1;
    assert_int_equal(write_frame(&p, handle, &bundle, text), SFTP_FAILURE);
    assert_int_equal(strncmp(text, "PROTOCOL: ", 10), 0);
    bundle.index = 0;
    write_frame(&p, handle, &bundle, text);
    assert_int_equal(strncmp(text, "POISONED: ", 10), 0);
    read_at(&p, handle, 0);

    /* A bundle that is none is refused when it is whole. */
    assert_int_equal(write_frame(&p, handle, &bundle, text), SFTP_OK);
    bundle.index = 1;
    bundle.last = true;
    assert_int_equal(write_frame(&p, handle, &bundle, text), SFTP_FAILURE);
    assert_int_equal(strncmp(text, "CORRUPT: ", 9), 0);
    write_frame(&p, handle, &heartbeat, text);
    assert_int_equal(strncmp(text, "POISONED: ", 10), 0);

    /* An overwrite that is none is refused at once. */
    read_at(&p, handle, 0);
    bundle.index = 0;
    bundle.payload = (const uint8_t *)"LSB1\2.....";
    bundle.last = true;
    assert_int_equal(write_frame(&p, handle, &bundle, text), SFTP_FAILURE);
    read_at(&p, handle, 0);
    assert_int_equal(write_frame(&p, handle, &heartbeat, text), SFTP_OK);

    /* Held drift is not repaired. */
    engine.settings.drift_hold = true;
    bundle.payload = (const uint8_t *)"LSB1\3.....";
    assert_int_equal(write_frame(&p, handle, &bundle, text), SFTP_FAILURE);
    assert_int_equal(strncmp(text, "HELD: ", 6), 0);
    buf_release(&payload);
    logout(&p);
    stop(&engine, folder);
}

static void
only_the_primary_itself_counts_as_heard(void **state)
{
    struct push_frame heartbeat = { .kind = PUSH_HEARTBEAT, .last = true };
    struct push_heartbeat none = { .epoch = 5 };
    struct buf payload = BUF_INIT;
    struct engine engine;
    uint32_t handle;
    struct peer p;
    char *folder;
    int k;

    (void)state;
    start(&engine, &folder);
    enroll(&engine);
    push_heartbeat_encode(&none, &payload);
    heartbeat.payload = payload.data;
    heartbeat.payload_len = payload.len;
    for (k = 0; k < 2; k++) {
        engine.node.primary_heard_ms = 1;
        login(&p, &engine, k == 0 ? ROLE_ADMIN : ROLE_PUSH);
        handle = open_file(&p, "/datasets/config/push",
            SFTP_OPEN_READ | SFTP_OPEN_WRITE);
        assert_int_equal(write_frame(&p, handle, &heartbeat, NULL), SFTP_OK);
        if (k == 0)
            assert_int_equal(engine.node.primary_heard_ms, 1);
        else
            assert_true(engine.node.primary_heard_ms > 1);
        logout(&p);
    }
    assert_string_equal(engine.node.primary_address, "192.0.2.9");
    buf_release(&payload);
    stop(&engine, folder);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            the_first_refused_frame_poisons_until_the_facts_are_read),
        cmocka_unit_test(only_the_primary_itself_counts_as_heard),
    };

    if (child_is_requested(argc, argv))
        return child_run(argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

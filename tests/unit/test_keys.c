/* Keys and their successors: as files, as an announcement, and what a secondary
 * makes of one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/json.h"
#include "daemon/accounts.h"
#include "daemon/control.h"
#include "daemon/key_announcement.h"
#include "daemon/keys_openssh.h"
#include "daemon/node_keys.h"
#include "daemon/node_role.h"
#include "tests/unit/engine_fixture.h"

static struct err e;

/* --- files --- */

static void
public_of(const struct keys *k, enum key_kind kind, uint8_t *out)
{
    keys_public(k, kind, out);
}

static void
successors_survive_and_take_their_place(void **state)
{
    static const char *const files[] = { "keys/host_key", "keys/login_key",
        "keys/bundle_key" };
    char *folder = fixture_folder();
    struct keys k;

    (void)state;
    assert_int_equal(keys_load(&k, folder, true, &e), 0);
    for (size_t i = 0; i < KEY_KINDS; i++) {
        enum key_kind kind = (enum key_kind)i;
        uint8_t before[ED25519_PUBLIC_SIZE], now[ED25519_PUBLIC_SIZE];
        char *next = alloc_format("%s/%s.next", folder, files[i]);
        struct key_successor made;
        struct stat st;

        public_of(&k, kind, before);
        assert_false(k.next[i].made);
        assert_int_equal(keys_use_next(&k, folder, kind, &e), -1);
        assert_int_equal(keys_make_next(&k, folder, kind, &e), 0);
        assert_int_equal(stat(next, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
        made = k.next[i];
        assert_memory_not_equal(made.public_key, before, sizeof(before));
        /* There is one only. */
        assert_int_equal(keys_make_next(&k, folder, kind, &e), 0);
        assert_memory_equal(k.next[i].public_key, made.public_key, 32);

        keys_release(&k);
        assert_int_equal(keys_load(&k, folder, false, &e), 0);
        public_of(&k, kind, now);
        assert_memory_equal(now, before, sizeof(before));
        assert_true(k.next[i].made);
        assert_memory_equal(k.next[i].public_key, made.public_key, 32);

        assert_int_equal(keys_use_next(&k, folder, kind, &e), 0);
        public_of(&k, kind, now);
        assert_memory_equal(now, made.public_key, sizeof(now));
        assert_false(file_exists(next));
        keys_release(&k);
        assert_int_equal(keys_load(&k, folder, false, &e), 0);
        public_of(&k, kind, now);
        assert_memory_equal(now, made.public_key, sizeof(now));
        assert_false(k.next[i].made);
        free(next);
    }
    keys_release(&k);
    fixture_remove(folder);
}

static void
a_key_that_is_there_twice_has_no_successor(void **state)
{
    char *folder = fixture_folder();
    char *command = alloc_format("cp %s/keys/login_key %s/keys/login_key.next",
        folder, folder);
    struct keys k;

    (void)state;
    assert_int_equal(keys_load(&k, folder, true, &e), 0);
    keys_release(&k);
    assert_int_equal(system(command), 0);
    assert_int_equal(keys_load(&k, folder, false, &e), 0);
    assert_false(k.next[KEY_LOGIN].made);
    keys_release(&k);
    free(command);
    fixture_remove(folder);
}

static void
a_signer_lasts_beyond_its_key(void **state)
{
    char *folder = fixture_folder();
    uint8_t signature[ED25519_SIGNATURE_SIZE];
    uint8_t before[ED25519_PUBLIC_SIZE];
    const uint8_t hash[HASH_SIZE] = { 1 };
    struct bundle_signer signer;
    struct keys k;

    (void)state;
    assert_int_equal(keys_load(&k, folder, true, &e), 0);
    public_of(&k, KEY_BUNDLE, before);
    signer = keys_signer(&k);
    assert_true(keys_signs(&k, &signer));
    assert_int_equal(keys_make_next(&k, folder, KEY_BUNDLE, &e), 0);
    assert_true(keys_signs(&k, &signer));
    assert_int_equal(keys_use_next(&k, folder, KEY_BUNDLE, &e), 0);
    assert_false(keys_signs(&k, &signer));
    assert_int_equal(signer.sign(signer.ctx, hash, signature, &e), 0);
    assert_true(ed25519_verify(before, hash, sizeof(hash), signature));
    keys_release(&k);
    fixture_remove(folder);
}

/* --- the announcement --- */

/* A primary as the secondary below knows it, and where its keys are. */
struct primary {
    char *folder;
    struct keys keys;
    struct node node;
};

static void
primary_make(struct primary *p)
{
    memset(p, 0, sizeof(*p));
    p->folder = fixture_folder();
    assert_int_equal(keys_load(&p->keys, p->folder, true, &e), 0);
    memset(p->node.cluster, 1, ID_SIZE);
    memset(p->node.id, 2, ID_SIZE);
    p->node.epoch = 3;
}

static void
primary_release(struct primary *p)
{
    keys_release(&p->keys);
    fixture_remove(p->folder);
}

static json_t *
announce(const struct primary *p)
{
    const struct bundle_signer signer = keys_signer(&p->keys);
    struct key_announcement a;
    json_t *json;

    key_announcement_of(&p->node, &p->keys, &a);
    json = key_announcement_json(&a, &signer, &e);
    assert_non_null(json);
    return json;
}

static void
an_announcement_arrives_as_it_was_signed(void **state)
{
    uint8_t sent[HASH_SIZE], got[HASH_SIZE];
    struct key_announcement a, b;
    struct primary p;
    json_t *json;

    (void)state;
    primary_make(&p);
    for (size_t i = 0; i < KEY_KINDS; i++) {
        key_announcement_of(&p.node, &p.keys, &a);
        key_announcement_hash(&a, sent);
        json = announce(&p);
        assert_int_equal(key_announcement_read(json, &b, &e), 0);
        key_announcement_hash(&b, got);
        assert_memory_equal(sent, got, HASH_SIZE);
        json_decref(json);
        assert_int_equal(keys_make_next(&p.keys, p.folder, (enum key_kind)i,
                             &e),
            0);
        key_announcement_of(&p.node, &p.keys, &b);
        key_announcement_hash(&b, got);
        assert_memory_not_equal(sent, got, HASH_SIZE);
    }
    primary_release(&p);
}

/* Changes one digit of the hex text TEXT. */
static void
flip(json_t *text)
{
    char *copy = alloc_string(json_string_value(text));

    copy[5] = copy[5] == '0' ? '1' : '0';
    json_string_set(text, copy);
    free(copy);
}

static void
whatever_is_changed_on_the_way_is_refused(void **state)
{
    static const char *const members[] = { "cluster", "primary_id",
        "signature" };
    struct key_announcement a;
    struct primary p;
    json_t *json, *key;

    (void)state;
    primary_make(&p);
    for (size_t i = 0; i < KEY_KINDS; i++)
        assert_int_equal(keys_make_next(&p.keys, p.folder, (enum key_kind)i,
                             &e),
            0);
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        json = announce(&p);
        flip(json_object_get(json, members[i]));
        assert_int_equal(key_announcement_read(json, &a, &e), -1);
        assert_int_equal(e.code, ERR_SIGNATURE);
        json_decref(json);
    }
    for (size_t i = 0; i < 2 * KEY_KINDS; i++) {
        json = announce(&p);
        key = json_object_get(json_object_get(json, "keys"),
            key_kind_name((enum key_kind)(i / 2)));
        flip(json_object_get(key, i % 2 == 0 ? "key" : "next"));
        assert_int_equal(key_announcement_read(json, &a, &e), -1);
        assert_int_equal(e.code, ERR_SIGNATURE);
        json_object_set_new(key, i % 2 == 0 ? "key" : "next",
            json_string("12"));
        assert_int_equal(key_announcement_read(json, &a, &e), -1);
        assert_int_equal(e.code, ERR_INVALID);
        json_decref(json);
    }
    json = announce(&p);
    json_object_set_new(json, "epoch", json_integer(4));
    assert_int_equal(key_announcement_read(json, &a, &e), -1);
    assert_int_equal(e.code, ERR_SIGNATURE);
    json_object_del(json, "keys");
    assert_int_equal(key_announcement_read(json, &a, &e), -1);
    assert_int_equal(e.code, ERR_INVALID);
    json_decref(json);
    primary_release(&p);
}

/* --- a secondary --- */

struct reply {
    struct buf lines;
    bool finished;
};

static void
take_line(void *ctx, const char *line, size_t len, bool last)
{
    struct reply *r = ctx;

    buf_put(&r->lines, line, len);
    r->finished = last;
}

/* The result of the announcement, or NULL after a refusal with CODE. */
static json_t *
tell(struct engine *engine, json_t *args, const char *code)
{
    json_t *request =
        json_pack("{s:s, s:O}", "command", "node keys", "args", args);
    char *text = json_write(request);
    struct reply r = { BUF_INIT, false };
    const char *got;
    json_t *line, *result;

    control_run(engine, ROLE_PUSH, "lockstep from 192.0.2.1", text,
        strlen(text), take_line, &r);
    fixture_wait(engine, &r.finished);
    line = json_loadb((char *)r.lines.data, r.lines.len, 0, NULL);
    assert_non_null(line);
    got = json_string_value(
        json_object_get(json_object_get(line, "error"), "code"));
    if (code == NULL && got != NULL)
        fail_msg("%.*s", (int)r.lines.len, r.lines.data);
    if (code != NULL)
        assert_string_equal(got, code);
    result = json_incref(json_object_get(line, "result"));
    json_decref(line);
    json_decref(request);
    buf_release(&r.lines);
    free(text);
    return result;
}

/* Announces what P has now. */
static void
told(struct engine *engine, const struct primary *p, const char *code)
{
    json_t *args = announce(p);

    json_decref(tell(engine, args, code));
    json_decref(args);
}

static void
role_is_there(void *ctx, const struct err *error)
{
    assert_int_equal(error->code, ERR_NONE);
    *(bool *)ctx = true;
}

static void
enroll(struct engine *engine, const struct primary *p)
{
    struct enrollment en = { .cluster_name = "c",
        .epoch = p->node.epoch,
        .primary_name = "p",
        .primary_address = "192.0.2.1",
        .login_blob = p->keys.login_blob,
        .login_blob_len = p->keys.login_blob_len,
        .fingerprint = p->keys.fingerprint };
    bool done = false;

    memcpy(en.cluster, p->node.cluster, ID_SIZE);
    memcpy(en.primary_id, p->node.id, ID_SIZE);
    memcpy(en.bundle_key, p->keys.bundle_public, ED25519_PUBLIC_SIZE);
    assert_int_equal(node_enroll(engine, &en, role_is_there, &done, &e), 0);
    fixture_wait(engine, &done);
}

static void
take_role(void *ctx, enum role role)
{
    *(enum role *)ctx = role;
}

static bool
may_log_in(struct engine *engine, const uint8_t public_key[ED25519_PUBLIC_SIZE])
{
    enum role role = ROLE_NONE;
    struct buf blob = BUF_INIT;

    openssh_public_blob(public_key, &blob);
    accounts_check_key(engine->accounts, "lockstep", blob.data, blob.len, false,
        take_role, &role);
    buf_release(&blob);
    return role == ROLE_PUSH;
}

struct secondary {
    struct primary primary;
    char *folder;
    struct engine engine;
};

static int
setup(void **state)
{
    struct secondary *s = alloc_zeroed(1, sizeof(*s));

    primary_make(&s->primary);
    s->folder = fixture_folder();
    fixture_start(&s->engine, s->folder);
    enroll(&s->engine, &s->primary);
    *state = s;
    return 0;
}

static int
teardown(void **state)
{
    struct secondary *s = *state;

    fixture_stop(&s->engine);
    fixture_remove(s->folder);
    primary_release(&s->primary);
    free(s);
    return 0;
}

static void
both_count_until_the_next_one_is_used(void **state)
{
    struct secondary *s = *state;
    struct primary *p = &s->primary;
    uint8_t before[ED25519_PUBLIC_SIZE], next[ED25519_PUBLIC_SIZE];

    told(&s->engine, p, NULL);
    public_of(&p->keys, KEY_LOGIN, before);
    assert_int_equal(keys_make_next(&p->keys, p->folder, KEY_LOGIN, &e), 0);
    memcpy(next, p->keys.next[KEY_LOGIN].public_key, sizeof(next));
    assert_false(may_log_in(&s->engine, next));
    told(&s->engine, p, NULL);
    assert_true(may_log_in(&s->engine, before));
    assert_true(may_log_in(&s->engine, next));

    /* In its store, not only in its memory. */
    fixture_stop(&s->engine);
    fixture_start(&s->engine, s->folder);
    assert_true(may_log_in(&s->engine, before));
    assert_true(may_log_in(&s->engine, next));

    assert_int_equal(keys_use_next(&p->keys, p->folder, KEY_LOGIN, &e), 0);
    told(&s->engine, p, NULL);
    assert_false(may_log_in(&s->engine, before));
    assert_true(may_log_in(&s->engine, next));
    /* It may be told as often as it takes. */
    told(&s->engine, p, NULL);
    assert_true(may_log_in(&s->engine, next));
}

static void
the_next_bundle_key_signs_for_itself(void **state)
{
    struct secondary *s = *state;
    struct primary *p = &s->primary;
    json_t *early = announce(p);

    assert_int_equal(keys_make_next(&p->keys, p->folder, KEY_BUNDLE, &e), 0);
    told(&s->engine, p, NULL);
    assert_memory_equal(s->engine.node.primary_bundle_next,
        p->keys.next[KEY_BUNDLE].public_key, ED25519_PUBLIC_SIZE);
    assert_int_equal(keys_use_next(&p->keys, p->folder, KEY_BUNDLE, &e), 0);
    told(&s->engine, p, NULL);
    assert_memory_equal(s->engine.node.primary_bundle_key,
        p->keys.bundle_public, ED25519_PUBLIC_SIZE);
    /* What the key before signed counts no more. */
    assert_null(tell(&s->engine, early, "KEY_CHANGED"));
    assert_memory_equal(s->engine.node.primary_bundle_key,
        p->keys.bundle_public, ED25519_PUBLIC_SIZE);
    json_decref(early);
}

static void
a_key_that_was_not_announced_is_refused(void **state)
{
    static const enum key_kind kinds[] = { KEY_LOGIN, KEY_BUNDLE };
    struct secondary *s = *state;
    struct primary *p = &s->primary;

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        const struct node before = s->engine.node;
        uint8_t now[ED25519_PUBLIC_SIZE];

        /* All of it as it should be, but for one key. */
        assert_int_equal(keys_make_next(&p->keys, p->folder, kinds[i], &e), 0);
        assert_int_equal(keys_use_next(&p->keys, p->folder, kinds[i], &e), 0);
        told(&s->engine, p, "KEY_CHANGED");
        public_of(&p->keys, KEY_LOGIN, now);
        if (kinds[i] == KEY_LOGIN)
            assert_false(may_log_in(&s->engine, now));
        assert_memory_equal(&before, &s->engine.node, sizeof(before));
        enroll(&s->engine, p);
    }
}

static int
trust(struct secondary *s, enum key_kind kind, const char *fingerprint)
{
    err_clear(&e);
    return node_keys_trust(&s->engine, kind, fingerprint, "an administrator",
        &e);
}

static void
a_key_whose_fingerprint_was_accepted_needs_no_announcement(void **state)
{
    static const enum key_kind kinds[] = { KEY_LOGIN, KEY_BUNDLE };
    struct secondary *s = *state;
    struct primary *p = &s->primary;
    uint8_t before[ED25519_PUBLIC_SIZE], now[ED25519_PUBLIC_SIZE];
    char fingerprint[64], other[64];

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        bool login = kinds[i] == KEY_LOGIN;

        public_of(&p->keys, kinds[i], before);
        assert_int_equal(keys_make_next(&p->keys, p->folder, kinds[i], &e), 0);
        assert_int_equal(keys_use_next(&p->keys, p->folder, kinds[i], &e), 0);
        public_of(&p->keys, kinds[i], now);
        key_fingerprint(now, fingerprint);
        key_fingerprint(before, other);
        assert_int_equal(trust(s, kinds[i], other), 0);
        told(&s->engine, p, "KEY_CHANGED");
        assert_int_equal(trust(s, kinds[i], fingerprint), 0);
        if (login) {
            /* Until the new one is in use, the one before counts, too. */
            assert_true(may_log_in(&s->engine, before));
            assert_true(may_log_in(&s->engine, now));
        }
        told(&s->engine, p, NULL);
        if (login) {
            assert_false(may_log_in(&s->engine, before));
            assert_true(may_log_in(&s->engine, now));
        }
    }
    assert_string_equal(s->engine.node.primary_login_trusted, "");
    assert_string_equal(s->engine.node.primary_bundle_trusted, "");
}

static void
only_a_fingerprint_is_accepted(void **state)
{
    static const char *const bad[] = { "", "SHA256:", "MD5:1:2",
        "SHA256:0123456789012345678901234567890123456789012 ",
        "SHA256:01234567890123456789012345678901234567890123",
        "sha256:0123456789012345678901234567890123456789012" };
    struct secondary *s = *state;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(trust(s, KEY_LOGIN, bad[i]), -1);
        assert_int_equal(e.code, ERR_INVALID);
    }
    assert_int_equal(trust(s, KEY_HOST,
                         "SHA256:0123456789012345678901234567890123456789012"),
        -1);
    s->engine.node.role = NODE_STANDALONE;
    assert_int_equal(trust(s, KEY_LOGIN,
                         "SHA256:0123456789012345678901234567890123456789012"),
        -1);
    assert_int_equal(e.code, ERR_ROLE);
    s->engine.node.role = NODE_SECONDARY;
    assert_string_equal(s->engine.node.primary_login_trusted, "");
}

static void
only_its_own_primary_of_now_is_heard(void **state)
{
    struct secondary *s = *state;
    struct primary *p = &s->primary;

    memset(p->node.cluster, 9, ID_SIZE);
    told(&s->engine, p, "OTHER_CLUSTER");
    memset(p->node.cluster, 1, ID_SIZE);
    memset(p->node.id, 9, ID_SIZE);
    told(&s->engine, p, "OTHER_WRITER");
    memset(p->node.id, 2, ID_SIZE);
    p->node.epoch--;
    told(&s->engine, p, "STALE_EPOCH");
    p->node.epoch++;
    told(&s->engine, p, NULL);
}

static void
a_host_key_is_used_once_the_primary_pinned_it(void **state)
{
    struct secondary *s = *state;
    struct keys *keys = &s->engine.keys;
    struct key_successor next, other = { .made = true };
    uint8_t now[ED25519_PUBLIC_SIZE];
    json_t *args = announce(&s->primary);
    json_t *result;

    assert_int_equal(keys_make_next(keys, s->folder, KEY_HOST, &e), 0);
    next = keys->next[KEY_HOST];
    result = tell(&s->engine, args, NULL);
    assert_true(json_is_string(json_object_get(result, "host_key_next")));
    json_decref(result);
    json_object_set_new(args, "host_key_next", key_member_json(&other));
    json_decref(tell(&s->engine, args, NULL));
    assert_true(keys->next[KEY_HOST].made);
    json_object_set_new(args, "host_key_next", key_member_json(&next));
    result = tell(&s->engine, args, NULL);
    assert_true(json_is_null(json_object_get(result, "host_key_next")));
    json_decref(result);
    public_of(keys, KEY_HOST, now);
    assert_memory_equal(now, next.public_key, sizeof(now));
    json_decref(args);
}

int
main(int argc, char **argv)
{
#define WITH_SECONDARY(name) \
    cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(successors_survive_and_take_their_place),
        cmocka_unit_test(a_key_that_is_there_twice_has_no_successor),
        cmocka_unit_test(a_signer_lasts_beyond_its_key),
        cmocka_unit_test(an_announcement_arrives_as_it_was_signed),
        cmocka_unit_test(whatever_is_changed_on_the_way_is_refused),
        WITH_SECONDARY(both_count_until_the_next_one_is_used),
        WITH_SECONDARY(the_next_bundle_key_signs_for_itself),
        WITH_SECONDARY(a_key_that_was_not_announced_is_refused),
        WITH_SECONDARY(
            a_key_whose_fingerprint_was_accepted_needs_no_announcement),
        WITH_SECONDARY(only_a_fingerprint_is_accepted),
        WITH_SECONDARY(only_its_own_primary_of_now_is_heard),
        WITH_SECONDARY(a_host_key_is_used_once_the_primary_pinned_it),
    };

    if (child_is_requested(argc, argv))
        return child_run(argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

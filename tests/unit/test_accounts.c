/* Who may log in, and how passwords and keys are kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "daemon/accounts.h"
#include "daemon/datasets.h"
#include "daemon/keys_openssh.h"
#include "daemon/store.h"
#include "sync/open.h"
#include "tests/unit/engine_fixture.h"

static struct err e;

struct answer {
    bool came;
    enum role role;
};

static void
take_answer(void *ctx, enum role role)
{
    struct answer *a = ctx;

    assert_false(a->came);
    a->came = true;
    a->role = role;
}

static enum role
try_password(struct engine *engine, const char *user, const char *password)
{
    struct answer a = { false, ROLE_NONE };

    accounts_check_password(engine->accounts, user, password, take_answer, &a);
    fixture_wait(engine, &a.came);
    return a.role;
}

static enum role
try_key(struct engine *engine, const char *user, const void *blob, size_t len,
    bool loopback)
{
    struct answer a = { false, ROLE_NONE };

    accounts_check_key(engine->accounts, user, blob, len, loopback, take_answer,
        &a);
    assert_true(a.came);
    return a.role;
}

static char *
read_line(const char *folder, const char *name)
{
    char *path = file_join(folder, name);
    struct buf b = BUF_INIT;

    assert_int_equal(file_read(path, 4096, &b, &e), 0);
    buf_put_u8(&b, '\0');
    free(path);
    if (strchr((char *)b.data, '\n') != NULL && b.len < 40)
        *strchr((char *)b.data, '\n') = '\0';
    return (char *)buf_steal(&b, NULL);
}

static void
a_password_matches_only_itself(void **state)
{
    char *stored = password_hash("correct horse", &e);
    char *again = password_hash("correct horse", &e);

    (void)state;
    assert_int_equal(strncmp(stored, "scrypt$15$8$1$", 14), 0);
    assert_string_not_equal(stored, again);
    assert_true(password_verify(stored, "correct horse"));
    assert_false(password_verify(stored, "correct horse "));
    assert_false(password_verify(stored, ""));
    assert_false(password_verify(NULL, "correct horse"));
    assert_false(password_verify("", "correct horse"));
    assert_false(password_verify("scrypt$15$8$1$AAAA$AAAA", ""));
    stored[strlen(stored) - 3] ^= 1;
    assert_false(password_verify(stored, "correct horse"));
    free(stored);
    free(again);
}

static void
generated_passwords_differ_and_can_be_read_aloud(void **state)
{
    char a[25];
    char b[25];

    (void)state;
    password_generate(a);
    password_generate(b);
    assert_int_equal(strlen(a), 24);
    assert_int_equal(strcspn(a, "0O1lIi"), 24);
    assert_string_not_equal(a, b);
}

static void
private_keys_are_read_as_they_were_written(void **state)
{
    uint8_t seed[ED25519_SEED_SIZE];
    uint8_t read_back[ED25519_SEED_SIZE];
    uint8_t public_key[ED25519_PUBLIC_SIZE];
    char *text;
    size_t i;

    (void)state;
    random_bytes(seed, sizeof(seed));
    assert_int_equal(ed25519_public(seed, public_key, &e), 0);
    text = openssh_private_text(seed, public_key, "c");
    assert_int_equal(openssh_private_parse(text, read_back, &e), 0);
    assert_memory_equal(read_back, seed, sizeof(seed));

    /* Damage anywhere in the middle is an error, never another key. */
    for (i = 40; i < strlen(text) - 60; i++) {
        char *damaged = alloc_string(text);

        damaged[i] = damaged[i] == 'A' ? 'B' : 'A';
        if (openssh_private_parse(damaged, read_back, &e) == 0)
            assert_memory_equal(read_back, seed, sizeof(seed));
        damaged[i] = '\0';
        assert_int_equal(openssh_private_parse(damaged, read_back, &e), -1);
        free(damaged);
    }
    free(text);
}

static void
public_lines_are_ed25519_or_refused(void **state)
{
    static const char *const bad[] = { "", "ssh-ed25519", "ssh-ed25519 AAAA",
        "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQ== x",
        "ssh-ed25519 AAAAB3NzaC1yc2EAAAADAQABAAAAgQ== x" };
    char *private_text;
    char *comment;
    uint8_t *blob;
    uint8_t *parsed;
    size_t len;
    size_t parsed_len;
    char *line;
    size_t i;

    (void)state;
    assert_int_equal(keys_generate(&private_text, &blob, &len, &e), 0);
    line = keys_format_line(blob, len, "a b");
    assert_int_equal(keys_parse_line(line, &parsed, &parsed_len, &comment, &e),
        0);
    assert_int_equal(parsed_len, len);
    assert_memory_equal(parsed, blob, len);
    assert_string_equal(comment, "a b");
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        uint8_t *none;
        char *no_comment;

        assert_int_equal(keys_parse_line(bad[i], &none, &parsed_len,
                             &no_comment, &e),
            -1);
        assert_null(none);
    }
    free(line);
    free(comment);
    free(parsed);
    free(blob);
    free(private_text);
}

static void
the_first_start_makes_an_account_that_works(void **state)
{
    char *folder = fixture_folder();
    struct engine engine;
    char *password;

    (void)state;
    fixture_start(&engine, folder);
    password = read_line(folder, "initial-admin-password");
    assert_int_equal(try_password(&engine, "admin", password), ROLE_ADMIN);
    assert_int_equal(try_password(&engine, "admin", "x"), ROLE_NONE);
    assert_int_equal(try_password(&engine, "nobody", password), ROLE_NONE);
    assert_int_equal(try_password(&engine, "local", password), ROLE_NONE);
    assert_int_equal(try_password(&engine, "lockstep", password), ROLE_NONE);
    free(password);
    fixture_stop(&engine);
    fixture_remove(folder);
}

static void
a_first_start_that_was_cut_short_is_finished(void **state)
{
    char *folder = fixture_folder();
    struct engine engine;
    char *before;
    char *after;

    (void)state;
    fixture_start(&engine, folder);
    before = read_line(folder, "initial-admin-password");
    /* The file was written, and then the power went. */
    assert_int_equal(store_delete(engine.node.store, "account.admin", &e), 0);
    fixture_stop(&engine);
    fixture_start(&engine, folder);
    after = read_line(folder, "initial-admin-password");
    assert_string_not_equal(before, after);
    assert_int_equal(try_password(&engine, "admin", after), ROLE_ADMIN);
    fixture_stop(&engine);
    /* From now on nothing changes by itself. */
    fixture_start(&engine, folder);
    assert_int_equal(try_password(&engine, "admin", after), ROLE_ADMIN);
    fixture_stop(&engine);
    free(before);
    free(after);
    fixture_remove(folder);
}

static void
a_changed_password_removes_the_initial_one(void **state)
{
    char *folder = fixture_folder();
    char *path = file_join(folder, "initial-admin-password");
    struct engine engine;
    char *old;
    char *hash;

    (void)state;
    fixture_start(&engine, folder);
    old = read_line(folder, "initial-admin-password");
    hash = password_hash("new one", &e);
    assert_int_equal(accounts_set_local_password(engine.accounts, hash, &e), 0);
    assert_false(file_exists(path));
    assert_int_equal(try_password(&engine, "admin", old), ROLE_NONE);
    assert_int_equal(try_password(&engine, "admin", "new one"), ROLE_ADMIN);
    fixture_stop(&engine);
    fixture_start(&engine, folder);
    assert_false(file_exists(path));
    assert_int_equal(try_password(&engine, "admin", "new one"), ROLE_ADMIN);
    fixture_stop(&engine);
    free(hash);
    free(old);
    free(path);
    fixture_remove(folder);
}

static void
the_local_key_works_from_here_only(void **state)
{
    char *folder = fixture_folder();
    uint8_t public_key[ED25519_PUBLIC_SIZE];
    uint8_t seed[ED25519_SEED_SIZE];
    struct buf blob = BUF_INIT;
    struct engine engine;
    char *text;

    (void)state;
    fixture_start(&engine, folder);
    text = read_line(folder, "local-admin-key");
    assert_int_equal(openssh_private_parse(text, seed, &e), 0);
    assert_int_equal(ed25519_public(seed, public_key, &e), 0);
    openssh_public_blob(public_key, &blob);
    assert_int_equal(try_key(&engine, "local", blob.data, blob.len, true),
        ROLE_ADMIN);
    assert_int_equal(try_key(&engine, "local", blob.data, blob.len, false),
        ROLE_NONE);
    assert_int_equal(try_key(&engine, "admin", blob.data, blob.len, true),
        ROLE_NONE);
    blob.data[blob.len - 1] ^= 1;
    assert_int_equal(try_key(&engine, "local", blob.data, blob.len, true),
        ROLE_NONE);
    buf_release(&blob);
    free(text);
    fixture_stop(&engine);
    fixture_remove(folder);
}

static void
the_primarys_key_pushes_to_a_secondary_only(void **state)
{
    char *folder = fixture_folder();
    struct engine engine;
    char *text;
    uint8_t *blob;
    size_t len;

    (void)state;
    fixture_start(&engine, folder);
    assert_int_equal(keys_generate(&text, &blob, &len, &e), 0);
    engine.node.primary_login_blob = alloc_copy(blob, len);
    engine.node.primary_login_blob_len = len;
    assert_int_equal(try_key(&engine, "lockstep", blob, len, false), ROLE_NONE);
    engine.node.role = NODE_SECONDARY;
    assert_int_equal(try_key(&engine, "lockstep", blob, len, false), ROLE_PUSH);
    assert_int_equal(try_key(&engine, "local", blob, len, true), ROLE_NONE);
    engine.node.role = NODE_STANDALONE;
    free(text);
    free(blob);
    fixture_stop(&engine);
    fixture_remove(folder);
}

static int
add_admins(struct dataset *ds, void *arg, struct err *error)
{
    sqlite3 *db = NULL;
    int r = -1;

    if (database_open(&db, ds->live_path, OPEN_WRITE, 1000, error) == 0)
        r = database_exec(db, arg, error);
    database_close(db);
    return r;
}

static void
set_flag(struct dataset *ds, void *arg, const struct err *error)
{
    (void)ds;
    (void)arg;
    assert_int_equal(error->code, ERR_NONE);
}

static void
administrators_of_the_cluster_follow_the_dataset(void **state)
{
    char *folder = fixture_folder();
    struct engine engine;
    char *hash = password_hash("secret", &e);
    char *text;
    uint8_t *blob;
    size_t len;
    char *line;
    char *sql;

    (void)state;
    fixture_start(&engine, folder);
    assert_int_equal(keys_generate(&text, &blob, &len, &e), 0);
    line = keys_format_line(blob, len, NULL);
    sql = alloc_format(
        "INSERT INTO admins (id, name, role, password_hash)"
        " VALUES (1, 'eve', 'viewer', '%s'), (2, 'bob', 'admin', NULL);"
        "INSERT INTO admin_keys (admin_id, key) VALUES (2, '%s');",
        hash, line);
    dataset_run(datasets_find(engine.datasets, "admins"),
        &(struct dataset_job){ .work = add_admins,
            .done = set_flag,
            .arg = sql });
    while (accounts_role(engine.accounts, "bob") != ROLE_ADMIN)
        uv_run(engine.loop, UV_RUN_ONCE);
    assert_int_equal(try_password(&engine, "eve", "secret"), ROLE_VIEWER);
    assert_int_equal(try_password(&engine, "bob", "secret"), ROLE_NONE);
    assert_int_equal(try_key(&engine, "bob", blob, len, false), ROLE_ADMIN);
    assert_int_equal(try_key(&engine, "eve", blob, len, false), ROLE_NONE);

    dataset_run(datasets_find(engine.datasets, "admins"),
        &(struct dataset_job){ .work = add_admins,
            .done = set_flag,
            .arg = "DELETE FROM admins WHERE name = 'bob'" });
    while (accounts_role(engine.accounts, "bob") != ROLE_NONE)
        uv_run(engine.loop, UV_RUN_ONCE);
    assert_int_equal(try_key(&engine, "bob", blob, len, false), ROLE_NONE);
    free(sql);
    free(line);
    free(blob);
    free(text);
    free(hash);
    fixture_stop(&engine);
    fixture_remove(folder);
}

/* Each takes time; who comes then is told to come again, and has not failed. */
static void
more_passwords_than_can_be_verified_are_not_taken(void **state)
{
    static struct answer answers[200];
    char *folder = fixture_folder();
    struct engine engine;
    size_t count = 0;

    (void)state;
    fixture_start(&engine, folder);
    while (!accounts_are_busy(engine.accounts) && count < 200)
        accounts_check_password(engine.accounts, "admin", "wrong", take_answer,
            &answers[count++]);
    assert_in_range(count, 10, 199);
    fixture_stop(&engine);
    for (size_t i = 0; i < count; i++)
        assert_true(answers[i].came && answers[i].role == ROLE_NONE);
    fixture_remove(folder);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_password_matches_only_itself),
        cmocka_unit_test(more_passwords_than_can_be_verified_are_not_taken),
        cmocka_unit_test(generated_passwords_differ_and_can_be_read_aloud),
        cmocka_unit_test(private_keys_are_read_as_they_were_written),
        cmocka_unit_test(public_lines_are_ed25519_or_refused),
        cmocka_unit_test(the_first_start_makes_an_account_that_works),
        cmocka_unit_test(a_first_start_that_was_cut_short_is_finished),
        cmocka_unit_test(a_changed_password_removes_the_initial_one),
        cmocka_unit_test(the_local_key_works_from_here_only),
        cmocka_unit_test(the_primarys_key_pushes_to_a_secondary_only),
        cmocka_unit_test(administrators_of_the_cluster_follow_the_dataset),
    };

    if (child_is_requested(argc, argv))
        return child_run(argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

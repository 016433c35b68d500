/*
 * Promises of the built-in schemas and of what the commands on them share:
 * nonsense is refused, whoever writes it, and the refusal says what is wrong.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/file.h"
#include "daemon/admins_schema.h"
#include "daemon/config_constraint.h"
#include "daemon/config_password.h"
#include "daemon/config_row.h"
#include "daemon/config_schema.h"
#include "sync/open.h"

static char folder[] = "/tmp/lockstep-config-XXXXXX";
static sqlite3 *db;
static sqlite3 *admins;

static int
open_databases(void **state)
{
    struct err e = ERR_INIT;
    char *config_path, *admins_path;
    int r;

    (void)state;
    strcpy(folder, "/tmp/lockstep-config-XXXXXX");
    if (mkdtemp(folder) == NULL)
        return -1;
    config_path = file_join(folder, "config.db");
    admins_path = file_join(folder, "admins.db");
    r = config_schema_create(config_path, &e) == 0 &&
                admins_schema_create(admins_path, &e) == 0 &&
                database_open(&db, config_path, OPEN_WRITE, 0, &e) == 0 &&
                database_open(&admins, admins_path, OPEN_WRITE, 0, &e) == 0 &&
                database_exec(db, "PRAGMA foreign_keys=ON", &e) == 0 &&
                database_exec(admins, "PRAGMA foreign_keys=ON", &e) == 0
            ? 0
            : -1;
    free(config_path);
    free(admins_path);
    return r;
}

static int
close_databases(void **state)
{
    char *command = alloc_format("rm -rf %s", folder);
    int r;

    (void)state;
    database_close(db);
    database_close(admins);
    r = system(command);
    free(command);
    return r;
}

static void
accepts(sqlite3 *on, const char *sql)
{
    if (sqlite3_exec(on, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(on));
}

/* The statement is refused by a constraint whose translation has that text. */
static void
refuses(sqlite3 *on, const char *sql, enum err_code code, const char *text)
{
    struct err e = ERR_INIT;

    if (sqlite3_exec(on, sql, NULL, NULL, NULL) == SQLITE_OK)
        fail_msg("accepted: %s", sql);
    assert_int_equal(config_refusal(on, &e), -1);
    assert_int_equal(e.code, code);
    if (strstr(e.message, text) == NULL)
        fail_msg("%s: said \"%s\", not \"%s\"", sql, e.message, text);
    assert_true(e.hint[0] != '\0');
}

#define USER(columns, values)                   \
    "INSERT INTO users (uid, gid, home" columns \
    ") VALUES (10000, 10000, '/h'" values ")"
#define USER_NAMED(name) USER(", name", ", " name)

static void
schema_file_is_private_and_complete(void **state)
{
    char *path = file_join(folder, "config.db");
    char *left = file_join(folder, "config.db.new");
    struct err e = ERR_INIT;
    struct stat st;
    int64_t number = 0;

    (void)state;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_false(file_exists(left));
    row_number(db, "PRAGMA application_id", -1, -1, &number, &e);
    assert_int_equal(number, 0x4c4f434b);
    row_number(db, "PRAGMA user_version", -1, -1, &number, &e);
    assert_int_equal(number, 1);
    free(left);
    free(path);
}

static void
schema_file_never_replaces_a_database(void **state)
{
    char *path = file_join(folder, "config.db");
    struct err e = ERR_INIT;
    int64_t number = 0;

    (void)state;
    accepts(db, USER_NAMED("'ann'"));
    assert_int_equal(config_schema_create(path, &e), -1);
    assert_int_equal(e.code, ERR_EXISTS);
    row_number(db, "SELECT count(*) FROM users", -1, -1, &number, &e);
    assert_int_equal(number, 1);
    free(path);
}

/* What a start that was killed left behind does not end up in the new file. */
static void
schema_file_is_made_anew_after_a_crash(void **state)
{
    static const char *const left[] = { "x.db.new", "x.db.new-wal",
        "x.db.new-shm" };
    char *path = file_join(folder, "x.db");
    struct err e = ERR_INIT;
    sqlite3 *fresh = NULL;

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        char *name = file_join(folder, left[i]);

        assert_int_equal(file_write_atomic(name, "half", 4, 0600, &e), 0);
        free(name);
    }
    assert_int_equal(config_schema_create(path, &e), 0);
    assert_int_equal(database_open(&fresh, path, OPEN_READ, 0, &e), 0);
    assert_int_equal(database_exec(fresh, "SELECT * FROM users", &e), 0);
    database_close(fresh);
    free(path);
}

static void
config_refuses_names_that_are_none(void **state)
{
    static const char *const names[] = { "''", "'Ann'", "'-ann'", "'.ann'",
        "'9ann'", "'a b'", "'a/b'", "'ann' || char(10)", "'ann' || char(0)",
        "'a' || char(27) || 'b'", "'\xc3\xa4nn'", "5", "x'61'",
        "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'" };

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char *sql = alloc_format(USER_NAMED("%s"), names[i]);

        refuses(db, sql, ERR_INVALID, "not a user name");
        free(sql);
    }
    accepts(db, USER_NAMED("'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'"));
    accepts(db, USER_NAMED("'_a.b-9'"));
    refuses(db, USER_NAMED("'_a.b-9'"), ERR_EXISTS, "taken");
    refuses(db, USER_NAMED("NULL"), ERR_INVALID, "\"name\" is missing");
}

static void
config_refuses_paths_with_a_way_out(void **state)
{
    static const char *const paths[] = { "''", "'srv'", "'/srv/../etc'",
        "'/..'", "'/srv/..'", "'/srv//x'", "'/srv/./x'", "'/srv/.'",
        "'/a' || char(0) || '/../b'", "'/a' || char(10)", "x'2f61'", "7" };

    (void)state;
    accepts(db, USER_NAMED("'ann'"));
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        char *home = alloc_format("UPDATE users SET home = %s", paths[i]);
        char *folder_sql = alloc_format(
            "INSERT INTO folders (user_id, virtual_path, real_path, "
            "permissions) VALUES (1, '/v', %s, 'read')",
            paths[i]);

        refuses(db, home, ERR_INVALID, "home is not a clean absolute path");
        refuses(db, folder_sql, ERR_INVALID, "real path is not a clean");
        free(folder_sql);
        free(home);
    }
    accepts(db, "UPDATE users SET home = '/srv/..x/.y/z..'");
    accepts(db, "UPDATE users SET home = '/'");
}

static void
config_refuses_password_hashes_of_other_kinds(void **state)
{
    static const char *const hashes[] = { "''", "'secret'", "'$1$abc$def'",
        "'$5$saltsaltsalt$hashhashhash'", "'$y$j9T$salt'", "'$6$only'",
        "'$6$salt$' || char(10) || 'aaaaaaaaaaaaaaaaaaaaaaaa'",
        "'$6$sa:lt$aaaaaaaaaaaaaaaaaaaaaaaaaaaa'",
        "x'2479246a395424616161616161616161616161616161246161'" };

    (void)state;
    accepts(db, USER_NAMED("'ann'"));
    for (size_t i = 0; i < sizeof(hashes) / sizeof(hashes[0]); i++) {
        char *sql =
            alloc_format("UPDATE users SET password_hash = %s", hashes[i]);

        refuses(db, sql, ERR_INVALID, "hash is of an unknown form");
        free(sql);
    }
    accepts(db, "UPDATE users SET password_hash = '$6$rounds=5000$salt$' ||"
                " 'abcdefghijklmnopqrstuvwxyz./0123456789'");
}

static void
config_refuses_numbers_out_of_range(void **state)
{
    static const char *const numbers[] = { "0", "-1", "65535", "4294967295",
        "1.5", "'x'", "x'31'", "9223372036854775807" };

    (void)state;
    accepts(db, USER_NAMED("'ann'"));
    accepts(db, "INSERT INTO groups (name, gid) VALUES ('staff', 20000)");
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        char *uid = alloc_format("UPDATE users SET uid = %s", numbers[i]);
        char *gid = alloc_format("UPDATE groups SET gid = %s", numbers[i]);

        refuses(db, uid, ERR_INVALID, "uid is out of range");
        refuses(db, gid, ERR_INVALID, "gid is out of range");
        free(gid);
        free(uid);
    }
    accepts(db, "UPDATE users SET uid = 4294967294");
    refuses(db, "UPDATE users SET enabled = 2", ERR_INVALID, "yes nor no");
    refuses(db, "UPDATE users SET expires = -1", ERR_INVALID, "expiry");
    refuses(db, "UPDATE users SET expires = '2027-01-31'", ERR_INVALID,
        "expiry");
    refuses(db, "UPDATE users SET comment = 'a' || char(27) || '[2J'",
        ERR_INVALID, "comment");
    refuses(db, "INSERT INTO groups (name, gid) VALUES ('other', 20000)",
        ERR_EXISTS, "gid");
}

static void
config_refuses_keys_that_are_not_of_their_type(void **state)
{
    (void)state;
    accepts(db, USER_NAMED("'ann'"));
    accepts(db,
        "INSERT INTO user_keys (user_id, type, key) VALUES (1, 'ssh-ed25519',"
        " 'AAAAC3NzaC1lZDI1NTE5AAAAIGPV1nGBvVkTRkTXXfMOoPy7ZQ6JKdHWCmN6wY08"
        "rD8c')");
    refuses(db,
        "INSERT INTO user_keys (user_id, type, key)"
        " SELECT 1, 'ssh-rsa', key FROM user_keys",
        ERR_INVALID, "not of its type");
    refuses(db,
        "INSERT INTO user_keys (user_id, type, key)"
        " SELECT 1, 'ssh-dss', key FROM user_keys",
        ERR_INVALID, "not of its type");
    refuses(db,
        "INSERT INTO user_keys (user_id, type, key)"
        " SELECT 1, type, key || char(10) || 'x' FROM user_keys",
        ERR_INVALID, "not of its type");
    refuses(db,
        "INSERT INTO user_keys (user_id, type, key)"
        " SELECT user_id, type, key FROM user_keys",
        ERR_EXISTS, "has this key");
}

static void
config_refuses_folders_of_nobody_and_of_two(void **state)
{
    (void)state;
    accepts(db, USER_NAMED("'ann'"));
    accepts(db, "INSERT INTO groups (name, gid) VALUES ('staff', 20000)");
    refuses(db,
        "INSERT INTO folders (virtual_path, real_path, permissions)"
        " VALUES ('/v', '/r', 'read')",
        ERR_INVALID, "one user or one group");
    refuses(db,
        "INSERT INTO folders (user_id, group_id, virtual_path, real_path,"
        " permissions) VALUES (1, 1, '/v', '/r', 'read')",
        ERR_INVALID, "one user or one group");
    refuses(db,
        "INSERT INTO folders (user_id, virtual_path, real_path, permissions)"
        " VALUES (1, '/v', '/r', 'rwx')",
        ERR_INVALID, "permissions");
    accepts(db,
        "INSERT INTO folders (user_id, virtual_path, real_path, permissions)"
        " VALUES (1, '/v', '/r', 'read-write')");
    refuses(db,
        "INSERT INTO folders (user_id, virtual_path, real_path, permissions)"
        " VALUES (1, '/v', '/s', 'read')",
        ERR_EXISTS, "has a folder");
}

static void
removing_a_user_removes_what_is_its_own(void **state)
{
    static const char *const tables[] = { "user_keys", "group_members",
        "folders" };
    struct err e = ERR_INIT;

    (void)state;
    accepts(db, USER_NAMED("'ann'"));
    accepts(db, "INSERT INTO groups (name, gid) VALUES ('staff', 20000)");
    accepts(db, "INSERT INTO group_members VALUES (1, 1)");
    accepts(db,
        "INSERT INTO folders (user_id, virtual_path, real_path, permissions)"
        " VALUES (1, '/v', '/r', 'read')");
    accepts(db,
        "INSERT INTO user_keys (user_id, type, key) VALUES (1, 'ssh-ed25519',"
        " 'AAAAC3NzaC1lZDI1NTE5AAAAIGPV1nGBvVkTRkTXXfMOoPy7ZQ6JKdHWCmN6wY08"
        "rD8c')");
    assert_int_equal(row_delete(db, "users", 1, "the user", &e), 0);
    for (size_t i = 0; i < 3; i++) {
        char *sql = alloc_format("SELECT count(*) FROM %s", tables[i]);
        int64_t count = -1;

        assert_int_equal(row_number(db, sql, -1, -1, &count, &e), 0);
        assert_int_equal(count, 0);
        free(sql);
    }
    assert_int_equal(row_delete(db, "users", 1, "the user", &e), -1);
    assert_int_equal(e.code, ERR_NOT_FOUND);
}

static void
admins_refuse_reserved_names_and_other_hashes(void **state)
{
    static const char *const reserved[] = { "admin", "local", "lockstep" };

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        char *sql = alloc_format("INSERT INTO admins (name) VALUES ('%s')",
            reserved[i]);

        refuses(admins, sql, ERR_EXISTS, "reserved");
        free(sql);
    }
    refuses(admins, "INSERT INTO admins (name) VALUES ('C')", ERR_INVALID,
        "name");
    refuses(admins, "INSERT INTO admins (name, role) VALUES ('c', 'push')",
        ERR_INVALID, "role");
    refuses(admins,
        "INSERT INTO admins (name, password_hash) VALUES ('c', 'secret')",
        ERR_INVALID, "malformed");
    accepts(admins, "INSERT INTO admins (name, password_hash)"
                    " VALUES ('c', 'scrypt$15$8$1$c2FsdA==$aGFzaA==')");
    refuses(admins,
        "INSERT INTO admin_keys (admin_id, key) VALUES (1, 'ssh-rsa AAAA')",
        ERR_INVALID, "Ed25519");
}

static void
row_update_without_values_is_refused(void **state)
{
    struct row row = ROW_INIT;
    struct err e = ERR_INIT;

    (void)state;
    assert_int_equal(row_update(db, "users", 1, &row, &e), -1);
    assert_int_equal(e.code, ERR_INVALID);
}

static void
row_takes_times_and_forgets_them(void **state)
{
    static const struct row_field fields[] = {
        { "expires", "expires", ROW_TIME },
        { "comment", "comment", ROW_TEXT },
        { NULL, NULL, ROW_TEXT },
    };
    struct err e = ERR_INIT;
    int64_t value = 0;

    (void)state;
    accepts(db, USER_NAMED("'ann'"));
    for (int i = 0; i < 2; i++) {
        json_t *args = json_pack("{s:s,s:s}", "expires",
            i == 0 ? "2027-01-31T00:00:00Z" : "never", "comment",
            i == 0 ? "x" : "");
        struct row row = ROW_INIT;

        assert_int_equal(row_take(&row, fields, args, &e), 0);
        assert_int_equal(row_update(db, "users", 1, &row, &e), 0);
        assert_int_equal(row_number(db,
                             "SELECT coalesce(expires, -1) FROM users", -1, 0,
                             &value, &e),
            0);
        assert_int_equal(value, i == 0 ? 1801353600 : -1);
        row_number(db, "SELECT comment IS NULL FROM users", -1, 0, &value, &e);
        assert_int_equal(value, i);
        json_decref(args);
    }
}

static void
row_refuses_arguments_of_the_wrong_type(void **state)
{
    static const struct row_field fields[] = {
        { "uid", "uid", ROW_INT },
        { "enabled", "enabled", ROW_BOOL },
        { "expires", "expires", ROW_TIME },
        { NULL, NULL, ROW_TEXT },
    };
    static const char *const texts[] = { "{\"uid\":\"1\"}", "{\"enabled\":1}",
        "{\"expires\":\"soon\"}", "{\"expires\":7}" };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        json_t *args = json_loads(texts[i], 0, NULL);
        struct row row = ROW_INIT;
        struct err e = ERR_INIT;

        assert_int_equal(row_take(&row, fields, args, &e), -1);
        assert_int_equal(e.code, ERR_INVALID);
        json_decref(args);
    }
}

static void
password_hash_is_one_that_the_schema_takes(void **state)
{
    struct err e = ERR_INIT;
    char *hash = user_password_hash("correct horse", &e);
    char *sql;

    (void)state;
    assert_non_null(hash);
    assert_int_equal(strncmp(hash, "$y$", 3), 0);
    accepts(db, USER_NAMED("'ann'"));
    sql = alloc_format("UPDATE users SET password_hash = '%s'", hash);
    accepts(db, sql);
    assert_null(user_password_hash("", &e));
    assert_int_equal(e.code, ERR_INVALID);
    free(sql);
    free(hash);
}

#define CASE(name) \
    cmocka_unit_test_setup_teardown(name, open_databases, close_databases)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(schema_file_is_private_and_complete),
        CASE(schema_file_never_replaces_a_database),
        CASE(schema_file_is_made_anew_after_a_crash),
        CASE(config_refuses_names_that_are_none),
        CASE(config_refuses_paths_with_a_way_out),
        CASE(config_refuses_password_hashes_of_other_kinds),
        CASE(config_refuses_numbers_out_of_range),
        CASE(config_refuses_keys_that_are_not_of_their_type),
        CASE(config_refuses_folders_of_nobody_and_of_two),
        CASE(removing_a_user_removes_what_is_its_own),
        CASE(admins_refuse_reserved_names_and_other_hashes),
        CASE(row_update_without_values_is_refused),
        CASE(row_takes_times_and_forgets_them),
        CASE(row_refuses_arguments_of_the_wrong_type),
        CASE(password_hash_is_one_that_the_schema_takes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

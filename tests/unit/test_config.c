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
#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "daemon/admins_schema.h"
#include "daemon/config_constraint.h"
#include "daemon/config_password.h"
#include "daemon/config_row.h"
#include "daemon/config_schema.h"
#include "daemon/filter_rules.h"
#include "daemon/key_choice.h"
#include "daemon/public_key.h"
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

static const char ed25519_line[] =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPV1nGBvVkTRkTXXfMOoPy7ZQ6JKdHWCmN6"
    "wY08rD8c ann smith@laptop\n";

static void
public_key_keeps_type_and_comment(void **state)
{
    struct public_key key;
    struct err e = ERR_INIT;
    char again[64];

    (void)state;
    assert_int_equal(public_key_parse(&key, ed25519_line, &e), 0);
    assert_string_equal(key.type, "ssh-ed25519");
    assert_string_equal(key.comment, "ann smith@laptop");
    assert_int_equal(strncmp(key.fingerprint, "SHA256:", 7), 0);
    public_key_fingerprint(key.base64, again);
    assert_string_equal(again, key.fingerprint);
    public_key_release(&key);
}

static void
public_key_refuses_what_is_not_one(void **state)
{
    static const char *const lines[] = {
        "",
        "ssh-ed25519",
        "ssh-ed25519 ",
        "ssh-ed25519 !!!!",
        /* a type that is not the blob's */
        "ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIGPV1nGBvVkTRkTXXfMOoPy7ZQ6JKdHWCmN6"
        "wY08rD8c",
        /* cut by one group */
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPV1nGBvVkTRkTXXfMOoPy7ZQ6JKdHW"
        "CmN6wY08",
        /* a byte too many */
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPV1nGBvVkTRkTXXfMOoPy7ZQ6JKdHW"
        "CmN6wY08rD8cAA==",
        "ssh-dss AAAAB3NzaC1kc3MAAACBAO",
        /* options would be honoured by a server that reads the line */
        "command=\"sh\" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPV1nGBvVkTRkTXX"
        "fMOoPy7ZQ6JKdHWCmN6wY08rD8c",
        /* 1024 bits: e 65537, then an mpint of 129 bytes that is not there */
        "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQDh",
        /* two lines */
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPV1nGBvVkTRkTXXfMOoPy7ZQ6JKdHW"
        "CmN6wY08rD8c a\nssh-ed25519 AAAA b",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct public_key key;
        struct err e = ERR_INIT;

        if (public_key_parse(&key, lines[i], &e) == 0)
            fail_msg("accepted: %s", lines[i]);
        assert_int_equal(e.code, ERR_INVALID);
    }
}

static void
key_is_chosen_by_id_fingerprint_or_comment(void **state)
{
    json_t *keys = json_pack("[{s:i,s:s,s:s},{s:i,s:s,s:s},{s:i,s:s,s:s}]",
        "id", 7, "fingerprint", "SHA256:a", "comment", "x", "id", 8,
        "fingerprint", "SHA256:b", "comment", "same", "id", 9, "fingerprint",
        "SHA256:c", "comment", "same");
    struct err e = ERR_INIT;
    int64_t id = 0;

    (void)state;
    assert_int_equal(key_choose(keys, "8", &id, &e), 0);
    assert_int_equal(id, 8);
    assert_int_equal(key_choose(keys, "SHA256:c", &id, &e), 0);
    assert_int_equal(id, 9);
    assert_int_equal(key_choose(keys, "x", &id, &e), 0);
    assert_int_equal(id, 7);
    assert_int_equal(key_choose(keys, "same", &id, &e), -1);
    assert_int_equal(e.code, ERR_INVALID);
    assert_int_equal(key_choose(keys, "08", &id, &e), -1);
    assert_int_equal(e.code, ERR_NOT_FOUND);
    json_decref(keys);
}

static void
add_rule(const char *action, const char *address, int64_t index)
{
    json_t *args = json_pack("{s:s,s:s}", "action", action, "address", address);
    struct row row = ROW_INIT;
    struct err e = ERR_INIT;
    char text[128];
    int64_t id;

    assert_int_equal(filter_rules_take(&row, text, args, &e), 0);
    assert_int_equal(filter_rules_add(db, FILTER_CLUSTER_TABLE, &row, index,
                         &id, &e),
        0);
    json_decref(args);
}

/* The addresses of the rules, in order. */
static void
order_is(const char *wanted)
{
    struct err e = ERR_INIT;
    json_t *rules = NULL;
    struct buf found = BUF_INIT;

    assert_int_equal(filter_rules_json(db, FILTER_CLUSTER_TABLE, true, &rules,
                         &e),
        0);
    for (size_t i = 0; i < json_array_size(rules); i++)
        buf_printf(&found, "%s%s", i > 0 ? " " : "",
            json_string_value(
                json_object_get(json_array_get(rules, i), "address")));
    buf_put_u8(&found, '\0');
    assert_string_equal((char *)found.data, wanted);
    buf_release(&found);
    json_decref(rules);
}

static void
filter_rules_keep_the_order_that_was_asked_for(void **state)
{
    struct err e = ERR_INIT;
    int64_t id = 0;

    (void)state;
    add_rule("allow", "192.0.2.1", -1);
    add_rule("deny", "192.0.2.2", -1);
    add_rule("deny", "192.0.2.3", 0);
    order_is("192.0.2.3 192.0.2.1 192.0.2.2");
    /* Somebody else's positions with a gap and a repeat. */
    accepts(db, "UPDATE ip_rules SET position = position * 10");
    accepts(db,
        "UPDATE ip_rules SET position = 20 WHERE address = '192.0.2.2'");
    add_rule("deny", "192.0.2.4", 1);
    order_is("192.0.2.3 192.0.2.4 192.0.2.1 192.0.2.2");
    assert_int_equal(filter_rules_move(db, FILTER_CLUSTER_TABLE, 3, 0, &e), 0);
    order_is("192.0.2.2 192.0.2.3 192.0.2.4 192.0.2.1");
    assert_int_equal(filter_rules_move(db, FILTER_CLUSTER_TABLE, 0, 2, &e), 0);
    order_is("192.0.2.3 192.0.2.4 192.0.2.2 192.0.2.1");
    assert_int_equal(filter_rules_move(db, FILTER_CLUSTER_TABLE, 0, 4, &e), -1);
    assert_int_equal(filter_rules_at(db, FILTER_CLUSTER_TABLE, 4, &id, &e), -1);
    assert_int_equal(e.code, ERR_NOT_FOUND);
}

static void
filter_test_obeys_the_first_rule_that_matches(void **state)
{
    struct ip_address address;
    struct err e = ERR_INIT;
    json_t *rules = NULL, *result;

    (void)state;
    add_rule("deny", "10.1.0.0/16", -1);
    add_rule("allow", "10.1.2.3", -1);
    assert_int_equal(filter_rules_json(db, FILTER_CLUSTER_TABLE, true, &rules,
                         &e),
        0);
    filter_rules_number(rules);
    assert_int_equal(ip_address_parse("10.1.2.3", &address, &e), 0);
    result = filter_rules_test(rules, &address, IPFILTER_ADMIN);
    assert_string_equal(json_string_value(json_object_get(result, "action")),
        "deny");
    assert_int_equal(json_integer_value(
                         json_object_get(json_object_get(result, "rule"),
                             "position")),
        1);
    json_decref(result);
    assert_int_equal(ip_address_parse("10.2.2.3", &address, &e), 0);
    result = filter_rules_test(rules, &address, IPFILTER_ADMIN);
    assert_string_equal(json_string_value(json_object_get(result, "action")),
        "deny");
    assert_true(json_is_null(json_object_get(result, "rule")));
    json_decref(result);
    json_decref(rules);
}

/* The listing shows the networks that the filter itself allows by default. */
static void
filter_defaults_are_those_of_the_ruleset(void **state)
{
    static const char *const inside[] = { "127.0.0.1", "::1", "10.255.255.255",
        "172.16.0.0", "172.31.255.255", "192.168.0.1", "169.254.1.1",
        "fc00::", "fdff::1", "fe80::1", "febf::1" };
    static const char *const outside[] = { "9.255.255.255", "11.0.0.0",
        "172.15.255.255", "172.32.0.0", "192.167.255.255", "192.169.0.0",
        "128.0.0.1", "::2", "2001:db8::1", "fe00::1", "fec0::1" };
    struct ruleset *set = ruleset_new(IPFILTER_DENY);
    json_t *rules = filter_rules_defaults();
    struct err e = ERR_INIT;

    (void)state;
    ruleset_add_defaults(set);
    assert_int_equal(ruleset_count(set), json_array_size(rules));
    for (size_t i = 0; i < 22; i++) {
        const char *text = i < 11 ? inside[i] : outside[i - 11];
        struct ip_address address;
        json_t *result;
        int64_t which;
        bool allowed;

        assert_int_equal(ip_address_parse(text, &address, &e), 0);
        allowed = ruleset_match(set, &address, IPFILTER_ADMIN, 1, &which) ==
                  IPFILTER_ALLOW;
        assert_int_equal(allowed, i < 11);
        result = filter_rules_test(rules, &address, IPFILTER_ADMIN);
        assert_string_equal(json_string_value(
                                json_object_get(result, "action")),
            allowed ? "allow" : "deny");
        json_decref(result);
    }
    json_decref(rules);
    ruleset_free(set);
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
        cmocka_unit_test(public_key_keeps_type_and_comment),
        cmocka_unit_test(public_key_refuses_what_is_not_one),
        cmocka_unit_test(key_is_chosen_by_id_fingerprint_or_comment),
        CASE(filter_rules_keep_the_order_that_was_asked_for),
        CASE(filter_test_obeys_the_first_rule_that_matches),
        cmocka_unit_test(filter_defaults_are_those_of_the_ruleset),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

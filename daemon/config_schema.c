/*
 * The schema of dataset "config".  Anybody may write to it, so everything that
 * the commands would refuse is refused here, by constraints whose names the
 * translation of refusals goes by.
 */
#include "daemon/config_schema.h"

#include "daemon/schema_file.h"

/* Text without control characters, of at most 1000 characters, or NULL. */
#define TEXT_OR_NULL(column)                                               \
    "  CONSTRAINT text_" column " CHECK (" column " IS NULL\n"             \
    "    OR (typeof(" column ") = 'text' AND length(" column ") <= 1000\n" \
    "      AND instr(" column ", char(0)) = 0\n"                           \
    "      AND " column " NOT GLOB\n"                                      \
    "        '*[' || char(1) || '-' || char(31) || char(127) || ']*'))"

/* A path from the root, with no way up and nothing to trip over. */
#define PATH_RULE(name, column)                                      \
    "  CONSTRAINT " name " CHECK (" column " IS NULL\n"              \
    "    OR (typeof(" column ") = 'text' AND " column " GLOB '/*'\n" \
    "      AND length(" column ") <= 1000\n"                         \
    "      AND instr(" column ", char(0)) = 0\n"                     \
    "      AND instr(" column ", '//') = 0\n"                        \
    "      AND instr(" column " || '/', '/../') = 0\n"               \
    "      AND instr(" column " || '/', '/./') = 0\n"                \
    "      AND " column " NOT GLOB\n"                                \
    "        '*[' || char(1) || '-' || char(31) || char(127) || ']*'))"

/* 65535 and 4294967295 are (uid_t)-1 to system calls; 0 is root. */
#define ID_RULE(name, column)                                       \
    "  CONSTRAINT " name " CHECK (typeof(" column ") = 'integer'\n" \
    "    AND " column " BETWEEN 1 AND 4294967294 AND " column " <> 65535)"

#define NAME_RULE(name, column)                                  \
    "  CONSTRAINT " name " CHECK (typeof(" column ") = 'text'\n" \
    "    AND length(" column ") BETWEEN 1 AND 32\n"              \
    "    AND instr(" column ", char(0)) = 0\n"                   \
    "    AND " column " GLOB '[a-z_]*'\n"                        \
    "    AND " column " NOT GLOB '*[^a-z0-9_.-]*')"

#define EXPIRES_RULE                                \
    "  CONSTRAINT expires CHECK (expires IS NULL\n" \
    "    OR (typeof(expires) = 'integer'\n"         \
    "      AND expires BETWEEN 0 AND 253402300799))"

static const char users_sql[] =
    "CREATE TABLE users (\n"
    "  id INTEGER PRIMARY KEY,\n"
    "  name TEXT NOT NULL UNIQUE,\n"
    "  password_hash TEXT,\n"
    "  uid INTEGER NOT NULL,\n"
    "  gid INTEGER NOT NULL,\n"
    "  home TEXT NOT NULL,\n"
    "  shell TEXT,\n"
    "  enabled INTEGER NOT NULL DEFAULT 1,\n"
    "  expires INTEGER,\n"
    "  comment TEXT,\n" NAME_RULE("user_name",
        "name") ",\n"
                "  CONSTRAINT user_password CHECK (password_hash IS NULL\n"
                "    OR (typeof(password_hash) = 'text'\n"
                "      AND length(password_hash) BETWEEN 20 AND 256\n"
                "      AND (password_hash GLOB '$y$?*$?*$?*'\n"
                "        OR password_hash GLOB '$6$?*$?*')\n"
                "      AND instr(password_hash, char(0)) = 0\n"
                "      AND password_hash NOT GLOB "
                "'*[^A-Za-z0-9./$=]*')),\n" ID_RULE("user_uid",
                    "uid") ",\n" ID_RULE("user_gid",
                    "gid") ",\n" PATH_RULE("user_home",
                    "home") ",\n" PATH_RULE("user_shell",
                    "shell") ",\n"
                             "  CONSTRAINT user_enabled CHECK (typeof(enabled) "
                             "= 'integer'\n"
                             "    AND enabled IN (0, 1)),\n" EXPIRES_RULE
                             ",\n" TEXT_OR_NULL(
                                 "comment") "\n"
                                            ");\n"
                                            "CREATE INDEX users_uid ON users "
                                            "(uid);\n";

static const char user_keys_sql[] =
    "CREATE TABLE user_keys (\n"
    "  id INTEGER PRIMARY KEY,\n"
    "  user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,\n"
    "  type TEXT NOT NULL,\n"
    "  key TEXT NOT NULL,\n"
    "  comment TEXT,\n"
    "  UNIQUE (user_id, key),\n"
    /* Base64 of a key begins with its own type: the two must agree. */
    "  CONSTRAINT user_key CHECK (typeof(key) = 'text'\n"
    "    AND length(key) BETWEEN 60 AND 8192\n"
    "    AND key NOT GLOB '*[^A-Za-z0-9+/=]*'\n"
    "    AND instr(key, char(0)) = 0\n"
    "    AND CASE type\n"
    "      WHEN 'ssh-ed25519'\n"
    "        THEN key GLOB 'AAAAC3NzaC1lZDI1NTE5AAAAI*'\n"
    "      WHEN 'ecdsa-sha2-nistp256'\n"
    "        THEN key GLOB 'AAAAE2VjZHNhLXNoYTItbmlzdHAyNTY*'\n"
    "      WHEN 'ecdsa-sha2-nistp384'\n"
    "        THEN key GLOB 'AAAAE2VjZHNhLXNoYTItbmlzdHAzODQ*'\n"
    "      WHEN 'ecdsa-sha2-nistp521'\n"
    "        THEN key GLOB 'AAAAE2VjZHNhLXNoYTItbmlzdHA1MjE*'\n"
    "      WHEN 'ssh-rsa' THEN key GLOB 'AAAAB3NzaC1yc2E*'\n"
    "      ELSE 0 END),\n" TEXT_OR_NULL("comment") "\n"
                                                   ");\n";

static const char groups_sql[] =
    "CREATE TABLE groups (\n"
    "  id INTEGER PRIMARY KEY,\n"
    "  name TEXT NOT NULL UNIQUE,\n"
    "  gid INTEGER NOT NULL UNIQUE,\n"
    "  comment TEXT,\n" NAME_RULE("group_name",
        "name") ",\n" ID_RULE("group_gid",
        "gid") ",\n" TEXT_OR_NULL("comment") "\n"
                                             ");\n"
                                             "CREATE TABLE group_members (\n"
                                             "  group_id INTEGER NOT NULL "
                                             "REFERENCES groups (id) ON DELETE "
                                             "CASCADE,\n"
                                             "  user_id INTEGER NOT NULL "
                                             "REFERENCES users (id) ON DELETE "
                                             "CASCADE,\n"
                                             "  PRIMARY KEY (group_id, "
                                             "user_id)\n"
                                             ") WITHOUT ROWID;\n"
                                             "CREATE INDEX group_members_user "
                                             "ON group_members (user_id);\n";

static const char folders_sql[] =
    "CREATE TABLE folders (\n"
    "  id INTEGER PRIMARY KEY,\n"
    "  user_id INTEGER REFERENCES users (id) ON DELETE CASCADE,\n"
    "  group_id INTEGER REFERENCES groups (id) ON DELETE CASCADE,\n"
    "  virtual_path TEXT NOT NULL,\n"
    "  real_path TEXT NOT NULL,\n"
    "  permissions TEXT NOT NULL,\n"
    "  UNIQUE (user_id, virtual_path),\n"
    "  UNIQUE (group_id, virtual_path),\n"
    "  CONSTRAINT folder_owner\n"
    "    CHECK ((user_id IS NULL) <> (group_id IS NULL)),\n" PATH_RULE(
        "folder_virtual_path",
        "virtual_path") ",\n" PATH_RULE("folder_real_path",
        "real_path") ",\n"
                     "  CONSTRAINT folder_permissions CHECK\n"
                     "    (permissions IN ('read', 'write', 'read-write'))\n"
                     ");\n";

static const char rules_sql[] =
    "CREATE TABLE ip_rules (\n"
    "  id INTEGER PRIMARY KEY,\n"
    "  position INTEGER NOT NULL,\n"
    "  action TEXT NOT NULL,\n"
    "  address TEXT NOT NULL,\n"
    "  scope TEXT NOT NULL DEFAULT 'admin',\n"
    "  comment TEXT,\n"
    "  expires INTEGER,\n"
    "  CONSTRAINT rule_position CHECK (typeof(position) = 'integer'\n"
    "    AND position > 0),\n"
    "  CONSTRAINT rule_action CHECK (action IN ('allow', 'deny')),\n"
    "  CONSTRAINT rule_address CHECK (typeof(address) = 'text'\n"
    "    AND length(address) BETWEEN 2 AND 100\n"
    "    AND instr(address, char(0)) = 0\n"
    "    AND address NOT GLOB '*[^0-9a-fA-F:./-]*'),\n"
    "  CONSTRAINT rule_scope CHECK (scope IN ('admin', 'service', "
    "'both')),\n" EXPIRES_RULE ",\n" TEXT_OR_NULL("comment") "\n"
                                                             ");\n";

static const char settings_sql[] =
    "CREATE TABLE settings (\n"
    "  name TEXT NOT NULL PRIMARY KEY,\n"
    "  value TEXT NOT NULL,\n"
    "  CONSTRAINT setting_name CHECK (typeof(name) = 'text'\n"
    "    AND length(name) BETWEEN 1 AND 64\n"
    "    AND instr(name, char(0)) = 0\n"
    "    AND name GLOB '[a-z]*' AND name NOT GLOB '*[^a-z0-9_.-]*'),\n"
    "  CONSTRAINT setting_value CHECK (typeof(value) = 'text'\n"
    "    AND length(value) <= 65536)\n"
    ") WITHOUT ROWID;\n";

int
config_schema_create(const char *path, struct err *e)
{
    static const char *const parts[] = { users_sql, user_keys_sql, groups_sql,
        folders_sql, rules_sql, settings_sql, NULL };

    return schema_file_create(path, parts, e);
}

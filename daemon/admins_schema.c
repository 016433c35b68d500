/*
 * The schema of dataset "admins".  Constraint names are what the translation of
 * refusals goes by.
 */
#include "daemon/admins_schema.h"

#include "daemon/schema_file.h"

static const char admins_sql[] =
    "CREATE TABLE admins (\n"
    "  id INTEGER PRIMARY KEY,\n"
    "  name TEXT NOT NULL UNIQUE,\n"
    "  role TEXT NOT NULL DEFAULT 'admin',\n"
    "  password_hash TEXT,\n"
    "  comment TEXT,\n"
    "  CONSTRAINT admin_name CHECK (typeof(name) = 'text'\n"
    "    AND length(name) BETWEEN 1 AND 32 AND name GLOB '[a-z_]*'\n"
    "    AND name NOT GLOB '*[^a-z0-9_.-]*'),\n"
    "  CONSTRAINT admin_reserved CHECK\n"
    "    (name NOT IN ('admin', 'local', 'lockstep')),\n"
    "  CONSTRAINT admin_role CHECK (role IN ('admin', 'viewer')),\n"
    "  CONSTRAINT admin_password CHECK (password_hash IS NULL\n"
    "    OR (typeof(password_hash) = 'text'\n"
    "      AND length(password_hash) <= 256\n"
    "      AND password_hash GLOB 'scrypt$?*$?*$?*$?*$?*'\n"
    "      AND password_hash NOT GLOB '*[^A-Za-z0-9+/=$]*')),\n"
    "  CONSTRAINT text_comment CHECK (comment IS NULL\n"
    "    OR (typeof(comment) = 'text' AND length(comment) <= 1000\n"
    "      AND comment NOT GLOB '*[' || char(1) || '-' || char(31) || ']*'))\n"
    ");\n"
    "CREATE TABLE admin_keys (\n"
    "  id INTEGER PRIMARY KEY,\n"
    "  admin_id INTEGER NOT NULL REFERENCES admins(id) ON DELETE CASCADE,\n"
    "  key TEXT NOT NULL,\n"
    "  comment TEXT,\n"
    "  UNIQUE (admin_id, key),\n"
    "  CONSTRAINT admin_key CHECK (typeof(key) = 'text'\n"
    "    AND key GLOB 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI*'\n"
    "    AND length(key) BETWEEN 80 AND 84\n"
    "    AND substr(key, 13) NOT GLOB '*[^A-Za-z0-9+/=]*'),\n"
    "  CONSTRAINT text_comment CHECK (comment IS NULL\n"
    "    OR (typeof(comment) = 'text' AND length(comment) <= 1000\n"
    "      AND comment NOT GLOB '*[' || char(1) || '-' || char(31) || ']*'))\n"
    ");\n";

int
admins_schema_create(const char *path, struct err *e)
{
    static const char *const parts[] = { admins_sql, NULL };

    return schema_file_create(path, parts, e);
}

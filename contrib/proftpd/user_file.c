/*
 * Opens, checks, makes.  The journal is "delete", never a log: each of
 * ProFTPD's connections sets its own kind, which would end a log.
 */
#include "contrib/proftpd/user_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "sync/open.h"

#define WAIT_MS 10000
#define APPLICATION_ID 0x4c4b5046 /* "LKPF" */

static const char schema[] =
    "PRAGMA journal_mode = DELETE;\n"
    "PRAGMA synchronous = FULL;\n"
    "BEGIN;\n"
    "CREATE TABLE users (\n"
    "  name TEXT NOT NULL PRIMARY KEY,\n"
    "  password TEXT NOT NULL,\n"
    "  uid INTEGER NOT NULL,\n"
    "  gid INTEGER NOT NULL,\n"
    "  home TEXT NOT NULL,\n"
    "  shell TEXT NOT NULL,\n"
    "  expires INTEGER NOT NULL\n"
    ") WITHOUT ROWID;\n"
    "CREATE INDEX users_uid ON users (uid);\n"
    /* In the order of the key: SQLite 3.40's quick_check finds a NULL that is
     * none otherwise. */
    "CREATE TABLE members (\n"
    "  member TEXT NOT NULL,\n"
    "  groupname TEXT NOT NULL,\n"
    "  gid INTEGER NOT NULL,\n"
    "  PRIMARY KEY (member, groupname)\n"
    ") WITHOUT ROWID;\n"
    "CREATE INDEX members_group ON members (groupname, gid);\n"
    "CREATE INDEX members_gid ON members (gid, groupname);\n"
    "CREATE TABLE keys (\n"
    "  name TEXT NOT NULL,\n"
    "  key TEXT NOT NULL,\n"
    "  PRIMARY KEY (name, key)\n"
    ") WITHOUT ROWID;\n"
    "CREATE TABLE remembered (\n"
    "  what TEXT NOT NULL PRIMARY KEY,\n"
    "  value TEXT NOT NULL\n"
    ") WITHOUT ROWID;\n"
    "CREATE VIEW active_keys AS\n"
    "  SELECT k.name, k.key FROM keys AS k\n"
    "  JOIN users AS u ON u.name = k.name\n"
    "  WHERE u.expires = 0 OR u.expires > unixepoch();\n"
    "PRAGMA application_id = 1280004166;\n"
    "PRAGMA user_version = 1;\n"
    "COMMIT;\n";

/* The number that PRAGMA gives. */
static int
read_number(sqlite3 *db, const char *pragma, int64_t *number, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    int r = -1;

    if (database_prepare(db, pragma, &stmt, e) != 0)
        return -1;
    if (sqlite3_step(stmt) == SQLITE_ROW) {
        *number = sqlite3_column_int64(stmt, 0);
        r = 0;
    } else {
        database_error(db, e, "could not read the users of ProFTPD");
    }
    sqlite3_finalize(stmt);
    return r;
}

/* ERR_CORRUPT when DB is damaged or of another version of ours. */
static int
check_file(sqlite3 *db, const char *path, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    int64_t id, version;
    int r = -1;

    if (read_number(db, "PRAGMA application_id", &id, e) != 0 ||
        read_number(db, "PRAGMA user_version", &version, e) != 0)
        return -1;
    if (id != APPLICATION_ID) {
        err_set(e, ERR_EXISTS, "\"%s\" is not of Lockstep's making", path);
        err_hint(e, "Name another file as \"users\" in "
                    "/etc/lockstep/proftpd.conf.");
        return -1;
    }
    if (version != 1)
        return err_set(e, ERR_CORRUPT, "\"%s\" is of another version", path);
    if (database_prepare(db, "PRAGMA quick_check(1)", &stmt, e) != 0)
        return -1;
    if (sqlite3_step(stmt) == SQLITE_ROW) {
        const char *answer = (const char *)sqlite3_column_text(stmt, 0);

        r = answer != NULL && strcmp(answer, "ok") == 0
                ? 0
                : err_set(e, ERR_CORRUPT, "\"%s\" is damaged: %s", path,
                      answer != NULL ? answer : "");
    } else {
        database_error(db, e, "could not check the users of ProFTPD");
    }
    sqlite3_finalize(stmt);
    return r;
}

/* Makes a fresh file at PATH: complete, or not there. */
static int
make_file(const char *path, struct err *e)
{
    char *fresh = alloc_format("%s.new", path);
    char *journal = alloc_format("%s.new-journal", path);
    sqlite3 *db = NULL;
    mode_t before = umask(077);
    int r = -1;

    if (file_remove(fresh, e) != 0 || file_remove(journal, e) != 0)
        goto out;
    if (sqlite3_open_v2(fresh, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
            NULL) != SQLITE_OK) {
        database_error(db, e, "could not make the users of ProFTPD");
        goto out;
    }
    if (database_exec(db, schema, e) != 0)
        goto out;
    sqlite3_close(db);
    db = NULL;
    r = file_rename(fresh, path, e);
out:
    umask(before);
    sqlite3_close(db);
    free(journal);
    free(fresh);
    return r;
}

/* Out of the way, with the journal, which would be taken for the new file's. */
static int
put_aside(const char *path, struct err *e)
{
    char *aside = alloc_format("%s.damaged", path);
    char *journal = alloc_format("%s-journal", path);
    int r = -1;

    if (file_remove(journal, e) == 0 && file_rename(path, aside, e) == 0)
        r = 0;
    free(journal);
    free(aside);
    return r;
}

static int
open_file(sqlite3 **db, const char *path, struct err *e)
{
    if (database_open(db, path, OPEN_WRITE, WAIT_MS, e) == 0) {
        /* What is checked is compared afterwards. */
        database_make_room(*db, true);
        if (check_file(*db, path, e) == 0)
            return 0;
    }
    database_close(*db);
    *db = NULL;
    return -1;
}

int
user_file_open(sqlite3 **db, const char *path, bool *anew, struct err *e)
{
    *db = NULL;
    *anew = false;
    if (file_exists(path)) {
        if (open_file(db, path, e) == 0)
            return 0;
        if (e->code != ERR_CORRUPT)
            return -1;
        fprintf(stderr, "%s; it is made anew\n", e->message);
        err_clear(e);
        if (put_aside(path, e) != 0)
            return -1;
    }
    *anew = true;
    if (make_file(path, e) != 0)
        return -1;
    return open_file(db, path, e);
}

int
user_file_recall(sqlite3 *db, const char *what, char **value, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    int rc;

    *value = NULL;
    if (database_prepare(db, "SELECT value FROM remembered WHERE what = ?1",
            &stmt, e) != 0)
        return -1;
    sqlite3_bind_text(stmt, 1, what, -1, SQLITE_STATIC);
    rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW && sqlite3_column_type(stmt, 0) == SQLITE_TEXT)
        *value = alloc_string((const char *)sqlite3_column_text(stmt, 0));
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        database_error(db, e, "could not read the users of ProFTPD");
    sqlite3_finalize(stmt);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : -1;
}

int
user_file_remember(sqlite3 *db, const char *what, const char *value,
    struct err *e)
{
    const char *sql = value != NULL
                          ? "INSERT OR REPLACE INTO remembered VALUES (?1, ?2)"
                          : "DELETE FROM remembered WHERE what = ?1";
    sqlite3_stmt *stmt = NULL;
    int rc;

    if (database_prepare(db, sql, &stmt, e) != 0)
        return -1;
    sqlite3_bind_text(stmt, 1, what, -1, SQLITE_STATIC);
    if (value != NULL)
        sqlite3_bind_text(stmt, 2, value, -1, SQLITE_STATIC);
    rc = sqlite3_step(stmt);
    if (rc != SQLITE_DONE)
        database_error(db, e, "could not write the users of ProFTPD");
    sqlite3_finalize(stmt);
    return rc == SQLITE_DONE ? 0 : -1;
}

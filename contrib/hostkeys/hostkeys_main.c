/*
 * lockstep-hostkeys: one set of host keys for sshd and ProFTPD of a cluster, as
 * dataset "hostkeys".  A hook writes the keys that were received, and tells the
 * servers; on the primary keys are put in by hand.
 */
#include <getopt.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "contrib/accounts/turn.h"
#include "contrib/hostkeys/key_files.h"
#include "contrib/hostkeys/key_store.h"
#include "sync/open.h"

#define DATABASE "/var/lib/lockstep-hostkeys/hostkeys.db"
#define DATASET "hostkeys"
#define HOOK_ARGUMENTS 3

static int
usage(void)
{
    fputs("usage: lockstep-hostkeys [--database FILE]"
          " [DATASET EPOCH REVISION]\n"
          "       lockstep-hostkeys [--database FILE] --list\n"
          "       lockstep-hostkeys [--database FILE] --import KEY...\n",
        stderr);
    return 2;
}

static int
import_one(sqlite3 *db, const char *path, struct err *e)
{
    const struct host_key_type *type = NULL;
    struct buf text = BUF_INIT;
    char shown[HOST_KEY_SHOWN];
    int r = file_read(path, HOST_KEY_MAX, &text, e);

    if (r == 0) {
        const char *key = (const char *)text.data;

        type = host_key_look(key, text.len, shown, e);
        r = type == NULL ? err_wrap(e, "\"%s\"", path)
                         : key_store_put(db, type, key, text.len, e);
    }
    if (r == 0)
        printf("%s %s\n", shown, type->name);
    if (text.data != NULL)
        explicit_bzero(text.data, text.len);
    buf_release(&text);
    return r;
}

/* All or none. */
static int
import(const char *database, char **paths, struct err *e)
{
    sqlite3 *db = NULL;
    int r = key_store_make(&db, database, e);

    if (r == 0)
        r = database_exec(db, "BEGIN IMMEDIATE", e);
    while (r == 0 && *paths != NULL)
        r = import_one(db, *paths++, e);
    if (r == 0)
        r = database_exec(db, "COMMIT", e);
    database_close(db);
    return r;
}

static int
list(const char *database, struct err *e)
{
    const struct host_key_type *type = host_key_types;
    sqlite3 *db = NULL;
    int r = key_store_open(&db, database, e);

    for (; r == 0 && type->name != NULL; type++) {
        char shown[HOST_KEY_SHOWN];
        char *text = NULL;

        r = key_store_get(db, type, &text, shown, e);
        if (text != NULL) {
            printf("%s %s\n", shown, type->name);
            explicit_bzero(text, strlen(text));
        }
        free(text);
    }
    database_close(db);
    return r;
}

/* The files are beside the database. */
static int
apply(const char *database, struct err *e)
{
    char *copy = alloc_string(database);
    const char *folder = dirname(copy);
    int turn = turn_take(folder, 0700, e);
    sqlite3 *db = NULL;
    int r = -1;

    if (turn >= 0)
        r = key_store_open(&db, database, e);
    if (r == 0)
        r = key_files_write(db, folder, e);
    database_close(db);
    if (turn >= 0)
        close(turn);
    free(copy);
    return r;
}

int
main(int argc, char **argv)
{
    static const struct option options[] = { { "database", 1, NULL, 'd' },
        { "import", 0, NULL, 'i' }, { "list", 0, NULL, 'l' },
        { NULL, 0, NULL, 0 } };
    const char *database = getenv("LOCKSTEP_DATABASE");
    bool imports = false, lists = false;
    struct err e = ERR_INIT;
    int c, left, r;

    while ((c = getopt_long(argc, argv, "+", options, NULL)) != -1) {
        if (c == 'd')
            database = optarg;
        else if (c == 'i')
            imports = true;
        else if (c == 'l')
            lists = true;
        else
            return usage();
    }
    left = argc - optind;
    if ((imports && (lists || left == 0)) || (lists && left != 0) ||
        (!imports && left != 0 && left != HOOK_ARGUMENTS))
        return usage();
    if (!imports && left != 0 && strcmp(argv[optind], DATASET) != 0)
        return 0;
    if (database == NULL)
        database = DATABASE;
    umask(077);
    r = imports ? import(database, argv + optind, &e)
        : lists ? list(database, &e)
                : apply(database, &e);
    if (r != 0)
        fprintf(stderr, "lockstep-hostkeys: %s\n%s%s", e.message, e.hint,
            e.hint[0] != '\0' ? "\n" : "");
    return r == 0 ? 0 : 1;
}

/*
 * backup: the whole node in one file.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/json.h"
#include "manager-tui/cli.h"
#include "manager-tui/results.h"

#define PATH_SIZE 4096

static const struct column backup_columns[] = {
    { "file", "path", COLUMN_TEXT, false },
    { "size", "bytes", COLUMN_BYTES, false },
    COLUMNS_END,
};

static const struct view backup_views[] = {
    { "", false, backup_columns, NULL },
    VIEWS_END,
};

/* The daemon writes the file: a relative path would be its own. */
static int
make_absolute(json_t *args, const char *path, struct err *e)
{
    char here[PATH_SIZE];
    char *whole;

    if (path[0] == '/')
        return 0;
    if (getcwd(here, sizeof(here)) == NULL)
        return err_set_errno(e, ERR_IO, errno,
            "could not find the present folder");
    whole = file_join(here, path);
    json_object_set_new(args, "path", json_string(whole));
    free(whole);
    return 0;
}

static int
run_create(struct cli *cli, const struct command *command, json_t *args,
    struct err *e)
{
    const char *path = NULL;
    json_t *result = NULL;

    if (json_member_string(args, "path", false, &path, e) != 0 ||
        (path != NULL && cli->connect == NULL &&
            make_absolute(args, path, e) != 0) ||
        cli_control(cli, "backup create", args, LONG_WAIT_MS, &result, e) != 0)
        return -1;
    cli_show(cli, result, command->views);
    json_decref(result);
    return 0;
}

/* The folder that this program is in, with a slash; false when unknown. */
static bool
own_folder(char folder[PATH_SIZE])
{
    ssize_t len = readlink("/proc/self/exe", folder, PATH_SIZE - 1);

    if (len <= 0)
        return false;
    folder[len] = '\0';
    *(strrchr(folder, '/') + 1) = '\0';
    return true;
}

/* Becomes PROGRAM, looked up in PATH unless it has a slash; returns only when
 * that fails. */
static void
become_daemon(const char *program, const char *file, const char *state_dir,
    bool force)
{
    execlp(program, "lockstepd", "--restore", file, "--state-dir", state_dir,
        force ? "--force" : (char *)NULL, (char *)NULL);
}

/* Restoring is the daemon's own work, while it does not run. */
static int
run_restore(struct cli *cli, const struct command *command, json_t *args,
    struct err *e)
{
    static const char *const beside[] = { "lockstepd", "../sbin/lockstepd" };
    const char *path = "";
    char folder[PATH_SIZE];
    bool known = own_folder(folder), force = false;

    (void)command;
    if (json_member_string(args, "path", true, &path, e) != 0 ||
        json_member_bool(args, "force", false, &force, e) != 0)
        return -1;
    if (cli->connect != NULL)
        return err_set(e, ERR_USAGE,
            "a backup is restored on the node itself, not with --connect");
    for (size_t i = 0; known && i < sizeof(beside) / sizeof(beside[0]); i++) {
        char *program = alloc_format("%s%s", folder, beside[i]);

        become_daemon(program, path, cli->state_dir, force);
        free(program);
    }
    become_daemon("lockstepd", path, cli->state_dir, force);
    err_set_errno(e, ERR_NOT_FOUND, errno, "could not run lockstepd");
    err_hint(e, "Run \"lockstepd --restore FILE --state-dir DIR\" yourself.");
    return -1;
}

static const struct option restore_options[] = {
    { "force", NULL, OPTION_FLAG, "force",
        "move what is in the state directory aside" },
    { NULL, NULL, OPTION_FLAG, NULL, NULL },
};

const struct command backup_commands[] = {
    { "backup", "create", "[FILE]",
        "identity, keys and datasets into one file on the node (0600)",
        "backup create /root/node.lockstep\n", "path?", NULL, run_create,
        backup_views },
    { "backup", "restore", "FILE",
        "make this node what it was; its daemon must not run",
        "backup restore /root/node.lockstep\n", "path", restore_options,
        run_restore, NULL },
    { .noun = NULL },
};

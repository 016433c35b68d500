/*
 * A mark lies in the folder from before the first change until every server was
 * told, so that a run that was cut short is finished by the next.  It goes
 * without that only where nobody can have read what was changed.
 */
#include "contrib/hostkeys/key_files.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "contrib/accounts/server.h"
#include "contrib/accounts/tool.h"
#include "contrib/hostkeys/key_store.h"

#define MARK "not-yet-told"
#define TYPES_MAX 8

/* One file, as it was and as it is to be; NULL is none. */
struct key_file {
    char *path;
    char *old;
    char *text;
    bool differs;
};

struct server {
    const char *name;
    const char *pid_file;
    const char *const check[3];
};

static const struct server servers[] = {
    { "sshd", "/run/sshd.pid", { "/usr/sbin/sshd", "-t", NULL } },
    { "proftpd", "/run/proftpd.pid", { "/usr/sbin/proftpd", "-t", NULL } },
};
#define SERVER_COUNT (sizeof(servers) / sizeof(servers[0]))

static void
wipe_text(char *text)
{
    if (text != NULL)
        explicit_bzero(text, strlen(text));
    free(text);
}

static int
read_old(struct key_file *f, struct err *e)
{
    struct buf text = BUF_INIT;

    if (!file_exists(f->path))
        return 0;
    if (file_read(f->path, HOST_KEY_MAX, &text, e) != 0) {
        buf_release(&text);
        return -1;
    }
    f->old = (char *)buf_steal(&text, NULL);
    return 0;
}

static int
read_file(struct key_file *f, sqlite3 *db, const char *folder,
    const struct host_key_type *type, struct err *e)
{
    char shown[HOST_KEY_SHOWN];

    f->path = file_join(folder, type->file);
    if (read_old(f, e) != 0 || key_store_get(db, type, &f->text, shown, e) != 0)
        return -1;
    f->differs = (f->old == NULL) != (f->text == NULL) ||
                 (f->old != NULL && strcmp(f->old, f->text) != 0);
    return 0;
}

static int
put_file(const struct key_file *f, const char *text, struct err *e)
{
    if (!f->differs)
        return 0;
    return text != NULL
               ? file_write_atomic(f->path, text, strlen(text), 0600, e)
               : file_remove(f->path, e);
}

static int
put_files(const struct key_file *files, size_t count, bool old, struct err *e)
{
    for (size_t i = 0; i < count; i++)
        if (put_file(&files[i], old ? files[i].old : files[i].text, e) != 0)
            return -1;
    return 0;
}

/* Every server that runs is asked before any is told. */
static int
tell_servers(bool *told, struct err *e)
{
    int held[SERVER_COUNT];
    char said[TOOL_SAID];
    int r = 0;

    for (size_t i = 0; i < SERVER_COUNT; i++) {
        held[i] = -1;
        if (r == 0)
            r = server_hold(servers[i].pid_file, servers[i].name, &held[i], e);
        if (r == 0 && held[i] >= 0)
            r = tool_run(servers[i].check, said, e);
    }
    for (size_t i = 0; i < SERVER_COUNT; i++) {
        if (held[i] < 0)
            continue;
        if (r != 0)
            close(held[i]);
        else if ((r = server_reload(held[i], servers[i].name, e)) == 0)
            *told = true;
    }
    if (r != 0 && e->hint[0] == '\0')
        err_hint(e, "Mend what is named, then run lockstep-hostkeys.");
    return r != 0 ? err_wrap(e, "the host keys are as before") : 0;
}

static int
change(const struct key_file *files, size_t count, const char *mark,
    struct err *e)
{
    struct err ignored = ERR_INIT;
    bool told = file_exists(mark); /* by the run that left it, perhaps */

    if (!told && file_write_atomic(mark, "", 0, 0600, e) != 0)
        return -1;
    if (put_files(files, count, false, e) == 0 && tell_servers(&told, e) == 0)
        return file_remove(mark, e);
    if (put_files(files, count, true, &ignored) == 0 && !told)
        file_remove(mark, &ignored);
    return -1;
}

int
key_files_write(sqlite3 *db, const char *folder, struct err *e)
{
    struct key_file files[TYPES_MAX] = { { NULL, NULL, NULL, false } };
    char *mark = file_join(folder, MARK);
    bool differs = file_exists(mark);
    size_t count = 0;
    int r = 0;

    while (r == 0 && count < TYPES_MAX && host_key_types[count].name != NULL) {
        r = read_file(&files[count], db, folder, &host_key_types[count], e);
        differs = differs || files[count].differs;
        count++;
    }
    if (r == 0 && differs)
        r = change(files, count, mark, e);
    for (size_t i = 0; i < count; i++) {
        free(files[i].path);
        wipe_text(files[i].old);
        wipe_text(files[i].text);
    }
    free(mark);
    return r;
}

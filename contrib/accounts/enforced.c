/* Written only when it changes, as hooks run often. */
#include "contrib/accounts/enforced.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/file.h"

#define FOLDER "service-rules"
#define LINE_MAX_BYTES 200

static int
write_note(const char *folder, const char *path, const char *by, struct err *e)
{
    struct buf old = BUF_INIT;
    size_t len = strlen(by);
    int r = 0;

    if (file_read(path, LINE_MAX_BYTES, &old, e) != 0 || old.len != len ||
        memcmp(old.data, by, len) != 0)
        r = file_make_folder(folder, 0700, e) != 0
                ? -1
                : file_write_atomic(path, by, len, 0600, e);
    if (r == 0)
        err_clear(e);
    buf_release(&old);
    return r;
}

int
enforced_note(const struct policy *policy, const char *program, const char *by,
    struct err *e)
{
    const char *end = strrchr(policy->database, '/');
    char *folder = alloc_format("%.*s/" FOLDER, (int)(end - policy->database),
        policy->database);
    char *path = file_join(folder, program);
    int r = 0;

    if (by != NULL)
        r = write_note(folder, path, by, e);
    else if (file_exists(path))
        r = file_remove(path, e);
    free(path);
    free(folder);
    return r;
}

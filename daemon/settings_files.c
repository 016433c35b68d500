/*
 * Which files make up the configuration: FILE, then every "*.conf" of the
 * folder FILE.d, in order of name.
 */
#include <glob.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/file.h"
#include "daemon/settings.h"

#define FILE_MAX (1024 * 1024)

static int
load_file(struct settings *s, const char *path, struct err *e)
{
    struct buf text = BUF_INIT;
    int r = -1;

    if (file_read(path, FILE_MAX, &text, e) != 0)
        goto out;
    r = settings_parse(s, (const char *)text.data, text.len, path, e);
out:
    buf_release(&text);
    return r;
}

static int
load_folder(struct settings *s, const char *path, struct err *e)
{
    char *pattern = alloc_format("%s.d/*.conf", path);
    glob_t found = { 0 };
    int r = -1;
    size_t i;
    int rc;

    rc = glob(pattern, 0, NULL, &found);
    if (rc != 0 && rc != GLOB_NOMATCH) {
        err_set(e, ERR_IO, "could not read the folder \"%s.d\"", path);
        goto out;
    }
    for (i = 0; i < found.gl_pathc; i++) {
        if (load_file(s, found.gl_pathv[i], e) != 0)
            goto out;
    }
    r = 0;
out:
    globfree(&found);
    free(pattern);
    return r;
}

int
settings_load(struct settings *s, const char *path, struct err *e)
{
    const char *main_path = path != NULL ? path : SETTINGS_DEFAULT_PATH;

    settings_init(s);
    if (path != NULL || file_exists(main_path)) {
        if (load_file(s, main_path, e) != 0)
            goto fail;
    }
    if (load_folder(s, main_path, e) != 0)
        goto fail;
    return 0;
fail:
    settings_release(s);
    return -1;
}

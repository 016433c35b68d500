/*
 * Paths of the admin tree: made absolute and cleaned by their letters alone,
 * since none of them ever reaches the operating system.
 */
#include "admin-proto/sftp_codec.h"

#include <string.h>

/* Calls out each component between slashes; false at the end of the path. */
static bool
next_component(const char **p, const char *end, const char **name, size_t *len)
{
    while (*p < end && **p == '/')
        (*p)++;
    if (*p == end)
        return false;
    *name = *p;
    while (*p < end && **p != '/')
        (*p)++;
    *len = (size_t)(*p - *name);
    return true;
}

static bool
is_dot(const char *name, size_t len)
{
    return len == 1 && name[0] == '.';
}

static bool
is_dot_dot(const char *name, size_t len)
{
    return len == 2 && name[0] == '.' && name[1] == '.';
}

bool
fxp_clean_path(const char *path, size_t len, char out[SFTP_PATH_MAX])
{
    const char *p = path;
    const char *name;
    size_t used = 0; /* "/a/b" without a slash at its end; "" is the root */
    size_t n;

    out[0] = '/';
    out[1] = '\0';
    if (len == 0)
        return true;
    if (memchr(path, '\0', len) != NULL)
        return false;
    while (next_component(&p, path + len, &name, &n)) {
        if (is_dot(name, n))
            continue;
        if (is_dot_dot(name, n)) {
            while (used > 0 && out[--used] != '/')
                ;
            continue;
        }
        if (used + 1 + n >= SFTP_PATH_MAX)
            return false;
        out[used++] = '/';
        memcpy(out + used, name, n);
        used += n;
    }
    if (used == 0)
        out[used++] = '/';
    out[used] = '\0';
    return true;
}

bool
fxp_path_escapes(const char *path, size_t len)
{
    const char *p = path;
    const char *name;
    size_t depth = 0;
    size_t n;

    if (len == 0)
        return false;
    while (next_component(&p, path + len, &name, &n)) {
        if (is_dot(name, n))
            continue;
        if (!is_dot_dot(name, n))
            depth++;
        else if (depth-- == 0)
            return true;
    }
    return false;
}

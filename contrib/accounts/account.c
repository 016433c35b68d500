/* Who may be a user of this host, judged row by row. */
#include "contrib/accounts/account.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

#define HOME_MAX 1000
#define HASH_MAX 256
#define COMMENT_MAX 200
/* Debian's group "users", which libnss-extrausers lets pass too. */
#define USERS_GID 100

void
account_release(struct account *a)
{
    if (a->hash != NULL)
        explicit_bzero(a->hash, strlen(a->hash));
    free(a->hash);
    free(a->home);
    free(a->comment);
    memset(a, 0, sizeof(*a));
}

bool
account_name_ok(const char *s, size_t len)
{
    static const char first[] = "abcdefghijklmnopqrstuvwxyz_";
    static const char more[] = "abcdefghijklmnopqrstuvwxyz_0123456789.-";

    return len > 0 && len <= ACCOUNT_NAME_MAX && strlen(s) == len &&
           strchr(first, s[0]) != NULL && strspn(s, more) == len;
}

bool
account_id_ok(const struct policy *policy, int64_t id)
{
    return id >= policy->id_min && id <= policy->id_max && id != 65534 &&
           id != 65535;
}

/* The text of a column of at most MAX bytes, borrowed; NULL otherwise. */
static const char *
text_column(sqlite3_stmt *stmt, int column, size_t max)
{
    const char *text;
    size_t len;

    if (sqlite3_column_type(stmt, column) != SQLITE_TEXT)
        return NULL;
    text = (const char *)sqlite3_column_text(stmt, column);
    len = (size_t)sqlite3_column_bytes(stmt, column);
    return text != NULL && len <= max && strlen(text) == len ? text : NULL;
}

/* From the root, with no way up, in one line and without colons. */
static bool
home_is_plain(const char *home)
{
    for (const char *s = home; *s != '\0'; s++) {
        if ((unsigned char)*s < 0x20 || *s == 0x7f || *s == ':')
            return false;
        if (*s != '/')
            continue;
        if (s[1] == '/' || s[1] == '\0')
            return false;
        if (s[1] == '.' && (s[2] == '/' || s[2] == '\0' ||
                               (s[2] == '.' && (s[3] == '/' || s[3] == '\0'))))
            return false;
    }
    return home[0] == '/';
}

static bool
home_is_below(const char *home, char *const *roots)
{
    for (; *roots != NULL; roots++) {
        size_t len = strlen(*roots);

        if (strncmp(home, *roots, len) == 0 && home[len] == '/')
            return true;
    }
    return false;
}

static bool
hash_is_plain(const char *hash)
{
    return hash[0] == '$' && strlen(hash) >= 20 &&
           hash[strspn(hash, "abcdefghijklmnopqrstuvwxyz"
                             "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789./$=")] ==
               '\0';
}

/* A comment is for people: what passwd cannot hold is left out of it. */
static char *
comment_fit(const char *comment)
{
    char *out = alloc_string(comment != NULL ? comment : "");
    size_t len = 0;

    for (const char *s = out; *s != '\0' && len < COMMENT_MAX; s++)
        if ((unsigned char)*s >= 0x20 && *s != 0x7f && *s != ':' && *s != ',')
            out[len++] = *s;
    out[len] = '\0';
    return out;
}

const char *
account_read(struct account *a, sqlite3_stmt *stmt, const struct policy *policy,
    const struct locals *locals)
{
    const char *name = text_column(stmt, 0, ACCOUNT_NAME_MAX);
    const char *home = text_column(stmt, 3, HOME_MAX);
    const char *hash = text_column(stmt, 4, HASH_MAX);
    int64_t uid = sqlite3_column_int64(stmt, 1);
    int64_t gid = sqlite3_column_int64(stmt, 2);

    memset(a, 0, sizeof(*a));
    a->id = sqlite3_column_int64(stmt, 7);
    if (name == NULL || !account_name_ok(name, strlen(name)))
        return "its name is not one";
    memcpy(a->name, name, strlen(name) + 1);
    if (locals_have_user(locals, name))
        return "this host has a user of that name";
    if (sqlite3_column_type(stmt, 1) != SQLITE_INTEGER ||
        !account_id_ok(policy, uid))
        return "its uid is out of range";
    a->uid = (uint32_t)uid;
    if (locals_have_uid(locals, a->uid))
        return "its uid is that of a user of this host";
    if (sqlite3_column_type(stmt, 2) != SQLITE_INTEGER ||
        (!account_id_ok(policy, gid) && gid != USERS_GID))
        return "its gid is out of range";
    a->gid = (uint32_t)gid;
    if (a->gid != USERS_GID && locals_have_gid(locals, a->gid))
        return "its gid is that of a group of this host";
    if (home == NULL || !home_is_plain(home))
        return "its home is no plain path";
    if (!home_is_below(home, policy->home_roots))
        return "its home is outside of the folders for homes";
    if (sqlite3_column_type(stmt, 6) != SQLITE_NULL &&
        sqlite3_column_type(stmt, 6) != SQLITE_INTEGER)
        return "its expiry is no time";
    a->home = alloc_string(home);
    if (hash != NULL && hash_is_plain(hash))
        a->hash = alloc_string(hash);
    a->comment = comment_fit(text_column(stmt, 5, HOME_MAX * 4));
    a->expires_s = sqlite3_column_int64(stmt, 6);
    return NULL;
}

/*
 * Compares, writes, runs "proftpd -t", sends SIGHUP.  Only after that is it
 * remembered, so that a run that was cut short in between is finished by the
 * next, though the file is the same then.
 */
#include "contrib/proftpd/reload.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "contrib/accounts/server.h"
#include "contrib/accounts/tool.h"
#include "contrib/proftpd/user_file.h"

#define RULES_REMEMBERED "rules"
#define FILE_MAX (16 * 1024 * 1024)

static int
check_configuration(const struct proftpd_policy *policy, struct err *e)
{
    const char *argv[] = { policy->proftpd, "-t", "-c", policy->config, NULL };
    char said[TOOL_SAID];

    if (tool_run(argv, said, e) == 0)
        return 0;
    if (e->code == ERR_INVALID)
        err_set(e, ERR_INVALID, "ProFTPD refuses its configuration: %s", said);
    err_hint(e, "Run \"proftpd -t\" and mend what it names; the rules are as "
                "before.");
    return -1;
}

/* Checks and tells the server, if there is one. */
static int
tell_server(const struct proftpd_policy *policy, struct err *e)
{
    int fd;

    if (server_hold(policy->pid_file, "proftpd", &fd, e) != 0)
        return -1;
    if (fd < 0)
        return 0;
    if (check_configuration(policy, e) != 0) {
        close(fd);
        return -1;
    }
    return server_reload(fd, "ProFTPD", e);
}

static bool
is_same(const struct buf *a, const char *text)
{
    return text != NULL && strlen(text) == a->len &&
           memcmp(a->data, text, a->len) == 0;
}

/* The file as it was, also when there was none. */
static void
put_back(const struct proftpd_policy *policy, const struct buf *old,
    bool was_there)
{
    struct err ignored = ERR_INIT;

    if (was_there)
        file_write_atomic(policy->rules, old->data, old->len, 0600, &ignored);
    else
        file_remove(policy->rules, &ignored);
}

int
reload_rules(sqlite3 *db, const struct buf *rules,
    const struct proftpd_policy *policy, struct err *e)
{
    struct buf old = BUF_INIT, value = BUF_INIT;
    char *told = NULL;
    bool was_there, same;
    int r = -1;

    if (user_file_recall(db, RULES_REMEMBERED, &told, e) != 0)
        return -1;
    was_there = file_read(policy->rules, FILE_MAX, &old, e) == 0;
    if (!was_there && e->code != ERR_NOT_FOUND)
        goto out;
    err_clear(e);
    same = was_there && old.len == rules->len &&
           memcmp(old.data, rules->data, old.len) == 0;
    if (same && is_same(rules, told)) {
        r = 0;
        goto out;
    }
    if (!same &&
        file_write_atomic(policy->rules, rules->data, rules->len, 0600, e) != 0)
        goto out;
    if (tell_server(policy, e) != 0) {
        if (!same)
            put_back(policy, &old, was_there);
        goto out;
    }
    buf_put(&value, rules->data, rules->len);
    buf_put_u8(&value, 0);
    r = user_file_remember(db, RULES_REMEMBERED, (const char *)value.data, e);
out:
    buf_release(&old);
    buf_release(&value);
    free(told);
    return r;
}

/*
 * The script is loaded by nft, whole or not at all in one transaction of the
 * kernel, and then takes the place of the one before.  The kernel is asked each
 * time what it has: somebody may have flushed all of its tables since.
 */
#include "contrib/openssh/filter.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/file.h"
#include "contrib/accounts/enforced.h"
#include "contrib/accounts/tool.h"
#include "contrib/openssh/filter_text.h"

#define NOTE "openssh"
#define FILE_MAX (16 * 1024 * 1024)

static int
run_nft(const struct openssh_policy *p, const char *file, struct err *e)
{
    const char *argv[] = { p->nft, "-f", file, NULL };
    char said[TOOL_SAID];

    if (tool_run(argv, said, e) == 0)
        return 0;
    err_wrap(e, "the rules for TCP port %lu are as before",
        (unsigned long)p->filter_port);
    if (strstr(said, "not permitted") != NULL)
        err_hint(e,
            "The service may not change tables: install "
            "/usr/share/lockstep/openssh/filter.conf as docs/openssh.md "
            "tells.");
    else
        err_hint(e, "Is nftables installed, and \"nft list tables\" allowed?");
    return -1;
}

/* Whether the kernel has the table of that mark. */
static bool
is_loaded(const struct openssh_policy *p, const char *mark)
{
    const char *argv[] = { p->nft, "-t", "list", "table", "inet", FILTER_TABLE,
        NULL };
    struct err ignored = ERR_INIT;
    char said[TOOL_SAID];

    return tool_run(argv, said, &ignored) == 0 && strstr(said, mark) != NULL;
}

static bool
file_has(const char *path, const struct buf *text)
{
    struct err ignored = ERR_INIT;
    struct buf old = BUF_INIT;
    bool same = file_read(path, FILE_MAX, &old, &ignored) == 0 &&
                old.len == text->len &&
                memcmp(old.data, text->data, old.len) == 0;

    buf_release(&old);
    return same;
}

/* Loads TEXT, which is in PATH then. */
static int
load(const struct openssh_policy *p, const char *path, const struct buf *text,
    struct err *e)
{
    char *next = alloc_format("%s.next", path);
    struct err ignored = ERR_INIT;
    int r = file_write_atomic(next, text->data, text->len, 0600, e);

    if (r == 0 &&
        (run_nft(p, next, e) != 0 || file_rename(next, path, e) != 0)) {
        file_remove(next, &ignored);
        r = -1;
    }
    free(next);
    return r;
}

static int
switch_off(const struct openssh_policy *p, struct err *e)
{
    struct buf text = BUF_INIT;
    int r = 0;

    if (file_exists(p->filter_file)) {
        filter_text_none(&text);
        r = load(p, p->filter_file, &text, e) != 0
                ? -1
                : file_remove(p->filter_file, e);
    }
    buf_release(&text);
    return r != 0 ? -1 : enforced_note(&p->accounts, NOTE, NULL, e);
}

int
filter_apply(const struct denied *denied, const struct openssh_policy *p,
    struct err *e)
{
    struct buf text = BUF_INIT;
    char mark[FILTER_MARK_SIZE];
    char *by;
    int r = 0;

    if (!p->filter)
        return switch_off(p, e);
    filter_text(denied, p->filter_port, &text, mark);
    if (!file_has(p->filter_file, &text) || !is_loaded(p, mark))
        r = load(p, p->filter_file, &text, e);
    buf_release(&text);
    if (r != 0)
        return -1;
    by = alloc_format("nftables, for TCP port %lu",
        (unsigned long)p->filter_port);
    r = enforced_note(&p->accounts, NOTE, by, e);
    free(by);
    return r;
}

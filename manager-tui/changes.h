/*
 * Commands that answer with changed rows ("dataset diff", "dataset show NAME
 * REVISION", "sync now --dry-run"): shown as they come, or as one JSON
 * document.  This is the one place where changes are written for people.
 */
#ifndef MANAGER_TUI_CHANGES_H
#define MANAGER_TUI_CHANGES_H

#include <jansson.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/err.h"
#include "manager-tui/cli.h"

/* Runs the control command NAME and shows what it says.  With LIST the document
 * is {"changes": [{"rows": [...], ...}, ...]}, else the only one of those. */
int changes_run(struct cli *cli, const char *name, json_t *args, bool list,
    struct err *e);

/* Appends one row as a line: "~ users id=17  home: '/a' -> '/b'".  Everything
 * is escaped, whoever sent it. */
void change_line(const json_t *row, struct buf *out);
/* Appends the sentence that ends a list of rows. */
void change_summary(const json_t *summary, struct buf *out);

#endif

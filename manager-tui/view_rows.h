/*
 * Changed rows one by one: of a revision, of what is not published yet, of what
 * a server lacks.  They come as the node finds them, on a connection of their
 * own; each function opens a screen above S.
 */
#ifndef MANAGER_TUI_VIEW_ROWS_H
#define MANAGER_TUI_VIEW_ROWS_H

#include <stdint.h>

#include "manager-tui/screen.h"

void rows_show_revision(struct screen *s, const char *dataset,
    int64_t revision);
void rows_show_unpublished(struct screen *s, const char *dataset);
void rows_show_server(struct screen *s, const char *dataset,
    const char *server);

#endif

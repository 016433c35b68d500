/*
 * One line of text that is being typed: any UTF-8, characters of any width,
 * shown in a window that follows the cursor.  What it held is wiped.
 */
#ifndef MANAGER_TUI_LINE_EDIT_H
#define MANAGER_TUI_LINE_EDIT_H

#include <stdbool.h>
#include <stddef.h>

#include "manager-tui/canvas.h"

#define LINE_MAX_BYTES 16384

struct line_edit {
    char *text; /* never NULL after line_set */
    size_t len;
    size_t at; /* the cursor, in bytes */
    bool secret;
};

void line_set(struct line_edit *line, const char *text);
void line_release(struct line_edit *line);
/* True when the key was used. */
bool line_press(struct line_edit *line, int press);
/* WIDTH columns from X on row Y, the terminal's cursor in it when ACTIVE. */
void line_draw(const struct line_edit *line, struct area a, int y, int x,
    int width, bool active);

#endif

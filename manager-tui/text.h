/*
 * Words for numbers and times, and the width of text on a screen.
 */
#ifndef MANAGER_TUI_TEXT_H
#define MANAGER_TUI_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Each writes a short text into OUT. */
void text_age(int64_t utc_ms, int64_t now_ms, char out[32]); /* "12 s ago" */
void text_duration(int64_t ms, char out[32]);                /* "60 s" */
void text_bytes(int64_t bytes, char out[32]);                /* "4.2 MB" */

/* Columns that TEXT takes on a terminal. */
size_t text_width(const char *text);
/* The bytes of TEXT that fit into WIDTH columns. */
size_t text_fit(const char *text, size_t width);
/* The bytes of TEXT that stand on a line of WIDTH columns, to be followed by a
 * new line when there is more: up to a blank, or a word that is wider. */
size_t text_line(const char *text, size_t width);
/* Writes TEXT, whose first line begins at column INDENT, on lines of WIDTH
 * columns, the further ones indented by INDENT blanks; ends the last one. */
void text_wrap(FILE *out, const char *text, size_t indent, size_t width);
/* How many edits turn A into B; for suggestions. */
size_t text_distance(const char *a, const char *b);

#endif

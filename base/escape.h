/*
 * Text from others made safe to show: control characters, escape sequences and
 * broken UTF-8 come out as \xNN, so that no name can drive a terminal or forge
 * a log line.
 */
#ifndef BASE_ESCAPE_H
#define BASE_ESCAPE_H

#include <stddef.h>

/* Escapes LEN bytes of TEXT into OUT (always terminated, cut at SIZE, which is
 * at least 1, but never inside a character or an escape).  Escaping twice is
 * the same as escaping once. */
void escape_text(const char *text, size_t len, char *out, size_t size);

/* The length, 1 to 4, of the well-formed UTF-8 character (RFC 3629) that TEXT
 * begins with; 0 if it does not begin with one or LEN is 0. */
size_t utf8_char_length(const char *text, size_t len);

#endif

/*
 * Escaping of text from others, and the UTF-8 check that it needs.
 */
#include "base/escape.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* RFC 3629, section 4: which second bytes each range of first bytes allows;
 * all further bytes are 80..BF. */
static const struct utf8_form {
    uint8_t first_low, first_high;
    uint8_t second_low, second_high;
    uint8_t length;
} utf8_forms[] = {
    { 0xc2, 0xdf, 0x80, 0xbf, 2 },
    { 0xe0, 0xe0, 0xa0, 0xbf, 3 },
    { 0xe1, 0xec, 0x80, 0xbf, 3 },
    { 0xed, 0xed, 0x80, 0x9f, 3 },
    { 0xee, 0xef, 0x80, 0xbf, 3 },
    { 0xf0, 0xf0, 0x90, 0xbf, 4 },
    { 0xf1, 0xf3, 0x80, 0xbf, 4 },
    { 0xf4, 0xf4, 0x80, 0x8f, 4 },
};

/* Characters that are well formed and yet change how the text around them is
 * shown: C1 controls, line separators, bidirectional overrides. */
static const struct {
    uint32_t low, high;
} unsafe_ranges[] = {
    { 0x00, 0x1f },
    { 0x7f, 0x9f },
    { 0x061c, 0x061c },
    { 0x200e, 0x200f },
    { 0x2028, 0x202e },
    { 0x2066, 0x2069 },
    { 0xfeff, 0xfeff },
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct utf8_form *
utf8_find_form(uint8_t first)
{
    for (size_t i = 0; i < COUNT(utf8_forms); i++)
        if (first >= utf8_forms[i].first_low &&
            first <= utf8_forms[i].first_high)
            return &utf8_forms[i];
    return NULL;
}

size_t
utf8_char_length(const char *text, size_t len)
{
    const uint8_t *p = (const uint8_t *)text;
    const struct utf8_form *form;

    if (len == 0)
        return 0;
    if (p[0] < 0x80)
        return 1;
    form = utf8_find_form(p[0]);
    if (form == NULL || len < form->length)
        return 0;
    if (p[1] < form->second_low || p[1] > form->second_high)
        return 0;
    for (size_t i = 2; i < form->length; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return form->length;
}

/* The code point of a character that utf8_char_length accepted. */
static uint32_t
utf8_code_point(const char *text, size_t len)
{
    static const uint8_t first_mask[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
    const uint8_t *p = (const uint8_t *)text;
    uint32_t c = p[0] & first_mask[len];

    for (size_t i = 1; i < len; i++)
        c = c << 6 | (p[i] & 0x3f);
    return c;
}

static bool
char_is_unsafe(const char *text, size_t len)
{
    uint32_t c = utf8_code_point(text, len);

    for (size_t i = 0; i < COUNT(unsafe_ranges); i++)
        if (c >= unsafe_ranges[i].low && c <= unsafe_ranges[i].high)
            return true;
    return false;
}

void
escape_text(const char *text, size_t len, char *out, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    size_t at = 0;

    assert(size > 0);
    while (len > 0) {
        size_t n = utf8_char_length(text, len);
        bool plain = n > 0 && !char_is_unsafe(text, n);
        size_t bytes = n > 0 ? n : 1;

        if (size - at <= (plain ? bytes : 4 * bytes))
            break;
        if (plain) {
            memcpy(out + at, text, bytes);
            at += bytes;
        }
        for (size_t i = 0; !plain && i < bytes; i++) {
            uint8_t c = (uint8_t)text[i];

            out[at++] = '\\';
            out[at++] = 'x';
            out[at++] = digits[c >> 4];
            out[at++] = digits[c & 15];
        }
        text += bytes;
        len -= bytes;
    }
    out[at] = '\0';
}

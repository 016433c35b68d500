/*
 * Hex and base64 (RFC 4648) with strict decoders: one text for each value, so
 * that two spellings of a key or fingerprint can never pass for two.
 */
#include "base/hash.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void
hex_encode(const void *data, size_t len, char *out)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *p = data;

    for (size_t i = 0; i < len; i++) {
        *out++ = digits[p[i] >> 4];
        *out++ = digits[p[i] & 15];
    }
    *out = '\0';
}

/* The value of a hex digit of either case, or -1. */
static int
hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool
hex_decode(const char *text, void *out, size_t len)
{
    uint8_t *p = out;

    for (size_t i = 0; i < len; i++) {
        int high = hex_value(*text);
        int low = high < 0 ? -1 : hex_value(text[1]);

        if (low < 0)
            return false;
        p[i] = (uint8_t)(high << 4 | low);
        text += 2;
    }
    return *text == '\0';
}

char *
base64_encode(const void *data, size_t len, bool pad)
{
    const uint8_t *p = data;
    char *text = alloc_bytes(len / 3 * 4 + 5);
    char *out = text;

    for (; len >= 3; len -= 3, p += 3) {
        *out++ = base64_digits[p[0] >> 2];
        *out++ = base64_digits[(p[0] & 3) << 4 | p[1] >> 4];
        *out++ = base64_digits[(p[1] & 15) << 2 | p[2] >> 6];
        *out++ = base64_digits[p[2] & 63];
    }
    if (len > 0) {
        int second = len > 1 ? p[1] : 0;

        *out++ = base64_digits[p[0] >> 2];
        *out++ = base64_digits[(p[0] & 3) << 4 | second >> 4];
        if (len > 1)
            *out++ = base64_digits[(second & 15) << 2];
        for (size_t i = len; pad && i < 3; i++)
            *out++ = '=';
    }
    *out = '\0';
    return text;
}

static int
base64_value(char c)
{
    const char *at = c != '\0' ? strchr(base64_digits, c) : NULL;

    return at != NULL ? (int)(at - base64_digits) : -1;
}

uint8_t *
base64_decode(const char *text, size_t *len)
{
    size_t digits = strcspn(text, "=");
    size_t padding = strlen(text + digits);
    uint8_t *data, *out;
    uint32_t bits = 0;
    int pending = 0;

    *len = 0;
    if (digits % 4 == 1)
        return NULL;
    if (padding > 0 && (digits % 4 == 0 || padding != 4 - digits % 4 ||
                           strspn(text + digits, "=") != padding))
        return NULL;
    data = out = alloc_bytes(digits / 4 * 3 + 3);
    for (size_t i = 0; i < digits; i++) {
        int v = base64_value(text[i]);

        if (v < 0)
            goto invalid;
        bits = bits << 6 | (uint32_t)v;
        pending += 6;
        if (pending >= 8) {
            pending -= 8;
            *out++ = (uint8_t)(bits >> pending);
        }
    }
    /* The bits left over are zero in the one valid spelling. */
    if ((bits & ((1U << pending) - 1)) != 0)
        goto invalid;
    *len = (size_t)(out - data);
    return data;
invalid:
    free(data);
    return NULL;
}

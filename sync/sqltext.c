/*
 * Tokens and lists of SQL text, by SQLite's rules for quotes and comments.
 */
#include "sync/sqltext.h"

#include <sqlite3.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"

static bool
is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool
is_word_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '_' || c == '$' || (c & 0x80) != 0;
}

static size_t
quoted_length(struct sql_slice s)
{
    char close = s.text[0] == '[' ? ']' : s.text[0];
    size_t i = 1;

    while (i < s.len) {
        if (s.text[i++] != close)
            continue;
        if (close == ']' || i == s.len || s.text[i] != close)
            return i;
        i++;
    }
    return s.len;
}

static size_t
space_length(struct sql_slice s)
{
    const char *end;
    size_t i = 0;

    while (i < s.len && is_blank(s.text[i]))
        i++;
    if (i > 0 || s.len < 2)
        return i;
    if (memcmp(s.text, "--", 2) == 0) {
        end = memchr(s.text, '\n', s.len);
        return end == NULL ? s.len : (size_t)(end - s.text) + 1;
    }
    if (memcmp(s.text, "/*", 2) == 0) {
        end = memmem(s.text + 2, s.len - 2, "*/", 2);
        return end == NULL ? s.len : (size_t)(end - s.text) + 2;
    }
    return 0;
}

enum sql_kind
sql_next(struct sql_slice *rest, struct sql_slice *token)
{
    enum sql_kind kind = SQL_OTHER;
    size_t len = 1;

    *token = *rest;
    token->len = 0;
    if (rest->len == 0)
        return SQL_END;
    if ((len = space_length(*rest)) > 0) {
        kind = SQL_SPACE;
    } else if (rest->text[0] == '\'') {
        kind = SQL_STRING;
        len = quoted_length(*rest);
    } else if (strchr("\"`[", rest->text[0]) != NULL && rest->text[0] != '\0') {
        kind = SQL_NAME;
        len = quoted_length(*rest);
    } else if (is_word_byte(rest->text[0])) {
        kind = SQL_WORD;
        while (len < rest->len && is_word_byte(rest->text[len]))
            len++;
    } else {
        len = 1;
    }
    token->len = len;
    rest->text += len;
    rest->len -= len;
    return kind;
}

enum sql_kind
sql_next_visible(struct sql_slice *rest, struct sql_slice *token)
{
    enum sql_kind kind;

    do
        kind = sql_next(rest, token);
    while (kind == SQL_SPACE);
    return kind;
}

struct sql_slice
sql_trim(struct sql_slice s)
{
    struct sql_slice rest = s, token, out = { s.text, 0 };
    enum sql_kind kind;
    bool began = false;

    while ((kind = sql_next(&rest, &token)) != SQL_END) {
        if (kind == SQL_SPACE)
            continue;
        if (!began)
            out.text = token.text;
        began = true;
        out.len = (size_t)(token.text + token.len - out.text);
    }
    return out;
}

bool
sql_next_part(struct sql_slice *rest, struct sql_slice *part)
{
    struct sql_slice token;
    enum sql_kind kind;
    int depth = 0;

    if (rest->len == 0)
        return false;
    *part = *rest;
    while ((kind = sql_next(rest, &token)) != SQL_END) {
        if (kind != SQL_OTHER)
            continue;
        if (token.text[0] == '(')
            depth++;
        else if (token.text[0] == ')')
            depth--;
        else if (token.text[0] == ',' && depth == 0)
            break;
    }
    part->len = (size_t)(token.text - part->text);
    return true;
}

bool
sql_next_parenthesis(struct sql_slice *rest, struct sql_slice *inside)
{
    struct sql_slice token;
    enum sql_kind kind;
    int depth = 0;

    while ((kind = sql_next(rest, &token)) != SQL_END) {
        if (kind != SQL_OTHER)
            continue;
        if (token.text[0] == '(' && depth++ == 0)
            inside->text = token.text + 1;
        if (token.text[0] == ')' && --depth == 0) {
            inside->len = (size_t)(token.text - inside->text);
            return true;
        }
        if (depth < 0)
            return false;
    }
    return false;
}

char *
sql_unquote(struct sql_slice token)
{
    bool quoted = token.len > 1 && strchr("'\"`[", token.text[0]) != NULL;
    size_t end = quoted ? token.len - 1 : token.len, len = 0;
    char *text = alloc_copy(token.text, token.len);

    for (size_t i = quoted; i < end; i++) {
        text[len++] = token.text[i];
        /* A quote inside is doubled. */
        if (quoted && token.text[0] != '[' && token.text[i] == token.text[0])
            i++;
    }
    text[len] = '\0';
    return text;
}

bool
sql_is_word(struct sql_slice token, const char *word)
{
    return strlen(word) == token.len &&
           sqlite3_strnicmp(token.text, word, (int)token.len) == 0;
}

bool
sql_is_name(enum sql_kind kind, struct sql_slice token, const char *name)
{
    char close;
    size_t n = 0, len = strlen(name);

    if (kind == SQL_WORD)
        return sql_is_word(token, name);
    if (kind != SQL_NAME || token.len < 2)
        return false;
    close = token.text[0] == '[' ? ']' : token.text[0];
    for (size_t i = 1; i + 1 < token.len; i++) {
        if (n >= len || sqlite3_strnicmp(&token.text[i], &name[n], 1) != 0)
            return false;
        n++;
        if (close != ']' && token.text[i] == close)
            i++;
    }
    return n == len;
}

bool
sql_mentions(struct sql_slice text, const char *name)
{
    struct sql_slice token;
    enum sql_kind kind;

    while ((kind = sql_next(&text, &token)) != SQL_END)
        if (sql_is_name(kind, token, name))
            return true;
    return false;
}

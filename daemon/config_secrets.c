/*
 * Which columns and values are secrets.  Names are compared without regard to
 * case, "_" and "-".
 */
#include "daemon/config_secrets.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/* Of "config" and "admins"; what administrators add goes by the words below. */
static const struct {
    const char *table;
    const char *column;
} columns_hidden[] = {
    { "users", "password_hash" },
    { "admins", "password_hash" },
};

/* Anywhere in the name of a column, or of a setting. */
static const char *const words[] = { "password", "passwd", "passphrase", "pwd",
    "secret", "hash", "token", "private", "salt", "credential", "apikey",
    "authkey", "cryptkey", "cookie", "otp", "psk", "seed", NULL };

/* Anywhere in the name of a table: its values and keys are hidden. */
static const char *const table_words[] = { "password", "secret", "token",
    "credential", "apikey", "cryptokey", "privatekey", "session", NULL };

/* What tables of names and values call the two. */
static const char *const name_columns[] = { "name", "key", "setting", "option",
    "variable", "parameter", "param", "property", "attribute", "kind", "item",
    NULL };
static const char *const value_words[] = { "value", "val", "data", "content",
    "text", "key", NULL };

#define NAME_MAX_BYTES 128

/* NAME in lower case, without "_", "-" and what else is no letter or digit. */
static void
fold(const char *name, size_t len, char out[NAME_MAX_BYTES])
{
    size_t n = 0;

    for (size_t i = 0; i < len && n + 1 < NAME_MAX_BYTES; i++) {
        unsigned char c = (unsigned char)name[i];

        if (isalnum(c) || c >= 0x80)
            out[n++] = (char)tolower(c);
    }
    out[n] = '\0';
}

static bool
has_word(const char *folded, const char *const *list)
{
    for (; *list != NULL; list++)
        if (strstr(folded, *list) != NULL)
            return true;
    return false;
}

/* "pass" and "pin" only as words of their own: "passive" is none. */
static bool
has_short_word(const char *name, size_t len)
{
    static const char *const short_words[] = { "pass", "pin", "pw", NULL };

    for (size_t begin = 0; begin < len;) {
        size_t end = begin;

        while (end < len && isalpha((unsigned char)name[end]))
            end++;
        for (size_t w = 0; short_words[w] != NULL; w++) {
            size_t n = strlen(short_words[w]);

            if (end - begin >= n &&
                strncasecmp(name + end - n, short_words[w], n) == 0 &&
                (end - begin == n ||
                    (isupper((unsigned char)name[end - n]) &&
                        islower((unsigned char)name[end - n - 1]))))
                return true;
        }
        begin = end + 1;
    }
    return false;
}

static bool
sounds_secret(const char *name, size_t len)
{
    char folded[NAME_MAX_BYTES];

    fold(name, len, folded);
    return has_word(folded, words) || has_short_word(name, len);
}

static bool
is_listed(const char *extra, const char *table, const char *column)
{
    size_t table_len = strlen(table), column_len = strlen(column);

    if (extra != NULL && strcmp(extra, CONFIG_SECRETS_ALL) == 0)
        return true;
    while (extra != NULL && *extra != '\0') {
        size_t len;

        extra += strspn(extra, ", ");
        len = strcspn(extra, ",");
        while (len > 0 && extra[len - 1] == ' ')
            len--;
        if (len == table_len + 1 + column_len &&
            strncasecmp(extra, table, table_len) == 0 &&
            extra[table_len] == '.' &&
            strncasecmp(extra + table_len + 1, column, column_len) == 0)
            return true;
        extra += strcspn(extra, ",");
    }
    return false;
}

static bool
hides_column(const void *ctx, const char *table, const char *column)
{
    char folded[NAME_MAX_BYTES];

    for (size_t i = 0; i < sizeof(columns_hidden) / sizeof(columns_hidden[0]);
         i++)
        if (strcasecmp(columns_hidden[i].table, table) == 0 &&
            strcasecmp(columns_hidden[i].column, column) == 0)
            return true;
    if (is_listed(ctx, table, column) || sounds_secret(column, strlen(column)))
        return true;
    fold(table, strlen(table), folded);
    if (!has_word(folded, table_words))
        return false;
    fold(column, strlen(column), folded);
    return has_word(folded, value_words);
}

static bool
hides_named(const void *ctx, const char *name_column, const char *name,
    size_t len, const char *column)
{
    char folded[NAME_MAX_BYTES];
    bool names = false;

    (void)ctx;
    fold(name_column, strlen(name_column), folded);
    for (size_t i = 0; !names && name_columns[i] != NULL; i++)
        names = strcmp(folded, name_columns[i]) == 0;
    if (!names || !sounds_secret(name, len))
        return false;
    fold(column, strlen(column), folded);
    return has_word(folded, value_words);
}

/* "$6$...", "scrypt$...", "{SSHA}...": hashes as crypt, Django and LDAP write
 * them. */
static bool
looks_hashed(const char *text, size_t len)
{
    size_t begin = len > 0 && (text[0] == '$' || text[0] == '{') ? 1 : 0;
    char end = len > 0 && text[0] == '{' ? '}' : '$';
    size_t i = begin;

    while (i < len && i < 32 &&
           (isalnum((unsigned char)text[i]) || text[i] == '-' ||
               text[i] == '_' || text[i] == '.'))
        i++;
    return i > begin && i < len && text[i] == end && len - i > 8;
}

static bool
contains(const char *text, size_t len, const char *word)
{
    return memmem(text, len, word, strlen(word)) != NULL;
}

/* "smtp://user:password@host"; a text that was cut before its "@" counts too,
 * unless what follows the colon begins like a port. */
static bool
looks_like_login(const char *text, size_t len)
{
    const char *end = text + len;
    const char *colon = NULL;
    const char *p = memmem(text, len, "://", 3);

    for (p = p == NULL ? end : p + 3; p < end && *p != '/' && *p != ' '; p++) {
        if (*p == '@')
            return colon != NULL;
        if (*p == ':' && colon == NULL)
            colon = p;
    }
    return colon != NULL && colon + 1 < end &&
           !isdigit((unsigned char)colon[1]) && p == end;
}

/* Text that carries names of its own, such as JSON. */
static bool
has_names(const char *text, size_t len)
{
    return len > 0 && (text[0] == '{' || text[0] == '[' || text[0] == '<' ||
                          memchr(text, '=', len) != NULL);
}

/* In pieces that overlap by more than the longest word. */
static bool
hides_statement(const void *ctx, const char *sql, size_t len)
{
    char folded[NAME_MAX_BYTES];

    (void)ctx;
    for (size_t at = 0; at < len; at += NAME_MAX_BYTES / 2) {
        size_t piece = len - at;

        fold(sql + at, piece < NAME_MAX_BYTES - 1 ? piece : NAME_MAX_BYTES - 1,
            folded);
        if (has_word(folded, words))
            return true;
    }
    return false;
}

/* Only the beginning of a text is ever shown. */
static bool
hides_text(const void *ctx, const char *text, size_t len)
{
    size_t looked = len < 4096 ? len : 4096;

    return looks_hashed(text, len) || contains(text, looked, "PRIVATE KEY") ||
           looks_like_login(text, looked) ||
           (has_names(text, looked) && hides_statement(ctx, text, looked));
}

struct change_secrets
config_secrets(const char *extra)
{
    return (struct change_secrets){
        .column = hides_column,
        .named = hides_named,
        .text = hides_text,
        .statement = hides_statement,
        .ctx = extra,
    };
}

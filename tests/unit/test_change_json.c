/*
 * What is shown of a changed row: typed, bounded, and no secret in it, neither
 * in the JSON nor in the line made of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "daemon/config_secrets.h"
#include "manager-tui/changes.h"
#include "sync/value.h"

#define CANARY "Kq7canary"

static void
put_text(struct buf *b, const char *text, size_t len)
{
    buf_put_u8(b, VALUE_TEXT);
    buf_put_varint(b, len);
    buf_put(b, text, len);
}

/* A row of TABLE with key id=1 and the columns NAMES, from texts OLD to NEW;
 * what change_json and change_line make of it in OUT. */
static json_t *
shown(const char *table, char **names, size_t count, const char *const *old,
    const char *const *new, struct buf *out)
{
    char *keys[] = { (char *)(uintptr_t) "id" };
    const struct shape shape = { (char *)(uintptr_t)table, keys, 1, names,
        count };
    const struct change_secrets secrets = config_secrets("vip.mark, t.x");
    struct buf key = BUF_INIT, was = BUF_INIT, is = BUF_INIT;
    struct change c = { .table = table };
    json_t *json;
    char *text;

    value_put_integer(&key, 1);
    for (size_t i = 0; old != NULL && i < count; i++)
        put_text(&was, old[i], strlen(old[i]));
    for (size_t i = 0; new != NULL &&i < count; i++)
        put_text(&is, new[i], strlen(new[i]));
    if (old != NULL) {
        c.old_key = key.data;
        c.old_key_len = key.len;
        c.old_row = was.data;
        c.old_row_len = was.len;
    }
    if (new != NULL) {
        c.new_key = key.data;
        c.new_key_len = key.len;
        c.new_row = is.data;
        c.new_row_len = is.len;
    }
    json = change_json(&c, &shape, &shape, &secrets);
    text = json_dumps(json, 0);
    buf_printf(out, "%s\n", text);
    change_line(json, out);
    buf_put_u8(out, 0);
    free(text);
    buf_release(&key);
    buf_release(&was);
    buf_release(&is);
    return json;
}

static void
no_secret_is_shown(void **state)
{
    static const struct {
        const char *table, *column, *value;
    } rows[] = {
        { "users", "password_hash", CANARY },
        { "admins", "password_hash", CANARY },
        { "vusers", "Passwd", CANARY },
        { "accounts", "userPass", CANARY },
        { "accounts", "user_pin", CANARY },
        { "api", "API-Key", CANARY },
        { "x", "access_token_2", CANARY },
        { "x", "clientSecret", CANARY },
        { "x", "SALT", CANARY },
        { "cryptokeys", "content", CANARY },
        { "VIP", "Mark", CANARY },
        { "t", "comment", "$6$" CANARY "$hhhhhhhhhhhhhhhhhh" },
        { "t", "comment", "{SSHA}" CANARY "hhhhhhhh" },
        { "t", "comment", "scrypt$16384$8$" CANARY },
        { "t", "data", "-----BEGIN OPENSSH PRIVATE KEY-----\n" CANARY },
        { "t", "url", "smtp://joe:" CANARY "@mail.example" },
        { "t", "config", "{\"a\": 1, \"pass_word\": \"" CANARY "\"}" },
        { "t", "config", "port=1;Password=" CANARY },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char *names[] = { (char *)(uintptr_t)rows[i].column };
        const char *value[] = { rows[i].value }, *before[] = { "x" };
        struct buf out = BUF_INIT;

        json_decref(shown(rows[i].table, names, 1, before, value, &out));
        json_decref(shown(rows[i].table, names, 1, value, before, &out));
        json_decref(shown(rows[i].table, names, 1, NULL, value, &out));
        json_decref(shown(rows[i].table, names, 1, value, NULL, &out));
        if (memmem(out.data, out.len, CANARY, strlen(CANARY)) != NULL)
            fail_msg("%s.%s is shown: %s", rows[i].table, rows[i].column,
                (char *)out.data);
        buf_release(&out);
    }
}

static void
a_value_beside_a_secret_name_is_secret(void **state)
{
    char *names[] = { (char *)(uintptr_t) "name", (char *)(uintptr_t) "value" };
    const char *secret[] = { "smtp.password", CANARY };
    const char *plain[] = { "passive_ports", "seen" };
    struct buf out = BUF_INIT;

    (void)state;
    json_decref(shown("settings", names, 2, NULL, secret, &out));
    assert_null(memmem(out.data, out.len, CANARY, strlen(CANARY)));
    json_decref(shown("settings", names, 2, NULL, plain, &out));
    assert_non_null(memmem(out.data, out.len, "value='seen'", 12));
    buf_release(&out);
}

static void
what_is_no_secret_is_shown(void **state)
{
    static const char *const columns[] = { "name", "home", "comment", "passive",
        "address", "shipping", "bypass_count" };
    const char *old[] = { "before" }, *new[] = { "after" };

    (void)state;
    for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++) {
        char *names[] = { (char *)(uintptr_t)columns[i] };
        char wanted[128];
        struct buf out = BUF_INIT;

        snprintf(wanted, sizeof(wanted),
            "~ users id=1  %s: 'before' -> "
            "'after'\n",
            columns[i]);
        json_decref(shown("users", names, 1, old, new, &out));
        assert_non_null(memmem(out.data, out.len, wanted, strlen(wanted)));
        buf_release(&out);
    }
}

static void
what_is_shown_is_bounded_and_escaped(void **state)
{
    char *names[] = { (char *)(uintptr_t) "note" };
    char *text = malloc(100001);
    const char *new[] = { text };
    struct buf out = BUF_INIT;

    (void)state;
    memset(text, 'y', 100000);
    text[100000] = '\0';
    memcpy(text, "\033[2J", 4);
    json_decref(shown("users", names, 1, NULL, new, &out));
    assert_true(out.len < 2000);
    assert_null(memchr(out.data, '\033', out.len));
    assert_non_null(memmem(out.data, out.len, "(100000 bytes)", 14));
    free(text);
    buf_release(&out);
}

/* Without names nobody can tell what is a secret. */
static void
no_value_is_shown_without_names(void **state)
{
    const struct change_secrets secrets = config_secrets(NULL);
    struct buf key = BUF_INIT, row = BUF_INIT;
    struct change c = { .table = "t" };
    json_t *json;
    char *text;

    (void)state;
    put_text(&key, CANARY, strlen(CANARY));
    put_text(&row, CANARY, strlen(CANARY));
    c.new_key = key.data;
    c.new_key_len = key.len;
    c.new_row = row.data;
    c.new_row_len = row.len;
    json = change_json(&c, NULL, NULL, &secrets);
    text = json_dumps(json, 0);
    assert_null(strstr(text, CANARY));
    assert_non_null(strstr(text, "\"unnamed\": true"));
    free(text);
    json_decref(json);
    buf_release(&key);
    buf_release(&row);
}

static void
all_of_it_can_be_a_secret(void **state)
{
    const struct change_secrets some = config_secrets("t.y");
    const struct change_secrets all = config_secrets(CONFIG_SECRETS_ALL);

    (void)state;
    assert_false(some.column(some.ctx, "t", "x"));
    assert_true(all.column(all.ctx, "t", "x"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_secret_is_shown),
        cmocka_unit_test(a_value_beside_a_secret_name_is_secret),
        cmocka_unit_test(what_is_no_secret_is_shown),
        cmocka_unit_test(what_is_shown_is_bounded_and_escaped),
        cmocka_unit_test(no_value_is_shown_without_names),
        cmocka_unit_test(all_of_it_can_be_a_secret),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Keys as files: read whole and bounded, written whole and durable.
 */
#include "daemon/key_file.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "daemon/keys_openssh.h"

#define KEY_FILE_MAX 16384

static void
wipe_text(char *text)
{
    if (text != NULL)
        explicit_bzero(text, strlen(text));
    free(text);
}

/* The text of PATH, or an error that names it. */
static int
read_text(const char *path, char **text, struct err *e)
{
    struct buf b = BUF_INIT;
    int r = file_read(path, KEY_FILE_MAX, &b, e);

    *text = NULL;
    if (r == 0) {
        buf_put_u8(&b, '\0');
        *text = alloc_string((const char *)b.data);
    }
    if (b.data != NULL)
        explicit_bzero(b.data, b.cap);
    buf_release(&b);
    return r;
}

static int
parse_hex(char *text, uint8_t seed[ED25519_SEED_SIZE], struct err *e)
{
    text[strcspn(text, "\r\n")] = '\0';
    if (hex_decode(text, seed, ED25519_SEED_SIZE))
        return 0;
    return err_set(e, ERR_INVALID, "not a key of %d hex digits",
        2 * ED25519_SEED_SIZE);
}

int
key_file_read(const char *path, enum key_form form,
    uint8_t seed[ED25519_SEED_SIZE], struct err *e)
{
    char *text = NULL;
    int r;

    if (read_text(path, &text, e) != 0)
        return -1;
    r = form == KEY_FORM_HEX ? parse_hex(text, seed, e)
                             : openssh_private_parse(text, seed, e);
    if (r != 0)
        err_wrap(e, "\"%s\"", path);
    wipe_text(text);
    return r;
}

static char *
format_hex(const uint8_t seed[ED25519_SEED_SIZE])
{
    char *text = alloc_bytes(2 * ED25519_SEED_SIZE + 2);

    hex_encode(seed, ED25519_SEED_SIZE, text);
    memcpy(text + 2 * ED25519_SEED_SIZE, "\n", 2);
    return text;
}

int
key_file_make(const char *path, enum key_form form,
    uint8_t seed[ED25519_SEED_SIZE], struct err *e)
{
    uint8_t public_key[ED25519_PUBLIC_SIZE];
    char *text;
    int r;

    random_bytes(seed, ED25519_SEED_SIZE);
    if (ed25519_public(seed, public_key, e) != 0)
        return -1;
    text = form == KEY_FORM_HEX
               ? format_hex(seed)
               : openssh_private_text(seed, public_key, "lockstep");
    r = file_write_atomic(path, text, strlen(text), 0600, e);
    wipe_text(text);
    return r;
}

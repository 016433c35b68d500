/* PROTOCOL.key of OpenSSH tells the form. */
#include "contrib/hostkeys/host_key.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/hash.h"

#define BEGIN_LINE "-----BEGIN OPENSSH PRIVATE KEY-----\n"
#define END_LINE "\n-----END OPENSSH PRIVATE KEY-----\n"
#define MAGIC "openssh-key-v1"

const struct host_key_type host_key_types[] = {
    { "ssh-ed25519", "ssh_host_ed25519_key" },
    { "ecdsa-sha2-nistp256", "ssh_host_ecdsa_key" },
    { "ssh-rsa", "ssh_host_rsa_key" },
    { NULL, NULL },
};

/* The bytes between the two lines, LEN of them; NULL when there are none. */
static uint8_t *
decode(const char *text, size_t text_len, size_t *len)
{
    size_t begin = strlen(BEGIN_LINE), end = strlen(END_LINE), n = 0;
    uint8_t *bytes;
    char *joined;

    if (text_len < begin + end || text_len > HOST_KEY_MAX ||
        memcmp(text, BEGIN_LINE, begin) != 0 ||
        memcmp(text + text_len - end, END_LINE, end) != 0)
        return NULL;
    joined = alloc_bytes(text_len);
    for (size_t i = begin; i < text_len - end; i++)
        if (text[i] != '\n')
            joined[n++] = text[i];
    joined[n] = '\0';
    bytes = base64_decode(joined, len);
    explicit_bzero(joined, n);
    free(joined);
    return bytes;
}

static bool
is_word(struct reader *r, const char *word)
{
    size_t len;
    const uint8_t *p = reader_bytes(r, HOST_KEY_MAX, &len);

    return p != NULL && len == strlen(word) && memcmp(p, word, len) == 0;
}

/* The public part, LEN bytes within BYTES; NULL when it is another thing. */
static const uint8_t *
find_public(const uint8_t *bytes, size_t size, size_t *len)
{
    struct reader r = reader_over(bytes, size);
    const uint8_t *magic = reader_take(&r, sizeof(MAGIC));
    const uint8_t *public;
    size_t ignored;

    if (magic == NULL || memcmp(magic, MAGIC, sizeof(MAGIC)) != 0 ||
        !is_word(&r, "none") || !is_word(&r, "none") || !is_word(&r, "") ||
        reader_u32(&r) != 1)
        return NULL;
    public = reader_bytes(&r, HOST_KEY_MAX, len);
    return reader_bytes(&r, HOST_KEY_MAX, &ignored) != NULL && reader_done(&r)
               ? public
               : NULL;
}

static const struct host_key_type *
type_of(const uint8_t *public, size_t len)
{
    for (const struct host_key_type *t = host_key_types; t->name != NULL; t++) {
        struct reader r = reader_over(public, len);

        if (is_word(&r, t->name))
            return t;
    }
    return NULL;
}

const struct host_key_type *
host_key_look(const char *text, size_t len, char shown[HOST_KEY_SHOWN],
    struct err *e)
{
    const struct host_key_type *type = NULL;
    const uint8_t *public = NULL;
    uint8_t hash[HASH_SIZE];
    size_t size = 0, public_len = 0;
    uint8_t *bytes = decode(text, len, &size);
    char *encoded;

    if (bytes != NULL)
    public = find_public(bytes, size, &public_len);
    if (public != NULL)
        type = type_of(public, public_len);
    if (type != NULL) {
        hash_bytes(public, public_len, hash);
        encoded = base64_encode(hash, sizeof(hash), false);
        snprintf(shown, HOST_KEY_SHOWN, "SHA256:%s", encoded);
        free(encoded);
    } else {
        err_set(e, ERR_INVALID,
            "no host key of OpenSSH's form without a passphrase");
        err_hint(e, "Ed25519, ECDSA (nistp256) and RSA are taken; \"ssh-keygen "
                    "-p -N '' -f FILE\" writes an older file anew.");
    }
    if (bytes != NULL)
        explicit_bzero(bytes, size);
    free(bytes);
    return type;
}

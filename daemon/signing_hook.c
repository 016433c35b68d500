/*
 * EVP_DigestSign and EVP_DigestVerify as this program has them.  Only one-shot
 * signatures come here: what libssh does for each packet calls other functions.
 */
#include "daemon/signing_hook.h"

#include <dlfcn.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

typedef int sign_fn(EVP_MD_CTX *ctx, unsigned char *signature,
    size_t *signature_len, const unsigned char *data, size_t len);
typedef int verify_fn(EVP_MD_CTX *ctx, const unsigned char *signature,
    size_t signature_len, const unsigned char *data, size_t len);

static sign_fn *openssl_sign;
static verify_fn *openssl_verify;
static pthread_once_t loaded = PTHREAD_ONCE_INIT;
static const struct signing_hooks *hooks;

static void
load(void)
{
    /* ISO C has no cast from an object's pointer; POSIX gives this way. */
    *(void **)&openssl_sign = dlsym(RTLD_NEXT, "EVP_DigestSign");
    *(void **)&openssl_verify = dlsym(RTLD_NEXT, "EVP_DigestVerify");
    if (openssl_sign == NULL || openssl_verify == NULL)
        abort();
}

void
signing_hook_load(void)
{
    (void)pthread_once(&loaded, load);
}

void
signing_hook_set(const struct signing_hooks *h)
{
    hooks = h;
}

/* EVP_DigestSign(3): without SIGNATURE it asks how long one is. */
int
EVP_DigestSign(EVP_MD_CTX *ctx, unsigned char *signature, size_t *signature_len,
    const unsigned char *data, size_t len)
{
    signing_hook_load();
    if (hooks == NULL || hooks->sign == NULL)
        return openssl_sign(ctx, signature, signature_len, data, len);
    if (signature != NULL && *signature_len < ED25519_SIGNATURE_SIZE)
        return 0;
    *signature_len = ED25519_SIGNATURE_SIZE;
    return signature == NULL || hooks->sign(data, len, signature);
}

struct verification {
    EVP_MD_CTX *ctx;
    const unsigned char *signature;
    size_t signature_len;
    const unsigned char *data;
    size_t len;
};

static bool
is_valid(void *ctx)
{
    const struct verification *v = ctx;

    return openssl_verify(v->ctx, v->signature, v->signature_len, v->data,
               v->len) == 1;
}

int
EVP_DigestVerify(EVP_MD_CTX *ctx, const unsigned char *signature,
    size_t signature_len, const unsigned char *data, size_t len)
{
    struct verification v = { ctx, signature, signature_len, data, len };

    signing_hook_load();
    if (hooks == NULL || hooks->verify == NULL)
        return openssl_verify(ctx, signature, signature_len, data, len);
    return hooks->verify(signature, signature_len, data, len, is_valid, &v);
}

/*
 * Hashing of SFTP users' passwords by libcrypt.
 */
#include "daemon/config_password.h"

#include <crypt.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"

/* crypt(3) refuses longer ones. */
#define PASSWORD_MAX 511

char *
user_password_hash(const char *password, struct err *e)
{
    struct crypt_data *data = NULL;
    char setting[CRYPT_GENSALT_OUTPUT_SIZE];
    char *hash = NULL;

    if (password[0] == '\0' || strlen(password) > PASSWORD_MAX) {
        err_set(e, ERR_INVALID, "the password is empty or too long");
        err_hint(e, "Use 1 to %d bytes.", PASSWORD_MAX);
        return NULL;
    }
    if (crypt_gensalt_rn("$y$", 0, NULL, 0, setting, sizeof(setting)) == NULL) {
        err_set_errno(e, ERR_INTERNAL, errno, "could not make a salt");
        return NULL;
    }
    data = alloc_zeroed(1, sizeof(*data));
    if (crypt_rn(password, setting, data, sizeof(*data)) == NULL)
        err_set_errno(e, ERR_INTERNAL, errno, "could not hash the password");
    else
        hash = alloc_string(data->output);
    explicit_bzero(data, sizeof(*data));
    free(data);
    return hash;
}

int
user_password_take(const json_t *args, char **hash, struct err *e)
{
    const char *password = NULL, *given = NULL;

    *hash = NULL;
    if (json_member_string(args, "password", false, &password, e) != 0 ||
        json_member_string(args, "password_hash", false, &given, e) != 0)
        return -1;
    if (password != NULL && given != NULL)
        return err_set(e, ERR_INVALID,
            "both a password and a password hash were given");
    if (given != NULL)
        *hash = alloc_string(given);
    else if (password != NULL)
        *hash = user_password_hash(password, e);
    return password != NULL && *hash == NULL ? -1 : 0;
}

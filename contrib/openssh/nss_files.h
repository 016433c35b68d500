/*
 * The three files that libnss-extrausers reads: passwd, group and shadow, whole
 * and ours.  What the passwd before said tells which homes have to be looked at
 * and whose sessions may have to end.
 */
#ifndef CONTRIB_OPENSSH_NSS_FILES_H
#define CONTRIB_OPENSSH_NSS_FILES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "contrib/accounts/people.h"
#include "contrib/accounts/policy.h"

/* The passwd that was there, line by line. */
struct nss_before {
    struct buf text;
    char **lines; /* sorted; within text */
    size_t count;
};

/* Reads FOLDER/passwd; none is empty.  ERR_EXISTS when it, group or shadow has
 * content of somebody else's, which must not be written over. */
int nss_before_read(struct nss_before *b, const char *folder, struct err *e);
void nss_before_release(struct nss_before *b);
bool nss_before_has_user(const struct nss_before *b, const char *name);
/* Whether A has the very line that it had. */
bool nss_before_is_same(const struct nss_before *b, const struct account *a,
    const struct policy *policy);

/* Makes FOLDER's files those of P: each changes at once or not at all, is on
 * disk on return, and is left alone when nothing in it changes. */
int nss_files_write(const struct people *p, const struct policy *policy,
    const char *folder, struct err *e);

#endif

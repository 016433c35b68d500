/*
 * Comparing fingerprints, so that nobody has to do it by eye.
 */
#include "manager-tui/host_key.h"

#include <string.h>

int
host_key_compare(const char *host, const char *shown, const char *expected,
    struct err *e)
{
    const char *at;
    size_t len;

    if (expected == NULL || expected[0] == '\0')
        return 0;
    at = strstr(expected, "SHA256:");
    if (at == NULL)
        at = expected;
    len = strcspn(at, " \t");
    if (len == strlen(shown) && strncmp(at, shown, len) == 0)
        return 0;
    err_set(e, ERR_KEY_CHANGED, "%s shows the host key %s, not %s", host, shown,
        expected);
    err_hint(e, "No password was sent.  Compare with what \"lockstep status\" "
                "says there.");
    return -1;
}

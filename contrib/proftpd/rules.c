/* ProFTPD takes prefixes only, so ranges are cut into the fewest of them. */
#include "contrib/proftpd/rules.h"

#include <string.h>

#define PREFIXES_MAX 20000

static const char header[] =
    "# Made by lockstep-proftpd from dataset \"config\"; changes are lost.\n";

/* How many bits at the end of FIRST are any, when nothing after LAST is. */
static unsigned int
free_bits(ip_number first, ip_number last)
{
    unsigned int bits = 0;
    ip_number size = 1; /* 0 stands for all of them */

    while (bits < 128 && (first & ((size << 1) - 1)) == 0 &&
           last - first >= (size << 1) - 1) {
        size <<= 1;
        bits++;
    }
    return bits;
}

static void
put_range(struct buf *text, const struct denied_range *range, size_t *count)
{
    ip_number first = range->first;

    while ((*count)++ < PREFIXES_MAX) {
        unsigned int bits = free_bits(first, range->last);
        ip_number size = bits == 128 ? 0 : (ip_number)1 << bits;
        char shown[IP_NUMBER_TEXT];

        ip_number_format(first, shown);
        buf_printf(text, "  Deny %s/%u\n", shown,
            (range->v4 ? 32 : 128) - bits);
        if (size == 0 || range->last - first == size - 1)
            return;
        first += size;
    }
}

int
rules_text(const struct denied *denied, struct buf *text, struct err *e)
{
    size_t count = 0;

    buf_put(text, header, strlen(header));
    if (denied->count == 0)
        return 0;
    buf_printf(text, "<Limit LOGIN>\n");
    for (size_t i = 0; i < denied->count && count <= PREFIXES_MAX; i++)
        put_range(text, &denied->ranges[i], &count);
    if (count > PREFIXES_MAX)
        return err_set(e, ERR_INVALID,
            "the rules come to more than %d prefixes", PREFIXES_MAX);
    buf_printf(text, "</Limit>\n");
    return 0;
}

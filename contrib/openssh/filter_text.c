/*
 * The table belongs to nobody else and only refuses: what it lets pass is still
 * up to every other table of the host.
 */
#include "contrib/openssh/filter_text.h"

#include <string.h>

static const char header[] =
    "# Made by lockstep-openssh from dataset \"config\"; changes are lost.\n";
/* Making it first, so that there is one to be taken away. */
static const char removal[] = "table inet " FILTER_TABLE "\n"
                              "delete table inet " FILTER_TABLE "\n";
/* Only what begins a connection is looked at, so that open ones stay.  The host
 * itself is let in, which asks sshd whether it answers. */
static const char chain[] =
    "\tchain input {\n"
    "\t\ttype filter hook input priority filter; policy accept;\n"
    "\t\ttcp dport != %lu accept\n"
    "\t\ttcp flags & (fin | syn | rst | ack) != syn accept\n"
    "\t\tip saddr 127.0.0.1 accept\n"
    "\t\tip6 saddr ::1 accept\n"
    "\t\tip saddr @denied4 reject with tcp reset\n"
    "\t\tip6 saddr @denied6 reject with tcp reset\n"
    "\t}\n";

static void
put_set(struct buf *text, const struct denied *denied, bool v4)
{
    const char *between = "\t\telements = { ";

    buf_printf(text, "\tset denied%c {\n\t\ttype ipv%c_addr\n", v4 ? '4' : '6',
        v4 ? '4' : '6');
    buf_printf(text, "\t\tflags interval\n");
    for (size_t i = 0; i < denied->count; i++) {
        const struct denied_range *range = &denied->ranges[i];
        char first[IP_NUMBER_TEXT], last[IP_NUMBER_TEXT];

        if (range->v4 != v4)
            continue;
        ip_number_format(range->first, first);
        ip_number_format(range->last, last);
        buf_printf(text, "%s%s", between, first);
        if (range->first != range->last)
            buf_printf(text, "-%s", last);
        between = ",\n\t\t\t";
    }
    buf_printf(text, "%s\t}\n", between[0] == ',' ? " }\n" : "");
}

void
filter_text(const struct denied *denied, uint32_t port, struct buf *text,
    char mark[FILTER_MARK_SIZE])
{
    struct buf body = BUF_INIT;
    uint8_t digest[HASH_SIZE];

    put_set(&body, denied, true);
    put_set(&body, denied, false);
    buf_printf(&body, chain, (unsigned long)port);
    hash_bytes(body.data, body.len, digest);
    hex_encode(digest, sizeof(digest), mark);
    filter_text_none(text);
    buf_printf(text, "table inet " FILTER_TABLE " {\n\tcomment \"%s\"\n", mark);
    buf_put(text, body.data, body.len);
    buf_printf(text, "}\n");
    buf_release(&body);
}

void
filter_text_none(struct buf *text)
{
    buf_put(text, header, strlen(header));
    buf_put(text, removal, strlen(removal));
}

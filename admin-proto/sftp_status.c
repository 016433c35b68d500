/* An SFTP status, as another node or any server sends it, as an error. */
#include <stdio.h>
#include <string.h>

#include "admin-proto/sftp_client.h"
#include "base/escape.h"

/* "CODE: message", a line break, a hint. */
#define TEXT_SIZE 1024

static const struct {
    enum err_code code;
    const char *words;
} meanings[] = {
    [SFTP_OK] = { ERR_NONE, "" },
    [SFTP_EOF] = { ERR_NOT_FOUND, "end of file" },
    [SFTP_NO_SUCH_FILE] = { ERR_NOT_FOUND, "no such file" },
    [SFTP_PERMISSION_DENIED] = { ERR_PERMISSION, "permission denied" },
    [SFTP_FAILURE] = { ERR_IO, "the server reports a failure" },
    [SFTP_BAD_MESSAGE] = { ERR_PROTOCOL, "the server calls it malformed" },
    [SFTP_NO_CONNECTION] = { ERR_UNREACHABLE, "no connection" },
    [SFTP_CONNECTION_LOST] = { ERR_UNREACHABLE, "connection lost" },
    [SFTP_OP_UNSUPPORTED] = { ERR_UNSUPPORTED, "unsupported request" },
};

static bool
begins_with_code(const char *text)
{
    size_t len = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_");
    char name[32];

    if (len == 0 || len >= sizeof(name) || strncmp(text + len, ": ", 2) != 0)
        return false;
    snprintf(name, sizeof(name), "%.*s", (int)len, text);
    return err_code_parse(name) != ERR_INTERNAL ||
           strcmp(name, err_code_name(ERR_INTERNAL)) == 0;
}

int
fxp_status_error(const struct fxp_packet *reply, struct err *e)
{
    char text[TEXT_SIZE];
    char shown[sizeof(e->message)];
    int len;

    if (reply->type != SFTP_STATUS || reply->status == SFTP_OK)
        return 0;
    if (reply->status >= sizeof(meanings) / sizeof(meanings[0]))
        return err_set(e, ERR_PROTOCOL, "unknown sftp status %u",
            (unsigned)reply->status);
    len = reply->text_len < TEXT_SIZE ? (int)reply->text_len : TEXT_SIZE - 1;
    /* A NUL inside ends the text early, which is harmless. */
    snprintf(text, sizeof(text), "%.*s", len,
        reply->text != NULL ? reply->text : "");
    if (begins_with_code(text)) {
        err_parse(e, text);
        return -1;
    }
    escape_text(text, strlen(text), shown, sizeof(shown) / 2);
    if (shown[0] == '\0')
        snprintf(shown, sizeof(shown), "%s", meanings[reply->status].words);
    return err_set(e, meanings[reply->status].code, "%s", shown);
}

/* Read at each question: whoever writes these files is not ours to watch. */
#include "daemon/service_rules.h"

#include <dirent.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/file.h"

#define FOLDER "service-rules"
#define FILES_MAX 16
#define LINE_MAX_BYTES 200

static int
is_file(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static void
add_line(json_t *lines, const char *folder, const char *name)
{
    char *path = file_join(folder, name);
    struct buf text = BUF_INIT;
    struct err ignored = ERR_INIT;

    /* What is no UTF-8 gives no text, and is left out. */
    if (file_read(path, LINE_MAX_BYTES, &text, &ignored) == 0 && text.len > 0)
        json_array_append_new(lines,
            json_stringn((const char *)text.data, text.len));
    buf_release(&text);
    free(path);
}

json_t *
service_rules_json(const char *state_dir)
{
    json_t *lines = json_array();
    char *folder = file_join(state_dir, FOLDER);
    struct dirent **entries = NULL;
    int count = scandir(folder, &entries, is_file, alphasort);

    for (int i = 0; i < count; i++) {
        if (i < FILES_MAX)
            add_line(lines, folder, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    free(folder);
    return lines;
}

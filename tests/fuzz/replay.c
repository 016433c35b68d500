/*
 * Runs a fuzz target once on each file of the folders that it is given: what
 * the tests do with the committed corpora, by any compiler.
 *
 *     replay_NAME FOLDER...
 *
 * Also on each input cut short, since that costs nothing more to say.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/file.h"

#define INPUT_MAX (16 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* From memory of exactly that size, for whoever looks for reads beyond it. */
static void
run_input(const struct buf *input, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);

    if (copy == NULL)
        abort();
    for (size_t i = 0; i < size; i++)
        copy[i] = input->data[i];
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static int
run_file(const char *path, struct err *e)
{
    struct buf input = BUF_INIT;
    int r = file_read(path, INPUT_MAX, &input, e);

    if (r == 0) {
        run_input(&input, input.len);
        run_input(&input, input.len / 2);
    }
    buf_release(&input);
    return r;
}

static int
run_folder(const char *folder, unsigned *count, struct err *e)
{
    DIR *dir = opendir(folder);
    const struct dirent *entry;
    int r = 0;

    if (dir == NULL)
        return err_set(e, ERR_NOT_FOUND, "could not read \"%s\"", folder);
    while (r == 0 && (entry = readdir(dir)) != NULL) {
        char *path;

        if (entry->d_name[0] == '.')
            continue;
        path = file_join(folder, entry->d_name);
        r = run_file(path, e);
        (*count)++;
        free(path);
    }
    closedir(dir);
    return r;
}

int
main(int argc, char **argv)
{
    struct err e = ERR_INIT;
    unsigned count = 0;

    for (int i = 1; i < argc; i++) {
        if (run_folder(argv[i], &count, &e) != 0) {
            fprintf(stderr, "%s\n", e.message);
            return EXIT_FAILURE;
        }
    }
    printf("%u inputs\n", count);
    return EXIT_SUCCESS;
}

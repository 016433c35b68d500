/*
 * Promises of daemon/leftovers.h: copies that a killed daemon was making go,
 * with all that is in them, and nothing else does.
 */
#include "daemon/leftovers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"

static const char *const goes[] = {
    "backup-staging-0123/node.db",
    "backup-staging-0123/datasets/config/live.db",
    "initial-admin-password.tmp-aB3x9Z",
    "keys/login_key.tmp-aB3x9Z",
    "datasets/config/snapshot-0123.db",
    "datasets/config/snapshot-0123.db-journal",
    "datasets/other/upload-0123.db",
    "datasets/other/note.tmp-aB3x9Z",
};

static const char *const stays[] = {
    "node.db",
    "keys/login_key",
    "backups/backup-staging-0123",
    "datasets/config/published.db",
    "datasets/config/backups/snapshot-0123.db",
    "datasets/snapshot-0123.db/published.db",
    "notes.tmp-longer-than-six",
};

static void
put(const char *root, const char *name)
{
    struct err e = ERR_INIT;
    char *path = file_join(root, name);
    char *folder = strndup(path, (size_t)(strrchr(path, '/') - path));

    assert_non_null(folder);
    assert_int_equal(file_make_folder(folder, 0700, &e), 0);
    assert_int_equal(file_write_atomic(path, "x", 1, 0600, &e), 0);
    free(folder);
    free(path);
}

static void
expect(const char *root, const char *name, bool wanted)
{
    char *path = file_join(root, name);

    if (file_exists(path) != wanted)
        fail_msg("%s %s", name, wanted ? "is gone" : "is still there");
    free(path);
}

static void
only_leftovers_are_removed(void **state)
{
    char root[] = "/tmp/lockstep-leftovers-XXXXXX";
    char *link;

    (void)state;
    assert_non_null(mkdtemp(root));
    for (size_t i = 0; i < sizeof(goes) / sizeof(goes[0]); i++)
        put(root, goes[i]);
    for (size_t i = 0; i < sizeof(stays) / sizeof(stays[0]); i++)
        put(root, stays[i]);
    /* A link is removed, what it leads to is not. */
    link = file_join(root, "backup-staging-0123/link");
    assert_int_equal(symlink("../keys", link), 0);
    leftovers_remove(root);
    for (size_t i = 0; i < sizeof(goes) / sizeof(goes[0]); i++)
        expect(root, goes[i], false);
    expect(root, "backup-staging-0123", false);
    for (size_t i = 0; i < sizeof(stays) / sizeof(stays[0]); i++)
        expect(root, stays[i], true);
    assert_int_equal(file_remove_tree(root), 0);
    leftovers_remove(root); /* nothing there yet: nothing to do */
    free(link);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_leftovers_are_removed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

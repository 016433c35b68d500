/*
 * "backup create": copies of all databases through SQLite, each dataset on its
 * strand, then one file of them and of the keys.
 */
#include "daemon/backup.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "daemon/control.h"
#include "daemon/datasets.h"
#include "daemon/engine.h"
#include "daemon/events.h"
#include "daemon/store.h"
#include "sync/copy.h"
#include "sync/open.h"

#define WAIT_MS 5000
/* The node's own files, and three of each dataset. */
#define SOURCES_MAX (12 + 3 * (SETTINGS_DATASETS_MAX + 2))

struct creation {
    struct control_call *call;
    struct engine *engine;
    char *node_name;
    char *path;
    char *staging; /* copies of databases */
    struct strand *strand;
    size_t running;
    struct backup_source sources[SOURCES_MAX];
    size_t count;
    uint64_t bytes;
    struct err error; /* the first */
};

/* Files that are copied as they are; successors of keys first, since one that
 * takes its place meanwhile is then there twice and not missing. */
static const char *const plain_files[] = { "keys/host_key.next",
    "keys/login_key.next", "keys/bundle_key.next", "keys/host_key",
    "keys/login_key", "keys/bundle_key", "local-admin-key",
    "initial-admin-password" };

/* Databases of a dataset, by its name. */
static const char *const database_files[] = { "%s.db",
    "datasets/%s/published.db", "datasets/%s/history.db" };

static void
add_source(struct creation *c, const char *dir, char *name)
{
    assert(c->count < SOURCES_MAX);
    c->sources[c->count].dir = dir;
    c->sources[c->count].name = name;
    c->count++;
}

static int
copy_database(sqlite3 *from, const char *to_path, struct err *e)
{
    sqlite3 *to = NULL;
    int r = -1;

    if (sqlite3_open(to_path, &to) != SQLITE_OK)
        database_error(to, e, "could not create a copy");
    /* The staging folder is not what must survive. */
    else if (database_exec(to, "PRAGMA synchronous = OFF", e) == 0)
        r = database_copy(to, from, e);
    sqlite3_close(to);
    return r;
}

static int
copy_file(const char *from_dir, const char *to_dir, const char *name,
    struct err *e)
{
    char *from_path = file_join(from_dir, name);
    char *to_path = file_join(to_dir, name);
    sqlite3 *from = NULL;
    int r = 0;

    if (file_exists(from_path)) {
        r = database_open(&from, from_path, OPEN_READ, WAIT_MS, e);
        if (r == 0)
            r = copy_database(from, to_path, e);
        if (r != 0)
            err_wrap(e, "\"%s\"", name);
    }
    database_close(from);
    free(from_path);
    free(to_path);
    return r;
}

static int
copy_work(struct dataset *ds, void *arg, struct err *e)
{
    const struct creation *c = arg;
    char *folder = alloc_format("%s/datasets/%s", c->staging, ds->name);
    size_t i;
    int r;

    r = file_make_folder(folder, 0700, e);
    free(folder);
    for (i = 0; r == 0 && i < sizeof(database_files) / sizeof(char *); i++) {
        char *name = sqlite3_mprintf(database_files[i], ds->name);

        r = copy_file(c->engine->settings.state_dir, c->staging, name, e);
        sqlite3_free(name);
    }
    return r;
}

static void
pack_work(void *arg)
{
    struct creation *c = arg;

    if (c->error.code == ERR_NONE)
        backup_pack(c->path, c->node_name, c->sources, c->count, &c->bytes,
            &c->error);
    (void)file_remove_tree(c->staging);
}

static void
free_creation(struct creation *c)
{
    size_t i;

    for (i = 0; i < c->count; i++)
        free(c->sources[i].name);
    strand_free(c->strand);
    free(c->node_name);
    free(c->staging);
    free(c->path);
    free(c);
}

/* Live databases of other programs: theirs to keep and to bring back.  What was
 * published of them is in the backup. */
static json_t *
left_out(const struct engine *engine)
{
    const struct datasets *all = engine->datasets;
    json_t *paths = json_array();
    size_t i;

    for (i = 0; i < datasets_count(all); i++) {
        const struct dataset *ds = datasets_at(all, i);

        if (!dataset_is_built_in(ds))
            json_array_append_new(paths, json_text(ds->live_path));
    }
    return paths;
}

static void
pack_done(void *arg, bool cancelled)
{
    struct creation *c = arg;

    if (cancelled)
        err_set(&c->error, ERR_CANCELLED, "lockstepd is stopping");
    if (c->error.code != ERR_NONE) {
        control_fail(c->call, &c->error);
    } else {
        events_add(c->engine->events, "info", "backup", NULL, NULL,
            "\"%s\" was made by %s", c->path, control_who(c->call));
        control_finish(c->call,
            json_pack("{s:s, s:I, s:o}", "path", c->path, "bytes",
                (json_int_t)c->bytes, "left_out", left_out(c->engine)));
    }
    free_creation(c);
}

static void
copied(struct dataset *ds, void *arg, const struct err *e)
{
    struct creation *c = arg;

    (void)ds;
    if (e->code != ERR_NONE && c->error.code == ERR_NONE)
        c->error = *e;
    if (--c->running == 0)
        strand_run(c->strand, pack_work, pack_done, c);
}

static char *
default_path(const struct engine *engine, struct err *e)
{
    char *folder = file_join(engine->settings.state_dir, "backups");
    char stamp[CLOCK_TEXT_SIZE];
    char *path = NULL;

    clock_format(clock_utc_ms(), stamp);
    if (file_make_folder(folder, 0700, e) == 0)
        path = alloc_format("%s/%s-%.19s.lockstep", folder, engine->node.name,
            stamp);
    free(folder);
    return path;
}

static int
prepare(struct creation *c, struct err *e)
{
    const char *dir = c->engine->settings.state_dir;
    const char *path = NULL;
    uint8_t random[8];
    char hex[2 * sizeof(random) + 1];
    char *store_copy;
    int r;

    if (json_member_string(control_args(c->call), "path", false, &path, e) != 0)
        return -1;
    if (path != NULL && path[0] != '/')
        return err_set(e, ERR_INVALID, "\"path\" must be absolute");
    c->path = path != NULL ? alloc_string(path) : default_path(c->engine, e);
    if (c->path == NULL)
        return -1;
    if (file_exists(c->path))
        return err_set(e, ERR_EXISTS, "\"%s\" exists already", c->path);
    random_bytes(random, sizeof(random));
    hex_encode(random, sizeof(random), hex);
    c->staging = alloc_format("%s/backup-staging-%s", dir, hex);
    if (file_make_folder(c->staging, 0700, e) != 0)
        return -1;
    store_copy = file_join(c->staging, "node.db");
    r = copy_database(store_database(c->engine->node.store), store_copy, e);
    free(store_copy);
    return r;
}

static void
list_sources(struct creation *c)
{
    const struct datasets *all = c->engine->datasets;
    size_t i;
    size_t k;

    for (i = 0; i < sizeof(plain_files) / sizeof(plain_files[0]); i++)
        add_source(c, c->engine->settings.state_dir,
            alloc_string(plain_files[i]));
    add_source(c, c->staging, alloc_string("node.db"));
    for (k = 0; k < datasets_count(all); k++) {
        for (i = 0; i < sizeof(database_files) / sizeof(char *); i++) {
            char *name =
                sqlite3_mprintf(database_files[i], datasets_at(all, k)->name);

            add_source(c, c->staging, alloc_string(name));
            sqlite3_free(name);
        }
    }
}

static void
run_create(struct control_call *call)
{
    struct creation *c = alloc_zeroed(1, sizeof(*c));
    struct engine *engine = control_engine(call);
    struct err e = ERR_INIT;
    size_t i;

    c->call = call;
    c->engine = engine;
    c->node_name = alloc_string(engine->node.name);
    c->strand = strand_new(engine->loop);
    if (prepare(c, &e) != 0) {
        if (c->staging != NULL)
            (void)file_remove_tree(c->staging);
        control_fail(call, &e);
        free_creation(c);
        return;
    }
    list_sources(c);
    c->running = datasets_count(engine->datasets);
    for (i = 0; i < datasets_count(engine->datasets); i++)
        dataset_run_always(datasets_at(engine->datasets, i),
            &(struct dataset_job){ .work = copy_work,
                .done = copied,
                .arg = c });
}

static const char *const create_arguments[] = { "path", NULL };

const struct control_command control_backup_commands[] = {
    { "backup create", 0, ROLE_ADMIN, create_arguments, run_create },
    { NULL, 0, ROLE_NONE, NULL, NULL },
};

/*
 * A whole engine in a folder of its own, listening on a free port of 127.0.0.1.
 * Programs that use it begin their main with
 *
 *     if (child_is_requested(argc, argv))
 *         return child_run(argc, argv);
 */
#ifndef TESTS_UNIT_ENGINE_FIXTURE_H
#define TESTS_UNIT_ENGINE_FIXTURE_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "daemon/child.h"
#include "daemon/engine.h"

static int
fixture_remove_entry(const char *path, const struct stat *st, int type,
    struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static inline char *
fixture_folder(void)
{
    char *path = alloc_string("/tmp/lockstep-unit-XXXXXX");

    assert_non_null(mkdtemp(path));
    return path;
}

static inline void
fixture_remove(char *folder)
{
    nftw(folder, fixture_remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    free(folder);
}

static inline void
fixture_start(struct engine *engine, const char *folder)
{
    struct err e = ERR_INIT;

    /* What children say on standard error, a sanitizer's report too. */
    log_init("test", LOG_LEVEL_INFO);
    memset(engine, 0, sizeof(*engine));
    /* Of its own: what a failed test leaves running blocks no other. */
    engine->loop = alloc_zeroed(1, sizeof(*engine->loop));
    assert_int_equal(uv_loop_init(engine->loop), 0);
    engine->lock_fd = -1;
    settings_init(&engine->settings);
    free(engine->settings.state_dir);
    free(engine->settings.listen);
    free(engine->settings.name);
    engine->settings.state_dir = alloc_string(folder);
    engine->settings.listen = alloc_string("127.0.0.1:0");
    engine->settings.name = alloc_string("unit");
    if (engine_start(engine, &e) != 0)
        fail_msg("%s", e.message);
}

static inline void
fixture_stop(struct engine *engine)
{
    engine_stop(engine);
    uv_run(engine->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(engine->loop), 0);
    free(engine->loop);
    settings_release(&engine->settings);
}

/* Runs the loop until *FLAG. */
static inline void
fixture_wait(const struct engine *engine, const bool *flag)
{
    while (!*flag)
        uv_run(engine->loop, UV_RUN_ONCE);
}

#endif

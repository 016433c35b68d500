/*
 * lockstepd: its start, its signals and its end.  In the background the parent
 * waits until the child is ready and exits with its result, so that whoever
 * started it knows.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "daemon/background.h"
#include "daemon/backup.h"
#include "daemon/child.h"
#include "daemon/engine.h"
#include "daemon/listener.h"
#include "daemon/options.h"

/* Everything is durable when it is acknowledged, so what is not finished by
 * then can be left to the next start. */
#define STOP_LIMIT_US 1800000

static volatile sig_atomic_t exit_status = EXIT_FAILURE;

static void
report(const struct err *e)
{
    fprintf(stderr, "lockstepd: %s\n", e->message);
    if (e->hint[0] != '\0')
        fprintf(stderr, "%s\n", e->hint);
}

static void
harden(void)
{
    struct rlimit none = { 0, 0 };
    struct rlimit files;

    umask(077);
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_DUMPABLE, 0);
    setrlimit(RLIMIT_CORE, &none);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

static void
give_up(int sig)
{
    (void)sig;
    _exit(exit_status);
}

static void
limit_stopping(void)
{
    const struct itimerval limit = {
        .it_value = { .tv_sec = STOP_LIMIT_US / 1000000,
            .tv_usec = STOP_LIMIT_US % 1000000 },
    };

    signal(SIGALRM, give_up);
    setitimer(ITIMER_REAL, &limit, NULL);
}

struct signals {
    uv_signal_t terminate;
    uv_signal_t interrupt;
    uv_signal_t reload;
};

static void
on_stop(uv_signal_t *handle, int sig)
{
    struct engine *engine = handle->data;

    (void)sig;
    engine->stopping = true;
    uv_stop(engine->loop);
}

static void
on_reload(uv_signal_t *handle, int sig)
{
    struct err e = ERR_INIT;

    (void)sig;
    engine_reload(handle->data, &e);
}

static void
watch(uv_signal_t *handle, struct engine *engine, uv_signal_cb fn, int sig)
{
    uv_signal_init(engine->loop, handle);
    handle->data = engine;
    uv_signal_start(handle, fn, sig);
    uv_unref((uv_handle_t *)handle);
}

static void
watch_signals(struct signals *s, struct engine *engine)
{
    watch(&s->terminate, engine, on_stop, SIGTERM);
    watch(&s->interrupt, engine, on_stop, SIGINT);
    watch(&s->reload, engine, on_reload, SIGHUP);
}

static int
serve(struct engine *engine, struct background *background)
{
    struct signals signals;
    struct err e = ERR_INIT;

    engine->loop = uv_default_loop();
    engine->lock_fd = -1;
    watch_signals(&signals, engine);
    if (engine_start(engine, &e) != 0) {
        background_fail(background, &e);
        report(&e);
        limit_stopping();
        goto out;
    }
    if (background_ready(background, engine->settings.state_dir, &e) != 0) {
        report(&e);
        goto out_engine;
    }
    engine_report_start(engine);
    log_info("ready on %s", listener_address(engine->listener));
    while (!engine->stopping)
        uv_run(engine->loop, UV_RUN_DEFAULT);
    log_info("stopping");
    exit_status = EXIT_SUCCESS;
out_engine:
    limit_stopping();
    engine_stop(engine);
out:
    /* Lets closed handles and ended children go. */
    uv_close((uv_handle_t *)&signals.terminate, NULL);
    uv_close((uv_handle_t *)&signals.interrupt, NULL);
    uv_close((uv_handle_t *)&signals.reload, NULL);
    uv_run(engine->loop, UV_RUN_DEFAULT);
    uv_loop_close(engine->loop);
    return exit_status;
}

static int
run_daemon(struct options *options, struct engine *engine)
{
    struct background background = BACKGROUND_INIT;
    struct err e = ERR_INIT;

    if (!options->foreground) {
        if (background_start(&background, &e) != 0) {
            report(&e);
            return EXIT_FAILURE;
        }
        if (background.is_parent)
            return background_wait(&background);
    }
    return serve(engine, &background);
}

int
main(int argc, char **argv)
{
    struct options options;
    struct engine engine = { .lock_fd = -1 };
    struct err e = ERR_INIT;
    int status = EXIT_SUCCESS;

    if (child_is_requested(argc, argv))
        return child_run(argc, argv);
    if (options_parse(&options, argc, argv, &e) != 0) {
        report(&e);
        return err_exit_code(e.code);
    }
    if (options.help || options.version) {
        if (options.help)
            options_print_help();
        else
            puts("lockstepd " LOCKSTEP_VERSION);
        return EXIT_SUCCESS;
    }
    harden();
    engine.config_path = options.config_path;
    if (settings_load(&engine.settings, options.config_path, &e) != 0)
        goto fail;
    if (settings_load(&engine.configured, options.config_path, &e) != 0 ||
        options_apply(&options, &engine.settings, &e) != 0)
        goto fail;
    log_init("engine", (enum log_level)engine.settings.log_level);
    if (options.check) {
        puts("the configuration is valid");
    } else if (options.restore != NULL) {
        if (backup_restore(options.restore, engine.settings.state_dir,
                options.force, &e) != 0)
            goto fail;
        printf("restored to %s\n", engine.settings.state_dir);
    } else {
        status = run_daemon(&options, &engine);
    }
    goto out;
fail:
    report(&e);
    status = err_exit_code(e.code);
out:
    settings_release(&engine.settings);
    settings_release(&engine.configured);
    return status;
}

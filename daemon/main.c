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
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/stop.h"
#include "daemon/background.h"
#include "daemon/backup.h"
#include "daemon/child.h"
#include "daemon/engine.h"
#include "daemon/hook_exec.h"
#include "daemon/listener.h"
#include "daemon/options.h"
#include "daemon/service_manager.h"
#include "daemon/store.h"
#include "sync/database_memory.h"
#include "sync/interrupt.h"

/* Everything is durable when it is acknowledged, so what is not finished by
 * then can be left to the next start. */
#define STOP_LIMIT_MS 1800

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

static struct {
    timer_t limit;
    uv_async_t wake; /* the loop, once a stop was requested */
    uv_signal_t reload;
} signals;

static void
give_up(int sig)
{
    (void)sig;
    _exit(exit_status);
}

/* Async-signal-safe.  Whatever the loop and the threads do, it ends in time. */
static void
begin_stopping(void)
{
    const struct itimerspec limit = {
        .it_value = { .tv_sec = STOP_LIMIT_MS / 1000,
            .tv_nsec = STOP_LIMIT_MS % 1000 * 1000000L },
    };

    if (stop_is_requested())
        return;
    stop_request();
    timer_settime(signals.limit, 0, &limit, NULL);
}

static void
on_stop_signal(int sig)
{
    int saved = errno;

    (void)sig;
    exit_status = EXIT_SUCCESS;
    begin_stopping();
    uv_async_send(&signals.wake);
    errno = saved;
}

static void
on_wake(uv_async_t *wake)
{
    struct engine *engine = wake->data;

    engine->stopping = true;
    interruptible_stop_all();
    uv_stop(engine->loop);
}

static void
on_reload(uv_signal_t *handle, int sig)
{
    struct err e = ERR_INIT;

    (void)sig;
    engine_reload(handle->data, &e);
}

/* A handler of our own and not libuv's: it is heard while the loop is busy, as
 * with the audit of the start. */
static int
watch_signals(struct engine *engine, struct err *e)
{
    struct sigevent on_limit = { .sigev_notify = SIGEV_SIGNAL,
        .sigev_signo = SIGALRM };
    struct sigaction stop = { .sa_handler = on_stop_signal,
        .sa_flags = SA_RESTART };

    if (timer_create(CLOCK_MONOTONIC, &on_limit, &signals.limit) != 0)
        return err_set_errno(e, ERR_INTERNAL, errno, "could not make a timer");
    signal(SIGALRM, give_up);
    uv_async_init(engine->loop, &signals.wake, on_wake);
    uv_unref((uv_handle_t *)&signals.wake);
    signals.wake.data = engine;
    uv_signal_init(engine->loop, &signals.reload);
    uv_unref((uv_handle_t *)&signals.reload);
    signals.reload.data = engine;
    uv_signal_start(&signals.reload, on_reload, SIGHUP);
    sigemptyset(&stop.sa_mask);
    sigaction(SIGTERM, &stop, NULL);
    sigaction(SIGINT, &stop, NULL);
    return 0;
}

/* The handler would wake a loop that has ended. */
static void
unwatch_signals(void)
{
    signal(SIGTERM, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    uv_close((uv_handle_t *)&signals.wake, NULL);
    uv_close((uv_handle_t *)&signals.reload, NULL);
}

/* Why it did not start; asked to stop is no failure. */
static void
report_start(struct background *background, const struct err *e)
{
    background_fail(background, e);
    if (stop_is_requested())
        log_info("stopped before it was ready");
    else
        report(e);
}

static int
serve(struct engine *engine, struct background *background)
{
    struct service_manager *manager;
    struct err e = ERR_INIT;

    engine->loop = uv_default_loop();
    engine->lock_fd = -1;
    if (watch_signals(engine, &e) != 0) {
        background_fail(background, &e);
        report(&e);
        return EXIT_FAILURE;
    }
    if (engine_start(engine, &e) != 0) {
        report_start(background, &e);
        goto out;
    }
    if (background_ready(background, engine->settings.state_dir, &e) != 0) {
        report(&e);
        goto out_engine;
    }
    engine_report_start(engine);
    log_info("ready on %s", listener_address(engine->listener));
    manager =
        service_manager_ready(engine->loop, listener_address(engine->listener));
    while (!engine->stopping)
        uv_run(engine->loop, UV_RUN_DEFAULT);
    log_info("stopping");
    service_manager_stopping(manager);
out_engine:
    begin_stopping();
    engine_stop(engine);
out:
    begin_stopping();
    unwatch_signals();
    /* Lets closed handles and ended children go. */
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
    if (hook_exec_is_requested(argc, argv))
        return hook_exec_run(argc, argv);
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
    memory_keep_small();
    database_bound_memory();
    engine.config_path = options.config_path;
    if (settings_load(&engine.settings, options.config_path, &e) != 0)
        goto fail;
    if (settings_load(&engine.configured, options.config_path, &e) != 0 ||
        options_apply(&options, &engine.settings, &e) != 0 ||
        settings_check_datasets(&engine.settings, &e) != 0)
        goto fail;
    log_init("engine", (enum log_level)engine.settings.log_level);
    if (options.check) {
        if (store_check_version(engine.settings.state_dir, &e) != 0)
            goto fail;
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

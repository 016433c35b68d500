/*
 * Both streams of a hook go into one pipe, so that they are read in the order
 * in which they were written.  What a daemon that it started still writes there
 * afterwards nobody reads: the end of the process counts, not the pipe's.
 */
#include "daemon/hook_run.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/escape.h"
#include "daemon/hook_exec.h"

/* What a pipe holds, in READ_SIZE: read at most this much after its end. */
#define READ_SIZE 4096
#define LAST_READS 32

struct hook_run {
    uv_process_t process;
    uv_poll_t output_poll;
    uv_timer_t limit;
    unsigned handles; /* of libuv, not yet closed */
    int output_fd;
    char output[HOOK_OUTPUT_SIZE];
    size_t output_len;
    bool timed_out;
    int64_t timeout_ms;
    hook_run_done_fn done; /* NULL once cancelled */
    void *ctx;
};

static void
on_handle_closed(uv_handle_t *handle)
{
    struct hook_run *run = handle->data;

    if (--run->handles > 0)
        return;
    close(run->output_fd);
    free(run);
}

static void
close_handles(struct hook_run *run)
{
    uv_close((uv_handle_t *)&run->process, on_handle_closed);
    uv_close((uv_handle_t *)&run->output_poll, on_handle_closed);
    uv_close((uv_handle_t *)&run->limit, on_handle_closed);
}

/* False when the pipe is empty or at its end. */
static bool
read_output(struct hook_run *run)
{
    char text[READ_SIZE];
    ssize_t n = read(run->output_fd, text, sizeof(text));
    size_t room = sizeof(run->output) - run->output_len;

    if (n < 0)
        return errno == EINTR;
    if (n == 0) {
        uv_poll_stop(&run->output_poll);
        return false;
    }
    if ((size_t)n < room)
        room = (size_t)n;
    memcpy(run->output + run->output_len, text, room);
    run->output_len += room;
    return true;
}

static void
on_output(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    read_output(poll->data);
}

static void
kill_group(const struct hook_run *run)
{
    (void)kill(-run->process.pid, SIGKILL);
}

static void
on_limit(uv_timer_t *timer)
{
    struct hook_run *run = timer->data;

    run->timed_out = true;
    kill_group(run);
}

static void
describe_end(const struct hook_run *run, int64_t status, int sig, struct err *e)
{
    if (run->timed_out)
        err_set(e, ERR_TIMEOUT, "it took longer than %" PRId64 " s",
            run->timeout_ms / 1000);
    else if (sig != 0)
        err_set(e, ERR_IO, "it was killed by signal %d (%s)", sig,
            strsignal(sig));
    else if (status != 0)
        err_set(e, ERR_IO, "exit status %" PRId64, status);
    else
        err_clear(e);
}

/* One line of text: line ends become " | ". */
static void
clean_output(const struct hook_run *run, char *out, size_t size)
{
    size_t len = run->output_len, used = 0, start = 0;

    out[0] = '\0';
    while (len > 0 && run->output[len - 1] == '\n')
        len--;
    for (size_t i = 0; i <= len && used + 1 < size; i++) {
        if (i < len && run->output[i] != '\n')
            continue;
        if (i > start) {
            used += (size_t)snprintf(out + used, size - used, "%s",
                used > 0 ? " | " : "");
            if (used + 1 < size)
                escape_text(run->output + start, i - start, out + used,
                    size - used);
            used = strlen(out);
        }
        start = i + 1;
    }
}

static void
on_ended(uv_process_t *process, int64_t status, int sig)
{
    struct hook_run *run = process->data;
    char output[HOOK_OUTPUT_SIZE];
    struct err e = ERR_INIT;

    /* What it left in its group would run beside the next hook. */
    kill_group(run);
    if (run->done != NULL) {
        for (int i = 0; i < LAST_READS && read_output(run); i++)
            continue;
        describe_end(run, status, sig, &e);
        clean_output(run, output, sizeof(output));
    }
    close_handles(run);
    if (run->done != NULL)
        run->done(run->ctx, output, &e);
}

void
hook_run_cancel(struct hook_run *run)
{
    if (run == NULL)
        return;
    run->done = NULL;
    kill_group(run);
}

static int
spawn(struct hook_run *run, uv_loop_t *loop, const struct hook_call *call,
    int output_fd)
{
    char flag[] = HOOK_EXEC_FLAG;
    char parent[16], epoch[24], revision[24];
    char *args[] = { "lockstepd: hook", flag, parent,
        (char *)(uintptr_t)call->program, (char *)(uintptr_t)call->name,
        (char *)(uintptr_t)call->dataset, epoch, revision, NULL };
    uv_stdio_container_t streams[] = {
        { .flags = UV_IGNORE },
        { .flags = UV_INHERIT_FD, .data.fd = output_fd },
        { .flags = UV_INHERIT_FD, .data.fd = output_fd },
    };
    const uv_process_options_t options = {
        .exit_cb = on_ended,
        .file = "/proc/self/exe",
        .args = args,
        .env = (char **)(uintptr_t)call->environment,
        .flags = UV_PROCESS_DETACHED,
        .stdio_count = 3,
        .stdio = streams,
    };

    snprintf(parent, sizeof(parent), "%d", (int)getpid());
    snprintf(epoch, sizeof(epoch), "%" PRIu64, call->epoch);
    snprintf(revision, sizeof(revision), "%" PRIu64, call->revision);
    return uv_spawn(loop, &run->process, &options);
}

struct hook_run *
hook_run_start(uv_loop_t *loop, const struct hook_call *call,
    hook_run_done_fn done, void *ctx, struct err *e)
{
    struct hook_run *run;
    int ends[2], r;

    if (pipe2(ends, O_CLOEXEC) != 0) {
        err_set_errno(e, ERR_BUSY, errno, "could not start \"%s\"",
            call->program);
        return NULL;
    }
    (void)fcntl(ends[0], F_SETFL, O_NONBLOCK);
    run = alloc_zeroed(1, sizeof(*run));
    run->output_fd = ends[0];
    run->timeout_ms = call->timeout_ms;
    run->done = done;
    run->ctx = ctx;
    run->handles = 3;
    uv_poll_init(loop, &run->output_poll, run->output_fd);
    uv_timer_init(loop, &run->limit);
    r = spawn(run, loop, call, ends[1]);
    close(ends[1]);
    run->process.data = run;
    run->output_poll.data = run;
    run->limit.data = run;
    if (r != 0) {
        close_handles(run);
        err_set_errno(e, ERR_BUSY, -r, "could not start \"%s\"", call->program);
        return NULL;
    }
    uv_poll_start(&run->output_poll, UV_READABLE, on_output);
    uv_timer_start(&run->limit, on_limit, (uint64_t)call->timeout_ms, 0);
    return run;
}

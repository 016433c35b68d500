/*
 * Tables of system calls as a filter for the kernel (classic BPF, as seccomp(2)
 * takes it), and the end of a process that made another one.
 */
#include "daemon/sandbox.h"

#include <assert.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "daemon/sandbox_files.h"

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define ARCHITECTURE AUDIT_ARCH_RISCV64
#else
#error "the sandbox has no table for this architecture"
#endif

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the filter reads the low half of arguments where it is first"
#endif

#define PROGRAM_MAX 1024
/* Harmless, and in no table: a second forbidden call, made by the handler of
 * the first, cannot be handled, and the kernel ends the process for it. */
#define LAST_CALL SYS_getsid

struct program {
    struct sock_filter code[PROGRAM_MAX];
    unsigned short len;
};

static void
emit(struct program *p, uint16_t code, uint32_t k, uint8_t jump_if,
    uint8_t jump_else)
{
    assert(p->len < PROGRAM_MAX);
    p->code[p->len++] = (struct sock_filter){ .code = code,
        .jt = jump_if,
        .jf = jump_else,
        .k = k };
}

static void
load(struct program *p, size_t offset)
{
    emit(p, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

static void
put_action(struct program *p, const struct sandbox_rule *rule)
{
    emit(p, BPF_RET | BPF_K,
        rule->refusal == 0 ? SECCOMP_RET_ALLOW
                           : SECCOMP_RET_ERRNO | (uint32_t)rule->refusal,
        0, 0);
}

/* The number of the call is in the accumulator before and after. */
static void
put_rule(struct program *p, const struct sandbox_rule *rule)
{
    uint8_t checks = 0, rest;

    while (checks < SANDBOX_CHECKS_MAX && rule->checks[checks].mask != 0)
        checks++;
    /* Three instructions a check, the action, and the number loaded again. */
    rest = checks > 0 ? (uint8_t)(3 * checks + 2) : 1;
    emit(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)rule->call, 0, rest);
    for (uint8_t i = 0; i < checks; i++) {
        const struct sandbox_check *c = &rule->checks[i];

        load(p, offsetof(struct seccomp_data, args) + 8 * c->argument);
        emit(p, BPF_ALU | BPF_AND | BPF_K, c->mask, 0, 0);
        emit(p, BPF_JMP | BPF_JEQ | BPF_K, c->value, 0,
            (uint8_t)(3 * (checks - i - 1) + 1));
    }
    put_action(p, rule);
    if (checks > 0)
        load(p, offsetof(struct seccomp_data, nr));
}

static void
put_rules(struct program *p, const struct sandbox *s)
{
    for (size_t i = 0; i < s->rule_count; i++)
        put_rule(p, &s->rules[i]);
}

/* A signal, so that the call can be named; who has no handler any more, or
 * blocks it, is ended by the kernel all the same. */
static void
make_program(struct program *p, const struct sandbox *s)
{
    p->len = 0;
    load(p, offsetof(struct seccomp_data, arch));
    emit(p, BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0);
    emit(p, BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS, 0, 0);
    load(p, offsetof(struct seccomp_data, nr));
    put_rules(p, &sanitizer_sandbox);
    put_rules(p, s);
    emit(p, BPF_RET | BPF_K, SECCOMP_RET_TRAP, 0, 0);
}

static size_t
put_number(char *out, unsigned number)
{
    char digits[16];
    size_t n = 0;

    do
        digits[n++] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    for (size_t i = 0; i < n; i++)
        out[i] = digits[n - 1 - i];
    return n;
}

static void
on_forbidden(int sig, siginfo_t *info, void *context)
{
    char line[64] = SANDBOX_FORBIDDEN;
    size_t len = strlen(line);

    (void)sig;
    (void)context;
    len += put_number(line + len, (unsigned)info->si_syscall);
    line[len++] = '\n';
    (void)!write(STDERR_FILENO, line, len);
    (void)syscall(LAST_CALL, 0);
    _exit(1);
}

int
sandbox_enter(const struct sandbox *s, struct err *e)
{
    static struct program program;
    struct sigaction action = { .sa_sigaction = on_forbidden,
        .sa_flags = SA_SIGINFO };
    struct sock_fprog filter;

    sandbox_restrict_files(s);
    make_program(&program, s);
    filter = (struct sock_fprog){ .len = program.len, .filter = program.code };
    sigemptyset(&action.sa_mask);
    if (sigaction(SIGSYS, &action, NULL) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0) {
        err_set_errno(e, ERR_INTERNAL, errno, "cannot enter the sandbox");
        err_hint(e, "The kernel must support seccomp filters.");
        return -1;
    }
    return 0;
}

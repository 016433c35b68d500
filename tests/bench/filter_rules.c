/*
 * What a large filter costs: compiles COUNT random rules (prefixes of IPv4 and
 * IPv6, single addresses), asks for random addresses,
 * and prints three numbers: milliseconds to compile, nanoseconds per question,
 * nanoseconds per question without compiling.
 *
 *     filter_rules COUNT
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ipfilter/ruleset.h"

#define QUESTIONS 1000000
#define PLAIN_QUESTIONS 200

static uint64_t seed = 1;

static uint64_t
random_number(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static double
now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static struct ip_address
random_address(void)
{
    uint64_t high = random_number();
    uint64_t low = random_number();
    struct ip_address a;

    memcpy(a.bytes, &high, sizeof(high));
    memcpy(a.bytes + 8, &low, sizeof(low));
    if (high % 2 == 0) {
        memset(a.bytes, 0, 10);
        a.bytes[10] = a.bytes[11] = 0xff;
    } else {
        a.bytes[0] = 0x20;
    }
    return a;
}

/* A random prefix, or one address. */
static struct ipfilter_rule
random_rule(int64_t id)
{
    struct ip_address a = random_address();
    size_t fixed = 13 + random_number() % 4;
    struct ipfilter_rule rule = {
        .action = random_number() % 2 ? IPFILTER_ALLOW : IPFILTER_DENY,
        .range = { a, a },
        .scope = IPFILTER_BOTH,
        .id = id,
    };

    if (a.bytes[0] == 0x20)
        fixed -= 9;
    memset(rule.range.first.bytes + fixed, 0, 16 - fixed);
    memset(rule.range.last.bytes + fixed, 0xff, 16 - fixed);
    return rule;
}

static double
ns_per_question(const struct ruleset *set, size_t questions)
{
    struct ip_address *asked = calloc(questions, sizeof(*asked));
    int64_t rule, sum = 0;
    double started;

    if (asked == NULL)
        abort();
    for (size_t i = 0; i < questions; i++)
        asked[i] = random_address();
    started = now_ns();
    for (size_t i = 0; i < questions; i++) {
        ruleset_match(set, &asked[i], IPFILTER_ADMIN, 0, &rule);
        sum += rule;
    }
    started = now_ns() - started;
    free(asked);
    /* The sum is used, so that nothing is left out. */
    return sum == -1 ? 0 : started / (double)questions;
}

int
main(int argc, char **argv)
{
    struct ruleset *set = ruleset_new(IPFILTER_DENY);
    size_t count = argc == 2 ? strtoul(argv[1], NULL, 10) : 0;
    double plain, compile;

    if (count == 0 || count > RULESET_MAX) {
        fprintf(stderr, "usage: filter_rules COUNT\n");
        return 2;
    }
    for (size_t i = 0; i < count; i++) {
        struct ipfilter_rule rule = random_rule((int64_t)i);

        ruleset_add(set, &rule);
    }
    plain = ns_per_question(set, PLAIN_QUESTIONS);
    compile = now_ns();
    ruleset_compile(set, IPFILTER_ADMIN);
    compile = now_ns() - compile;
    printf("%.3f %.1f %.1f\n", compile / 1e6, ns_per_question(set, QUESTIONS),
        plain);
    ruleset_free(set);
    return 0;
}

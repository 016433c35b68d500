/*
 * Rules of the filter, from any bytes.  A line is a rule: action, scope and
 * when it ends are taken of its first letters, the rest is the address as an
 * administrator writes it.  What is accepted is written in its shortest form
 * and read again as the same; the compiled set says what the rules, one by one,
 * say, at every edge of every rule.  With a "{" in front the bytes are the
 * arguments of "ipfilter add".
 */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "daemon/config_row.h"
#include "daemon/filter_rules.h"
#include "ipfilter/ruleset.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RULES_MAX 64
#define LINE_SIZE 200
#define NOW_MS 1000

static const enum ipfilter_scope scopes[] = { IPFILTER_ADMIN, IPFILTER_SERVICE,
    IPFILTER_BOTH };

static int
parse(const char *text, struct ip_range *range)
{
    struct err e = ERR_INIT;
    struct ip_range again;
    char shortest[128], twice[128];

    if (ip_range_parse(text, range, &e) != 0) {
        assert(e.code == ERR_INVALID && e.message[0] != '\0');
        return -1;
    }
    assert(memcmp(range->first.bytes, range->last.bytes, 16) <= 0);
    ip_range_format(range, shortest);
    assert(ip_range_parse(shortest, &again, &e) == 0);
    assert(memcmp(&again, range, sizeof(again)) == 0);
    ip_range_format(&again, twice);
    assert(strcmp(shortest, twice) == 0);
    return 0;
}

static void
take_line(struct ruleset *plain, struct ruleset *compiled, const char *line)
{
    struct ipfilter_rule rule = {
        .id = (int64_t)ruleset_count(plain) + 1,
    };

    if (strlen(line) < 3 || ruleset_count(plain) == RULES_MAX ||
        parse(line + 3, &rule.range) != 0)
        return;
    rule.action = line[0] & 1 ? IPFILTER_ALLOW : IPFILTER_DENY;
    rule.scope = scopes[(uint8_t)line[1] % 3];
    /* Never, now, in the past and to come. */
    rule.expires_ms =
        (uint8_t)line[2] % 4 == 0 ? 0 : NOW_MS - 2 + (line[2] & 3);
    ruleset_add(plain, &rule);
    ruleset_add(compiled, &rule);
}

static void
take_lines(struct ruleset *plain, struct ruleset *compiled, const uint8_t *data,
    size_t size)
{
    char line[LINE_SIZE];

    while (size > 0) {
        const uint8_t *end = memchr(data, '\n', size);
        size_t len = end != NULL ? (size_t)(end - data) : size;

        if (len < sizeof(line)) {
            memcpy(line, data, len);
            line[len] = '\0';
            take_line(plain, compiled, line);
        }
        len += end != NULL;
        data += len;
        size -= len;
    }
}

static void
compare_at(const struct ruleset *plain, const struct ruleset *compiled,
    struct ip_address a, int step)
{
    int64_t one_by_one, searched;

    /* The neighbour below, itself, and the one above; around at the ends. */
    for (int i = 15; i >= 0 && step != 0; i--) {
        a.bytes[i] = (uint8_t)(a.bytes[i] + step);
        if (a.bytes[i] != (step > 0 ? 0 : 255))
            break;
    }
    for (size_t i = 0; i < sizeof(scopes) / sizeof(scopes[0]) - 1; i++) {
        assert(ruleset_match(plain, &a, scopes[i], NOW_MS, &one_by_one) ==
               ruleset_match(compiled, &a, scopes[i], NOW_MS, &searched));
        assert(one_by_one == searched);
    }
}

static void
check_lines(const uint8_t *data, size_t size)
{
    struct ruleset *plain = ruleset_new(IPFILTER_DENY);
    struct ruleset *compiled = ruleset_new(IPFILTER_DENY);

    take_lines(plain, compiled, data, size);
    ruleset_compile(compiled, IPFILTER_ADMIN);
    ruleset_compile(compiled, IPFILTER_SERVICE);
    for (size_t i = 0; i < ruleset_count(plain); i++) {
        const struct ip_range *range = &ruleset_at(plain, i)->range;

        for (int step = -1; step <= 1; step++) {
            compare_at(plain, compiled, range->first, step);
            compare_at(plain, compiled, range->last, step);
        }
    }
    ruleset_free(plain);
    ruleset_free(compiled);
}

static void
check_arguments(const uint8_t *data, size_t size)
{
    struct row row = ROW_INIT;
    struct err e = ERR_INIT;
    struct ip_range range;
    char address[128];
    json_t *args = NULL;

    if (json_read_object((const char *)data, size, &args, &e) != 0)
        return;
    if (filter_rules_take(&row, address, args, &e) == 0) {
        assert(parse(address, &range) == 0);
        assert(row_has(&row, "action") && row_has(&row, "address"));
    } else {
        assert(e.code == ERR_INVALID && e.message[0] != '\0');
    }
    json_decref(args);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 0 && data[0] == '{')
        check_arguments(data, size);
    else
        check_lines(data, size);
    return 0;
}

/*
 * What a server says it holds, from any bytes: read into values within their
 * bounds, or refused for a reason of ours.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "daemon/fleet_facts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_values(const struct fleet_facts *facts, size_t size)
{
    assert(facts->epoch <= INT64_MAX && facts->revision <= INT64_MAX);
    assert(facts->drift_keys.len <= size);
    assert(facts->row_count <= FLEET_FACTS_ROWS_MAX);
    for (size_t i = 0; i < facts->row_count; i++) {
        assert(memchr(facts->rows[i].table, 0, sizeof(facts->rows[i].table)));
        assert(memchr(facts->rows[i].key, 0, sizeof(facts->rows[i].key)));
    }
    assert(memchr(facts->role, 0, sizeof(facts->role)));
    assert(memchr(facts->version, 0, sizeof(facts->version)));
    assert(memchr(facts->seen_address, 0, sizeof(facts->seen_address)));
    assert(memchr(facts->reason, 0, sizeof(facts->reason)));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fleet_facts facts;
    struct err e = ERR_INIT;

    if (fleet_facts_read(&facts, data, size, &e) == 0) {
        assert(e.code == ERR_NONE);
        check_values(&facts, size);
    } else {
        assert(e.code == ERR_INVALID || e.code == ERR_PROTOCOL ||
               e.code == ERR_VERSION);
        assert(e.message[0] != '\0');
    }
    fleet_facts_release(&facts);
    return 0;
}

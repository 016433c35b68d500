"""Rows about a hundred real secondaries on this machine."""

import os
import random

import fleet_data
from bench import Kept, median
from lockstep import Cluster, children
from machine import family_cpu_ms, pss_kib

NODES = int(os.environ.get("LOCKSTEP_BENCH_NODES", "100"))
FIRST = 101  # 127.0.0.101 and on


def hundred(table, test):
    primary = test.node("primary")
    primary.stop()
    fleet_data.put_into(primary.live(),
                        fleet_data.path_of(table.data, "S"))
    primary.start()
    primary.cli("sync", "config", "--interval", "1h")
    cluster = Cluster(primary, [])
    for i in range(NODES):
        node = test.node("node%03d" % i, start=False)
        node.address = "127.0.0.%d" % (FIRST + i)
        node.listen = node.address + ":14983"
        node.start()
        cluster.add(node)
        cluster.secondaries.append(node)
    cluster.sync()
    return cluster


def to_the_last(cluster, kept, r):
    """Milliseconds from "publish now" until the last of them has proved it,
    and the primary's CPU for that, all its processes together."""
    with cluster.primary.database() as db:
        fleet_data.change(db, 10, fleet_data.USERS["S"], r)
    pid = cluster.primary.pid()
    before = family_cpu_ms(pid)
    took = kept.publish()
    return took, family_cpu_ms(pid) - before


def measure(table, fresh):
    names = ["10 rows to %d secondaries" % NODES,
             "primary's CPU for %d secondaries" % NODES,
             "PSS of pusher per server"]
    if not any(table.wants(n) for n in names):
        return
    test = fresh()
    cluster = hundred(table, test)
    r = random.Random(4)
    with Kept(cluster.primary) as kept:
        to_the_last(cluster, kept, r)
        found = [to_the_last(cluster, kept, r) for _ in range(9)]
    table.row(names[0], median([f[0] for f in found]), "ms", most=250)
    table.row(names[1], median([f[1] for f in found]), "ms", most=30)
    pushers = children(cluster.primary, "pusher")
    table.row(names[2], sum(pss_kib(p) for p in pushers) / NODES, "KiB",
              most=64)
    test.end()

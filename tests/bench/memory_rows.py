"""Rows about memory: the engine of an idle node, one session of a hundred, any
process of two nodes while much changes."""

import os

from bench import Kept, Unmeasured
from large import Large
from lockstep import children, wait_for
from machine import pss_kib

SESSIONS = 100


def measure_large(table, fresh, capture):
    names = ["memory of 1,000,000 changed rows (%s)" % capture,
             "memory of one 500 MB blob (%s)" % capture]
    if not any(table.wants(n) for n in names):
        return
    test = fresh()
    large = Large(test, capture, 1000000, 500000000)
    for name, changes in ((names[0], [large.insert_rows, large.update_rows,
                                      large.drift_rows]),
                          (names[1], [large.insert_blob, large.update_blob])):
        if table.wants(name):
            mib, _ = max(large.peak(change) for change in changes)
            large.check_equal()
            table.row(name, mib, "MiB", most=64)
    test.end()


def measure_kind(table, fresh, kind):
    """Tables whose large rows SQLite has whole."""
    name = "memory of one 500 MB blob (%s)" % kind
    if not table.wants(name):
        return
    test = fresh()
    large = Large(test, "compare", 0, 500000000, kind)
    mib, _ = max(large.peak(change)
                 for change in (large.insert_blob, large.update_blob))
    large.check_equal()
    table.row(name, mib, "MiB", most=64)
    test.end()


def measure(table, fresh):
    for capture in "compare", "triggers":
        measure_large(table, fresh, capture)
    for kind in "without rowid", "protected":
        measure_kind(table, fresh, kind)
    measure_processes(table, fresh)


def measure_processes(table, fresh):
    names = ["PSS of an idle engine",
             "PSS of one session of %d" % SESSIONS]
    if not any(table.wants(n) for n in names):
        return
    if os.geteuid() != 0:
        raise Unmeasured("PSS of processes that are not dumpable needs root")
    test = fresh()
    node = test.node("node", config="[limits]\n"
                     "max_sessions_per_source = %d\n" % (2 * SESSIONS))
    wait_for(lambda: not children(node, "session"), 30, "no session")
    table.row(names[0], pss_kib(node.pid()) / 1024, "MiB", most=12)
    kept = []
    try:
        for _ in range(SESSIONS):
            kept.append(Kept(node))
            kept[-1].run("status")
        sessions = children(node, "session")
        if len(sessions) < SESSIONS:
            raise RuntimeError("%d sessions" % len(sessions))
        table.row(names[1], sum(pss_kib(p) for p in sessions) /
                  len(sessions) / 1024, "MiB", most=2)
    finally:
        for k in kept:
            k.close()
    test.end()

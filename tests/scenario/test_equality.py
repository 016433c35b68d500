#!/usr/bin/python3
"""Three outside writers, and at random moments everything proved equal.

LOCKSTEP_STATEMENTS and LOCKSTEP_POINTS set how many statements and how many
moments; the standard is what fits into make check, 10000 and 200 the whole.
"""

import multiprocessing
import os
import random
import sqlite3
import time

import contents
import statements
from lockstep import (DONE, SLOW, check, in_one_of, run, same, scenario,
                      wait_for)

STATEMENTS = int(os.environ.get("LOCKSTEP_STATEMENTS", "3000"))
POINTS = int(os.environ.get("LOCKSTEP_POINTS", "60"))
SEED = int(os.environ.get("LOCKSTEP_SEED", "1"))
WRITERS = 3
# A random statement may well delete a fifth of a table; that guard is the
# subject of another scenario.
UNGUARDED = "[guard]\ndelete_percent = 0\n"


def write(path, seed, done, limit):
    """One writer: statements until it is told to end, never far ahead of
    the moments at which equality is looked at."""
    generator = statements.Generator(seed)
    db = statements.connect(path, seed)
    while True:
        allowed = limit.value
        if allowed < 0:
            break
        if done.value >= allowed:
            time.sleep(0.001)
            continue
        statements.execute(db, generator.statement())
        with done.get_lock():
            done.value += 1
    db.close()


class Writers:
    def __init__(self, path, seed):
        self.done = multiprocessing.Value("q", 0)
        self.limit = multiprocessing.Value("q", 0)
        self.processes = [multiprocessing.Process(
            target=write, args=(path, seed * 100 + i, self.done, self.limit))
            for i in range(WRITERS)]
        for p in self.processes:
            p.start()

    def reached(self, count):
        for p in self.processes:
            check(p.is_alive(), "a writer failed")
        return self.done.value >= count

    def end(self):
        self.limit.value = -1
        for p in self.processes:
            p.join(60)
            if p.is_alive():
                p.kill()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()


def equal_everywhere(cluster, live=False):
    paths = [cluster.primary.published()]
    paths += [n.live() for n in cluster.secondaries]
    if live:
        paths.append(cluster.primary.live())
    found = contents.read_together(*paths)
    for path, other in zip(paths[1:], found[1:]):
        differs = contents.difference(found[0], other)
        check(not differs, "%s: %s" % (path, differs))
    return found[0]


def cluster_with_tables(t, mode):
    cluster = t.cluster(2, interval="1d", config=UNGUARDED)
    if mode == "delete":
        for node in cluster.nodes():
            node.stop()
            same(node.sql("PRAGMA journal_mode = DELETE"), [("delete",)],
                 "journal mode")
            node.start()
        cluster.wait_synchronized(deadline=60)
    with cluster.primary.database() as db:
        db.executescript(statements.SCHEMA)
    cluster.sync()
    equal_everywhere(cluster)
    return cluster


def seconds_of_sync(cluster):
    """Until all is pushed; if nobody was let in by the writers until then,
    another attempt, which counts as well."""
    def done():
        reply = cluster.primary.run("--json", "sync", "now", "--wait")
        check(reply.code == DONE or
              reply.json["error"]["code"] == "BUSY", str(reply))
        return reply.code == DONE
    began = time.monotonic()
    wait_for(done, what="sync")
    return time.monotonic() - began


def limit_of_sync(cluster):
    """Two seconds, or more on a machine that has other work to do: what a
    sync takes while nobody writes says how much."""
    calm = []
    for i in range(5):
        cluster.primary.sql("PRAGMA user_version = %d" % i)
        calm.append(seconds_of_sync(cluster))
    return max(2 * SLOW, 10 * max(calm))


def check_times(times, limit):
    """Nine of ten: whoever starves does so again and again, and a disk that
    stands still for seconds is nobody's fault here."""
    times = sorted(times)
    check(times[len(times) * 9 // 10 - 1] < limit,
          "they took %s s, %.2f s at most" % (
              ", ".join("%.2f" % s for s in times[-9:]), limit))


def equality(t, mode):
    cluster = cluster_with_tables(t, mode)
    primary = cluster.primary
    limit = limit_of_sync(cluster)
    before = {n.name: primary.server(n) for n in cluster.secondaries}
    points = sorted(random.Random(SEED).sample(range(1, STATEMENTS), POINTS))
    changed, times, proved = 0, [], 0
    last = equal_everywhere(cluster)
    mode_text = "in %s mode" % mode.upper()

    with t.promise("published copy and secondaries are equal at every one of "
                   "%d moments of %d statements, %s" %
                   (POINTS, STATEMENTS, mode_text)):
        with Writers(primary.live(), SEED) as writers:
            for i, point in enumerate(points):
                # They go on writing while we publish, push and look.
                following = points[i + 1] if i + 1 < POINTS else STATEMENTS
                writers.limit.value = following
                wait_for(lambda: writers.reached(point), 60,
                         "%d statements" % point, 0.001)
                times.append(seconds_of_sync(cluster))
                now = equal_everywhere(cluster)
                changed += contents.changed_bytes(last, now)
                last = now
                proved += 1
            wait_for(lambda: writers.reached(STATEMENTS), 60,
                     "every statement")
        cluster.sync()
        now = equal_everywhere(cluster, live=True)
        changed += contents.changed_bytes(last, now)
        same(proved, POINTS, "moments proved")
        mode_now = primary.sql("PRAGMA journal_mode")[0][0]
        same(mode_now, mode, "journal mode")

    after = {n.name: primary.server(n) for n in cluster.secondaries}
    with t.promise("no overwrite was needed, %s" % mode_text):
        for name in before:
            same(after[name]["overwrites"], before[name]["overwrites"],
                 "overwrites of " + name)
    with t.promise("bytes sent are under five times the bytes changed, %s" %
                   mode_text):
        for name in before:
            sent = after[name]["bytes_sent"] - before[name]["bytes_sent"]
            check(0 < sent < 5 * changed, "%s: %d bytes sent for %d changed" %
                  (name, sent, changed))
    with t.promise("nine of ten sync now --wait took under 2 s, %s" %
                   mode_text):
        check_times(times, max(limit, limit_of_sync(cluster)))


@scenario
def equality_in_wal_mode(t):
    equality(t, "wal")


@scenario
def equality_in_delete_mode(t):
    equality(t, "delete")


def tight_loop(path, seed, limit):
    db = sqlite3.connect(path, timeout=60, isolation_level=None)
    i = 0
    while limit.value >= 0:
        i += 1
        try:
            db.execute("UPDATE users SET comment = ? WHERE id = ?",
                       ("%d %d" % (seed, i), i % 20))
        except sqlite3.OperationalError:
            pass
    db.close()


def tight_writers(t, mode):
    cluster = cluster_with_tables(t, mode)
    with cluster.primary.database() as db:
        db.executemany(
            "INSERT INTO users (id, name, uid, gid, home) VALUES "
            "(?, ?, 1000, 1000, '/srv/x')",
            [(i, "user%d" % i) for i in range(20)])
    longest = limit_of_sync(cluster)
    limit = multiprocessing.Value("q", 0)
    loops = [multiprocessing.Process(
        target=tight_loop, args=(cluster.primary.live(), i, limit))
        for i in range(WRITERS)]
    with t.promise("three writers in a tight loop hold nine of ten sync now "
                   "--wait for under 2 s, in %s mode" % mode.upper()):
        for p in loops:
            p.start()
        try:
            in_one_of(3, lambda: check_times(
                [seconds_of_sync(cluster) for _ in range(20)], longest))
        finally:
            limit.value = -1
            for p in loops:
                p.join(90)


@scenario
def tight_writers_in_wal_mode(t):
    tight_writers(t, "wal")


@scenario
def tight_writers_in_delete_mode(t):
    tight_writers(t, "delete")


if __name__ == "__main__":
    run()

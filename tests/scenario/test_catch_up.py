#!/usr/bin/python3
"""A server that was away is caught up in bundles, and delays nobody; a
reader that never ends holds up its own server's commits and nobody else."""

import os
import sqlite3
import subprocess
import threading
import time

import contents
from admin import Admin
from line import through_a_line
from lockstep import (LOCKSTEP, SLOW, check, in_one_of, run, same, scenario,
                      wait_for)


def fill(cluster, count):
    with cluster.primary.database() as db:
        db.execute("BEGIN")
        db.executemany(
            "INSERT INTO users (id, name, uid, gid, home) VALUES "
            "(?, ?, 1000, 1000, '/srv/x')",
            [(i, "user%d" % i) for i in range(1, count + 1)])
        db.execute("COMMIT")
    cluster.sync()


def equal(a, b):
    found = contents.read_together(a.live(), b.live())
    differs = contents.difference(*found)
    check(not differs, differs)


def push_times(cluster, node, admin, count, start):
    """Milliseconds of COUNT changes, each pushed to NODE and confirmed."""
    times = []
    for i in range(count):
        cluster.primary.sql("UPDATE users SET comment = ? WHERE id = 1",
                            "%d" % (start + i))
        began = time.monotonic()
        result = admin.control("sync now", servers=[node.name], wait=True)
        times.append((time.monotonic() - began) * 1000)
        same(result["servers"][0]["state"], "synchronized", "state")
    return sorted(times)


def p99(times):
    return times[int(len(times) * 0.99) - 1]


@scenario
def a_killed_server_is_caught_up(t):
    cluster = t.cluster(2, interval="1h")
    primary, (away, other) = cluster.primary, cluster.secondaries
    fill(cluster, 200)
    before = primary.server(away)
    with Admin(primary) as admin:
        def compare():
            if not away.is_running():
                away.start()
                cluster.wait_synchronized()
            push_times(cluster, other, admin, 10, 0)
            calm = p99(push_times(cluster, other, admin, 100, 100))
            away.kill9()
            alone = p99(push_times(cluster, other, admin, 100, 1000))
            check(alone <= 2 * max(calm, 5 * SLOW),
                  "p99 went from %.1f ms to %.1f ms" % (calm, alone))
        with t.promise("while a server is dead, the other's p99 push time is "
                       "at most twice what it was"):
            in_one_of(5, compare)
    with primary.database() as db:
        for i in range(1000):
            db.execute("UPDATE users SET comment = ? WHERE id = ?",
                       ("change %d" % i, i % 200 + 1))
    with Admin(primary) as admin:
        admin.control("sync now", servers=[other.name], wait=True)
    with t.promise("a dead server is shown unreachable"):
        wait_for(lambda: primary.state_of(away) == "unreachable", 30,
                 "unreachable", 0.1)
        wait_for(lambda: primary.server(away)["next_attempt"],
                 what="a next attempt")
    with t.promise("a server killed and restarted after 1,000 changes is "
                   "caught up in bundles, not overwritten"):
        away.start()
        primary.run("sync", "now", away.name, "--wait")
        cluster.wait_synchronized()
        after = primary.server(away)
        same(after["overwrites"], before["overwrites"], "overwrites")
        check(after["pushes"] > before["pushes"], "no push is counted")
        equal(primary, away)


@scenario
def an_edited_server_that_is_behind_is_caught_up(t):
    cluster = t.cluster(1, interval="1h")
    primary, node = cluster.primary, cluster.secondaries[0]
    fill(cluster, 200)
    before = primary.server(node)
    node.stop()
    with primary.database() as db:
        for i in range(1000):
            db.execute("UPDATE users SET comment = ? WHERE id = ?",
                       ("change %d" % i, i % 150 + 1))
            if i % 250 == 249:
                db.commit()
                primary.run("sync", "now")
    primary.sql("DELETE FROM users WHERE id = 20")
    primary.sql("INSERT INTO users (id, name, uid, gid, home) VALUES "
                "(300, 'new', 1, 1, '/')")
    primary.run("sync", "now")
    node.sql("UPDATE users SET comment = 'by hand' WHERE id IN (7, 180)")
    node.sql("UPDATE users SET shell = '/by/hand' WHERE id = 20")
    node.sql("INSERT INTO users (id, name, uid, gid, home) VALUES "
             "(300, 'eve', 2, 2, '/')")
    node.sql("DELETE FROM users WHERE id = 8")
    with t.promise("a server that was edited while it was 1,000 changes "
                   "behind is repaired and caught up, not overwritten"):
        node.start()
        cluster.sync()
        cluster.wait_synchronized()
        after = primary.server(node)
        same(after["overwrites"], before["overwrites"], "overwrites")
        equal(primary, node)
    with t.promise("what was edited is kept in the drift file"):
        kept = {d["key"]: d for d in node.drift()}
        same(sorted(kept), ["180", "20", "300", "7", "8"], "keys")
        for key, text in (("7", "by hand"), ("20", "/by/hand"),
                          ("180", "by hand"), ("300", "eve")):
            check(text in str(kept[key]), kept[key])


@scenario
def a_schema_change_is_caught_up(t):
    cluster = t.cluster(1, interval="1h")
    primary, node = cluster.primary, cluster.secondaries[0]
    fill(cluster, 50)
    before = primary.server(node)
    node.stop()
    for change in ("UPDATE users SET comment = 'one'",
                   "CREATE TABLE added (a, b)",
                   "INSERT INTO added VALUES (1, 2)"):
        primary.sql(change)
        primary.run("sync", "now")
    with t.promise("a server that is behind a schema change is synchronized "
                   "by one round, in bundles"):
        node.start()
        cluster.sync()
        cluster.wait_synchronized()
        after = primary.server(node)
        same(after["overwrites"], before["overwrites"], "overwrites")
        check(after["last_synchronized"] > before["last_synchronized"],
              "last synchronized is as it was")
        equal(primary, node)


@scenario
def an_attempt_from_before_is_no_answer(t):
    primary, node, line = through_a_line(t)
    with t.promise("who asks for a sync while a connection is being made, "
                   "which then fails, is answered by the next one"):
        line.cut(0)
        wait_for(line.keeps_back, what="a connection that gets no answer")
        logins = len(primary.events("login"))
        with subprocess.Popen([LOCKSTEP, "--state-dir", primary.directory,
                               "sync", "now", "--wait"],
                              stdout=subprocess.DEVNULL) as asking:
            wait_for(lambda: len(primary.events("login")) > logins,
                     what="somebody asks")
            line.cut()
        same(asking.returncode, 0, "exit code")
        check(primary.state_of(node) == "synchronized", "it is not")
    line.close()


@scenario
def a_restarted_primary_goes_on(t):
    cluster = t.cluster(2, interval="1s")
    fill(cluster, 50)
    before = {n.name: cluster.primary.server(n) for n in cluster.secondaries}
    with t.promise("a primary killed with unpublished changes publishes them "
                   "after its restart, without an overwrite"):
        cluster.primary.kill9()
        cluster.primary.sql("UPDATE users SET comment = 'while away'")
        cluster.primary.start()
        cluster.sync()
        cluster.wait_synchronized()
        for node in cluster.secondaries:
            same(node.sql("SELECT count(*) FROM users WHERE comment = "
                          "'while away'"), [(50,)], "rows")
            same(cluster.primary.server(node)["overwrites"],
                 before[node.name]["overwrites"], "overwrites")


class Readers(threading.Thread):
    """Reads again and again, as a login would, and keeps the longest wait
    since it was last looked at."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.path = path
        self.longest = 0.0
        self.count = 0
        self.ending = False
        self.fault = None

    def run(self):
        while not self.ending:
            began = time.monotonic()
            try:
                db = sqlite3.connect(self.path, timeout=60)
                db.execute("SELECT count(*) FROM users").fetchone()
                db.close()
            except sqlite3.Error as why:
                self.fault = why
            self.longest = max(self.longest, time.monotonic() - began)
            self.count += 1


@scenario
def an_endless_reader_blocks_only_commits(t):
    cluster = t.cluster(1, interval="1s")
    primary, node = cluster.primary, cluster.secondaries[0]
    fill(cluster, 20)
    node.stop()
    # Readers and a writer only meet in a rollback journal mode.
    same(node.sql("PRAGMA journal_mode = DELETE"), [("delete",)], "mode")
    node.start()
    cluster.wait_synchronized()
    reader = sqlite3.connect(node.live(), isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM users").fetchone()
    others = Readers(node.live())
    others.start()
    primary.sql("UPDATE users SET comment = 'blocked'")

    def blocker():
        entry = primary.server(node)
        text = str(entry["error"]) + str(node.cli("dataset", "list"))
        return str(os.getpid()) in text
    with t.promise("status names a reader that never ends"):
        wait_for(blocker, 20, "its process is named", 0.1)

    def wait_at_most():
        seen, began = others.count, time.monotonic()
        # Long enough for commits to be tried.
        wait_for(lambda: others.count > seen + 200 and
                 time.monotonic() > began + 3, what="200 reads")
        longest, others.longest = others.longest, 0.0
        check(longest <= 0.3 * SLOW, "one waited %.0f ms" % (longest * 1000))
    with t.promise("other readers wait at most 300 ms meanwhile"):
        in_one_of(5, wait_at_most)
        others.ending = True
        others.join()
        check(others.fault is None, "a reader failed: %s" % others.fault)
    with t.promise("nothing is said to be synchronized while it reads"):
        check(primary.state_of(node) != "synchronized", "it is")
    with t.promise("once it ends, the change arrives"):
        reader.execute("COMMIT")
        reader.close()
        wait_for(lambda: node.sql("SELECT count(*) FROM users WHERE comment "
                                  "= 'blocked'") == [(20,)], 20, "arrived")
        cluster.wait_synchronized()


if __name__ == "__main__":
    run()

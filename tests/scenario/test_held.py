#!/usr/bin/python3
"""Nothing rolls a fleet back unasked."""

import os
import shutil
import sqlite3

import contents
from admin import Admin
from lockstep import (HELD, PARTLY, check, run, same, scenario, wait_for)

USERS = 60


def fill(cluster, first=1, count=USERS):
    with cluster.primary.database() as db:
        db.execute("BEGIN")
        db.executemany(
            "INSERT INTO users (id, name, uid, gid, home) VALUES "
            "(?, ?, 1000, 1000, '/srv/x')",
            [(i, "user%d" % i) for i in range(first, first + count)])
        db.execute("COMMIT")
    cluster.sync()


def backup(path, to):
    source, copy = sqlite3.connect(path), sqlite3.connect(to)
    source.backup(copy)
    source.close()
    copy.close()


def names(node):
    return [n for n, in node.sql("SELECT name FROM users ORDER BY id")]


def held(cluster, wanted):
    """The dataset is held, it is shown everywhere, nobody lost a row."""
    primary = cluster.primary
    primary.cli("sync", "now", "--wait", expect=HELD)
    check(primary.dataset()["held"], "dataset list does not say held")
    check(primary.run("status", "--check").code != 0,
          "status --check finds nothing wrong")
    for node in cluster.secondaries:
        same(primary.state_of(node), "held", "state of " + node.name)
        same(names(node), wanted, "users of " + node.name)
    check(primary.events("held"), "no event says held")


def all_equal(cluster):
    found = contents.read_together(
        cluster.primary.live(), *[n.live() for n in cluster.secondaries])
    for other in found[1:]:
        differs = contents.difference(found[0], other)
        check(not differs, differs)


def by_mv(live, old):
    os.rename(old, live)


def by_cp(live, old):
    db = sqlite3.connect(live, timeout=60, isolation_level=None)

    def alone_with_all():
        """Nothing in the log, and no writer meanwhile: the daemon tidies up
        a moment after each publish."""
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        db.execute("BEGIN IMMEDIATE")
        if os.path.getsize(live + "-wal") == 0:
            return True
        db.execute("ROLLBACK")
        return False
    wait_for(alone_with_all, what="an empty log")
    shutil.copyfile(old, live)
    db.execute("ROLLBACK")
    db.close()


def truncated(live, _):
    os.truncate(live, 0)


def deleted(live, _):
    os.unlink(live)


@scenario
def an_old_database_is_held_until_accepted(t):
    cluster = t.cluster(1)
    primary = cluster.primary
    for way, act in (("mv", by_mv), ("cp", by_cp)):
        fill(cluster, 1 if way == "mv" else 101)
        old = os.path.join(t.directory, "old.db")
        backup(primary.live(), old)
        kept = names(primary)
        fill(cluster, 61 if way == "mv" else 161, 2)
        newest = names(primary)
        with t.promise("yesterday's config.db by %s is held, no secondary "
                       "loses a row" % way):
            act(primary.live(), old)
            held(cluster, newest)
        with t.promise("dataset accept publishes yesterday's config.db by %s" %
                       way):
            primary.cli("dataset", "accept", "config")
            cluster.sync()
            same(names(cluster.secondaries[0]), kept, "users")
            all_equal(cluster)
            check(not primary.dataset()["held"], "still held")


@scenario
def a_damaged_database_is_held(t):
    cluster = t.cluster(1)
    primary = cluster.primary
    fill(cluster)
    for what, act in (("truncated", truncated), ("deleted", deleted)):
        good = os.path.join(t.directory, "good.db")
        backup(primary.live(), good)
        newest = names(primary)
        with t.promise("a %s config.db is held, no secondary loses a row" %
                       what):
            act(primary.live(), None)
            held(cluster, newest)
        with t.promise("with the right file back in place of the %s one, "
                       "dataset accept goes on" % what):
            for suffix in ("-wal", "-shm"):
                if os.path.exists(primary.live() + suffix):
                    os.unlink(primary.live() + suffix)
            os.rename(good, primary.live())
            same(primary.cli("dataset", "accept", "config")["removed"], 0,
                 "rows removed")
            primary.sql("UPDATE users SET comment = ? WHERE id = 1", what)
            cluster.sync()
            same(names(cluster.secondaries[0]), newest, "users")
            all_equal(cluster)


@scenario
def a_mass_deletion_is_held_until_accepted(t):
    cluster = t.cluster(2)
    fill(cluster)
    before = names(cluster.primary)
    with t.promise("DELETE FROM users is held, no secondary loses a row"):
        cluster.primary.sql("DELETE FROM users")
        held(cluster, before)
    with t.promise("a restart does not lift what is held"):
        cluster.primary.restart()
        held(cluster, before)
    with t.promise("dataset accept carries the deletion out"):
        found = cluster.primary.cli("dataset", "accept", "config")
        same((found["published"], found["removed"], found["rows"]),
             (True, len(before), 0), "what was accepted")
        cluster.sync()
        for node in cluster.secondaries:
            same(names(node), [], "users of " + node.name)


@scenario
def a_restored_state_directory_rolls_nobody_back(t):
    cluster = t.cluster(2)
    primary = cluster.primary
    fill(cluster)
    primary.stop()
    copy = os.path.join(t.directory, "copy")
    shutil.copytree(primary.directory, copy)
    primary.start()
    fill(cluster, 61, 3)
    newest = names(primary)
    primary.stop()
    shutil.rmtree(primary.directory)
    os.rename(copy, primary.directory)
    primary.start()
    with t.promise("the whole state directory from a backup: secondaries are "
                   "ahead, held, and lose no row"):
        for node in cluster.secondaries:
            wait_for(lambda: primary.state_of(node) == "held", 20,
                     "%s held" % node.name)
        reply = primary.run("--json", "sync", "now", "--wait")
        check(reply.code in (HELD, PARTLY), "sync now exits %d" % reply.code)
        for node in cluster.secondaries:
            same(names(node), newest, "users of " + node.name)
    with t.promise("a change made on the restored primary does not roll them "
                   "back either"):
        primary.sql("UPDATE users SET comment = 'x' WHERE id = 1")
        primary.run("--json", "sync", "now", "--wait")
        for node in cluster.secondaries:
            same(names(node), newest, "users of " + node.name)
    with t.promise("they stay held while each interval asks anew"):
        seen, rounds = set(), set()

        def look(admin):
            for node in cluster.secondaries:
                s = admin.server(node.name)
                seen.add(s["state"])
                rounds.add((node.name, s["last_attempt"]))
            return len(rounds) > 8
        with Admin(primary) as admin:
            wait_for(lambda: look(admin), what="some intervals", step=0)
        same(seen, {"held"}, "states")
    with t.promise("server overwrite lifts it, one server at a time"):
        first, other = cluster.secondaries
        primary.cli("server", "overwrite", first.name)
        wait_for(lambda: cluster.synchronized(first), 20, "synchronized")
        same(names(first), names(primary), "users of " + first.name)
        same(names(other), newest, "users of " + other.name)


if __name__ == "__main__":
    run()

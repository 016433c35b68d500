#!/usr/bin/python3
"""The file of a dataset stays its program's: whatever the program does with it,
taken over while in use, given back as it was, and never shared by mistake."""

import contextlib
import glob
import os
import sqlite3
import subprocess

import contents
from lockstep import (DONE, LOCKSTEPD, UNREACHABLE, Cluster, check, run, same,
                      scenario, wait_for)

USERS = """
CREATE TABLE users (userid TEXT PRIMARY KEY, passwd TEXT, uid INTEGER,
    homedir TEXT);
CREATE TABLE tallies (name TEXT UNIQUE, bytes INTEGER);
CREATE TRIGGER counted AFTER INSERT ON users
    BEGIN INSERT OR IGNORE INTO tallies VALUES (new.userid, 0); END;
INSERT INTO users VALUES ('ann', 'x', 1000, '/srv/ann'), ('bob', 'x', 1001, '');
"""
CAPTURES = {"compared": "compare", "noted": "triggers"}


class Program:
    """A program that opens its database anew for every piece of work, as
    ProFTPD's module does: a journal mode, which it does without if SQLite
    refuses (out of WAL, while anybody else is connected), some statements."""

    MODES = "MEMORY", "WAL", "DELETE", "TRUNCATE"

    def __init__(self, path, modes=MODES):
        self.path, self.modes, self.count = path, modes, 0

    def work(self, *statements):
        self.count += 1
        with contextlib.closing(sqlite3.connect(
                self.path, timeout=10, isolation_level=None)) as db:
            with contextlib.suppress(sqlite3.OperationalError):
                db.execute("PRAGMA journal_mode = " + self.modes[
                    self.count % len(self.modes)]).fetchall()
            return [db.execute(s).fetchall() for s in statements]


def execute(path, script):
    with contextlib.closing(sqlite3.connect(path, timeout=30)) as db:
        db.executescript(script)


def rows(path, query):
    with contextlib.closing(sqlite3.connect(path, timeout=30)) as db:
        return db.execute(query).fetchall()


def whole_schema(path):
    return rows(path, "SELECT type, name, tbl_name, sql FROM sqlite_schema "
                "ORDER BY type, name")


def place(t, node, name):
    folder = os.path.join(t.directory, "srv-" + node)
    os.makedirs(folder, exist_ok=True)
    return os.path.join(folder, name + ".db")


def config(t, node):
    return "".join('[dataset "%s"]\npath = %s\ncapture = %s\n' % (
        name, place(t, node, name), how) for name, how in CAPTURES.items())


def make_cluster(t, secondaries=1):
    for name in CAPTURES:
        execute(place(t, "primary", name), USERS)
    primary = t.node("primary", config(t, "primary"))
    wait_for(lambda: all(primary.dataset(n)["state"] == "ready"
                         for n in CAPTURES), 30, "opened")
    cluster = Cluster(primary, [])
    for i in range(secondaries):
        cluster.secondaries.append(t.node(
            "second%d" % (i + 1), config(t, "second%d" % (i + 1))))
    return cluster


def add(cluster, *nodes):
    for node in nodes or cluster.secondaries:
        cluster.add(node)
    cluster.primary.cli("sync", "config", "--interval", "1s")


def equal(t, cluster, name):
    found = contents.read_together(place(t, "primary", name), *[
        place(t, n.name, name) for n in cluster.secondaries])
    for other in found[1:]:
        differs = contents.difference(found[0], other)
        check(not differs, lambda: "%s: %s" % (name, differs))


@scenario
def a_program_that_flips_the_journal_mode(t):
    cluster = make_cluster(t)
    add(cluster)
    primary, second = cluster.primary, cluster.secondaries[0]
    for name in CAPTURES:
        with t.promise("%s: forty connections, each with another journal "
                       "mode, and nothing is missed" % name):
            writer = Program(place(t, "primary", name))
            reader = Program(place(t, "second1", name), ["MEMORY"])
            for i in range(40):
                writer.work("REPLACE INTO users VALUES ('u%d', 'y', %d, '')" %
                            (i % 7, i), "UPDATE tallies SET bytes = %d" % i)
                # A login on the secondary.
                reader.work("SELECT passwd FROM users WHERE userid = 'ann'")
                if i % 8 == 7:
                    cluster.sync()
                    equal(t, cluster, name)
        with t.promise("%s: and no overwrite was needed" % name):
            same(primary.server(second)["overwrites"], 1, "overwrites")


@scenario
def a_file_that_is_in_use_on_the_secondary(t):
    cluster = make_cluster(t)
    second = cluster.secondaries[0]
    open_there = {}
    for name, mode in ("compared", "WAL"), ("noted", "DELETE"):
        path = place(t, "second1", name)
        execute(path, "PRAGMA journal_mode = %s; CREATE TABLE users (other);"
                "INSERT INTO users VALUES ('of the secondary')" % mode)
        open_there[name] = sqlite3.connect(path, timeout=30,
                                           isolation_level=None)
        open_there[name].execute("SELECT * FROM users").fetchall()
    with t.promise("what a secondary's program has open is overwritten in "
                   "place: the program sees the primary's rows"):
        inodes = {n: os.stat(place(t, "second1", n)).st_ino for n in CAPTURES}
        add(cluster)
        for name, db in open_there.items():
            equal(t, cluster, name)
            same([u for u, in db.execute("SELECT userid FROM users "
                                         "ORDER BY userid")],
                 ["ann", "bob"], "users of " + name)
            same(os.stat(place(t, "second1", name)).st_ino, inodes[name],
                 "inode")
    with t.promise("what it was is kept as a backup"):
        for name in CAPTURES:
            kept = glob.glob(second.path("datasets", name, "backups", "*.db"))
            same(len(kept), 1, "backups of " + name)
            same(rows(kept[0], "SELECT * FROM users"),
                 [("of the secondary",)], "rows kept")
    with t.promise("and pushes go on while it stays open"):
        for name in CAPTURES:
            execute(place(t, "primary", name), "UPDATE users SET uid = 7")
        cluster.sync()
        for name, db in open_there.items():
            same(db.execute("SELECT DISTINCT uid FROM users").fetchall(),
                 [(7,)], "uid")
            db.close()


@scenario
def removed_with_readers_and_servers_away(t):
    wanted = None
    cluster = make_cluster(t, 2)
    primary, (first, second) = cluster.primary, cluster.secondaries
    wanted = whole_schema(place(t, "primary", "compared"))
    check(whole_schema(place(t, "primary", "noted")) != wanted,
          "no trigger to remove")
    add(cluster)
    with t.promise("while programs read on every node, nothing of ours stays "
                   "in any file: sqlite_schema is what it was"):
        readers = []
        for node in cluster.nodes():
            db = sqlite3.connect(place(t, node.name, "noted"), timeout=30,
                                 isolation_level=None)
            db.execute("PRAGMA journal_mode = WAL").fetchall()
            db.execute("BEGIN")
            db.execute("SELECT * FROM users").fetchall()
            readers.append(db)
        primary.cli("dataset", "remove", "noted")
        for db in readers:
            db.execute("COMMIT")
            db.close()
        for node in cluster.nodes():
            same(whole_schema(place(t, node.name, "noted")), wanted,
                 "schema on " + node.name)
    with t.promise("with a secondary down: refused, then with --force, and "
                   "the one that was down by dataset detach"):
        second.stop()
        wait_for(lambda: primary.state_of(second) == "unreachable", 30,
                 "unreachable")
        primary.cli("dataset", "remove", "compared", expect=UNREACHABLE)
        primary.cli("dataset", "remove", "compared", "--force")
        for node in primary, first:
            same(whole_schema(place(t, node.name, "compared")), wanted,
                 "schema on " + node.name)
        second.start()
        second.cli("dataset", "detach", "compared")
        same(whole_schema(place(t, "second2", "compared")), wanted,
             "schema on second2")
    with t.promise("the rows stay everywhere"):
        for node in cluster.nodes():
            for name in CAPTURES:
                same(len(rows(place(t, node.name, name),
                              "SELECT * FROM users")), 2, "users")


@scenario
def one_file_is_one_dataset(t):
    path = place(t, "primary", "users")
    execute(path, USERS)
    folder = os.path.dirname(path)
    os.symlink(path, os.path.join(folder, "symbolic.db"))
    os.link(path, os.path.join(folder, "hard.db"))
    node = t.node("primary", '[dataset "users"]\npath = %s\n' % path)
    wait_for(lambda: node.dataset("users")["state"] == "ready", 20, "opened")
    before = whole_schema(path)
    wrong = {
        "through a symbolic link": ("other", "symbolic.db", "already"),
        "through a hard link": ("other", "hard.db", "already"),
        "under a built-in name": ("config", "users.db", "Lockstep's own"),
        "in the state directory": ("other", node.path("config.db"),
                                   "inside the state directory"),
    }
    for how, (name, where, reason) in wrong.items():
        with t.promise("%s: refused with file and line, by -t too" % how):
            text = ('[dataset "users"]\npath = %s\n[dataset "%s"]\n'
                    'path = %s\n' % (path, name, os.path.join(folder, where)))
            bad = os.path.join(t.directory, "bad.conf")
            with open(bad, "w") as f:
                f.write(text)
            reply = subprocess.run(
                [LOCKSTEPD, "-t", "--config", bad, "--state-dir",
                 node.directory], capture_output=True, text=True)
            check(reply.returncode != DONE, "accepted")
            check(reason in reply.stderr and "bad.conf" in reply.stderr,
                  reply.stderr)
    with t.promise("a directory as path: an error that says so"):
        second = t.node("second1", '[dataset "users"]\npath = %s\n' % folder)
        # While it is being opened that is the error.
        wait_for(lambda: second.dataset("users")["state"] == "error",
                 what="an answer")
        shown = second.dataset("users")["error"]
        check("is no file" in shown["message"] and shown["hint"], shown)
    with t.promise("and the file is as it was"):
        same(whole_schema(path), before, "schema")


if __name__ == "__main__":
    run()

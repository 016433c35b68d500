#!/usr/bin/python3
"""Counters, rows and tables that every node has its own of, while the rest is
replicated around them: pushes, UNIQUE swaps, catch-up, an overwrite."""

import os
import sqlite3
import threading
import time

from lockstep import Cluster, check, run, same, scenario, wait_for

PUSHES = int(os.environ.get("LOCKSTEP_PUSHES", "200"))
USERS = 20

SCHEMA = """
CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,
    home TEXT, logins INT NOT NULL, seen TEXT DEFAULT 'never');
CREATE TABLE quota (name TEXT COLLATE NOCASE PRIMARY KEY, slot INT UNIQUE,
    used INT DEFAULT 0) WITHOUT ROWID;
CREATE TABLE settings (id INTEGER PRIMARY KEY, k TEXT UNIQUE, v, scope TEXT);
CREATE TABLE sessions (id INTEGER PRIMARY KEY AUTOINCREMENT, token TEXT);
"""
KEYS = """
protect = users.logins, users.seen
protect = quota.used
protect_rows = settings WHERE scope = 'local'
exclude = sessions
"""


class Application:
    """A program on one node that counts logins in the node's own file, and
    knows how many it counted."""

    def __init__(self, node, path):
        self.node, self.path = node, path
        self.counted = {}
        self.sessions = 0
        self.errors = []
        self.ending = threading.Event()
        self.thread = threading.Thread(target=self.work)

    def connect(self):
        return sqlite3.connect(self.path, timeout=60, isolation_level=None)

    def prepare(self):
        """What it makes by itself: its table, its settings."""
        db = self.connect()
        db.executescript(
            "CREATE TABLE IF NOT EXISTS sessions (id INTEGER PRIMARY KEY"
            " AUTOINCREMENT, token TEXT);"
            "DELETE FROM sessions;"
            "UPDATE users SET logins = 0, seen = 'nobody';"
            "UPDATE quota SET used = 0;"
            "INSERT INTO settings VALUES (1000, 'host', '%s', 'local');"
            % self.node.name)
        self.counted = {row[0]: 0 for row in
                        db.execute("SELECT id FROM users")}
        db.close()

    def start(self):
        self.prepare()
        self.thread.start()
        return self

    def work(self):
        try:
            db = self.connect()
            number = 0
            while not self.ending.is_set():
                number += 1
                user = 1 + number % USERS
                self.login(db, user)
                # A program that writes all the time would leave no moment.
                self.ending.wait(0.002)
            db.close()
        except Exception as why:  # told by verify()
            self.errors.append(why)

    def login(self, db, user):
        db.execute("BEGIN IMMEDIATE")
        db.execute("UPDATE users SET logins = logins + 1, seen = ? WHERE"
                   " id = ?", (self.node.name, user))
        db.execute("UPDATE quota SET used = used + 7 WHERE name ="
                   " 'q' || ?", (user,))
        db.execute("UPDATE settings SET v = v || '.' WHERE scope = 'local'"
                   " AND length(v) < 50")
        db.execute("INSERT INTO sessions (token) VALUES ('t')")
        db.execute("COMMIT")
        self.counted[user] += 1
        self.sessions += 1

    def stop(self):
        self.ending.set()
        self.thread.join()

    def verify(self):
        """Every counter is what this program counted."""
        if self.errors:
            raise self.errors[0]
        db = self.connect()
        for user, count in sorted(self.counted.items()):
            same(db.execute("SELECT logins FROM users WHERE id = ?",
                            (user,)).fetchone(), (count,),
                 "%s: logins of %d" % (self.node.name, user))
            same(db.execute("SELECT used FROM quota WHERE name = 'q' || ?",
                            (user,)).fetchone(), (7 * count,),
                 "%s: quota of %d" % (self.node.name, user))
        same(db.execute("SELECT count(*) FROM sessions").fetchone()[0],
             self.sessions, "%s: sessions" % self.node.name)
        mine = db.execute("SELECT v FROM settings WHERE id = 1000").fetchone()
        check(mine and mine[0].rstrip(".") == self.node.name,
              "%s: settings are %r" % (self.node.name, mine))
        db.close()


class World:
    def __init__(self, t, keys):
        self.files = {}
        names = ["primary", "second1", "second2"]
        nodes = []
        for name in names:
            folder = os.path.join(t.directory, "app-" + name)
            os.mkdir(folder)
            self.files[name] = os.path.join(folder, "users.db")
            # Secondaries learn from the primary what is protected.
            nodes.append(t.node(name, start=False, config="[dataset \"app\"]\n"
                                "path = %s\n%s" % (
                                    self.files[name],
                                    keys if name == "primary" else "")))
        db = sqlite3.connect(self.files["primary"])
        db.executescript("PRAGMA journal_mode = WAL;" + SCHEMA)
        for i in range(1, USERS + 1):
            db.execute("INSERT INTO users VALUES (?, ?, '/', 555, 'x')",
                       (i, "user%d" % i))
            db.execute("INSERT INTO quota VALUES ('q' || ?, ?, 555)", (i, i))
        db.execute("INSERT INTO settings VALUES (1, 'color', 'red', 'all')")
        db.commit()
        db.close()
        for node in nodes:
            node.start()
        self.cluster = Cluster(nodes[0], [])
        for node in nodes[1:]:
            self.cluster.add(node)
            self.cluster.secondaries.append(node)
        nodes[0].cli("sync", "config", "--interval", "1h")
        self.cluster.sync()
        self.programs = [Application(n, self.files[n.name]) for n in nodes]
        self.writer = sqlite3.connect(self.files["primary"], timeout=60,
                                      isolation_level=None)

    def replicated(self, node):
        db = sqlite3.connect(self.files[node.name], timeout=60)
        found = [db.execute(q).fetchall() for q in (
            "SELECT id, name, home FROM users ORDER BY id",
            "SELECT name, slot FROM quota ORDER BY name",
            "SELECT * FROM settings WHERE scope IS NOT 'local' ORDER BY id")]
        db.close()
        return found

    def assert_equal(self, what):
        wanted = self.replicated(self.cluster.primary)
        for node in self.cluster.secondaries:
            same(self.replicated(node), wanted, "%s on %s" % (what, node.name))

    def change(self, number):
        """One commit of the primary's: a swap of UNIQUE values, or a row."""
        a, b = 1 + number % USERS, 1 + (number + 7) % USERS
        db = self.writer
        db.execute("BEGIN IMMEDIATE")
        names = dict(db.execute("SELECT id, name FROM users"))
        slots = dict(db.execute("SELECT name, slot FROM quota"))
        if number % 3 == 0:
            db.execute("UPDATE users SET name = 'free' WHERE id = ?", (a,))
            db.execute("UPDATE users SET name = ? WHERE id = ?",
                       (names[a], b))
            db.execute("UPDATE users SET name = ? WHERE id = ?",
                       (names[b], a))
        elif number % 3 == 1:
            keys = ["q%d" % a, "q%d" % b]
            found = {k.lower(): (k, v) for k, v in slots.items()}
            db.execute("UPDATE quota SET slot = -1 WHERE name = ?", keys[:1])
            db.execute("UPDATE quota SET slot = ?, name = upper(name)"
                       " WHERE name = ?", (found[keys[0]][1], keys[1]))
            db.execute("UPDATE quota SET slot = ?, name = lower(name)"
                       " WHERE name = ?", (found[keys[1]][1], keys[0]))
        else:
            # As an ORM saves a row: every column, its own counters too.
            db.execute("INSERT OR REPLACE INTO users SELECT id, name,"
                       " '/home/%d', logins, seen FROM users WHERE id = ?"
                       % number, (a,))
        db.execute("INSERT OR REPLACE INTO settings VALUES (2, 'number', ?,"
                   " 'all')", (number,))
        db.execute("COMMIT")


def number_there(path):
    db = sqlite3.connect(path, timeout=60)
    row = db.execute("SELECT v FROM settings WHERE id = 2").fetchone()
    db.close()
    return row and row[0]


def push_many(world, count):
    cluster = world.cluster
    cluster.primary.cli("sync", "config", "--instant", "yes")
    readers = [sqlite3.connect(world.files[n.name], timeout=60,
                               isolation_level=None)
               for n in cluster.secondaries]
    for number in range(count):
        world.change(number)
        wait_for(lambda: all(r.execute(
            "SELECT v FROM settings WHERE id = 2").fetchone() == (number,)
            for r in readers), 30, "change %d is everywhere" % number, 0.001)
    for r in readers:
        r.close()
    cluster.primary.cli("sync", "config", "--instant", "no")


def overwrites(cluster):
    return sum(s["overwrites"] or 0 for s in cluster.primary.servers())


def everything(t, capture, count):
    world = World(t, KEYS + "capture = %s\n" % capture)
    cluster, first = world.cluster, world.cluster.secondaries[0]
    with t.promise("%s: a new server starts without the primary's counters" %
                   capture):
        db = sqlite3.connect(world.files[first.name])
        same(db.execute("SELECT DISTINCT logins, seen FROM users").fetchall(),
             [(0, "never")], "counters")
        same(db.execute("SELECT count(*) FROM sqlite_schema WHERE name ="
                        " 'sessions'").fetchone(), (0,), "excluded tables")
        db.close()
    before = overwrites(cluster)
    for program in world.programs:
        program.start()
    try:
        with t.promise("%s: %d pushes with UNIQUE swaps arrive while every "
                       "node counts" % (capture, count)):
            began = time.monotonic()
            push_many(world, count)
            print("# %d pushes in %.1f s" % (count, time.monotonic() - began))
            same(overwrites(cluster), before, "overwrites")
            world.assert_equal("what is replicated")
        with t.promise("%s: a server that was away catches up" % capture):
            first.stop()
            for number in range(5000, 5030):
                world.change(number)
                cluster.primary.run("sync", "now")
            first.start()
            wait_for(lambda: (cluster.primary.run("sync", "now"),
                              number_there(world.files[first.name]) == 5029)[1],
                     60, "caught up", 0.2)
            same(overwrites(cluster), before, "overwrites")
        with t.promise("%s: an overwrite goes around it" % capture):
            cluster.primary.cli("server", "overwrite", first.name)
            wait_for(lambda: overwrites(cluster) > before, 60, "overwritten")
            world.change(6000)
            wait_for(lambda: (cluster.primary.run("sync", "now"),
                              number_there(world.files[first.name]) == 6000)[1],
                     60, "pushed to again", 0.2)
    finally:
        for program in world.programs:
            program.stop()
        world.writer.close()
    with t.promise("%s: each node's own counters are right" % capture):
        for program in world.programs:
            program.verify()
        print("# counted: %s" % ", ".join(
            "%s %d" % (p.node.name, p.sessions) for p in world.programs))
    with t.promise("%s: nobody drifted, and all is equal" % capture):
        cluster.sync()
        world.assert_equal("what is replicated")
        for node in cluster.secondaries:
            same(node.events("drift"), [], "drift on %s" % node.name)


@scenario
def noted_by_triggers(t):
    everything(t, "triggers", PUSHES)


@scenario
def found_by_compare(t):
    everything(t, "compare", max(PUSHES // 5, 1))


@scenario
def another_selection(t):
    world = World(t, KEYS)
    cluster, node = world.cluster, world.cluster.primary
    first = cluster.secondaries[0]
    config = node.config
    with t.promise("what cannot be protected holds the dataset, and says so"):
        node.config = config + "protect = users.name\n"
        node.restart()
        held = wait_for(lambda: node.dataset("app").get("held") or
                        node.dataset("app").get("error"), 20, "held")
        check("unique index" in str(held), "it says %r" % (held,))
    with t.promise("what is protected no longer is sent"):
        node.config = config.replace("protect = users.logins, users.seen", "")
        node.restart()
        wait_for(lambda: node.run("sync", "now", "--wait").code == 0, 60,
                 "sync", 0.2)
        db = sqlite3.connect(world.files[first.name])
        same(db.execute("SELECT DISTINCT logins FROM users").fetchall(),
             [(555,)], "logins")
        same(db.execute("SELECT DISTINCT used FROM quota").fetchall(),
             [(0,)], "quota")
        db.close()
        check(node.events("overwrite-needed"), "no event tells why")
    world.writer.close()


if __name__ == "__main__":
    run()

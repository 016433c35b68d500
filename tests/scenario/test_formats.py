#!/usr/bin/python3
"""Database files of unusual making: each is replicated as it is, or refused
with what to do."""

import contextlib
import os
import sqlite3
import subprocess
import sys

import contents
from lockstep import (DONE, ERROR, HELD, Cluster, Failed, check, run, same,
                      scenario, wait_for)

TABLES = """
CREATE TABLE plain (id INTEGER PRIMARY KEY, name TEXT, data);
CREATE UNIQUE INDEX plain_name ON plain (name COLLATE NOCASE);
CREATE TABLE named (rowid TEXT, oid INTEGER, value);
CREATE TABLE keyed (a TEXT, b BLOB, c, PRIMARY KEY (a, b)) WITHOUT ROWID;
INSERT INTO plain VALUES (1, 'käse €', x'00ff'), (2, NULL, 2.5),
    (3, '𝄞 nul' || char(0) || 'x', randomblob(9000));
INSERT INTO named (_rowid_, rowid, oid, value) VALUES (7, 'seven', 1, 'o'),
    (9, 'nine', NULL, -0.0);
INSERT INTO keyed VALUES ('ä', x'01', 'z'), ('ä', x'0102', NULL);
"""
CHANGES = (
    "UPDATE plain SET name = 'brot €' WHERE id = 1",
    "INSERT INTO plain (name, data) VALUES ('ÄÖÜ', zeroblob(70000))",
    "REPLACE INTO plain VALUES (2, 'BROT €', 'took the name')",
    "UPDATE named SET rowid = 'sieben', oid = 70 WHERE _rowid_ = 7",
    "INSERT INTO named (_rowid_, rowid) VALUES (20, '𝄞')",
    "UPDATE keyed SET c = 'ß' WHERE b = x'0102'",
    "DELETE FROM keyed WHERE b = x'01'",
    "CREATE TABLE later (t TEXT DEFAULT 'später')",
    "INSERT INTO later DEFAULT VALUES",
)
MAKING = {
    "full": "PRAGMA auto_vacuum = FULL",
    "incremental": "PRAGMA auto_vacuum = INCREMENTAL",
    "wal": "PRAGMA page_size = 1024; PRAGMA journal_mode = WAL",
}
MAKING.update({"page%d" % (512 << i): "PRAGMA page_size = %d" % (512 << i)
               for i in range(8)})
ALSO_BY_TRIGGERS = "wal", "full", "incremental", "page512", "page65536"
PRAGMAS = "encoding", "page_size", "auto_vacuum"


def execute(path, *statements):
    with contextlib.closing(sqlite3.connect(path, timeout=30,
                                            isolation_level=None)) as db:
        for text in statements:
            db.executescript(text)


def pragmas(path):
    with contextlib.closing(sqlite3.connect(path, timeout=30)) as db:
        return [db.execute("PRAGMA " + p).fetchone()[0] for p in PRAGMAS]


class Files:
    """One folder of databases for each node."""

    def __init__(self, t):
        self.t, self.names = t, []

    def path(self, node, name):
        folder = os.path.join(self.t.directory, "srv-" + node)
        os.makedirs(folder, exist_ok=True)
        return os.path.join(folder, name)

    def live(self, name):
        return self.path("primary", name)

    def make(self, name, *statements):
        self.names.append(name)
        execute(self.live(name), *statements)

    def config(self, node):
        return "".join('[dataset "%s"]\npath = %s\ncapture = %s\n' % (
            n, self.path(node, n),
            "triggers" if n.endswith("-t") else "compare")
            for n in self.names)

    def equal(self, *nodes):
        for name in self.names:
            found = contents.read_together(
                self.live(name), *[self.path(n.name, name) for n in nodes])
            for other in found[1:]:
                differs = contents.difference(found[0], other)
                check(not differs, lambda: "%s: %s" % (name, differs))


def cluster_of(t, files):
    primary = t.node("primary", files.config("primary"))
    ready(primary, *files.names)
    cluster = Cluster(primary, [])
    node = t.node("second1", files.config("second1"))
    cluster.add(node)
    cluster.secondaries.append(node)
    primary.cli("sync", "config", "--interval", "1s")
    return cluster


def ready(node, *names):
    def all_ready():
        found = {d["name"]: d["state"] for d in node.cli("dataset", "list")[
            "datasets"]}
        return all(found.get(n) == "ready" for n in names)
    try:
        wait_for(all_ready, 30, "ready")
    except Failed as failed:
        raise Failed("%s: %s" % (failed, [
            (d["name"], d["state"], d["error"]) for d in node.cli(
                "dataset", "list")["datasets"] if d["state"] != "ready"]))


@scenario
def any_encoding_page_size_and_vacuum(t):
    files = Files(t)
    for kind, making in MAKING.items():
        files.make(kind, making, TABLES)
        if kind in ALSO_BY_TRIGGERS:
            files.make(kind + "-t", making, TABLES)
    cluster = cluster_of(t, files)
    primary, second = cluster.primary, cluster.secondaries[0]
    with t.promise("%d files arrive by overwrite, made as they are on the "
                   "primary" % len(files.names)):
        files.equal(second)
        for name in files.names:
            same(pragmas(files.path("second1", name)),
                 pragmas(files.live(name)), "pragmas of " + name)
    with t.promise("changes arrive in bundles, schema included"):
        for name in files.names:
            execute(files.live(name), *CHANGES)
        cluster.sync()
        files.equal(second)
        same(primary.server(second)["overwrites"], 1, "overwrites")
    with t.promise("what changed while the server was away arrives from "
                   "history"):
        second.stop()
        for name in files.names:
            execute(files.live(name), "UPDATE plain SET data = 'one'")
        primary.cli("sync", "now")
        for name in files.names:
            execute(files.live(name), "UPDATE plain SET name = id || ' €'",
                    "DELETE FROM named", "PRAGMA incremental_vacuum")
        primary.cli("sync", "now")
        second.start()
        wait_for(lambda: cluster.synchronized(), 60, "synchronized")
        files.equal(second)
        same(primary.server(second)["overwrites"], 1, "overwrites")
    with t.promise("rows changed on the secondary are set right"):
        for name in files.names:
            execute(files.path("second1", name),
                    "UPDATE plain SET name = 'hier: ' || id",
                    "INSERT INTO named (_rowid_, rowid) VALUES (99, 'drift')")
        cluster.sync()
        files.equal(second)
        same(primary.server(second)["overwrites"], 1, "overwrites")
    with t.promise("an overwrite over a file of its own kind that a program "
                   "has open"):
        readers = [sqlite3.connect(files.path("second1", n), timeout=30)
                   for n in files.names]
        for db in readers:
            db.execute("SELECT count(*) FROM plain").fetchone()
        primary.cli("server", "overwrite", "second1")
        cluster.sync()
        files.equal(second)
        for db in readers:
            same(db.execute("SELECT count(*) FROM plain").fetchone()[0], 3,
                 "rows that the program sees")
            db.close()


# What only the program of a database has: app() and the collation appcoll.
READ_BY_THE_PROGRAM = """
CREATE TABLE checked (id INTEGER PRIMARY KEY, a CHECK (app(a) > 0));
CREATE TABLE named (a DEFAULT (app(7)), b COLLATE appcoll);
CREATE VIEW seen AS SELECT app(a) FROM checked ORDER BY a COLLATE appcoll;
CREATE TRIGGER acts AFTER INSERT ON checked
    BEGIN INSERT INTO named (b) VALUES (app(new.a)); END;
INSERT INTO checked VALUES (1, 5);
"""
NEEDED_TO_WRITE = {
    "index": "CREATE TABLE t (a); CREATE INDEX i ON t (app(a))",
    "partial": "CREATE TABLE t (a); CREATE INDEX i ON t (a) WHERE app(a) > 1",
    "collated": "CREATE TABLE t (a COLLATE appcoll UNIQUE)",
    "stored": "CREATE TABLE t (a, b AS (app(a)) STORED)",
    "virtual": "CREATE TABLE t (a, b AS (app(a)))",
}


def equipped(path):
    """A connection of the program that has app() and appcoll."""
    db = sqlite3.connect(path, timeout=30, isolation_level=None)
    db.create_function("app", 1, lambda v: v, deterministic=True)
    db.create_collation("appcoll", lambda a, b: (a > b) - (a < b))
    return db


@scenario
def functions_and_collations_of_a_program(t):
    files = Files(t)
    for name in "read", "read-t":
        files.names.append(name)
        with contextlib.closing(equipped(files.live(name))) as db:
            db.executescript(READ_BY_THE_PROGRAM)
    cluster = cluster_of(t, files)
    primary, second = cluster.primary, cluster.secondaries[0]
    with t.promise("those in CHECK, DEFAULT, views, triggers are left to the "
                   "program: overwrite, push, schema change, repair"):
        files.equal(second)
        for name in files.names:
            with contextlib.closing(equipped(files.live(name))) as db:
                db.executescript("INSERT INTO checked (a) VALUES (6);"
                                 "UPDATE checked SET a = 7 WHERE id = 1;"
                                 "ALTER TABLE checked ADD COLUMN z DEFAULT 3;")
        cluster.sync()
        files.equal(second)
        before = primary.server(second)["overwrites"]
        for name in files.names:
            with contextlib.closing(
                    equipped(files.path("second1", name))) as db:
                db.execute("UPDATE checked SET a = 99")
        cluster.sync()
        files.equal(second)
        same(primary.server(second)["overwrites"], before, "overwrites")
    with t.promise("an index over one, made later, is held, said why, and "
                   "goes on once it is dropped"):
        with contextlib.closing(equipped(files.live("read"))) as db:
            db.execute("CREATE INDEX late ON checked (app(a))")
            primary.cli("sync", "now", expect=HELD)
            shown = primary.dataset("read")
            same(shown["state"], "held", "state")
            check("unknown function: app" in shown["held"], shown["held"])
            reply = primary.run("--yes", "dataset", "accept", "read")
            same(reply.code, HELD, "exit code of accept")
            check("dataset remove" in reply.err, reply.err)
            db.execute("DROP INDEX late")
            db.execute("UPDATE named SET b = 'later'")
        cluster.sync()
        same(primary.dataset("read")["state"], "ready", "state")
        files.equal(second)


@scenario
def what_only_a_program_can_write_is_refused(t):
    files = Files(t)
    refused = {}
    for name, making in NEEDED_TO_WRITE.items():
        refused[name] = "app"
        with contextlib.closing(equipped(files.live(name))) as db:
            db.executescript(making)
    for name, making in MODULES.items():
        refused[name] = "cannot be replicated"
        execute(files.live(name), making)
    for name in "UTF-16le", "UTF-16be":
        refused[name] = name
        execute(files.live(name), "PRAGMA encoding = '%s'" % name, TABLES)
    refused["names"] = "all names of its rowid"
    execute(files.live("names"), "CREATE TABLE t (rowid, oid, _rowid_)")
    files.names = sorted(refused)
    before = {n: contents_of(files.live(n)) for n in files.names}
    primary = t.node("primary", files.config("primary"))
    for name, reason in refused.items():
        with t.promise("%s: refused on attach with the reason and what to do" %
                       name):
            shown = wait_for(lambda: settled(primary, name), 30, "an answer")
            same(shown["state"], "error", "state")
            check(reason in shown["error"]["message"] and
                  shown["error"]["hint"], shown["error"])
            same(contents_of(files.live(name)), before[name], "the file")
    with t.promise("what a secondary has in UTF-16 is refused there and "
                   "stays"):
        path = files.live("UTF-16le")
        second = t.node("second1", '[dataset "other"]\npath = %s\n' % path)
        shown = wait_for(lambda: settled(second, "other"), 30, "an answer")
        check("UTF-16le" in shown["error"]["message"] and
              shown["error"]["hint"], shown["error"])
        same(contents_of(path), before["UTF-16le"], "the file")


def settled(node, name):
    shown = node.dataset(name)
    return shown if shown["state"] != "opening" else None


def contents_of(path):
    """The bytes of a file that no daemon has written."""
    with open(path, "rb") as f:
        return f.read()


MODULES = {
    "tokens": "CREATE VIRTUAL TABLE v USING fts3tokenize(simple)",
}

# A program that holds its database: an exclusive lock for as long as it lives,
# or a transaction that it never ends.
HOLDER = """
import sqlite3, sys, time
db = sqlite3.connect(sys.argv[1], timeout=20, isolation_level=None)
db.execute("PRAGMA cache_size = 5")
for text in sys.argv[2:]:
    db.execute(text).fetchall()
print("ready", flush=True)
time.sleep(600)
"""


@contextlib.contextmanager
def holder(path, *statements):
    process = subprocess.Popen([sys.executable, "-c", HOLDER, path] +
                               list(statements), stdout=subprocess.PIPE,
                               text=True)
    try:
        same(process.stdout.readline(), "ready\n", "what the program says")
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@scenario
def a_program_that_locks_its_file(t):
    files = Files(t)
    for name in "wal", "delete", "delete-t":
        files.make(name, "PRAGMA journal_mode = " + name.partition("-")[0],
                   TABLES)
    cluster = cluster_of(t, files)
    primary, second = cluster.primary, cluster.secondaries[0]
    for name in files.names:
        with t.promise("%s: PRAGMA locking_mode = EXCLUSIVE on the primary "
                       "is named, stops nobody else, and what was written "
                       "arrives once it is gone" % name):
            with holder(files.live(name), "PRAGMA locking_mode = EXCLUSIVE",
                        "UPDATE plain SET data = 'locked'") as program:
                reply = primary.run("sync", "now")
                same(reply.code, ERROR, "exit code")
                check("pid %d" % program.pid in reply.err and
                      "locking_mode" in reply.err, reply.err)
                primary.sql("INSERT INTO groups (name, gid) VALUES (?, ?)",
                            name, 5000 + files.names.index(name))
                wait_for(lambda: second.sql(
                    "SELECT * FROM groups WHERE name = ?", name), 20,
                    "config goes on")
            wait_for(lambda: primary.run("sync", "now", "--wait").code == DONE,
                     what="sync")
            files.equal(second)
        with t.promise("%s: the same on a secondary, whose file is in the "
                       "usual journal mode until its program changes it" %
                       name):
            execute(files.live(name), "UPDATE plain SET data = 'next'")
            with holder(files.path("second1", name),
                        "PRAGMA locking_mode = EXCLUSIVE",
                        "UPDATE plain SET data = 'there'") as program:
                primary.run("sync", "now")
                # Which may follow another one, of a look in between.
                wait_for(lambda: "pid %d" % program.pid in (
                    primary.server(second)["error"] or {"message": ""})[
                        "message"], what=lambda: "the program in %s" %
                         primary.server(second)["error"])
            # An attempt from before may end with the error of then.
            wait_for(lambda: primary.run("sync", "now", "--wait").code == DONE
                     and cluster.synchronized(), what="synchronized")
            files.equal(second)


@scenario
def a_program_that_was_killed_in_a_transaction(t):
    files = Files(t)
    for name in "compared", "noted-t":
        files.make(name, "PRAGMA journal_mode = DELETE", TABLES,
                   "WITH n(i) AS (SELECT 10 UNION ALL SELECT i + 1 FROM n "
                   "WHERE i < 200) INSERT INTO plain SELECT i, 'n' || i, "
                   "randomblob(2000) FROM n")
    cluster = cluster_of(t, files)
    second = cluster.secondaries[0]
    for node in "primary", "second1":
        with t.promise("killed on %s, its hot journal is rolled back and "
                       "nothing of it arrives" % node):
            for name in files.names:
                path = files.path(node, name)
                # Killed with it, the program leaves that journal hot; whoever
                # of ours looks next rolls it back, which may be at once.
                with holder(path, "PRAGMA journal_mode = DELETE", "BEGIN",
                            "UPDATE plain SET data = zeroblob(2000)"):
                    check(os.path.getsize(path + "-journal") > 4096,
                          "no journal")
            cluster.sync()
            files.equal(second)
            for name in files.names:
                with contextlib.closing(sqlite3.connect(
                        files.live(name))) as db:
                    same(db.execute("SELECT count(*) FROM plain WHERE "
                                    "data = zeroblob(2000)").fetchone()[0], 0,
                         "rows of the dead transaction")
    with t.promise("and the next change arrives"):
        for name in files.names:
            execute(files.live(name), "UPDATE plain SET data = 'alive'")
        cluster.sync()
        files.equal(second)


if __name__ == "__main__":
    run()

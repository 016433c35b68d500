#!/usr/bin/python3
"""Writes that triggers cannot see, alone and among writes that they do see:
each is found by the next interval, and arrives as changes."""

import ctypes
import os
import sqlite3

import contents
from lockstep import Cluster, check, run, same, scenario, wait_for

CAPTURES = ["triggers", "compare"]
SCHEMA = """
PRAGMA journal_mode = %s;
CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT UNIQUE, photo BLOB);
CREATE TABLE log (what, id);
CREATE TRIGGER users_ai AFTER INSERT ON users BEGIN
    INSERT INTO log VALUES ('added', new.id);
END;
CREATE TRIGGER users_ad AFTER DELETE ON users BEGIN
    UPDATE users SET photo = NULL WHERE id = old.id + 1;
    DELETE FROM log WHERE id = old.id;
END;
WITH n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)
INSERT INTO users SELECT i, 'user' || i, randomblob(20) FROM n;
"""
ENABLE_TRIGGER = 1003  # SQLITE_DBCONFIG_ENABLE_TRIGGER


def connect(path):
    return sqlite3.connect(path, timeout=30, isolation_level=None)


def write_blob(path):
    db = connect(path)
    with db.blobopen("users", "photo", 40) as blob:
        blob.write(os.urandom(8))
    db.close()


def write_without_triggers(path):
    """A program in C that switches every trigger off for itself."""
    lib = ctypes.CDLL("libsqlite3.so.0")
    lib.sqlite3_db_config.argtypes = [ctypes.c_void_p, ctypes.c_int,
                                      ctypes.c_int, ctypes.c_void_p]
    lib.sqlite3_exec.argtypes = [ctypes.c_void_p, ctypes.c_char_p] + [
        ctypes.c_void_p] * 3
    lib.sqlite3_busy_timeout.argtypes = [ctypes.c_void_p, ctypes.c_int]
    lib.sqlite3_close.argtypes = [ctypes.c_void_p]
    db = ctypes.c_void_p()
    same(lib.sqlite3_open(path.encode(), ctypes.byref(db)), 0, "open")
    lib.sqlite3_busy_timeout(db, 30000)
    same(lib.sqlite3_db_config(db, ENABLE_TRIGGER, 0, None), 0, "config")
    same(lib.sqlite3_exec(
        db, b"UPDATE users SET name = 'unseen' || id WHERE id IN (50, 51);"
        b"DELETE FROM users WHERE id IN (60, 61);"
        b"INSERT INTO users (name) VALUES (hex(randomblob(9)));",
        None, None, None), 0, "exec")
    lib.sqlite3_close(db)


def write_past_later_triggers(path):
    """A TEMP trigger that ends the work on a row once it is written."""
    db = connect(path)
    for event in "INSERT", "UPDATE", "DELETE":
        db.execute("CREATE TEMP TRIGGER t%s AFTER %s ON main.users BEGIN "
                   "SELECT RAISE(IGNORE); END" % (event, event))
    db.execute("UPDATE users SET photo = randomblob(9) WHERE id = 70")
    db.execute("DELETE FROM users WHERE id = 71")
    db.execute("INSERT INTO users (name) VALUES (hex(randomblob(9)))")
    db.close()


def write_past_the_journal(path):
    """TEMP triggers of a program that wants none of our tables written."""
    db = connect(path)
    for (name,) in db.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name "
            "LIKE '\\_lockstep\\_%' ESCAPE '\\'").fetchall():
        for event in "INSERT", "UPDATE":
            db.execute('CREATE TEMP TRIGGER "%s%s" BEFORE %s ON main."%s" '
                       "BEGIN SELECT RAISE(IGNORE); END" % (
                           name, event, event, name))
    db.execute("UPDATE users SET photo = randomblob(9) WHERE id = 80")
    db.execute("DELETE FROM users WHERE id = 81")
    db.close()


def write_with_own_triggers(path):
    db = connect(path)
    db.execute("CREATE TRIGGER IF NOT EXISTS users_bu BEFORE UPDATE OF name "
               "ON users WHEN new.name = 'forbidden' BEGIN "
               "SELECT RAISE(IGNORE); END")
    db.execute("INSERT INTO users (name) VALUES (hex(randomblob(9)))")
    db.execute("UPDATE users SET name = 'forbidden' WHERE id = 90")
    db.execute("DELETE FROM users WHERE id = 91")
    db.execute("INSERT OR REPLACE INTO users (id, name) VALUES (301, 'user92')")
    db.close()


WRITES = [("a blob written in place", write_blob),
          ("a program with triggers switched off", write_without_triggers),
          ("TEMP triggers with RAISE(IGNORE)", write_past_later_triggers),
          ("TEMP triggers on our tables", write_past_the_journal),
          ("triggers of the application", write_with_own_triggers)]


def write_seen(path):
    db = connect(path)
    db.execute("UPDATE users SET photo = randomblob(9) WHERE id = 7")
    db.close()


def path_of(t, node, name):
    folder = os.path.join(t.directory, "srv-" + node)
    os.makedirs(folder, exist_ok=True)
    return os.path.join(folder, name + ".sqlite")


def cluster_of(t, mode):
    def config(node):
        return "".join('[dataset "%s"]\npath = %s\ncapture = %s\n' % (
            n, path_of(t, node, n), n) for n in CAPTURES)
    for name in CAPTURES:
        db = connect(path_of(t, "primary", name))
        db.executescript(SCHEMA % mode)
        db.close()
    primary = t.node("primary", config("primary"))
    wait_for(lambda: all(primary.dataset(n)["state"] == "ready"
                         for n in CAPTURES), 20, "opened")
    cluster = Cluster(primary, [t.node("second", config("second"))])
    cluster.add(cluster.secondaries[0])
    cluster.sync()
    return cluster


def primarys(t, name):
    return contents.read_together(path_of(t, "primary", name))[0]


def differs(t, name):
    return contents.difference(*contents.read_together(
        path_of(t, "primary", name), path_of(t, "second", name)))


def found_by_the_interval(t, cluster, write, before=None, after=None):
    for name in CAPTURES:
        path = path_of(t, "primary", name)
        was = primarys(t, name)
        for step in before, write, after:
            if step:
                step(path)
        # The secondary may have it already.
        check(contents.difference(was, primarys(t, name)),
              "nothing was written")
    for name in CAPTURES:
        wait_for(lambda: not differs(t, name), 20,
                 "the secondary's %s is equal" % name)
    cluster.wait_synchronized()
    same(cluster.primary.server("second")["overwrites"], 1, "overwrites")


def unseen_writes(t, mode):
    cluster = cluster_of(t, mode)
    # Nobody asks for a publish: the interval finds it.
    cluster.primary.cli("sync", "config", "--interval", "1s")
    cluster.wait_synchronized()
    for what, write in WRITES:
        with t.promise("%s: found by the interval, %s" % (what, mode)):
            found_by_the_interval(t, cluster, write)
        with t.promise("%s, among writes that triggers see: found, %s" % (
                what, mode)):
            found_by_the_interval(t, cluster, write, write_seen, write_seen)
    with t.promise("what was found is told, %s" % mode):
        check(any("did not see" in e["text"] and e["dataset"] == "triggers"
                  for e in cluster.primary.events("compare")), "no event")


@scenario
def unseen_writes_in_wal_mode(t):
    unseen_writes(t, "WAL")


@scenario
def unseen_writes_in_delete_mode(t):
    unseen_writes(t, "DELETE")


run()

"""Changes that are too large to be held in memory, made by a program that
knows nothing of Lockstep, in a dataset of its own: see test_memory.py, and
the rows about memory of make bench."""

import os
import sqlite3

import contents
from lockstep import Cluster, check
from memory import Peaks

SCHEMA = """
PRAGMA journal_mode = WAL;
CREATE TABLE accounts (id INTEGER PRIMARY KEY, name TEXT, used INTEGER,
    secret TEXT%(own)s)%(kind)s;
CREATE TABLE pictures (id INTEGER PRIMARY KEY, data BLOB%(own)s)%(kind)s;
"""
# Kinds of tables: what is put into their definitions, and the section.
KINDS = {
    "rowid": ({"own": "", "kind": ""}, ""),
    "without rowid": ({"own": "", "kind": " WITHOUT ROWID"}, ""),
    "protected": ({"own": ", seen INTEGER DEFAULT 7", "kind": ""},
                  "protect = accounts.seen, pictures.seen\n"),
}


class Large:
    def __init__(self, t, capture, rows, blob_bytes, kind="rowid"):
        definition, protect = KINDS[kind]
        self.directory = t.directory
        self.rows, self.blob_bytes = rows, blob_bytes
        nodes = [t.node("%s-%s-%s" % (name, capture, kind[:4]), start=False)
                 for name in ("primary", "second")]
        self.primary, self.second = nodes
        self.execute(self.primary, SCHEMA % definition)
        for node in nodes:
            node.config = '[guard]\ndelete_percent = 0\n[dataset "app"]\n' \
                "path = %s\ncapture = %s\n" % (self.path(node), capture)
            if node is self.primary:
                node.config += protect
            node.start()
        self.cluster = Cluster(self.primary, [])
        self.cluster.add(self.second)
        self.cluster.secondaries.append(self.second)
        self.primary.cli("sync", "config", "--interval", "1h")
        self.cluster.sync()

    def path(self, node):
        return os.path.join(self.directory, node.name + "-app.db")

    def execute(self, node, script):
        db = sqlite3.connect(self.path(node), timeout=60,
                             isolation_level=None)
        try:
            db.execute("PRAGMA synchronous = OFF")
            db.executescript(script)
        finally:
            db.close()

    def insert_rows(self):
        self.execute(self.primary, """
            WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n
                WHERE i < %d) INSERT INTO accounts (id, name, used,
                secret) SELECT i, 'account number ' || i, 0,
                hex(randomblob(40)) FROM n""" % self.rows)

    def update_rows(self):
        self.execute(self.primary, "UPDATE accounts SET used = used + 1")

    def drift_rows(self):
        self.execute(self.second, "UPDATE accounts SET used = -1")

    def delete_rows(self):
        self.execute(self.primary, "DELETE FROM accounts")

    def insert_blob(self):
        self.execute(self.primary, "INSERT INTO pictures (id, data) "
                     "VALUES (1, randomblob(%d))" % self.blob_bytes)

    def update_blob(self):
        self.execute(self.primary, "UPDATE pictures SET data = randomblob(%d)"
                     % self.blob_bytes)

    def peak(self, change):
        """MiB that a process had at most while CHANGE went over, and which."""
        change()
        with Peaks(self.cluster.nodes()) as peaks:
            self.primary.cli("--timeout", "600", "sync", "now", "--wait",
                             deadline=600)
        return peaks.worst()

    def preview(self, change, limit):
        """What CHANGE would send, LIMIT rows of it; and as peak()."""
        change()
        with Peaks(self.cluster.nodes()) as peaks:
            found = self.primary.cli("sync", "now", "--dry-run", "--limit",
                                     limit, deadline=600)
        return found["changes"], *peaks.worst()

    def check_equal(self):
        a, b = contents.read_together(self.path(self.primary),
                                      self.path(self.second))
        differs = contents.difference(a, b)
        check(not differs, differs)

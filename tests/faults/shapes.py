"""The same faults while a schema changes under an application, with both
captures, and while a row that is too large for a bundle makes an overwrite.

LOCKSTEP_FAULT_MIB is the size of that row (12; the whole test takes 500)."""

import hashlib
import os
import sqlite3

from disks import injected
from kills import DISK, POINTS, ROWS, Scene, engine_of, kill_at_points
from lockstep import Cluster, check, same

MIB = int(os.environ.get("LOCKSTEP_FAULT_MIB", "12"))
CAPTURES = ["compare", "triggers"]

# One after the other, over and over; each ends as the next one begins.  What
# CHECKs and defaults say differs every time.
MIGRATIONS = [
    "ALTER TABLE numbers ADD COLUMN added TEXT DEFAULT 'since %(n)d'",
    "CREATE INDEX by_added ON numbers (added, n)",
    # https://www.sqlite.org/lang_altertable.html#otheralter
    """CREATE TABLE anew (id INTEGER PRIMARY KEY, kind TEXT NOT NULL
        DEFAULT 'kind %(n)d', n, added, CHECK (id < 1000000 + %(n)d));
    INSERT INTO anew (id, n, added) SELECT id, n, added FROM numbers;
    DROP TABLE numbers;
    ALTER TABLE anew RENAME TO numbers""",
    "ALTER TABLE numbers RENAME COLUMN added TO extra",
    """CREATE TABLE log%(n)d (at INTEGER, what INTEGER UNIQUE) STRICT;
    CREATE TRIGGER noted AFTER DELETE ON numbers BEGIN
        INSERT INTO log%(n)d VALUES (1, old.id); END;
    CREATE VIEW seen AS SELECT n FROM numbers""",
    """DROP TRIGGER noted; DROP VIEW seen;
    CREATE TABLE anew (id INTEGER PRIMARY KEY, n);
    INSERT INTO anew SELECT id, n FROM numbers;
    DROP TABLE numbers;
    ALTER TABLE anew RENAME TO numbers""",
]


class Application(Scene):
    """A dataset of a program that writes past Lockstep."""

    def __init__(self, t, capture, script):
        self.folder = t.directory
        nodes = []
        for name in "primary-" + capture, "second-" + capture:
            node = t.node(name, start=False)
            node.config = '[guard]\ndelete_percent = 0\n[dataset "app"]\n' \
                "path = %s\ncapture = %s\n" % (self.path(node), capture)
            nodes.append(node)
        self.primary, self.node = nodes
        self.number = 0
        self.execute(self.primary, script)
        for node in nodes:
            node.start()
        self.cluster = Cluster(self.primary, [])
        self.cluster.add(self.node)
        self.cluster.secondaries.append(self.node)
        self.primary.cli("sync", "config", "--interval", "1h")
        self.cluster.sync()
        self.overwrites = self.overwrites_made()

    def path(self, node):
        return os.path.join(self.folder, node.name + "-app.db")

    def execute(self, node, script):
        db = sqlite3.connect(self.path(node), timeout=60,
                             isolation_level=None)
        try:
            db.executescript("BEGIN;%s;PRAGMA user_version = %d;COMMIT" %
                             (script, self.number))
        finally:
            db.close()

    def overwrites_made(self):
        return self.primary.server(self.node)["overwrites"]


class Migrating(Application):
    """Each change is a migration, and puts one number in every row."""

    def __init__(self, t, capture):
        self.schemas = {}
        super().__init__(t, capture, """
            CREATE TABLE numbers (id INTEGER PRIMARY KEY, n);
            WITH i (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM i
                WHERE i < %d) INSERT INTO numbers SELECT i, 0 FROM i""" % ROWS)

    def change(self):
        script = MIGRATIONS[self.number % len(MIGRATIONS)]
        self.number += 1
        self.execute(self.primary, script % {"n": self.number} +
                     ";UPDATE numbers SET n = %d" % self.number)
        self.schemas[self.number] = self.look(self.primary)[1]

    def look(self, node):
        """The number, and the schema as its texts."""
        db = sqlite3.connect(self.path(node), timeout=60,
                             isolation_level=None)
        try:
            db.execute("BEGIN")
            schema = db.execute(
                "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE "
                "substr(name, 1, 9) <> '_lockstep' AND sql IS NOT NULL "
                "ORDER BY name").fetchall()
            found = db.execute("SELECT n, count(*) FROM numbers GROUP BY n"
                               ).fetchall()
            check(len(found) == 1 and found[0][1] == ROWS,
                  "%s is between two states: %r" % (node.name, found))
            same(db.execute("PRAGMA user_version").fetchall(),
                 [(found[0][0],)], "user_version")
            return found[0][0], schema
        finally:
            db.close()

    def state(self, node):
        number, schema = self.look(node)
        if number in self.schemas:
            same(schema, self.schemas[number], "schema of %d" % number)
        return number


class Large(Application):
    """Each change is another row of MIB MiB, which goes as an overwrite."""

    patience = 20 + MIB // 5

    def __init__(self, t, capture="compare"):
        self.hashes = {}
        super().__init__(t, capture, """
            CREATE TABLE numbers (id INTEGER PRIMARY KEY, n);
            INSERT INTO numbers VALUES (1, 0);
            CREATE TABLE large (id INTEGER PRIMARY KEY, data BLOB)""")

    def change(self):
        self.number += 1
        self.execute(self.primary, "UPDATE numbers SET n = %d; REPLACE INTO "
                     "large VALUES (1, randomblob(%d))" % (
                         self.number, MIB << 20))
        self.hashes[self.number] = self.look(self.primary)[1]

    def look(self, node):
        db = sqlite3.connect(self.path(node), timeout=60,
                             isolation_level=None)
        try:
            db.execute("BEGIN")
            number = db.execute("SELECT n FROM numbers").fetchone()[0]
            if not number:
                return 0, None
            h = hashlib.sha256()
            with db.blobopen("large", "data", 1, readonly=True) as blob:
                for piece in iter(lambda: blob.read(1 << 20), b""):
                    h.update(piece)
            return number, h.digest()
        finally:
            db.close()

    def state(self, node):
        number, found = self.look(node)
        same(found, self.hashes.get(number), "the row of %d" % number)
        return number


def measure(t):
    """Migrations, killed and on full disks."""
    for capture in CAPTURES:
        scene = Migrating(t, capture)
        for what, node in (("the primary's engine", scene.primary),
                           ("the secondary's engine", scene.node)):
            kill_at_points(t, scene, what, engine_of(node), DISK, scene.push,
                           "migrations (%s)" % capture, max(POINTS // 4, 1))
            injected(t, scene, node, what.split("'")[0][4:] +
                     " during migrations (%s)" % capture)
        with t.promise("no overwrite was needed (%s)" % capture):
            same(scene.overwrites_made(), scene.overwrites, "overwrites")
        for node in scene.cluster.nodes():
            node.stop()


def measure_large(t):
    """Overwrites, killed."""
    scene = Large(t)
    for what, node in (("the primary's engine", scene.primary),
                       ("the secondary's engine", scene.node)):
        kill_at_points(t, scene, what, engine_of(node), DISK, scene.push,
                       "an overwrite of %d MiB" % MIB,
                       max(POINTS // 10, 1), 1 + MIB)


def measure_large_disks(t):
    """Overwrites on full and failing disks: minutes also with 500 MiB, which
    kills take hours for."""
    scene = Large(t)
    for what, node in (("primary", scene.primary), ("secondary", scene.node)):
        injected(t, scene, node,
                 "%s during an overwrite of %d MiB" % (what, MIB))

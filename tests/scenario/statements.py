"""Random statements by programs that know nothing of Lockstep.

SCHEMA adds tables of every awkward kind to dataset "config"; Generator makes
statements with the values on which replication of SQLite usually breaks.
"""

import random
import sqlite3

SCHEMA = """
CREATE TABLE t_plain (a, b, c);
CREATE TABLE t_nocase (k TEXT COLLATE NOCASE PRIMARY KEY, v) WITHOUT ROWID;
CREATE TABLE t_pair (a TEXT, b INTEGER, v, PRIMARY KEY (b, a)) WITHOUT ROWID;
CREATE TABLE t_real (id INTEGER PRIMARY KEY, r REAL, n NUMERIC, x);
CREATE TABLE t_auto (id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT UNIQUE COLLATE NOCASE, v);
CREATE TABLE t_unique (id INTEGER PRIMARY KEY, a UNIQUE, b UNIQUE,
    c DEFAULT 5);
CREATE TABLE t_nullpk (k TEXT PRIMARY KEY, v);
CREATE TABLE t_notnull (id INTEGER PRIMARY KEY,
    a TEXT NOT NULL DEFAULT 'standard' UNIQUE, v);
CREATE TABLE t_parent (id INTEGER PRIMARY KEY, code TEXT UNIQUE, v);
CREATE TABLE t_child (id INTEGER PRIMARY KEY, parent INTEGER
    REFERENCES t_parent (id) ON DELETE CASCADE ON UPDATE CASCADE,
    code TEXT REFERENCES t_parent (code) ON DELETE SET NULL
    ON UPDATE CASCADE, v);
CREATE INDEX t_child_parent ON t_child (parent);
CREATE TABLE t_partial (id INTEGER PRIMARY KEY, a, b TEXT, state INTEGER);
CREATE UNIQUE INDEX t_partial_a ON t_partial (a) WHERE state = 1;
CREATE UNIQUE INDEX t_partial_b ON t_partial (lower(b) COLLATE NOCASE);
CREATE TABLE t_made (id INTEGER PRIMARY KEY, a, twice AS (a || a) VIRTUAL,
    kept TEXT AS (upper(a)) STORED);
CREATE TABLE t_rowid (rowid TEXT, oid INTEGER, v);
CREATE TABLE t_blob (id INTEGER PRIMARY KEY, data BLOB);
CREATE TABLE t_log (what TEXT, id);
CREATE TRIGGER t_unique_ai AFTER INSERT ON t_unique BEGIN
    INSERT INTO t_log VALUES ('added', new.id);
END;
CREATE TRIGGER t_unique_ad AFTER DELETE ON t_unique BEGIN
    DELETE FROM t_log WHERE id = old.id;
END;
CREATE TRIGGER t_real_au AFTER UPDATE OF r ON t_real WHEN new.r > 0 BEGIN
    UPDATE t_real SET x = coalesce(x, 0) || '!' WHERE id = new.id;
    INSERT OR REPLACE INTO t_nocase VALUES ('log' || new.id % 9, new.r);
END;
CREATE VIEW t_view AS SELECT id, a FROM t_unique;
CREATE TRIGGER t_view_ii INSTEAD OF INSERT ON t_view BEGIN
    INSERT OR REPLACE INTO t_unique (id, a) VALUES (new.id, new.a);
END;
"""

WORDS = ["a", "A", "b", "B", "ab", "Ab", "aB", "z", "", "\0", "a\0b", "a\0c",
         "1", "1.0", "01", " 1", "é", "É", "日本", "😀", "a'b", 'a"b', "%",
         "null", "\n", "\ufffd", "x" * 300]
NUMBERS = [0, 1, -1, 2, 7, 255, 65536, 2 ** 31, -2 ** 31, 2 ** 53, 2 ** 53 + 1,
           2 ** 63 - 1, -2 ** 63, 0.0, -0.0, 1.0, -1.0, 0.1, 1.5, 1e300,
           -1e-300, 5e-324, 1e15, 123456789012345678.0, float("inf"),
           float("-inf")]


class Generator:
    def __init__(self, seed):
        self.r = random.Random(seed)

    # -- values ------------------------------------------------------------

    def id(self):
        return self.r.randrange(1, 60)

    def word(self):
        if self.r.random() < 0.6:
            return self.r.choice(WORDS)
        return "w%d" % self.r.randrange(40)

    def any(self):
        return self.r.choice([
            lambda: None, self.word, lambda: self.r.choice(NUMBERS),
            lambda: self.r.randrange(30), lambda: self.r.randbytes(
                self.r.randrange(40)), lambda: b"", lambda: b"a\0b",
            lambda: self.word().encode()])()

    def conflict(self):
        return self.r.choice(["INSERT", "INSERT OR IGNORE",
                              "INSERT OR REPLACE", "REPLACE",
                              "INSERT OR ABORT", "INSERT OR FAIL",
                              "INSERT OR ROLLBACK"])

    def update(self):
        return self.r.choice(["UPDATE", "UPDATE OR IGNORE",
                              "UPDATE OR REPLACE", "UPDATE OR FAIL"])

    # -- statements, each (text, values) -----------------------------------

    def plain(self):
        return self.r.choice([
            lambda: ("INSERT INTO t_plain VALUES (?, ?, ?)",
                     (self.any(), self.any(), self.any())),
            lambda: ("UPDATE t_plain SET b = ? WHERE rowid = ?",
                     (self.any(), self.id())),
            lambda: ("UPDATE t_plain SET c = CAST(? AS TEXT) WHERE rowid = ?",
                     (self.r.randbytes(5), self.id())),
            lambda: ("UPDATE OR REPLACE t_plain SET rowid = ? WHERE "
                     "rowid = ?", (self.id(), self.id())),
            lambda: ("DELETE FROM t_plain WHERE rowid = ?", (self.id(),))])()

    def nocase(self):
        return self.r.choice([
            lambda: (self.conflict() + " INTO t_nocase VALUES (?, ?)",
                     (self.word(), self.any())),
            lambda: ("INSERT INTO t_nocase VALUES (?, ?) ON CONFLICT (k) DO "
                     "UPDATE SET k = excluded.k, v = excluded.v",
                     (self.word(), self.any())),
            lambda: (self.update() + " t_nocase SET k = ? WHERE k = ?",
                     (self.word(), self.word())),
            lambda: ("UPDATE t_nocase SET k = upper(k) WHERE k = ?",
                     (self.word(),)),
            lambda: ("DELETE FROM t_nocase WHERE k = ?", (self.word(),))])()

    def pair(self):
        return self.r.choice([
            lambda: (self.conflict() + " INTO t_pair VALUES (?, ?, ?)",
                     (self.word(), self.id(), self.any())),
            lambda: (self.update() + " t_pair SET a = ?, b = ? WHERE b = ?",
                     (self.word(), self.id(), self.id())),
            lambda: ("DELETE FROM t_pair WHERE b = ?", (self.id(),))])()

    def real(self):
        return self.r.choice([
            lambda: (self.conflict() + " INTO t_real VALUES (?, ?, ?, ?)",
                     (self.id(), self.r.choice(NUMBERS), self.any(),
                      self.any())),
            lambda: ("UPDATE t_real SET r = ?, n = ? WHERE id = ?",
                     (self.r.choice(NUMBERS), self.any(), self.id())),
            lambda: ("UPDATE t_real SET x = CASE typeof(x) WHEN 'integer' "
                     "THEN x + 0.0 ELSE 1 END WHERE id = ?", (self.id(),)),
            lambda: ("UPDATE t_real SET n = 1.0, x = 1.0 WHERE id = ?",
                     (self.id(),)),
            lambda: ("UPDATE t_real SET r = -0.0, x = -0.0 WHERE id = ?",
                     (self.id(),))])()

    def auto(self):
        return self.r.choice([
            lambda: (self.conflict() + " INTO t_auto (name, v) VALUES (?, ?)",
                     (self.word(), self.any())),
            lambda: ("INSERT INTO t_auto (name, v) VALUES (?, ?) ON CONFLICT "
                     "(name) DO UPDATE SET name = excluded.name, "
                     "v = excluded.v", (self.word(), self.any())),
            lambda: (self.update() + " t_auto SET name = ? WHERE id % 60 = ?",
                     (self.word(), self.id())),
            lambda: ("DELETE FROM t_auto WHERE name = ?", (self.word(),))])()

    def unique(self):
        return self.r.choice([
            lambda: (self.conflict() + " INTO t_unique (id, a, b) VALUES "
                     "(?, ?, ?)", (self.id(), self.any(), self.any())),
            lambda: (self.update() + " t_unique SET a = ?, id = ? "
                     "WHERE id = ?", (self.any(), self.id(), self.id())),
            lambda: ("REPLACE INTO t_view (id, a) VALUES (?, ?)",
                     (self.id(), self.any())),
            lambda: ("DELETE FROM t_unique WHERE id = ?", (self.id(),))])()

    def swap(self):
        """Two UNIQUE values change places in one transaction."""
        one, two = self.id(), self.id()
        return ("SWAP", (one, two))

    def nullpk(self):
        return self.r.choice([
            lambda: (self.conflict() + " INTO t_nullpk VALUES (?, ?)",
                     (self.r.choice([None, self.word()]), self.any())),
            lambda: (self.update() + " t_nullpk SET k = ? WHERE rowid = ?",
                     (self.r.choice([None, self.word()]), self.id())),
            lambda: ("DELETE FROM t_nullpk WHERE rowid = ?",
                     (self.id(),))])()

    def notnull(self):
        return self.r.choice([
            lambda: (self.conflict() + " INTO t_notnull VALUES (?, ?, ?)",
                     (self.id(), self.r.choice([None, self.word()]),
                      self.any())),
            lambda: ("UPDATE OR REPLACE t_notnull SET a = ? WHERE id = ?",
                     (self.r.choice([None, self.word()]), self.id())),
            lambda: ("DELETE FROM t_notnull WHERE id = ?", (self.id(),))])()

    def family(self):
        return self.r.choice([
            lambda: (self.conflict() + " INTO t_parent VALUES (?, ?, ?)",
                     (self.id(), "c%d" % self.id(), self.any())),
            lambda: (self.conflict() + " INTO t_child VALUES (?, ?, ?, ?)",
                     (self.r.choice([None, self.id()]), self.id(),
                      "c%d" % self.id(), self.any())),
            lambda: (self.update() + " t_parent SET id = ?, code = ? "
                     "WHERE id = ?",
                     (self.id(), "c%d" % self.id(), self.id())),
            lambda: ("DELETE FROM t_parent WHERE id = ?", (self.id(),))])()

    def partial(self):
        return self.r.choice([
            lambda: (self.conflict() + " INTO t_partial VALUES (?, ?, ?, ?)",
                     (self.id(), self.any(), self.word(),
                      self.r.randrange(2))),
            lambda: ("UPDATE OR REPLACE t_partial SET state = 1 - state "
                     "WHERE id = ?", (self.id(),)),
            lambda: (self.update() + " t_partial SET b = ? WHERE id = ?",
                     (self.word(), self.id()))])()

    def made(self):
        return self.r.choice([
            lambda: ("REPLACE INTO t_made (id, a) VALUES (?, ?)",
                     (self.id(), self.any())),
            lambda: ("UPDATE t_made SET a = ? WHERE id = ?",
                     (self.any(), self.id()))])()

    def odd_names(self):
        return self.r.choice([
            lambda: ("INSERT INTO t_rowid VALUES (?, ?, ?)",
                     (self.word(), self.id(), self.any())),
            lambda: ("UPDATE t_rowid SET v = ? WHERE _rowid_ = ?",
                     (self.any(), self.id())),
            lambda: ("DELETE FROM t_rowid WHERE _rowid_ = ?",
                     (self.id(),))])()

    def blob(self):
        if self.r.random() < 0.05:
            return ("REPLACE INTO t_blob VALUES (?, ?)",
                    (self.r.randrange(3), self.r.randbytes(1 << 20)))
        return ("REPLACE INTO t_blob VALUES (?, ?)",
                (self.id() + 10, self.r.randbytes(self.r.randrange(3000))))

    def users(self):
        name = "user%d" % self.r.randrange(80)
        return self.r.choice([
            lambda: (self.conflict() + " INTO users (id, name, uid, gid, "
                     "home, comment) VALUES (?, ?, ?, 100, '/srv/x', ?)",
                     (self.r.choice([None, self.id()]), name,
                      1000 + self.id(), self.r.choice(WORDS))),
            lambda: ("UPDATE OR REPLACE users SET name = ?, enabled = "
                     "1 - enabled WHERE id = ?", (name, self.id())),
            lambda: ("DELETE FROM users WHERE name = ?", (name,)),
            lambda: ("INSERT OR REPLACE INTO settings VALUES (?, ?)",
                     ("s%d" % self.id(), self.word()))])()

    def special(self):
        return ("PRAGMA %s = %d" % (
            self.r.choice(["user_version", "application_id"]),
            self.r.randrange(-5, 1 << 20)), ())

    def statement(self):
        kinds = [self.plain, self.nocase, self.pair, self.real, self.auto,
                 self.unique, self.swap, self.nullpk, self.notnull,
                 self.family, self.partial, self.made, self.odd_names,
                 self.blob, self.users]
        if self.r.random() < 0.01:
            return self.special()
        return self.r.choice(kinds)()


def execute(db, statement):
    """Runs one statement; refusals by constraints are part of the game."""
    text, values = statement
    try:
        if text == "SWAP":
            one, two = values
            db.execute("BEGIN IMMEDIATE")
            rows = dict(db.execute("SELECT id, a FROM t_unique WHERE id IN "
                                   "(?, ?)", values).fetchall())
            if len(rows) == 2:
                for key, new in ((one, None), (two, rows[one]),
                                 (one, rows[two])):
                    db.execute("UPDATE t_unique SET a = ? WHERE id = ?",
                               (new, key))
            db.execute("COMMIT")
        else:
            db.execute(text, values)
    except (sqlite3.IntegrityError, OverflowError, UnicodeEncodeError):
        if db.in_transaction:
            db.execute("ROLLBACK")
    except sqlite3.OperationalError as why:
        if db.in_transaction:
            db.execute("ROLLBACK")
        if "locked" not in str(why):
            raise


def connect(path, seed):
    """As programs connect: with and without foreign keys and so on."""
    db = sqlite3.connect(path, timeout=30, isolation_level=None)
    db.execute("PRAGMA foreign_keys = %d" % (seed % 3 != 0))
    db.execute("PRAGMA recursive_triggers = %d" % (seed % 2))
    return db

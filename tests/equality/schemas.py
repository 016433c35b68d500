"""Random databases: schemas as strange as applications make them, statements
over whatever tables there are at that moment, and changes of the schema.

Nothing is remembered between statements: each looks the schema up, so that
any order of statements makes sense.
"""

import random
import re
import sqlite3

from migrations import Migrations
from statements import NUMBERS, WORDS

NAMES = ["users", "select", "a b", 'q"q', "o'x", "Ünï", "t_1", "Order", "x.y",
         "main", "value", "[b]"]
COLUMNS = ["a", "b", "c", "d", "group", "a b", 'c"d', "É", "rowid", "oid",
           "_rowid_", "data", "last"]
TYPES = ["", "INTEGER", "TEXT", "REAL", "NUMERIC", "BLOB", "VARCHAR(20)",
         "TEXT COLLATE NOCASE", "TEXT COLLATE RTRIM", "BOOLEAN", "DATETIME"]
STRICT_TYPES = ["INTEGER", "TEXT", "REAL", "BLOB", "ANY", "INT"]
CONFLICTS = ["", "", "", " ON CONFLICT REPLACE", " ON CONFLICT IGNORE"]
MODES = ["WAL", "DELETE", "MEMORY", "FLIP"]
PAGE_SIZES = [512, 1024, 4096, 4096, 4096, 8192, 65536]


def quote(name):
    return '"%s"' % name.replace('"', '""')


class Random(Migrations):
    def __init__(self, seed):
        self.r = random.Random(seed)
        self.count = 0

    def chance(self, part):
        return self.r.random() < part

    def one(self, things):
        return self.r.choice(things)

    def fresh(self, prefix):
        self.count += 1
        return "%s%d" % (prefix, self.count)

    def value(self):
        return self.one([
            lambda: None, lambda: self.one(WORDS), lambda: self.one(NUMBERS),
            lambda: self.r.randrange(12), lambda: str(self.r.randrange(12)),
            lambda: self.r.randbytes(self.r.randrange(20)), lambda: b"",
            lambda: "word%d and %s" % (self.r.randrange(5), self.one("abc")),
            lambda: self.r.randbytes(self.r.randrange(9000))
            if self.chance(0.1) else 1])()

    # -- columns and tables ------------------------------------------------

    def column(self, name, strict, generated_from):
        text = quote(name) + " " + self.one(STRICT_TYPES if strict else TYPES)
        if generated_from and self.chance(0.12):
            return text + " AS (%s) %s" % (
                self.one(["%s || '!'", "typeof(%s)", "upper(%s)"]) %
                quote(generated_from), self.one(["VIRTUAL", "STORED"]))
        if self.chance(0.15):
            text += " NOT NULL%s DEFAULT %s" % (self.one(CONFLICTS), self.one(
                ["1", "2"] if strict and ("INT" in text or "REAL" in text)
                else ["x'31'"] if strict and "BLOB" in text
                else ["'a'", "'x y'"]))
        if self.chance(0.15):
            text += " UNIQUE" + self.one(CONFLICTS)
        if self.chance(0.08):
            text += " CHECK (%s IS NULL OR length(%s) < 5000)" % (
                quote(name), quote(name))
        return text

    def key(self, strict):
        """(column definition, rest, WITHOUT ROWID possible)"""
        kind = "TEXT" if strict else self.one(
            ["TEXT", "TEXT COLLATE NOCASE", "INT", "REAL" if False else "BLOB",
             "" if not strict else "ANY"])
        return self.one([
            lambda: ("id INTEGER PRIMARY KEY", "", False),
            lambda: ("id INTEGER PRIMARY KEY", "", False),
            lambda: ("id INTEGER PRIMARY KEY AUTOINCREMENT", "", False),
            lambda: ("id %s PRIMARY KEY%s" % (kind, self.one(
                ["", " ON CONFLICT REPLACE"])), "", True),
            lambda: ("id %s" % kind, ", PRIMARY KEY (id%s, k2)" % self.one(
                ["", " DESC", " COLLATE NOCASE"]), True),
            lambda: ("id INTEGER PRIMARY KEY DESC", "", True),
            lambda: ("", "", False)])()

    def table(self, name):
        strict = self.chance(0.15)
        key, rest, rowid_free = self.key(strict)
        parts = [key] if key else []
        if "k2" in rest:
            parts.append("k2 " + ("INTEGER" if strict else self.one(TYPES)))
        chosen = self.r.sample(COLUMNS, self.r.randrange(1, 5))
        if {"rowid", "oid", "_rowid_"} <= set(chosen):
            chosen.remove("oid")
        plain = None
        for c in chosen:
            text = self.column(c, strict, plain)
            if " AS (" not in text:
                plain = c
            parts.append(text)
        if plain is None:
            parts.append("plain " + ("ANY" if strict else ""))
        options = []
        if rowid_free and self.chance(0.6):
            options.append("WITHOUT ROWID")
        if strict:
            options.append("STRICT")
        return "CREATE TABLE %s (%s%s) %s" % (
            quote(name), ", ".join(parts), rest, ", ".join(options))

    def virtual(self, tables):
        name = self.fresh("v")
        kinds = [
            "CREATE VIRTUAL TABLE %s USING fts5(x, y)",
            "CREATE VIRTUAL TABLE %s USING fts5(x, y, content='')",
            "CREATE VIRTUAL TABLE %s USING fts5(x, y UNINDEXED, "
            "tokenize='porter', prefix='2 3')",
            "CREATE VIRTUAL TABLE %s USING fts4(x, y)",
            "CREATE VIRTUAL TABLE %s USING rtree(id, x0, x1, y0, y1)",
            "CREATE VIRTUAL TABLE %s USING rtree_i32(id, x0, x1, +note)"]
        return self.one(kinds) % name

    # -- what there is -----------------------------------------------------

    def tables(self, db):
        return [r[0] for r in db.execute(
            "SELECT name FROM pragma_table_list WHERE schema = 'main' AND "
            "type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND "
            "name NOT LIKE '\\_lockstep%' ESCAPE '\\'")]

    def virtuals(self, db):
        return db.execute(
            "SELECT name, sql FROM sqlite_schema WHERE sql LIKE "
            "'CREATE VIRTUAL%'").fetchall()

    def columns(self, db, table, all_kinds=False):
        return [r[1] for r in db.execute(
            "PRAGMA table_xinfo(%s)" % quote(table))
            if all_kinds or r[6] == 0]

    def objects(self, db, kind):
        return [r[0] for r in db.execute(
            "SELECT name FROM sqlite_schema WHERE type = ? AND sql IS NOT "
            "NULL AND name NOT LIKE '\\_lockstep%' ESCAPE '\\'", (kind,))]

    # -- statements --------------------------------------------------------

    def change_rows(self, db):
        tables = self.tables(db)
        if not tables:
            return [(self.table(self.one(NAMES)), ())]
        t = self.one(tables)
        columns = self.columns(db, t)
        if not columns:
            return [("SELECT 1", ())]
        c, d = self.one(columns), self.one(columns)
        some = self.r.sample(columns, self.r.randrange(1, len(columns) + 1))
        listed = ", ".join(quote(x) for x in some)
        marks = ", ".join("?" * len(some))
        values = tuple(self.value() for _ in some)
        conflict = self.one(["", "", " OR REPLACE", " OR IGNORE", " OR FAIL"])
        insert = ("INSERT%s INTO %s (%s) VALUES (%s)" % (
            conflict, quote(t), listed, marks), values)
        return [self.one([
            lambda: insert, lambda: insert, lambda: insert,
            lambda: ("INSERT INTO %s (%s) VALUES (%s) ON CONFLICT DO UPDATE "
                     "SET %s = excluded.%s" % (
                         quote(t), listed, marks, quote(some[0]),
                         quote(some[0])), values),
            lambda: ("UPDATE%s %s SET %s = ? WHERE %s IS ?" % (
                conflict, quote(t), quote(c), quote(d)),
                (self.value(), self.value())),
            lambda: ("UPDATE%s %s SET %s = ? WHERE random() %% 4 = 0" % (
                conflict, quote(t), quote(c)), (self.value(),)),
            lambda: ("UPDATE%s %s SET %s = %s" % (
                conflict, quote(t), quote(c), quote(d)), ()),
            lambda: ("DELETE FROM %s WHERE %s IS ?" % (quote(t), quote(c)),
                     (self.value(),)),
            lambda: ("DELETE FROM %s WHERE random() %% 5 = 0" % quote(t), ()),
            lambda: ("INSERT%s INTO %s (%s) SELECT %s FROM %s" % (
                " OR IGNORE", quote(t), listed,
                ", ".join("%s || 'x'" % quote(x) for x in some), quote(t)),
                ())])()]

    def change_virtual(self, db):
        found = self.virtuals(db)
        if not found:
            return self.change_rows(db)
        name, sql = self.one(found)
        n = quote(name)
        row = self.r.randrange(1, 30)
        text = "word%d %s" % (self.r.randrange(9), self.one(
            ["alpha beta", "gamma", "delta's", "été", "x " * 50]))
        if "rtree" in sql:
            x, y = self.r.randrange(-50, 50), self.r.randrange(50)
            columns = "id, x0, x1, y0, y1" if "y0" in sql else "id, x0, x1"
            values = (row, x, x + 5, y, y + 5)[:columns.count(",") + 1]
            return [self.one([
                ("INSERT OR REPLACE INTO %s (%s) VALUES (%s)" % (
                    n, columns, ",".join("?" * len(values))), values),
                ("DELETE FROM %s WHERE id = ?" % n, (row,))])]
        if "content=''" in sql:
            return [self.one([
                ("INSERT INTO %s (rowid, x, y) VALUES (?, ?, ?)" % n,
                 (self.r.randrange(1 << 40), text, text)),
                ("INSERT INTO %s (rowid, x, y) VALUES (?, ?, ?)" % n,
                 (row, text, text)),
                ("INSERT INTO %s (%s, rowid, x, y) VALUES ('delete', ?, ?, ?)"
                 % (n, n), (row, text, text)),
                ("INSERT INTO %s (%s) VALUES ('delete-all')" % (n, n), ())])]
        if "content=" in sql:
            return [("INSERT INTO %s (%s) VALUES (?)" % (n, n),
                     (self.one(["rebuild", "optimize"]),))]
        return [self.one([
            ("INSERT OR REPLACE INTO %s (rowid, x, y) VALUES (?, ?, ?)" % n,
             (row, text, text)),
            ("UPDATE %s SET x = ? WHERE rowid = ?" % n, (text, row)),
            ("DELETE FROM %s WHERE rowid = ?" % n, (row,)),
            ("DELETE FROM " + n, ()),
            ("INSERT INTO %s (%s, rank) VALUES ('pgsz', 64)" % (n, n), ()),
            ("INSERT INTO %s (%s) VALUES (?)" % (n, n),
             (self.one(["rebuild", "optimize"]),))])]

    def rebuild(self, db, table):
        """The twelve steps, as a migration tool takes them."""
        sql = db.execute("SELECT sql FROM sqlite_schema WHERE type = 'table' "
                         "AND name = ?", (table,)).fetchone()[0]
        body = sql[sql.index("(", len("CREATE TABLE ") + len(table)):] \
            if "(" in sql else None
        rest = db.execute(
            "SELECT sql FROM sqlite_schema WHERE tbl_name = ? AND type IN "
            "('index', 'trigger') AND sql IS NOT NULL", (table,)).fetchall()
        columns = self.columns(db, table)
        if body is None or not columns:
            return [("SELECT 1", ())]
        start = re.search(r'^CREATE TABLE (?:"(?:[^"]|"")*"|[^\s(]+)\s*', sql)
        listed = ", ".join(quote(c) for c in columns)
        new = "CREATE TABLE _new " + sql[start.end():]
        return [("PRAGMA foreign_keys = OFF", ()), ("BEGIN", ()), (new, ()),
                ("INSERT INTO _new (%s) SELECT %s FROM %s" % (
                    listed, listed, quote(table)), ()),
                ("DROP TABLE %s" % quote(table), ()),
                ("ALTER TABLE _new RENAME TO %s" % quote(table), ())] + [
                    (r[0], ()) for r in rest] + [("COMMIT", ())]

    def change_schema(self, db):
        tables = self.tables(db)
        if not tables or self.chance(0.12):
            return [(self.table(self.one(NAMES)), ())]
        t = self.one(tables)
        if self.chance(0.5):
            return self.change_much(db, tables, t)
        columns = self.columns(db, t, True)
        c = self.one(columns)
        indexes = self.objects(db, "index")
        views = self.objects(db, "view")
        triggers = self.objects(db, "trigger")
        return self.one([
            lambda: [("ALTER TABLE %s ADD COLUMN %s %s" % (
                quote(t), quote(self.fresh("n")), self.one(
                    ["TEXT", "INTEGER DEFAULT 7", "BLOB",
                     "TEXT NOT NULL DEFAULT 'new'"])), ())],
            lambda: [("ALTER TABLE %s DROP COLUMN %s" % (quote(t), quote(c)),
                      ())],
            lambda: [("ALTER TABLE %s RENAME COLUMN %s TO %s" % (
                quote(t), quote(c), quote(self.fresh("r"))), ())],
            lambda: [("PRAGMA legacy_alter_table = %d" % self.r.randrange(2),
                      ()),
                     ("ALTER TABLE %s RENAME TO %s" % (
                         quote(t), quote(self.one(NAMES))), ())],
            lambda: [("CREATE %sINDEX %s ON %s (%s)%s" % (
                self.one(["", "UNIQUE "]), quote(self.fresh("i ")), quote(t),
                self.one([quote(c), quote(c) + " COLLATE NOCASE DESC",
                          "lower(%s)" % quote(c)]),
                self.one(["", " WHERE %s IS NOT NULL" % quote(c)])), ())],
            lambda: [("CREATE VIEW %s AS SELECT %s FROM %s" % (
                quote(self.fresh("w ")), quote(c), quote(t)), ())],
            lambda: [("CREATE TRIGGER %s AFTER %s ON %s BEGIN DELETE FROM %s "
                      "WHERE %s IS 'gone'; END" % (
                          quote(self.fresh("g ")),
                          self.one(["INSERT", "DELETE", "UPDATE"]), quote(t),
                          quote(t), quote(c)), ())],
            lambda: [("DROP TABLE %s" % quote(t), ())]
            if len(tables) > 1 else [("SELECT 1", ())],
            lambda: [("DROP INDEX %s" % quote(self.one(indexes)), ())]
            if indexes else [("SELECT 1", ())],
            lambda: [("DROP VIEW %s" % quote(self.one(views)), ())]
            if views else [("SELECT 1", ())],
            lambda: [("DROP TRIGGER %s" % quote(self.one(triggers)), ())]
            if triggers else [("SELECT 1", ())],
            lambda: self.rebuild(db, t),
            lambda: [(self.virtual(tables), ())],
            lambda: [("DROP TABLE %s" % quote(self.one(
                [v[0] for v in self.virtuals(db)] or [t])), ())],
            lambda: [("VACUUM", ())],
            lambda: [("ANALYZE", ())],
            lambda: [("PRAGMA user_version = %d" % self.r.randrange(99),
                      ())]])()

    def statements(self, db, schema_part):
        if self.chance(schema_part):
            return self.change_schema(db)
        if self.chance(0.15):
            return self.change_virtual(db)
        if self.chance(0.15):
            return self.write_oddly(db)
        return self.change_rows(db)


class Writer:
    """Another program: knows the file, and nothing of Lockstep."""

    def __init__(self, path, seed, mode):
        self.path = path
        self.random = Random(seed)
        self.mode = mode
        self.db = None
        self.other = None  # a second writer's connection, used in turns
        self.ran = 0

    def create(self):
        r = self.random
        self.connect()
        self.db.execute("PRAGMA page_size = %d" % r.one(PAGE_SIZES))
        self.db.execute("PRAGMA auto_vacuum = %d" % r.one([0, 0, 1, 2]))
        self.db.execute("PRAGMA encoding = '%s'" % r.one(
            ["UTF-8"] * 18 + ["UTF-16le", "UTF-16be"]))
        for name in r.r.sample(NAMES, r.r.randrange(1, 4)):
            self.run([(r.table(name), ())])
        if r.chance(0.25):
            self.run([(r.virtual(None), ())])
        self.connect()

    def connect(self):
        if self.db is not None:
            self.db.close()
        self.db = sqlite3.connect(self.path, timeout=5, isolation_level=None)
        self.db.execute("PRAGMA synchronous = OFF")
        self.db.execute("PRAGMA foreign_keys = %d" % self.random.r.randrange(2))
        self.db.execute("PRAGMA recursive_triggers = %d" %
                        self.random.r.randrange(2))
        mode = self.mode
        if mode == "FLIP":
            mode = self.random.one(["WAL", "DELETE", "MEMORY", "TRUNCATE"])
        try:
            self.db.execute("PRAGMA journal_mode = " + mode)
        except sqlite3.OperationalError:
            pass  # somebody else has it open: as it happens to applications

    def run(self, statements):
        """All of them, or as far as the database agrees."""
        try:
            for text, values in statements:
                if callable(text):
                    text(self.db)
                else:
                    self.db.execute(text, values).fetchall()
            self.ran += 1
        except (sqlite3.Error, OverflowError, UnicodeEncodeError,
                TypeError) as why:
            if "locked" in str(why):
                if self.other is None:
                    raise
                self.other.close()  # the two were in each other's way
                self.other = None
            elif "malformed" in str(why):
                # FTS5, told to delete what it does not have, leaves a
                # statement of its own open, and with it the file locked.
                self.connect()
        if self.db.in_transaction:
            self.db.execute("ROLLBACK")

    def step(self, schema_part):
        if self.mode == "FLIP" and self.random.chance(0.2):
            self.connect()
        if self.random.chance(0.2):
            self.db, self.other = self.other, self.db
            if self.db is None:
                self.connect()
        self.run(self.random.statements(self.db, schema_part))

    def close(self):
        for db in self.db, self.other:
            if db is not None:
                db.close()

"""What migrations and odd programs do, as lists of statements: changes of the
schema in several steps, and writes that pass triggers by.

A statement is (SQL, values), or (function, values): called with the writer's
connection.
"""

import os
import sqlite3

NOTHING = [("SELECT 1", ())]


def quote(name):
    return '"%s"' % name.replace('"', '""')


def write_blob(table, column, data):
    """sqlite3_blob_write: no trigger fires.  Nor is a stored generated column
    made anew, so that no INSERT could give the same row: not there."""
    def write(db):
        if any(r[6] == 3 for r in db.execute(
                "PRAGMA table_xinfo(%s)" % quote(table)).fetchall()):
            return
        for rowid, length in db.execute(
                "SELECT rowid, length(%s) FROM %s WHERE typeof(%s) = 'blob' "
                "AND length(%s) > 0 ORDER BY random() LIMIT 1" % (
                    (quote(column), quote(table)) + (quote(column),) * 2)
                ).fetchall():
            with db.blobopen(table, column, rowid) as blob:
                part = data[:length]
                blob.seek(length - len(part))
                blob.write(part)
    return write


def attached(statements):
    """One transaction over this file and another."""
    def run(db):
        path = db.execute("PRAGMA database_list").fetchone()[2]
        db.execute("ATTACH ? AS aside", (os.path.join(
            os.path.dirname(path), "aside.db"),))
        try:
            db.execute("BEGIN")
            db.execute("CREATE TABLE IF NOT EXISTS aside.seen (x)")
            db.execute("INSERT INTO aside.seen VALUES (1)")
            for text, values in statements:
                db.execute(text, values)
            db.execute("COMMIT")
        finally:
            if db.in_transaction:
                db.execute("ROLLBACK")
            db.execute("DETACH aside")
    return run


class Migrations:
    """Mixed into schemas.Random, whose methods it uses."""

    def convert(self, db, table):
        """Twelve steps to a table of another shape, values converted."""
        columns = self.columns(db, table)
        if not columns:
            return NOTHING
        new = self.fresh("m")
        made = self.table(new)
        probe = sqlite3.connect(":memory:")
        try:
            probe.execute(made)
            into = [r[1] for r in probe.execute(
                "PRAGMA table_xinfo(%s)" % quote(new)) if r[6] == 0]
        except sqlite3.Error:
            return NOTHING
        finally:
            probe.close()
        into = into[:len(columns)]
        given = ["%s", "%s", "coalesce(%s, 'none')", "CAST(%s AS TEXT)",
                 "%s || '!'", "upper(%s)"]
        values = [self.one(given) % quote(c) for c in columns[:len(into)]]
        copied = "INSERT OR IGNORE INTO %s (%s) SELECT %s FROM %s" % (
            quote(new), ", ".join(quote(c) for c in into), ", ".join(values),
            quote(table))
        return [("PRAGMA foreign_keys = OFF", ()), ("BEGIN", ()), (made, ()),
                (copied, ()), ("DROP TABLE %s" % quote(table), ()),
                ("ALTER TABLE %s RENAME TO %s" % (quote(new), quote(table)),
                 ()), ("COMMIT", ())]

    def rename_chain(self, db, table):
        """Aside under two names, made anew, filled; the old may stay."""
        sql = db.execute("SELECT sql FROM sqlite_schema WHERE type = 'table' "
                         "AND name = ?", (table,)).fetchone()[0]
        first, second = self.fresh("o"), self.fresh("old ")
        columns = ", ".join(quote(c) for c in self.columns(db, table))
        # The names of its indexes would be taken.
        indexes = db.execute("SELECT name FROM sqlite_schema WHERE type = "
                             "'index' AND sql IS NOT NULL AND tbl_name = ?",
                             (table,)).fetchall()
        steps = [("PRAGMA foreign_keys = OFF", ()),
                 ("PRAGMA legacy_alter_table = %d" % self.r.randrange(2), ()),
                 ("BEGIN", ())]
        steps += [("DROP INDEX " + quote(i[0]), ()) for i in indexes]
        steps += [("ALTER TABLE %s RENAME TO %s" % (quote(a), quote(b)), ())
                  for a, b in ((table, first), (first, second))]
        steps += [(sql, ()), ("INSERT INTO %s (%s) SELECT %s FROM %s" % (
            quote(table), columns, columns, quote(second)), ())]
        if self.chance(0.7):
            steps.append(("DROP TABLE " + quote(second), ()))
        return steps + [("COMMIT", ()), ("PRAGMA legacy_alter_table = 0", ())]

    def drop_indexed(self, db, table):
        """A column dropped, with the indexes that it is in."""
        columns = self.columns(db, table, True)
        c = self.one(columns)
        found = db.execute(
            "SELECT l.name FROM pragma_index_list(?1) l, pragma_index_xinfo("
            "l.name) i WHERE i.name = ?2 AND l.origin = 'c'",
            (table, c)).fetchall()
        return [("BEGIN", ())] + [("DROP INDEX " + quote(n[0]), ())
                                  for n in found] + [
            ("ALTER TABLE %s DROP COLUMN %s" % (quote(table), quote(c)), ()),
            ("COMMIT", ())]

    def external_content(self, db, table):
        """Full text search over a table that is there, kept by triggers."""
        columns = [c for c in self.columns(db, table)
                   if c.lower() not in ("rowid", "rank", "oid", "_rowid_")]
        keys = [r[1] for r in db.execute("PRAGMA table_info(%s)" % quote(
            table)) if r[5] == 1 and r[2] == "INTEGER"]
        if not columns or not keys:
            return NOTHING
        c, name, t = quote(self.one(columns)), self.fresh("e"), quote(table)
        key = quote(keys[0])
        put = "INSERT INTO %s (rowid, %s) VALUES (new.%s, new.%s);" % (
            name, c, key, c)
        take = ("INSERT INTO %s (%s, rowid, %s) VALUES ('delete', old.%s, "
                "old.%s);" % (name, name, c, key, c))
        return [("BEGIN", ()), (
            "CREATE VIRTUAL TABLE %s USING fts5(%s, content=%s, "
            "content_rowid=%s)" % (name, c, quote(table), key), ()),
                ("INSERT INTO %s (%s) VALUES ('rebuild')" % (name, name), ()),
                ("CREATE TRIGGER %s_i AFTER INSERT ON %s BEGIN %s END" % (
                    name, t, put), ()),
                ("CREATE TRIGGER %s_d AFTER DELETE ON %s BEGIN %s END" % (
                    name, t, take), ()),
                ("CREATE TRIGGER %s_u AFTER UPDATE ON %s BEGIN %s %s END" % (
                    name, t, take, put), ()), ("COMMIT", ())]

    def change_much(self, db, tables, table):
        """One of the above, or another change of the schema."""
        t = quote(table)
        virtuals = [v[0] for v in self.virtuals(db)]
        return self.one([
            lambda: self.convert(db, table),
            lambda: self.convert(db, table),
            lambda: self.rename_chain(db, table),
            lambda: self.rename_chain(db, table),
            lambda: self.drop_indexed(db, table),
            lambda: self.external_content(db, table),
            lambda: [("ALTER TABLE %s RENAME TO %s" % (
                quote(self.one(virtuals)), quote(self.fresh("w v"))), ())]
            if virtuals else NOTHING,
            lambda: [("CREATE TABLE %s AS SELECT * FROM %s" % (
                quote(self.fresh("copy")), t), ())],
            lambda: [("ALTER TABLE %s ADD COLUMN %s AS (typeof(%s))" % (
                t, self.fresh("gen"), quote(self.one(
                    self.columns(db, table) or ["x"]))), ())],
            lambda: [("CREATE TRIGGER %s BEFORE %s ON %s WHEN %s BEGIN "
                      "SELECT RAISE(IGNORE); END" % (
                          quote(self.fresh("ig ")), self.one(
                              ["INSERT", "DELETE", "UPDATE"]), t,
                          self.one(["abs(random()) % 3 = 0", "1"])), ())],
            lambda: [("CREATE TRIGGER %s AFTER %s ON %s BEGIN INSERT OR "
                      "REPLACE INTO %s DEFAULT VALUES; END" % (
                          quote(self.fresh("log ")), self.one(
                              ["INSERT", "DELETE", "UPDATE"]), t,
                          quote(self.one(tables))), ())],
            lambda: [("REINDEX", ())],
            lambda: [("PRAGMA application_id = %d" % self.r.randrange(99),
                      ())],
            lambda: [("PRAGMA incremental_vacuum", ())],
            lambda: [("UPDATE sqlite_sequence SET seq = seq + 5", ())],
            lambda: [("DELETE FROM sqlite_sequence", ())],
            lambda: [("DELETE FROM sqlite_stat1 WHERE random() % 2", ())]])()

    def write_oddly(self, db):
        """Writes that triggers see in part, or not at all."""
        tables = self.tables(db)
        if not tables:
            return NOTHING
        t = self.one(tables)
        several = [s for _ in range(self.r.randrange(2, 6))
                   for s in self.change_rows(db)]
        columns = self.columns(db, t) or ["x"]
        ignore = self.fresh("temp")
        return self.one([
            lambda: [(write_blob(t, self.one(columns), self.r.randbytes(4)),
                      ())],
            lambda: [("CREATE TEMP TRIGGER %s BEFORE %s ON main.%s BEGIN "
                      "SELECT RAISE(IGNORE); END" % (ignore, self.one(
                          ["INSERT", "DELETE", "UPDATE"]), quote(t)), ())
                     ] + several + [("DROP TRIGGER IF EXISTS " + ignore, ())],
            lambda: [("BEGIN", ())] + several + [("COMMIT", ())],
            lambda: [("BEGIN", ())] + several + [("ROLLBACK", ())],
            lambda: [("BEGIN", ()), ("SAVEPOINT s", ())] + several + [
                ("ROLLBACK TO s", ()), ("RELEASE s", ())] +
            self.change_rows(db) + [("COMMIT", ())],
            lambda: [(attached(several), ())],
            lambda: [("DELETE FROM " + quote(t), ())],
            lambda: [("UPDATE OR IGNORE %s SET rowid = rowid + 7" % quote(t),
                      ())],
            lambda: [("PRAGMA ignore_check_constraints = 1", ())] + several +
            [("PRAGMA ignore_check_constraints = 0", ())]])()

"""What a database holds, read by a program that shares no code with Lockstep.

Two databases are equal when schema, rows (rowid, storage class and bytes of
every value), user_version, application_id, sqlite_sequence and sqlite_stat1
are.  Objects named _lockstep_* are Lockstep's own and left out.
"""

import contextlib
import hashlib
import sqlite3
import struct

HASHED = 200  # longer values are kept as their hash


class Contents:
    def __init__(self):
        self.objects = {}   # (type, name) -> SQL
        self.tables = {}    # name -> {key: row}
        self.specials = {}  # name -> value


def value(kind, content):
    """One value as its storage class, its length and its very bytes."""
    if content is None:
        data = b""
    elif isinstance(content, int):
        data = struct.pack(">q", content)
    elif isinstance(content, float):
        data = struct.pack(">d", content)
    else:
        data = bytes(content)
    length = len(data)
    if length > HASHED:
        data = hashlib.sha256(data).digest()
    return kind.decode(), length, data


def quote(name):
    return '"%s"' % name.replace('"', '""')


def size(row):
    """Bytes of a row's values, each with its storage class."""
    return sum(1 + length for _, length, _ in row)


def read_table(db, name, virtual):
    columns = [c[1].decode() for c in db.execute(
        "PRAGMA table_xinfo(%s)" % quote(name)) if c[6] in (0, 2, 3)]
    taken = {c.lower() for c in columns}
    rowid = next((n for n in ("rowid", "_rowid_", "oid") if n not in taken),
                 None)
    keys = []
    try:
        if rowid:
            db.execute("SELECT %s FROM %s LIMIT 0" % (rowid, quote(name)))
            keys = [rowid]
    except sqlite3.OperationalError:
        pass
    if not keys:  # WITHOUT ROWID: the primary key is among the columns
        keys = [quote(c[1].decode()) for c in db.execute(
            "PRAGMA table_xinfo(%s)" % quote(name)) if c[5] > 0]
    parts = ["typeof(%s), %s" % (k, k) for k in keys]
    parts += ["typeof(%s), %s" % (quote(c), quote(c)) for c in columns]
    rows = {}
    for row in db.execute("SELECT %s FROM %s" %
                          (", ".join(parts), quote(name))):
        values = tuple(value(row[i], row[i + 1])
                       for i in range(0, len(row), 2))
        key = values[:len(keys)]
        # A search over a table that names a column as the key which is none
        # has as many rows of a key as that column.
        while virtual and key in rows:
            key += ("again",)
        if key in rows:
            raise ValueError("two rows with one key in %s" % name)
        rows[key] = values[len(keys):]
    return rows


def read_open(db):
    c = Contents()
    objects = db.execute("SELECT type, name, tbl_name, sql FROM "
                         "sqlite_schema").fetchall()
    for kind, name, table, sql in objects:
        kind, name, table = kind.decode(), name.decode(), table.decode()
        if name.startswith("_lockstep_") or table.startswith("_lockstep_"):
            continue
        if name in ("sqlite_sequence", "sqlite_stat1"):
            continue
        c.objects[kind, name] = sql
        if kind == "table" and not name.startswith("sqlite_"):
            try:
                c.tables[name] = read_table(
                    db, name, sql.startswith(b"CREATE VIRTUAL"))
            except sqlite3.Error as why:
                # Its application may have broken it: the same everywhere.
                if not sql.startswith(b"CREATE VIRTUAL"):
                    raise
                c.tables[name] = {"unreadable": str(why)}
    names = {n.decode() for _, n, _, _ in objects}
    for special, column in (("sqlite_sequence", "name"),
                            ("sqlite_stat1", "tbl")):
        rows = []
        if special in names:
            rows = db.execute(
                "SELECT * FROM %s WHERE substr(%s, 1, 10) <> '_lockstep_'" %
                (special, column)).fetchall()
        c.specials[special] = sorted(rows, key=repr)
    for pragma in "user_version", "application_id":
        c.specials[pragma] = db.execute("PRAGMA " + pragma).fetchone()[0]
    return c


def read_together(*paths):
    """The contents of several databases, all under a read lock first."""
    with contextlib.ExitStack() as stack:
        open_ones = []
        for path in paths:
            db = sqlite3.connect(path, timeout=30, isolation_level=None)
            stack.callback(db.close)
            db.text_factory = bytes
            db.execute("PRAGMA query_only = 1")
            db.execute("BEGIN")
            db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
            open_ones.append(db)
        return [read_open(db) for db in open_ones]


def difference(a, b):
    """"" when equal, else what differs, for people."""
    if a.objects != b.objects:
        odd = {k for k in a.objects.keys() | b.objects.keys()
               if a.objects.get(k) != b.objects.get(k)}
        return "schema differs: %s" % sorted(odd)[:5]
    if a.specials != b.specials:
        odd = [k for k in a.specials if a.specials[k] != b.specials[k]]
        return "; ".join("%s is %r and %r" % (k, a.specials[k], b.specials[k])
                         for k in odd)
    for name, rows in a.tables.items():
        others = b.tables[name]
        if rows == others:
            continue
        odd = [k for k in rows.keys() | others.keys()
               if rows.get(k) != others.get(k)]
        return "%s: %d rows differ, as %r: %r and %r" % (
            name, len(odd), odd[0], rows.get(odd[0]), others.get(odd[0]))
    return ""


def changed_bytes(before, after):
    """Bytes of the rows that were added, changed or removed."""
    total = 0
    for name in before.tables.keys() | after.tables.keys():
        old = before.tables.get(name, {})
        new = after.tables.get(name, {})
        for key in old.keys() | new.keys():
            if old.get(key) != new.get(key):
                total += size(key) + size(new.get(key) or old.get(key))
    return total

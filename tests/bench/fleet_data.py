"""Reproducible data of an SFTP fleet, put into tables of dataset "config".

Sizes: S 10,000 users (5 MB), M 100,000 (51 MB), L 1,000,000 (513 MB).  What
was made once is kept in a folder and copied from there.
"""

import os
import random
import sqlite3

USERS = {"S": 10_000, "M": 100_000, "L": 1_000_000}

SCHEMA = """
CREATE TABLE fleet_settings (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE fleet_users (id INTEGER PRIMARY KEY, username TEXT NOT NULL
    UNIQUE, pwhash TEXT, home TEXT, uid INTEGER, gid INTEGER, status INTEGER,
    quota INTEGER, expires INTEGER, max_sessions INTEGER, updated_at INTEGER,
    notes TEXT);
CREATE TABLE fleet_keys (id INTEGER PRIMARY KEY, user_id INTEGER NOT NULL
    REFERENCES fleet_users (id) ON DELETE CASCADE, pubkey TEXT NOT NULL,
    comment TEXT);
CREATE INDEX fleet_keys_user ON fleet_keys (user_id);
CREATE TABLE fleet_folders (id INTEGER PRIMARY KEY, user_id INTEGER NOT NULL
    REFERENCES fleet_users (id) ON DELETE CASCADE, vpath TEXT, fspath TEXT,
    perms TEXT);
CREATE INDEX fleet_folders_user ON fleet_folders (user_id);
CREATE TABLE fleet_rules (id INTEGER PRIMARY KEY, user_id INTEGER, cidr TEXT,
    action INTEGER, prio INTEGER);
CREATE INDEX fleet_rules_user ON fleet_rules (user_id);
"""

LETTERS = ("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
           "0123456789+/")
BATCH = 20_000


def rows(r, i):
    """The rows of user I: of fleet_users, _keys, _folders, _rules."""
    def text(length):
        return "".join(r.choices(LETTERS, k=length))
    name = "user%07d" % i
    home = "/srv/sftp/" + name
    user = (i, name, "$6$" + text(16) + "$" + text(86), home, 10000 + i, 100,
            1, 10 << 30, 1900000000, 8, 1700000000 + i, text(160))
    keys, folders, rules = [], [(i, "/", home, "rwld")], []
    if i % 2:
        keys.append((i, "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + text(43),
                     name + "@host"))
    if i % 3 == 0:
        folders.append((i, "/shared", "/srv/shared/team%d" % (i % 97), "rl"))
    if i % 4 == 0:
        rules.append((i, "10.%d.%d.0/24" % (r.randrange(256),
                                            r.randrange(256)), 1, i % 10))
    return user, keys, folders, rules


def make(path, users):
    r = random.Random(1)
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode = OFF")
    db.execute("PRAGMA synchronous = OFF")
    db.executescript(SCHEMA)
    db.execute("BEGIN")
    db.executemany("INSERT INTO fleet_settings VALUES (?, ?)", [
        ("setting_%03d" % i, "".join(r.choices(LETTERS, k=20)))
        for i in range(200)])
    for first in range(1, users + 1, BATCH):
        batch = [rows(r, i) for i in
                 range(first, min(first + BATCH, users + 1))]
        db.executemany("INSERT INTO fleet_users VALUES "
                       "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                       [b[0] for b in batch])
        db.executemany("INSERT INTO fleet_keys (user_id, pubkey, comment) "
                       "VALUES (?, ?, ?)", [x for b in batch for x in b[1]])
        db.executemany("INSERT INTO fleet_folders (user_id, vpath, fspath, "
                       "perms) VALUES (?, ?, ?, ?)",
                       [x for b in batch for x in b[2]])
        db.executemany("INSERT INTO fleet_rules (user_id, cidr, action, "
                       "prio) VALUES (?, ?, ?, ?)",
                       [x for b in batch for x in b[3]])
    db.execute("COMMIT")
    db.close()


def path_of(folder, size):
    """The path of a database of that size, made if it is not there."""
    path = os.path.join(folder, "fleet-%s.db" % size)
    if not os.path.exists(path):
        os.makedirs(folder, exist_ok=True)
        temporary = "%s.%d" % (path, os.getpid())
        make(temporary, USERS[size])
        os.rename(temporary, path)
    return path


def put_into(live, source):
    """Adds the tables of SOURCE to the database LIVE, whose daemon is not
    running."""
    db = sqlite3.connect(live, isolation_level=None)
    db.execute("ATTACH ? AS source", (source,))
    db.execute("BEGIN")
    db.execute("PRAGMA defer_foreign_keys = 1")
    for statement in SCHEMA.split(";"):
        if statement.strip().startswith("CREATE TABLE"):
            name = statement.split()[2]
            db.execute(statement)
            db.execute("INSERT INTO main.%s SELECT * FROM source.%s" %
                       (name, name))
    for statement in SCHEMA.split(";"):
        if statement.strip().startswith("CREATE INDEX"):
            db.execute(statement)
    db.execute("COMMIT")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()


def change(db, count, users, r):
    """COUNT rows changed in one commit."""
    db.execute("BEGIN IMMEDIATE")
    for i in r.sample(range(1, users + 1), count):
        db.execute("UPDATE fleet_users SET updated_at = ?, quota = ? WHERE "
                   "id = ?", (r.randrange(1 << 31), r.randrange(1 << 40), i))
    db.execute("COMMIT")

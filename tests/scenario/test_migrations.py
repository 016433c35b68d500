#!/usr/bin/python3
"""Ten migrations of an application that knows nothing of Lockstep, as the
versions of such a program bring them, one after the other: each arrives on a
secondary as DDL plus the rows that changed, without an overwrite, whether its
triggers or a compare find it.  Prints the bytes that each one took."""

import os
import sqlite3
import sys

import contents
from lockstep import Cluster, check, run, same, scenario, wait_for

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)),
                             "../bench"))
from machine import Wire  # noqa: E402

CAPTURES = ["compare", "triggers"]

FIRST_VERSION = """
PRAGMA foreign_keys = OFF;
CREATE TABLE users (id INTEGER PRIMARY KEY AUTOINCREMENT,
    login VARCHAR(64) NOT NULL UNIQUE, hash TEXT, phone TEXT, street TEXT,
    town TEXT, created DATETIME DEFAULT CURRENT_TIMESTAMP);
CREATE INDEX users_phone ON users (phone);
CREATE TABLE sessions (token TEXT, user_id INTEGER REFERENCES users (id)
    ON DELETE CASCADE, seen INTEGER);
CREATE TABLE mails (id INTEGER PRIMARY KEY, user_id INTEGER REFERENCES users
    (id), subject TEXT, body TEXT);
CREATE INDEX mails_user ON mails (user_id);
CREATE VIRTUAL TABLE mails_fts USING fts5(subject, body, content=mails,
    content_rowid=id);
CREATE TRIGGER mails_ai AFTER INSERT ON mails BEGIN
    INSERT INTO mails_fts (rowid, subject, body)
    VALUES (new.id, new.subject, new.body);
END;
CREATE TRIGGER mails_ad AFTER DELETE ON mails BEGIN
    INSERT INTO mails_fts (mails_fts, rowid, subject, body)
    VALUES ('delete', old.id, old.subject, old.body);
END;
CREATE TABLE settings (name TEXT PRIMARY KEY, value);
CREATE TABLE tags (user_id INTEGER, tag TEXT, PRIMARY KEY (user_id, tag));
CREATE TABLE audit (at INTEGER, what TEXT);
CREATE TRIGGER users_audit AFTER UPDATE ON users BEGIN
    INSERT INTO audit VALUES (new.id, 'changed ' || new.login);
END;
CREATE VIEW addresses AS SELECT login, street, town FROM users;
WITH n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
INSERT INTO users (login, hash, phone, street, town, created)
SELECT 'user' || i, hex(randomblob(30)), '+49 ' || i, 'Street ' || i,
    'Town ' || (i % 50), '2024-01-01 00:00:00' FROM n;
INSERT INTO sessions SELECT hex(randomblob(16)), id, id * 3 FROM users;
INSERT INTO mails (user_id, subject, body) SELECT id, 'running late ' || id,
    'body of ' || login || hex(randomblob(20)) FROM users;
INSERT INTO settings SELECT 'name' || id, id FROM users WHERE id < 200;
INSERT INTO tags SELECT id, 'tag' || (id % 7) FROM users;
INSERT INTO audit SELECT id, 'made ' || login FROM users;
PRAGMA user_version = 1;
"""

# What it is, what it may take at most (all tables together are 600 kB), SQL.
MIGRATIONS = [
    ("a column with a default", 3000, """
BEGIN;
ALTER TABLE users ADD COLUMN quota INTEGER NOT NULL DEFAULT 1000000;
UPDATE users SET quota = 0 WHERE id <= 3;
PRAGMA user_version = 2;
COMMIT;
"""),
    ("an indexed column dropped", 3000, """
BEGIN;
DROP INDEX users_phone;
ALTER TABLE users DROP COLUMN phone;
PRAGMA user_version = 3;
COMMIT;
"""),
    # https://www.sqlite.org/lang_altertable.html#otheralter
    ("twelve steps: CHECK, NOT NULL, columns in another order", 3000, """
PRAGMA foreign_keys = OFF;
BEGIN;
CREATE TABLE new_users (id INTEGER PRIMARY KEY AUTOINCREMENT,
    login VARCHAR(64) NOT NULL UNIQUE CHECK (length(login) > 1),
    quota INTEGER NOT NULL DEFAULT 1000000 CHECK (quota >= 0),
    hash TEXT NOT NULL DEFAULT '', street TEXT, town TEXT,
    created DATETIME DEFAULT CURRENT_TIMESTAMP);
INSERT INTO new_users (id, login, quota, hash, street, town, created)
    SELECT id, login, quota, coalesce(hash, ''), street, town, created
    FROM users;
DROP VIEW addresses;
DROP TABLE users;
ALTER TABLE new_users RENAME TO users;
CREATE INDEX users_town ON users (town COLLATE NOCASE);
CREATE TRIGGER users_audit AFTER UPDATE ON users BEGIN
    INSERT INTO audit VALUES (new.id, 'changed ' || new.login);
END;
CREATE VIEW addresses AS SELECT login, street, town FROM users;
PRAGMA foreign_key_check;
PRAGMA user_version = 4;
COMMIT;
PRAGMA foreign_keys = ON;
"""),
    ("a rename chain", 3000, """
PRAGMA foreign_keys = OFF;
BEGIN;
ALTER TABLE sessions RENAME TO sessions_1;
ALTER TABLE sessions_1 RENAME TO sessions_old;
CREATE TABLE sessions (token TEXT, user_id INTEGER REFERENCES users (id)
    ON DELETE CASCADE, last_seen INTEGER, agent TEXT);
INSERT INTO sessions (rowid, token, user_id, last_seen)
    SELECT rowid, token, user_id, seen FROM sessions_old;
DROP TABLE sessions_old;
CREATE INDEX sessions_user ON sessions (user_id);
ALTER TABLE audit RENAME COLUMN what TO event;
PRAGMA user_version = 5;
COMMIT;
"""),
    # As web frameworks did it for years.
    ("legacy_alter_table", 3000, """
PRAGMA foreign_keys = OFF;
PRAGMA legacy_alter_table = ON;
BEGIN;
ALTER TABLE mails RENAME TO mails__old;
CREATE TABLE mails (id INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id INTEGER NOT NULL REFERENCES users (id) DEFERRABLE INITIALLY
    DEFERRED, subject VARCHAR(255) NOT NULL, body TEXT);
INSERT INTO mails (id, user_id, subject, body)
    SELECT id, user_id, subject, body FROM mails__old;
DROP TABLE mails__old;
CREATE INDEX mails_user ON mails (user_id);
CREATE TRIGGER mails_ai AFTER INSERT ON mails BEGIN
    INSERT INTO mails_fts (rowid, subject, body)
    VALUES (new.id, new.subject, new.body);
END;
CREATE TRIGGER mails_ad AFTER DELETE ON mails BEGIN
    INSERT INTO mails_fts (mails_fts, rowid, subject, body)
    VALUES ('delete', old.id, old.subject, old.body);
END;
PRAGMA user_version = 6;
COMMIT;
PRAGMA legacy_alter_table = OFF;
"""),
    ("full text search with another tokenizer, rebuilt", 150000, """
BEGIN;
DROP TRIGGER mails_ai;
DROP TRIGGER mails_ad;
DROP TABLE mails_fts;
CREATE VIRTUAL TABLE mails_fts USING fts5(subject, body, content=mails,
    content_rowid=id, tokenize='porter unicode61');
INSERT INTO mails_fts (mails_fts) VALUES ('rebuild');
CREATE TRIGGER mails_ai AFTER INSERT ON mails BEGIN
    INSERT INTO mails_fts (rowid, subject, body)
    VALUES (new.id, new.subject, new.body);
END;
CREATE TRIGGER mails_ad AFTER DELETE ON mails BEGIN
    INSERT INTO mails_fts (mails_fts, rowid, subject, body)
    VALUES ('delete', old.id, old.subject, old.body);
END;
INSERT INTO mails (user_id, subject, body) VALUES (1, 'walked', 'home');
DELETE FROM mails WHERE id = 7;
PRAGMA user_version = 7;
COMMIT;
"""),
    ("tables to STRICT and to WITHOUT ROWID", 3000, """
BEGIN;
CREATE TABLE settings_new (name TEXT PRIMARY KEY, value ANY) STRICT;
INSERT INTO settings_new SELECT name, value FROM settings;
DROP TABLE settings;
ALTER TABLE settings_new RENAME TO settings;
CREATE TABLE tags_new (user_id INTEGER, tag TEXT, PRIMARY KEY (user_id, tag))
    WITHOUT ROWID;
INSERT INTO tags_new SELECT user_id, tag FROM tags;
DROP TABLE tags;
ALTER TABLE tags_new RENAME TO tags;
PRAGMA user_version = 8;
COMMIT;
"""),
    ("a view and a trigger replaced", 3000, """
BEGIN;
DROP VIEW addresses;
CREATE VIEW addresses AS SELECT login, street || ', ' || town AS address
    FROM users WHERE street IS NOT NULL;
DROP TRIGGER users_audit;
CREATE TRIGGER users_audit AFTER UPDATE OF login, hash ON users
    WHEN old.login IS NOT new.login OR old.hash IS NOT new.hash BEGIN
    INSERT INTO audit VALUES (new.id, old.login || ' became ' || new.login);
END;
UPDATE users SET login = 'root' WHERE id = 1;
PRAGMA user_version = 9;
COMMIT;
"""),
    # Rows of the new table are rows of their own: they travel.
    ("a table split in two", 60000, """
PRAGMA foreign_keys = OFF;
BEGIN;
CREATE TABLE profiles (user_id INTEGER PRIMARY KEY REFERENCES users (id)
    ON DELETE CASCADE, street TEXT, town TEXT);
INSERT INTO profiles SELECT id, street, town FROM users;
DROP VIEW addresses;
DROP INDEX users_town;
ALTER TABLE users DROP COLUMN street;
ALTER TABLE users DROP COLUMN town;
CREATE VIEW addresses AS SELECT login, street, town FROM users
    JOIN profiles ON user_id = id;
PRAGMA user_version = 10;
COMMIT;
"""),
    ("three versions at once, each in a transaction of its own", 30000, """
BEGIN;
ALTER TABLE users ADD COLUMN lower_login TEXT AS (lower(login)) VIRTUAL;
CREATE INDEX users_lower ON users (lower_login);
PRAGMA user_version = 11;
COMMIT;
BEGIN;
ALTER TABLE users ADD COLUMN blocked BOOLEAN NOT NULL DEFAULT 0;
UPDATE users SET blocked = 1, hash = 'x' WHERE id % 400 = 0;
CREATE INDEX users_blocked ON users (id) WHERE blocked;
PRAGMA user_version = 12;
COMMIT;
BEGIN;
ALTER TABLE sessions RENAME TO user_sessions;
UPDATE settings SET value = 'v' || value WHERE value % 10 = 0;
PRAGMA user_version = 13;
COMMIT;
"""),
]

SEARCHES = [
    "SELECT rowid FROM mails_fts WHERE mails_fts MATCH 'run' ORDER BY rowid",
    "SELECT rowid FROM mails_fts WHERE mails_fts MATCH '1999 OR walk OR home'"
    " ORDER BY rowid"]


class Panel:
    """The application, its databases, and what a change of one took."""

    def __init__(self, t):
        self.t = t
        for name in CAPTURES:
            self.execute(name, FIRST_VERSION)
        primary = t.node("primary", self.config("primary"))
        wait_for(lambda: all(primary.dataset(n)["state"] == "ready"
                             for n in CAPTURES), 20, "opened")
        self.cluster = Cluster(primary, [])
        self.second = t.node("second", self.config("second"))
        self.cluster.add(self.second)
        # No heartbeat shall count among the bytes.
        primary.cli("sync", "config", "--interval", "1h")
        self.cluster.sync()
        self.wire = Wire(self.second.address)

    def path(self, node, name):
        folder = os.path.join(self.t.directory, "srv-" + node)
        os.makedirs(folder, exist_ok=True)
        return os.path.join(folder, name + ".sqlite")

    def config(self, node):
        return "".join('[dataset "%s"]\npath = %s\ncapture = %s\n' % (
            n, self.path(node, n), n) for n in CAPTURES)

    def execute(self, name, script):
        db = sqlite3.connect(self.path("primary", name), timeout=30,
                             isolation_level=None)
        db.executescript(script)
        db.close()

    def shown(self):
        return self.cluster.primary.server("second")

    def take(self, name, script):
        """Bytes sent for it, as the kernel counts them."""
        before = self.wire.read()[0]
        self.execute(name, script)
        self.cluster.sync()
        return self.wire.read()[0] - before

    def check_equal(self, name):
        for node in self.cluster.primary, self.second:
            check(node.cli("dataset", "verify", name)["equal"],
                  "%s: %s does not verify" % (node.name, name))
        paths = [self.path(n, name) for n in ("primary", "second")]
        found = contents.read_together(*paths)
        differs = contents.difference(*found)
        check(not differs, differs)
        answers = []
        for path in paths:
            db = sqlite3.connect(path)
            answers.append([db.execute(s).fetchall() for s in SEARCHES])
            same(db.execute("PRAGMA integrity_check").fetchall(), [("ok",)],
                 "integrity of " + path)
            db.close()
        check(answers[0][0] is not None and answers[0] == answers[1],
              "a search finds something else")

    def check_no_overwrite(self):
        same(self.shown()["overwrites"], 1, "overwrites")
        same(self.shown()["state"], "synchronized", "state")


@scenario
def ten_migrations_arrive(t):
    panel = Panel(t)
    print("#  compare triggers  bytes sent for a migration")
    for what, most, script in MIGRATIONS:
        with t.promise("it arrives: " + what):
            taken = {}
            for name in CAPTURES:
                taken[name] = panel.take(name, script)
                panel.check_equal(name)
            panel.check_no_overwrite()
            print("# %8d %8d  %s" % (taken["compare"], taken["triggers"],
                                     what))
            for name in CAPTURES:
                check(taken[name] <= most, "%d bytes by %s, %d at most" % (
                    taken[name], name, most))
    with t.promise("ANALYZE and VACUUM do not send a database again"):
        for name in CAPTURES:
            for script in "ANALYZE", "VACUUM", "REINDEX", "PRAGMA optimize":
                taken = panel.take(name, script)
                panel.check_equal(name)
                check(taken <= 3000, "%s: %d bytes by %s" % (
                    script, taken, name))
        panel.check_no_overwrite()
    with t.promise("and what is written afterwards arrives as rows"):
        for name in CAPTURES:
            taken = panel.take(name, "INSERT INTO mails (user_id, subject, "
                               "body) VALUES (5, 'running', 'home');"
                               "DELETE FROM tags WHERE user_id = 9;")
            panel.check_equal(name)
            check(taken <= 6000, "%d bytes by %s" % (taken, name))
        panel.check_no_overwrite()


run()

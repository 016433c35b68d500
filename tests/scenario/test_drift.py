#!/usr/bin/python3
"""A secondary that somebody edits is never reported synchronized before it
was repaired, and what was found is kept."""

import datetime
import os
import shutil
import sqlite3
import subprocess

import contents
from admin import Admin
from line import through_a_line
from lockstep import Failed, check, run, same, scenario, wait_for

USERS = 30


def fill(cluster):
    with cluster.primary.database() as db:
        db.execute("BEGIN")
        db.executemany(
            "INSERT INTO users (id, name, uid, gid, home, comment) VALUES "
            "(?, ?, 1000, 1000, '/srv/x', 'as pushed')",
            [(i, "user%d" % i) for i in range(1, USERS + 1)])
        db.execute("CREATE TABLE notes (a, b)")
        db.executemany("INSERT INTO notes VALUES (?, ?)",
                       [(i, "note %d" % i) for i in range(40)])
        db.execute("DELETE FROM notes WHERE rowid % 10 = 3")
        db.execute("COMMIT")
    cluster.sync()


def checkpoint(node):
    node.sql("PRAGMA wal_checkpoint(TRUNCATE)")


def equal(cluster, node):
    """Whether NODE's own file holds what was published, by a program that
    reads it from the disk."""
    try:
        a, b = contents.read_together(cluster.primary.published(),
                                      node.live())
    except (sqlite3.DatabaseError, ValueError):
        return False
    return not contents.difference(a, b)


def repaired_truthfully(cluster, node, admin, edited_at):
    """Waits until NODE is equal again and said to be synchronized; while it
    is not equal, no "last synchronized" after EDITED_AT may be reported."""
    def look():
        entry = admin.server(node.name)
        claimed = entry["last_synchronized"]
        if equal(cluster, node):
            return (entry["state"] == "synchronized" and claimed and
                    claimed > edited_at)
        if claimed and claimed > edited_at:
            raise Failed("said to be synchronized at %s although edited at "
                         "%s and still different" % (claimed, edited_at))
        return False
    wait_for(look, what="repaired and synchronized")


def utc_now():
    """In the form of the stamps in JSON."""
    now = datetime.datetime.now(datetime.timezone.utc)
    return now.strftime("%Y-%m-%dT%H:%M:%S.") + "%03dZ" % (
        now.microsecond // 1000)


def shell_sql(node, *commands):
    subprocess.run(["sqlite3", "-cmd", ".timeout 10000", node.live(),
                    *commands], check=True, stdout=subprocess.DEVNULL)


def named(node, cluster, table, key, kept_before=0, told_before=0):
    """Whether drift file and events, but for so many that were there before,
    name the row."""
    kept = [d for d in node.drift()[kept_before:]
            if d["table"] == table and str(key) in str(d["key"])]
    check(kept, lambda: "the drift file does not name %s %s: %r" %
          (table, key, node.drift()[-3:]))
    told = [e for e in node.events()[told_before:] + cluster.primary.events()
            if table in e["text"] and str(key) in e["text"]]
    check(told, "no event names %s %s" % (table, key))


EDITS = [
    ("an UPDATE", ["UPDATE users SET comment = 'by hand' WHERE id = 7"], 7),
    ("an INSERT", ["INSERT INTO users (id, name, uid, gid, home) VALUES "
                   "(4711, 'eve', 1, 1, '/')"], 4711),
    ("a DELETE", ["DELETE FROM users WHERE id = 8"], 8),
    ("an UPDATE of a key", ["UPDATE users SET id = 4712 WHERE id = 9"], 9),
    ("an UPDATE after DROP TRIGGER", [
        "DROP TRIGGER %s", "UPDATE users SET enabled = 0 WHERE id = 10"], 10),
    ("an UPDATE with triggers off", [
        ".dbconfig enable_trigger off",
        "UPDATE users SET enabled = 0 WHERE id = 11"], 11),
]


@scenario
def edits_on_a_secondary_are_shown_and_repaired(t):
    cluster = t.cluster(1)
    node = cluster.secondaries[0]
    fill(cluster)
    with Admin(cluster.primary) as admin:
        for what, commands, key in EDITS:
            with t.promise("%s on a secondary is shown with table and key, "
                           "kept and repaired, never synchronized before" %
                           what):
                if "%s" in commands[0]:
                    triggers = node.sql(
                        "SELECT name FROM sqlite_schema WHERE type = "
                        "'trigger' AND tbl_name = 'users' AND name LIKE "
                        "'!_lockstep!_%' ESCAPE '!'")
                    check(triggers, "no triggers on users")
                    commands = ["DROP TRIGGER \"%s\"" % name
                                for name, in triggers] + commands[1:]
                cluster.wait_synchronized()
                shell_sql(node, *commands)
                edited = utc_now()
                repaired_truthfully(cluster, node, admin, edited)
                named(node, cluster, "users", key)


@scenario
def an_answer_that_comes_late_dates_nothing_later(t):
    primary, node, line = through_a_line(t)
    with t.promise("what is edited while the answer is under way was not "
                   "synchronized then"):
        before = primary.server(node)["last_synchronized"]
        heard = node.status()["cluster"]["primary"]["last_heard"]
        line.arm(0)
        primary.cli("sync", "now")
        wait_for(lambda: line.keeps_back() and node.status()["cluster"][
            "primary"]["last_heard"] > heard, what="it has looked")
        node.sql("INSERT INTO users (id, name, uid, gid, home) VALUES "
                 "(4711, 'eve', 1, 1, '/')")
        edited = utc_now()
        line.arm(None)
        claimed = wait_for(lambda: [
            c for c in [primary.server(node)["last_synchronized"]]
            if c > before], what="the answer")[0]
        check(claimed <= edited, "synchronized at %s, edited at %s" %
              (claimed, edited))
    line.close()


@scenario
def replaced_files_on_a_secondary_are_found(t):
    cluster = t.cluster(1)
    node = cluster.secondaries[0]
    fill(cluster)
    older = os.path.join(t.directory, "older.db")
    source = sqlite3.connect(node.live())
    copy = sqlite3.connect(older)
    source.backup(copy)
    source.close()
    copy.close()
    cluster.primary.sql("UPDATE users SET comment = 'newer' WHERE id < 20")
    cluster.sync()

    def by_cp():
        checkpoint(node)
        shutil.copyfile(older, node.live())

    def by_mv():
        checkpoint(node)  # else the log beside it makes the old file new
        temporary = node.live() + ".new"
        shutil.copyfile(older, temporary)
        os.rename(temporary, node.live())

    def by_vacuum():
        shell_sql(node, "VACUUM")  # renumbers the rows of "notes"

    with Admin(cluster.primary) as admin:
        for what, act, table, key in (
                ("an older file put by cp", by_cp, "users", 1),
                ("an older file put by mv", by_mv, "users", 1),
                ("VACUUM", by_vacuum, "notes", 3)):
            with t.promise("%s on a secondary is shown with table and key, "
                           "kept and repaired, never synchronized before" %
                           what):
                cluster.wait_synchronized()
                kept, told = len(node.drift()), len(node.events())
                act()
                repaired_truthfully(cluster, node, admin, utc_now())
                named(node, cluster, table, key, kept, told)


@scenario
def a_flipped_byte_is_found_by_the_scrub(t):
    cluster = t.cluster(1, secondary_config="[replica]\nscrub_interval = 2s\n")
    node = cluster.secondaries[0]
    fill(cluster)
    cluster.wait_synchronized()
    with t.promise("one flipped byte in a text cell is found within one "
                   "scrub and repaired"):
        text = b"note 17"
        checkpoint(node)
        with open(node.live(), "r+b") as f:
            data = f.read()
            at = data.index(text)
            f.seek(at)
            f.write(b"nope 17")
            f.flush()
            os.fsync(f.fileno())
        # Which tells that the flip had an effect.
        wait_for(node.drift, what="found")
        wait_for(lambda: equal(cluster, node), what="repaired", step=0.1)
        cluster.wait_synchronized()
        named(node, cluster, "notes", 18)


@scenario
def drift_that_is_held_stays_until_told(t):
    cluster = t.cluster(1, secondary_config="[replica]\ndrift = hold\n")
    node = cluster.secondaries[0]
    fill(cluster)
    cluster.wait_synchronized()
    with t.promise("with drift = hold an edit stays, and is shown"):
        node.sql("UPDATE users SET comment = 'by hand' WHERE id = 7")
        wait_for(lambda: cluster.primary.state_of(node) in
                 ("drifted", "held"), 10, "shown as drifted")
        check(node.sql("SELECT comment FROM users WHERE id = 7") ==
              [("by hand",)], "it was repaired all the same")
    with t.promise("the primary tells of it once, however often it asks"):
        def rows():
            return [e for e in cluster.primary.events("drift")
                    if "row drifted" in e["text"]]
        wait_for(rows, 20, "the row's event")
        for _ in range(3):
            cluster.primary.run("sync", "now", "--wait")
        same(len(rows()), 1, "events of rows")
    with t.promise("and of the next row"):
        node.sql("UPDATE users SET comment = 'by hand' WHERE id = 8")
        wait_for(lambda: len(rows()) == 3, 20, "events of both")
    with t.promise("server overwrite ends held drift"):
        cluster.primary.cli("server", "overwrite", node.name)
        cluster.wait_synchronized()
        check(equal(cluster, node), "still different")


if __name__ == "__main__":
    run()

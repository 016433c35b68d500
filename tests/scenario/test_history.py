#!/usr/bin/python3
"""What would be sent, and what was, can be seen row by row, without secrets."""

import json
import os
import subprocess

from lockstep import (BUILD, DONE, ERROR, HELD, LOCKSTEP, NOT_PRIMARY,
                      UNREACHABLE, check, run, same, scenario, wait_for)

SECRET = "Kq7canary"
HASH = "$6$%s$%s" % (SECRET, "h" * 40)


def quiet(t, secondaries=1, **more):
    """A cluster in which nothing is published unless it is asked for."""
    cluster = t.cluster(secondaries, interval=None, **more)
    cluster.sync()
    cluster.wait_synchronized()
    cluster.primary.cli("sync", "config", "--interval", "1h")
    cluster.sync()
    return cluster


def add_user(node, number, name, **columns):
    columns = dict({"id": number, "name": name, "uid": 1000, "gid": 1000,
                    "home": "/srv/" + name}, **columns)
    node.sql("INSERT INTO users (%s) VALUES (%s)" %
             (", ".join(columns), ", ".join("?" * len(columns))),
             *columns.values())


def rows(document, op=None):
    return [r for r in document["rows"] if op is None or r["op"] == op]


def only(document, op):
    found = rows(document, op)
    same(len(found), 1, "rows with " + op)
    return found[0]


def text_of(node, *args):
    reply = node.run("--no-input", *args)
    same(reply.code, DONE, "exit code of %s" % " ".join(args))
    return reply.out


def without_secrets(node, *args):
    """The document and the text of a command, with no secret in either."""
    document = node.cli(*args)
    text = text_of(node, *args)
    for what in json.dumps(document), text:
        check(SECRET not in what, "a secret is shown: " + what)
    return document, text


@scenario
def a_difference_is_seen_before_it_is_published(t):
    primary = t.node("primary")
    primary.cli("sync", "config", "--interval", "1h")
    for number, name in enumerate(("ann", "bob", "eve"), 1):
        add_user(primary, number, name)
    primary.cli("sync", "now")
    before = primary.dataset()["revision"]
    with t.promise("nothing to send: no row, exit code 0"):
        same(primary.cli("dataset", "diff", "config")["rows"], [], "rows")
        check("nothing would be sent" in
              text_of(primary, "dataset", "diff", "config"), "not said")
    primary.sql("UPDATE users SET home = '/srv/x', password_hash = ? "
                "WHERE id = 1", HASH)
    primary.sql("DELETE FROM users WHERE id = 2")
    add_user(primary, 4, "joe", password_hash=HASH)
    primary.sql("INSERT INTO settings VALUES ('smtp.password', ?)", SECRET)
    primary.sql("INSERT INTO settings VALUES ('banner', 'hello')")
    with t.promise("added, changed and removed rows with their columns"):
        diff, text = without_secrets(primary, "dataset", "diff", "config")
        changed = only(diff, "~")
        same(changed["table"], "users", "table")
        same(changed["key"], {"id": 1}, "key")
        same(changed["columns"]["home"],
             {"old": "/srv/ann", "new": "/srv/x"}, "home")
        same(sorted(changed["columns"]), ["home", "password_hash"], "columns")
        same(only(diff, "-")["columns"]["name"], {"old": "bob"}, "bob")
        same([r["columns"]["name"]["new"] for r in rows(diff, "+")
              if r["table"] == "users"], ["joe"], "added")
        same((diff["added"], diff["changed"], diff["removed"]), (3, 1, 1),
             "counts")
        check("~ users id=1  " in text and "'/srv/ann' -> '/srv/x'" in text,
              "the line is " + text)
    with t.promise("password hashes and secret settings are masked"):
        same(changed["columns"]["password_hash"],
             {"old": None, "new": {"secret": True}}, "hash")
        values = {r["key"]["name"]: r["columns"]["value"]["new"]
                  for r in rows(diff, "+") if r["table"] == "settings"}
        same(values, {"smtp.password": {"secret": True}, "banner": "hello"},
             "settings")
        check("(secret)" in text, "not masked")
        for name in os.listdir(primary.directory):
            if name.startswith("events"):
                with open(primary.path(name)) as f:
                    check(SECRET not in f.read(), "a secret is in an event")
        check(SECRET not in primary.log(), "a secret is in the log")
    with t.promise("a dry run says the same, and nothing is published"):
        document, _ = without_secrets(primary, "sync", "now", "--dry-run")
        found = [c for c in document["changes"] if c["dataset"] == "config"]
        same(found[0]["rows"], diff["rows"], "rows")
        same(primary.dataset()["revision"], before, "revision")
    with t.promise("once published, the revision shows the same rows"):
        primary.cli("sync", "now")
        shown, text = without_secrets(primary, "dataset", "show", "config",
                                      str(before + 1))
        same(shown["rows"], diff["rows"], "rows")
        same(shown["revision"], before + 1, "revision")
        same(shown["who"], "outside writer", "who")
        check("by outside writer" in text, text)
        same(primary.cli("dataset", "diff", "config")["rows"], [], "rows")
    with t.promise("no text drives a terminal"):
        primary.sql("INSERT INTO settings VALUES ('evil', ?)",
                    "a\x1b]0;owned\x07\r\nb")
        text = text_of(primary, "dataset", "diff", "config")
        check("\x1b" not in text and "\x07" not in text and "\r" not in text,
              "an escape sequence comes through")
        same(text.count("\n"), 2, "lines")


@scenario
def history_says_who_when_and_how(t):
    primary = t.node("primary")
    primary.cli("sync", "config", "--interval", "1h")
    primary.cli("sync", "now")

    def newest():
        primary.cli("sync", "now")
        return primary.cli("dataset", "history", "config",
                           "--limit", "1")["history"][0]

    with t.promise("a change by our own command names the administrator"):
        primary.cli("user", "add", "ann")
        entry = newest()
        check(entry["who"].startswith("local from 127."), entry["who"])
        same((entry["added"], entry["changed"], entry["removed"]), (1, 0, 0),
             "counts")
        same((entry["found"], entry["reason"]), ("triggers", None), "found")
    with t.promise("a change by another program is an outside writer's"):
        primary.sql("UPDATE users SET comment = 'x'")
        entry = newest()
        same(entry["who"], "outside writer", "who")
        same((entry["added"], entry["changed"], entry["removed"]), (0, 1, 0),
             "counts")
    with t.promise("both in one revision are both named"):
        primary.cli("user", "add", "bob")
        primary.sql("UPDATE users SET comment = 'y' WHERE name = 'ann'")
        entry = newest()
        check(entry["who"].startswith("local from 127.") and
              entry["who"].endswith(", outside writer"), entry["who"])
    with t.promise("a row that both changed is both's"):
        primary.cli("user", "set", "ann", "--comment", "z")
        primary.sql("UPDATE users SET home = '/srv/z' WHERE name = 'ann'")
        check("outside writer" in newest()["who"], "the last writer is hidden")
    with t.promise("what triggers did not see was found by compare"):
        with primary.database() as db:
            # a write that notes nothing, as by a program with triggers off
            names = [n for n, in db.execute(
                "SELECT name FROM sqlite_schema WHERE type = 'trigger' AND "
                "name GLOB '_lockstep_*'")]
            for name in names:
                db.execute('DROP TRIGGER "%s"' % name)
            db.execute("UPDATE users SET comment = 'unseen'")
        entry = newest()
        same(entry["found"], "compare", "found")
        check(entry["reason"], "no reason")
    with t.promise("a schema change is shown, its literals beside secrets "
                   "are not"):
        primary.sql("CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT, "
                    "api_token TEXT DEFAULT '%s')" % SECRET)
        primary.sql("INSERT INTO notes (id, text) VALUES (1, 'first')")
        diff, _ = without_secrets(primary, "dataset", "diff", "config")
        check(any("CREATE TABLE notes" in r.get("schema", "")
                  for r in diff["rows"]), "the statement is not shown")
        entry = newest()
        same(entry["ddl"], True, "ddl")
        shown, text = without_secrets(primary, "dataset", "show", "config",
                                      str(entry["revision"]))
        check("+ schema CREATE TABLE notes" in text, text)
        same([r["columns"] for r in shown["rows"] if "table" in r],
             [{"text": {"new": "first"},
               "api_token": {"new": {"secret": True}}}], "rows")
    with t.promise("rows of a revision keep their names after the schema "
                   "moved on"):
        primary.sql("ALTER TABLE notes ADD COLUMN more TEXT")
        newest()
        again, _ = without_secrets(primary, "dataset", "show", "config",
                                   str(entry["revision"]))
        same(again["rows"], shown["rows"], "rows")
    with t.promise("history is read newest first, and goes on after a "
                   "restart"):
        entries = primary.cli("dataset", "history", "config")["history"]
        numbers = [e["revision"] for e in entries]
        same(numbers, sorted(numbers, reverse=True), "order")
        same(len(primary.cli("dataset", "history", "config", "--limit",
                             "2")["history"]), 2, "entries")
        primary.restart()
        same(primary.cli("dataset", "history", "config")["history"], entries,
             "history")
        check("outside writer" in
              text_of(primary, "dataset", "history", "config"), "no who")


@scenario
def what_a_server_lacks_is_seen_while_it_is_down(t):
    cluster = quiet(t, 2)
    primary, (up, down) = cluster.primary, cluster.secondaries
    add_user(primary, 1, "ann", password_hash=HASH)
    add_user(primary, 2, "bob")
    cluster.sync()
    down.stop()
    for home in "/srv/1", "/srv/2":
        primary.sql("UPDATE users SET home = ? WHERE id = 1", home)
        primary.cli("sync", "now", up.name, "--wait")
    primary.sql("DELETE FROM users WHERE id = 2")
    add_user(primary, 3, "joe")
    primary.sql("INSERT INTO settings VALUES ('gone', 'soon')")
    primary.cli("sync", "now", up.name, "--wait")
    primary.sql("DELETE FROM settings")
    primary.cli("sync", "now", up.name, "--wait")

    def expected(diff):
        same(only(diff, "~")["columns"],
             {"home": {"old": "/srv/ann", "new": "/srv/2"}}, "changed")
        same(only(diff, "-")["columns"]["name"], {"old": "bob"}, "removed")
        same(only(diff, "+")["columns"]["name"], {"new": "joe"}, "added")

    with t.promise("the net difference of several revisions, for the one "
                   "that is down"):
        diff, text = without_secrets(primary, "dataset", "diff", "config",
                                     down.name)
        expected(diff)
        same((diff["whole"], diff["as_of"]), (False, None), "whole, as_of")
        same(diff["to_revision"] - diff["from_revision"], 4, "revisions")
        check("to %s" % down.name in text, text)
    with t.promise("the one that is up lacks nothing, exit code 0"):
        same(primary.cli("dataset", "diff", "config", up.name)["rows"], [],
             "rows")
    with t.promise("a dry run shows it beside what is not published"):
        primary.sql("UPDATE users SET comment = 'new' WHERE id = 3")
        changes = primary.cli("sync", "now", "--dry-run")["changes"]
        same([(c["dataset"], c.get("server")) for c in changes if c["rows"]],
             [("config", None), ("config", down.name)], "differences")
        changes = primary.cli("sync", "now", "--dry-run", up.name)["changes"]
        check(all(c.get("server") != down.name for c in changes),
              "a server that was not named")
        primary.cli("sync", "now", up.name, "--wait")
        primary.sql("UPDATE users SET comment = NULL WHERE id = 3")
        primary.cli("sync", "now", up.name, "--wait")
    with t.promise("after a restart of the primary, as of when it was "
                   "synchronized last"):
        primary.restart()
        diff = primary.cli("dataset", "diff", "config", down.name)
        check(diff["as_of"], "as_of is not said")
        expected(diff)
    with t.promise("it gets what was shown"):
        down.start()
        cluster.sync()
        same(primary.cli("dataset", "diff", "config", down.name)["rows"], [],
             "rows")
        same(down.sql("SELECT name, home FROM users ORDER BY id"),
             [("ann", "/srv/2"), ("joe", "/srv/joe")], "users")
    with t.promise("an overwrite that was asked for is told as the rows of "
                   "it all"):
        down.stop()
        wait_for(lambda: primary.state_of(down) == "unreachable", 20, "down")
        error = primary.cli("server", "overwrite", down.name, "--yes",
                            expect=UNREACHABLE)["error"]
        check("stays agreed to" in error["hint"], error)
        diff = primary.cli("dataset", "diff", "config", down.name)
        same((diff["whole"], diff["total"]), (True, 2), "whole, total")
    with t.promise("and is made when it is back, as was said"):
        before = primary.server(down.name)["overwrites"]
        down.start()
        wait_for(lambda: primary.server(down.name)["overwrites"] > before, 20,
                 "an overwrite")


@scenario
def what_cannot_be_sent_row_by_row_is_said(t):
    cluster = quiet(t, 1, secondary_config="[replica]\ndrift = hold\n")
    primary, node = cluster.primary, cluster.secondaries[0]
    for number in range(1, 61):
        add_user(primary, number, "user%d" % number)
    cluster.sync()
    with t.promise("what is held is seen: the rows that would be deleted"):
        primary.sql("DELETE FROM users WHERE id > 10")
        primary.cli("sync", "now", expect=HELD)
        diff = primary.cli("dataset", "diff", "config")
        same(len(rows(diff, "-")), 50, "rows")
        check("would be deleted" in diff["held"], diff["held"])
        primary.cli("dataset", "accept", "config")
        cluster.sync()
    with t.promise("rows that drifted on a server are named"):
        node.sql("UPDATE users SET comment = ? WHERE id = 3", SECRET)
        primary.run("sync", "now", "--wait")
        wait_for(lambda: primary.state_of(node) in ("drifted", "held"), 20,
                 "the drift is seen")
        diff, text = without_secrets(primary, "dataset", "diff", "config",
                                     node.name)
        same([(r["op"], r["table"], r["key"], r["drifted"])
              for r in diff["rows"]], [("~", "users", {"id": 3}, True)],
             "rows")
        same(diff["drifted"], 1, "drifted")
        check("drifted" in text, text)
    with t.promise("an unknown dataset, server or revision is exit code 1"):
        for args in (("diff", "nope"), ("diff", "config", "nope"),
                     ("history", "nope"), ("show", "nope", "1"),
                     ("show", "config", "4711")):
            primary.cli("dataset", *args, expect=ERROR)
        primary.cli("sync", "now", "--dry-run", "nope", expect=ERROR)
    with t.promise("a secondary says where to look"):
        reply = node.run("dataset", "diff", "config")
        same(reply.code, NOT_PRIMARY, "exit code")
        node.cli("dataset", "history", "config", expect=NOT_PRIMARY)
    with t.promise("a viewer sees the history, and no row"):
        primary.cli("admin", "add", "vera", "--role", "viewer",
                    "--password-file", "-", input="one-two-three-four\n")
        as_vera = ("--connect", "vera@" + primary.address, "--fingerprint",
                   primary.fingerprint(), "--password-file", "-")
        for args, code in ((("history", "config"), DONE),
                           (("diff", "config"), ERROR),
                           (("show", "config", "2"), ERROR)):
            reply = primary.run(*as_vera, "dataset", *args,
                                input="one-two-three-four\n")
            same(reply.code, code, "exit code of dataset " + args[0])


@scenario
def many_rows_are_streamed(t):
    primary = t.node("primary")
    primary.cli("sync", "config", "--interval", "1h")
    primary.cli("sync", "now")
    count = 30000
    with primary.database() as db:
        db.execute("CREATE TABLE many (id INTEGER PRIMARY KEY, text TEXT)")
        db.execute("BEGIN")
        db.executemany("INSERT INTO many VALUES (?, ?)",
                       ((i, "text %d " % i + "x" * 100)
                        for i in range(1, count + 1)))
        db.execute("COMMIT")
    with t.promise("each of %d rows comes, in one document" % count):
        diff = primary.cli("dataset", "diff", "config")
        same(sorted(r["key"]["id"] for r in diff["rows"] if "key" in r),
             list(range(1, count + 1)), "keys")
        same(diff["added"], count, "added")
    with t.promise("a reader that leaves in the middle stops nobody"):
        with subprocess.Popen(
                [LOCKSTEP, "--state-dir", primary.directory, "dataset",
                 "diff", "config"], stdout=subprocess.PIPE) as reader:
            check(reader.stdout.readline(), "no line came")
            reader.kill()
        text = text_of(primary, "dataset", "diff", "config")
        same(text.count("\n"), count + 2, "lines")


def peak_kib(pid):
    with open("/proc/%d/status" % pid) as f:
        return int(next(line for line in f
                        if line.startswith("VmHWM")).split()[1])


@scenario
def a_long_difference_is_bounded(t):
    cluster = quiet(t, 1)
    primary, second = cluster.primary, cluster.secondaries[0]
    primary.sql("CREATE TABLE many (id INTEGER PRIMARY KEY, text TEXT)")
    cluster.sync()
    second.stop()
    for part in range(4):
        with primary.database() as db:
            db.execute("BEGIN")
            db.executemany("INSERT INTO many VALUES (?, ?)",
                           ((i, "text %d" % i) for i in range(
                               part * 30000, part * 30000 + 30000)))
            db.execute("COMMIT")
        primary.cli("sync", "now")
    with t.promise("of 120,000 rows that a server lacks 100,000 are shown, "
                   "the others counted"):
        with open("/proc/%d/clear_refs" % primary.pid(), "w") as f:
            f.write("5")
        before = peak_kib(primary.pid())
        diff = primary.cli("dataset", "diff", "config", "second1")
        same(len([r for r in diff["rows"] if "key" in r]), 100000, "rows")
        same((diff["added"], diff["more"]), (100000, 20000), "counts")
        check("asan" in BUILD or peak_kib(primary.pid()) - before < 65536,
              lambda: "%d KiB more" % (peak_kib(primary.pid()) - before))


if __name__ == "__main__":
    run()

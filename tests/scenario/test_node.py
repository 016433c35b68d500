#!/usr/bin/python3
"""One node: its settings, its state directory, its end, its first password."""

import contextlib
import os
import signal
import sqlite3
import stat
import subprocess

import paramiko

from admin import Admin
from lockstep import (LOCKSTEPD, PORT, SLOW, check, in_one_of, run, same,
                      scenario, wait_for)

BAD_SETTINGS = [
    ("an unknown key", "[history]\nmax_bytes = 1G\nmax_bites = 1G\n", 3),
    ("an unknown section", "[histery]\nmax_bytes = 1G\n", 2),
    ("a bad number", "[guard]\n\ndelete_percent = 101\n", 3),
    ("a bad word", "[replica]\ndrift = maybe\n", 2),
    ("a bad duration", "# comment\n[limits]\nlogin_grace = 20 parsecs\n", 3),
    ("a line that is none", "[node]\nname = a\nwhatever\n", 3),
]


@scenario
def settings_are_checked(t):
    path = os.path.join(t.directory, "lockstepd.conf")
    for what, text, line in BAD_SETTINGS:
        with t.promise("%s is refused with file and line" % what):
            with open(path, "w") as f:
                f.write(text)
            p = subprocess.run([LOCKSTEPD, "--config", path, "-t"],
                               capture_output=True, text=True, timeout=60 * SLOW)
            check(p.returncode != 0, "-t accepts it")
            said = p.stdout + p.stderr
            check("%s:%d" % (path, line) in said or
                  (path in said and "line %d" % line in said), said)
    with t.promise("a good file is accepted by -t"):
        with open(path, "w") as f:
            f.write("[guard]\ndelete_percent = 30\n")
        p = subprocess.run([LOCKSTEPD, "--config", path, "-t"],
                           capture_output=True, text=True, timeout=60 * SLOW)
        same(p.returncode, 0, "exit code")
    with t.promise("a file in lockstepd.conf.d is read, and refused by its "
                   "own name"):
        os.mkdir(os.path.join(t.directory, "lockstepd.conf.d"))
        extra = os.path.join(t.directory, "lockstepd.conf.d", "10-x.conf")
        with open(extra, "w") as f:
            f.write("[guard]\ndelete_percent = lots\n")
        p = subprocess.run([LOCKSTEPD, "--config", path, "-t"],
                           capture_output=True, text=True, timeout=60 * SLOW)
        check(p.returncode != 0, "-t accepts it")
        check(extra in p.stdout + p.stderr, p.stdout + p.stderr)


@scenario
def a_reload_keeps_the_old_settings_if_the_new_are_bad(t):
    node = t.node("node", config="[guard]\ndelete_percent = 20\n")
    path = node.path("../node.conf")
    with t.promise("SIGHUP with a bad file keeps the old settings and says "
                   "so"):
        with open(path, "w") as f:
            f.write("[guard]\ndelete_percent = nonsense\n")
        os.kill(node.pid(), signal.SIGHUP)
        wait_for(lambda: [e for e in node.events() if "delete_percent" in
                          e["text"]], 10, "an event")
        check(node.is_running(), "it ended")
        node.status()
    with t.promise("SIGHUP with a good file takes it"):
        before = len(node.events())
        with open(path, "w") as f:
            f.write("[guard]\ndelete_percent = 0\n")
        os.kill(node.pid(), signal.SIGHUP)
        wait_for(lambda: len(node.events()) > before, 10, "an event")


@scenario
def one_daemon_per_state_directory(t):
    node = t.node("node")
    with t.promise("a second daemon on one state directory is refused"):
        p = subprocess.run(
            [LOCKSTEPD, "--state-dir", node.directory, "--listen",
             "%s:%d" % (t.addresses.get(5), PORT), "--name", "other", "-f"],
            capture_output=True, text=True, timeout=60 * SLOW)
        check(p.returncode != 0, "it started")
        check(node.directory in p.stderr, p.stderr)
        same(node.status()["node"]["name"], "node", "name")
    with t.promise("a port that is taken is refused with the reason"):
        other = os.path.join(t.directory, "other")
        os.mkdir(other, 0o700)
        p = subprocess.run(
            [LOCKSTEPD, "--state-dir", other, "--listen",
             "%s:%d" % (node.address, PORT), "--name", "other", "-f"],
            capture_output=True, text=True, timeout=60 * SLOW)
        check(p.returncode != 0, "it started")
        check(str(PORT) in p.stderr, p.stderr)


def files_of(folder):
    """What every file below FOLDER holds."""
    found = {}
    for where, _, names in os.walk(folder):
        for name in names:
            with open(os.path.join(where, name), "rb") as f:
                found[os.path.join(where, name)] = f.read()
    return found


@scenario
def a_newer_state_directory_is_left_alone(t):
    node = t.node("node")
    node.cli("user", "add", "alice")
    node.stop()
    with contextlib.closing(sqlite3.connect(node.path("node.db"))) as db:
        version, = db.execute("PRAGMA user_version").fetchone()
        db.execute("PRAGMA user_version = %d" % (version + 1))
    os.mkdir(node.path("backup-staging-x"))
    with open(node.path("backup-staging-x", "kept"), "w") as f:
        f.write("by what an older version would remove")
    before = files_of(node.directory)
    for how, more in (("-t", ["-t"]), ("a start", ["-f", "--listen",
                                                   node.listen])):
        with t.promise("%s of an older version says so, and touches nothing" %
                       how):
            p = subprocess.run(
                [LOCKSTEPD, "--state-dir", node.directory, *more],
                capture_output=True, text=True, timeout=60 * SLOW)
            check(p.returncode != 0, "it was taken")
            check("node.db was written by a newer lockstepd" in p.stderr and
                  "Start the version that made it" in p.stderr, p.stderr)
            after = files_of(node.directory)
            same(sorted(after), sorted(before), "files")
            check(after == before, "a file changed")
    with t.promise("the version that made it goes on"):
        with contextlib.closing(sqlite3.connect(node.path("node.db"))) as db:
            db.execute("PRAGMA user_version = %d" % version)
        node.start()
        same([u["name"] for u in node.cli("user", "list")["users"]],
             ["alice"], "users")


def ends_in_time(node):
    took = node.stop()
    check(took < 2 * SLOW, "it took %.2f s" % took)


@scenario
def sigterm_ends_it_in_time(t):
    with t.promise("SIGTERM ends an idle node within 2 s"):
        idle = t.node("idle", start=False)
        in_one_of(5, lambda: ends_in_time(idle.start()))
    cluster = t.cluster(2, interval="1s")
    primary = cluster.primary
    with t.promise("SIGTERM ends a busy primary within 2 s, nothing is lost"):
        primary.sql("INSERT INTO users (id, name, uid, gid, home) VALUES "
                    "(1, 'ann', 1000, 1000, '/srv/ann')")

        def busy():
            if not primary.is_running():
                primary.start()
            with Admin(primary) as admin, primary.database() as db:
                admin.read("/status.json")
                for i in range(100):
                    db.execute("UPDATE users SET comment = ?", (str(i),))
                ends_in_time(primary)
        in_one_of(5, busy)
        primary.start()
        cluster.sync()
        for node in cluster.secondaries:
            same(node.sql("SELECT comment FROM users"), [("99",)], "rows")
    with t.promise("SIGTERM ends a secondary with a primary connected within "
                   "2 s"):
        def connected():
            if not cluster.secondaries[0].is_running():
                cluster.secondaries[0].start()
                cluster.wait_synchronized()
            ends_in_time(cluster.secondaries[0])
        in_one_of(5, connected)
    with t.promise("no child outlives its engine"):
        # They die with it: at once, but not in the same moment.
        wait_for(lambda: subprocess.run(
            ["pgrep", "-f", cluster.secondaries[0].directory],
            capture_output=True, text=True).stdout == "", what="no process")


def login(node, password):
    try:
        with Admin(node, "admin", password=password):
            return True
    except paramiko.AuthenticationException:
        return False


@scenario
def the_first_password(t):
    node = t.node("node")
    path = node.password_file()
    with open(path) as f:
        first = f.read().strip()
    with t.promise("the first start writes a long random password, 0600"):
        same(stat.S_IMODE(os.stat(path).st_mode), 0o600, "mode")
        check(len(first) >= 20, "%d characters" % len(first))
        other = t.node("other")
        with open(other.password_file()) as f:
            check(f.read().strip() != first, "the same on every node")
    with t.promise("admin logs in with it, and with no other"):
        check(login(node, first), "refused")
        check(not login(node, first[:-1]), "a shorter one is accepted")
        check(not login(node, ""), "an empty one is accepted")
    with t.promise("it is not written again by a restart"):
        node.restart()
        with open(path) as f:
            same(f.read().strip(), first, "password")
    with t.promise("once it was changed the file is gone, the old one is "
                   "refused and the new one works"):
        new = os.path.join(t.directory, "new")
        with open(new, "w") as f:
            f.write("correct horse battery\n")
        node.cli("admin", "passwd", "admin", "--password-file", new)
        check(not os.path.exists(path), "the file is still there")
        check(not login(node, first), "the old one is accepted")
        check(login(node, "correct horse battery"), "the new one is refused")
    with t.promise("neither password is in state directory or log"):
        found = subprocess.run(
            ["grep", "-rlaF", "-e", first, "-e", "correct horse battery",
             node.directory, node.log_path], capture_output=True,
            text=True).stdout
        same(found, "", "files with a password")
    with t.promise("keys and databases are readable by their owner only"):
        for folder, _, files in os.walk(node.directory):
            for name in files:
                full = os.path.join(folder, name)
                try:
                    mode = stat.S_IMODE(os.stat(full).st_mode)
                except FileNotFoundError:  # SQLite's, which come and go
                    continue
                check(not mode & 0o077 or name.endswith(("-shm", "-wal")) or
                      name == "local.json" or name == "config.db",
                      "%s has mode %o" % (full, mode))


if __name__ == "__main__":
    run()

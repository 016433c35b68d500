#!/usr/bin/python3
"""SIGTERM in the middle of long work: the daemon ends, nothing is lost, and
the next start converges.  How long each end took is said, not judged."""

import os
import subprocess
import sys
import threading

import paramiko

from admin import Admin
from lockstep import (DONE, LOCKSTEP, check, in_one_of, run, run_cli, same,
                      say, scenario, wait_for)

# Rows that make a compare, a scrub or a copy take long enough to be met.
ROWS = 250000
HANG = 60
FILL = ("WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c LIMIT %d)"
        " INSERT INTO big SELECT x, hex(randomblob(200)) FROM c" % ROWS)
TICKS = os.sysconf("SC_CLK_TCK")


def fill(node):
    """A large table, made while no triggers are there to note it."""
    with node.database() as db:
        db.execute("PRAGMA synchronous = OFF")
        db.execute("CREATE TABLE big (id INTEGER PRIMARY KEY, v TEXT)")
        db.execute(FILL)
    # Else the daemon's own fsync would write all of it, at its end perhaps.
    with open(node.live(), "rb") as f:
        os.fsync(f.fileno())


def busy(pid):
    """Seconds of processor time that a process has used."""
    with open("/proc/%d/stat" % pid) as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def wait_busy(node, since, is_over=lambda: False, seconds=0.15):
    """Returns in the middle of what NODE does SINCE it had used so much time,
    or when that is over: a busy machine may show us nothing of it in time."""
    wait_for(lambda: busy(node.pid()) - since > seconds or is_over(),
             what="work", step=0.002)


def background(node, *args):
    return subprocess.Popen(
        [LOCKSTEP, "--state-dir", node.directory, "--json", "--yes",
         "--no-input", *args], stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def in_the_middle(node, *args, seconds=0.15):
    """The command line, at which NODE works."""
    since = busy(node.pid())
    cli = background(node, *args)
    wait_busy(node, since, lambda: cli.poll() is not None, seconds)
    return cli


def end(node, doing):
    """SIGTERM now; the words say whether the work gave up or was cut off."""
    ends = len(node.events("stopped"))
    took = node.stop(HANG)
    clean = len(node.events("stopped")) > ends or \
        "stopped before it was ready" in node.log()
    say("# %s: %.2f s, %s" % (doing, took,
                              "in order" if clean else "cut off"))


def sound(node):
    same(node.sql("PRAGMA integrity_check"), [("ok",)], "integrity_check")


def whole(node):
    """All rows or, before any came, no table."""
    if node.sql("SELECT 1 FROM sqlite_schema WHERE name = 'big'"):
        same(node.sql("SELECT count(*), count(v), max(id) FROM big"),
             [(ROWS, ROWS, ROWS)], "rows")
        return True
    return False


def equal(primary, node):
    wanted, found = primary.dataset(), node.dataset()
    for name in "revision", "digest", "rows":
        same(found[name], wanted[name], name)
    check(whole(node), "rows are missing")


@scenario
def on_one_node(t):
    node = t.node("node")
    node.stop()
    fill(node)
    with t.promise("SIGTERM during the start's audit: the next start makes "
                   "up for it"):
        node.launch()
        wait_for(lambda: os.path.exists(node.published() + "-wal") or
                 not node.is_running(), what="the audit", step=0.002)
        wait_busy(node, 0)
        end(node, "audit")
        sound(node)
        node.start()
        check(whole(node), "rows are missing")
        same(node.cli("dataset", "verify", "config")["equal"], True, "equal")
    before = node.dataset()

    def unchanged():
        sound(node)
        node.start()
        after = node.dataset()
        for name in "revision", "digest", "rows":
            same(after[name], before[name], name)

    def stop_a_verify():
        cli = in_the_middle(node, "dataset", "verify", "config")
        end(node, "verify")
        cli.communicate()
        unchanged()
        check(cli.returncode != 0, "the command says that all is well")

    with t.promise("SIGTERM during a verify"):
        in_one_of(5, stop_a_verify)  # it may be over by then
    with t.promise("SIGTERM during backup create: no half of one"):
        path = node.path("half.lockstep")
        cli = in_the_middle(node, "backup", "create", path, seconds=0.05)
        end(node, "backup create")
        cli.communicate()
        unchanged()
        check(cli.returncode != 0 or os.path.exists(path), "no backup")
        left = [name for name in os.listdir(node.directory)
                if name.startswith(("backup-staging", "half"))]
        check(left in ([], ["half.lockstep"]), "files are %s" % left)
        if cli.returncode and left:  # made, but nobody could be told
            os.mkdir(os.path.join(t.directory, "restored"), 0o700)
            reply = run_cli("--state-dir", os.path.join(
                t.directory, "restored"), "backup", "restore", path)
            same(reply.code, DONE, "the exit code of a restore")
    with t.promise("the start after a kill during backup create removes the "
                   "copies that it was made from"):
        def staged():
            return [name for name in os.listdir(node.directory)
                    if name.startswith("backup-staging")]

        def kill_a_backup():
            if not node.is_running():
                node.start()
            lost = node.path("lost.lockstep")
            if os.path.exists(lost):
                os.unlink(lost)
            cli = background(node, "backup", "create", lost)
            wait_for(lambda: staged() or cli.poll() is not None,
                     what="the copies", step=0.002)
            node.kill9()
            cli.communicate()
            check(staged(), "nothing was left to remove")
        in_one_of(5, kill_a_backup)  # it may be over by then
        node.start()
        same(staged(), [], "copies")
    with t.promise("SIGTERM during a download of snapshot.db"):
        got = []

        def download():
            try:
                with Admin(node) as admin, \
                        admin.sftp.open("/datasets/config/snapshot.db") as f:
                    while True:
                        piece = f.read(65536)
                        if not piece:
                            break
                        got.append(len(piece))
            except (OSError, EOFError, paramiko.SSHException):
                pass
        thread = threading.Thread(target=download)
        thread.start()
        wait_for(lambda: sum(got) > 1 << 20, what="a first piece", step=0.002)
        end(node, "download")
        thread.join()
        unchanged()


@scenario
def between_two(t):
    primary = t.node("primary", start=False)
    primary.start()
    primary.stop()
    fill(primary)
    primary.start()
    second = t.node("second")
    staging = second.path("datasets", "config", "staging.db")
    backups = second.path("datasets", "config", "backups")

    def add():
        return background(
            primary, "server", "add", second.address, "--name", "second",
            "--password-file", second.password_file(), "--fingerprint",
            second.fingerprint())

    def received(share, cli):
        """Whether so much is there, or all is over: a busy machine may show
        this program neither in time."""
        size = os.path.getsize(primary.published())

        def enough():
            try:
                return os.path.getsize(staging) >= share * size
            except OSError:
                return cli.poll() is not None
        return enough

    def converges():
        """Registered, if need be again, and equal."""
        sound(second)
        second.start()
        listed = [s["name"] for s in primary.servers()]
        if "second" not in listed:
            output, _ = add().communicate()
            check("second" in [s["name"] for s in primary.servers()],
                  output.decode())
        primary.cli("sync", "config", "--interval", "1s")
        wait_for(lambda: primary.state_of("second") == "synchronized", 60,
                 "synchronized", 0.1)
        equal(primary, second)

    def overwrite():
        """The row that makes the one on the secondary foreign."""
        second.sql("DELETE FROM big WHERE id % 2")
        return background(primary, "server", "overwrite", "second")

    with t.promise("SIGTERM of a secondary that receives an overwrite: old "
                   "or new"):
        cli = add()
        wait_for(received(0.2, cli), what="a part of it", step=0.002)
        end(second, "receiver, middle")
        whole(second)
        converges()
        cli.communicate()
    with t.promise("SIGTERM of a secondary that proves an overwrite: old or "
                   "new"):
        cli = overwrite()
        wait_for(received(1, cli), what="all of it", step=0.002)
        end(second, "receiver, proof")
        rows = second.sql("SELECT count(*) FROM big")[0][0]
        check(rows in (ROWS // 2, ROWS), "%d rows" % rows)
        converges()
        cli.communicate()
        check(len([n for n in os.listdir(backups) if n.endswith(".db")]) <= 3,
              "too many backups")
    with t.promise("SIGTERM of the primary that sends an overwrite"):
        cli = overwrite()
        wait_for(received(0.2, cli), what="a part of it", step=0.002)
        end(primary, "sender")
        cli.communicate()
        sound(primary)
        primary.start()
        second.stop()
        converges()
    with t.promise("SIGTERM of a secondary that scrubs"):
        cli = in_the_middle(second, "dataset", "verify", "config")
        end(second, "scrub")
        cli.communicate()
        converges()


if __name__ == "__main__":
    run()

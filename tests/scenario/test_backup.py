#!/usr/bin/python3
"""A backup is one file that brings back identity, keys and data."""

import os
import shutil
import stat

from admin import Admin
from lockstep import check, run, same, scenario, wait_for


def identity(node):
    status = node.status()
    return (status["node"]["id"], status["node"]["fingerprint"],
            status["node"]["role"], status["cluster"] and
            status["cluster"]["id"])


@scenario
def backup_and_restore(t):
    cluster = t.cluster(1)
    primary, node = cluster.primary, cluster.secondaries[0]
    primary.cli("user", "add", "ann", "--home", "/srv/ann")
    cluster.sync()
    cluster.wait_synchronized()
    before = identity(primary)
    overwrites = primary.server(node)["overwrites"]
    file = os.path.join(t.directory, "backup")
    with t.promise("backup create makes one file of mode 0600"):
        primary.cli("backup", "create", file)
        same(stat.S_IMODE(os.stat(file).st_mode), 0o600, "mode")
    with t.promise("a node restored from it is the same node, and its "
                   "secondary goes on without an overwrite"):
        primary.stop()
        shutil.rmtree(primary.directory)
        os.mkdir(primary.directory, 0o700)
        primary.cli("backup", "restore", file)
        primary.start()
        same(identity(primary), before, "identity")
        same(primary.sql("SELECT name FROM users"), [("ann",)], "users")
        cluster.wait_synchronized()
        primary.cli("user", "add", "ben", "--home", "/srv/ben")
        cluster.sync()
        same(node.sql("SELECT name FROM users ORDER BY id"),
             [("ann",), ("ben",)], "users")
        same(primary.server(node)["overwrites"], overwrites, "overwrites")
    with t.promise("a primary restored from an older backup rolls nobody "
                   "back"):
        primary.stop()
        shutil.rmtree(primary.directory)
        os.mkdir(primary.directory, 0o700)
        primary.cli("backup", "restore", file)
        primary.start()
        wait_for(lambda: primary.state_of(node) == "held", 20, "held", 0.1)
        same(node.sql("SELECT name FROM users ORDER BY id"),
             [("ann",), ("ben",)], "users")
    with t.promise("what is held is held, also while it is asked again"):
        seen, rounds = set(), set()
        with Admin(primary) as admin:
            while len(rounds) < 3:
                server = admin.server(node.name)
                seen.add(server["state"])
                rounds.add(server["last_attempt"])
        same(seen, {"held"}, "states")
        same(len(primary.events("held")), 1, "events")


@scenario
def a_damaged_backup_is_refused(t):
    node = t.node("node")
    node.cli("user", "add", "ann", "--home", "/srv/ann")
    file = os.path.join(t.directory, "backup")
    node.cli("backup", "create", file)
    with open(file, "rb") as f:
        data = bytearray(f.read())
    with t.promise("a restore over a running node is refused"):
        reply = node.run("--json", "--yes", "backup", "restore", file)
        check(reply.code != 0, "it was done")
        node.status()
    for what, change in (("cut", data[:len(data) // 2]),
                         ("flipped", data[:len(data) // 2] + bytes(
                             [data[len(data) // 2] ^ 1]) +
                          data[len(data) // 2 + 1:])):
        with t.promise("a %s backup is refused, and nothing is left" % what):
            broken = os.path.join(t.directory, what)
            with open(broken, "wb") as f:
                f.write(change)
            other = t.node("target-" + what, start=False)
            reply = other.run("--json", "--yes", "backup", "restore", broken)
            check(reply.code != 0, "it was taken")
            same(os.listdir(other.directory), [], "files left")


if __name__ == "__main__":
    run()

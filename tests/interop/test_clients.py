#!/usr/bin/python3
"""Any SFTP client is an administrator's client, and none gets further than
its role."""

import json
import os
import sqlite3
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../scenario"))

import clients  # noqa: E402
from admin import Admin, make_key  # noqa: E402
from lockstep import Failed, check, run, same, scenario  # noqa: E402

TOP = {"README.txt", "status.json", "servers.json", "metrics.prom",
       "events.jsonl", "control", "datasets"}


def refused(what, act, *args):
    """ACT must fail, and by the server's permission, not by accident."""
    try:
        act(*args)
    except Failed as why:
        said = str(why)
        check("ermission denied" in said or "Errno 13" in said or
              "PERMISSION" in said or "Access failed" in said,
              "%s: %s" % (what, said))
        return
    raise Failed("%s was allowed" % what)


def lines(path):
    with open(path) as f:
        return [json.loads(line) for line in f if line.strip()]


def as_admin(t, client, node):
    name = client.name
    with t.promise("%s lists the tree" % name):
        check(TOP <= client.list("/"), str(client.list("/")))
        check({"config", "admins"} <= client.list("/datasets"), "datasets")
        check({"snapshot.db", "push"} <= client.list("/datasets/config"),
              str(client.list("/datasets/config")))
    with t.promise("%s reads status.json" % name):
        to = client.scratch("status.json")
        client.get("/status.json", to)
        with open(to) as f:
            same(json.load(f)["node"]["name"], node.name, "name")
        same(os.path.getsize(to) % 4096, 0, "padding")
    with t.promise("%s reads servers.json, metrics.prom and README.txt" %
                   name):
        for file, wanted in (("servers.json", "servers"),
                             ("metrics.prom", "# HELP"),
                             ("README.txt", "Lockstep")):
            to = client.scratch(file)
            client.get("/" + file, to)
            with open(to) as f:
                check(wanted in f.read(), file)
    with t.promise("%s follows events.jsonl" % name):
        to = client.scratch("events.jsonl")
        client.get("/events.jsonl", to)
        before = lines(to)
        # A file not to be mixed with what was fetched before.
        os.unlink(to)
        node.cli("admin", "add", "made-for-" + name, "--role", "viewer",
                 "--password-file", t.password)
        client.get("/events.jsonl", to)
        after = lines(to)
        check(len(after) > len(before), "no new event")
        same(after[:len(before)], before, "the events before")
        same([e["seq"] for e in after],
             list(range(after[0]["seq"], after[0]["seq"] + len(after))),
             "seq")
    with t.promise("%s fetches a snapshot.db that passes integrity_check" %
                   name):
        to = client.scratch("snapshot.db")
        client.get("/datasets/config/snapshot.db", to)
        db = sqlite3.connect(to)
        same(db.execute("PRAGMA integrity_check").fetchall(), [("ok",)],
             "integrity_check")
        same(db.execute("SELECT count(*) FROM users").fetchone(), (200,),
             "users")
        db.close()
    with t.promise("%s puts a request into /control and gets the reply" %
                   name):
        user = "by-" + name
        reply = client.ask({"command": "user add", "args": {
            "name": user, "home": "/srv/" + user}})
        same(reply["result"]["user"]["name"], user, "reply")
        same(node.sql("SELECT count(*) FROM users WHERE name = ?", user),
             [(1,)], "rows")
        node.cli("user", "remove", user)
        node.cli("sync", "now")
        reply = client.ask({"command": "no such command", "args": {}})
        check(reply["error"]["message"], str(reply))
    with t.promise("%s cannot remove, rename or make anything" % name):
        refused("rm", client.remove, "/README.txt")
        refused("rename", client.rename, "/README.txt", "/other")
        refused("mkdir", client.make_folder, "/folder")
        check(TOP <= client.list("/"), "something is gone")
    with t.promise("%s cannot write what is only read" % name):
        refused("put", client.put, client.request_file({}), "/status.json")


def as_viewer(t, client, node):
    name = client.name
    with t.promise("%s as a viewer reads status, servers, events, metrics" %
                   name):
        for file in ("status.json", "servers.json", "events.jsonl",
                     "metrics.prom"):
            client.get("/" + file, client.scratch("viewer-" + file))
    with t.promise("%s as a viewer gets no snapshot" % name):
        refused("get", client.get, "/datasets/config/snapshot.db",
                client.scratch("viewer.db"))
    with t.promise("%s as a viewer overwrites no dataset" % name):
        refused("put", client.put, client.request_file({}),
                "/datasets/config/snapshot.db")
    with t.promise("%s as a viewer changes nothing by /control" % name):
        before = node.dataset()["revision"]
        reply = client.ask({"command": "user add", "args": {
            "name": "eve", "home": "/srv/eve"}})
        same(reply["error"]["code"], "PERMISSION", "code")
        same(client.ask({"command": "status", "args": {}})["result"]["node"]
             ["name"], node.name, "status")
        same(node.sql("SELECT count(*) FROM users WHERE name = 'eve'"),
             [(0,)], "rows")
        same(node.dataset()["revision"], before, "revision")


def fill(node):
    with node.database() as db:
        db.execute("BEGIN")
        db.executemany(
            "INSERT INTO users (name, uid, gid, home) VALUES "
            "(?, 1000, 1000, '/srv/x')", [("u%d" % i,) for i in range(200)])
        db.execute("COMMIT")
    node.cli("sync", "now")


@scenario
def every_client(t):
    node = t.node("node")
    fill(node)
    t.password = os.path.join(t.directory, "password")
    with open(t.password, "w") as f:
        f.write("a long enough password\n")
    os.chmod(t.password, 0o600)
    key = os.path.join(t.directory, "viewer-key")
    make_key(key)
    node.cli("admin", "add", "looker", "--role", "viewer", "--password-file",
             t.password)
    node.cli("admin", "key", "add", "looker", key + ".pub")
    node.cli("sync", "now")
    for kind in clients.ALL:
        with t.promise("%s logs in" % kind.name):
            folder = os.path.join(t.directory, kind.name)
            os.mkdir(folder)
            client = kind(node, folder, "local", node.path("local-admin-key"))
            as_admin(t, client, node)
            viewer = kind(node, folder, "looker", key)
            as_viewer(t, viewer, node)


@scenario
def a_primary_key_pushes_and_nothing_else(t):
    cluster = t.cluster(1)
    node = cluster.secondaries[0]
    with Admin(node, "lockstep", cluster.primary.path(
            "keys", "login_key")) as push:
        with t.promise("a primary's key reads the push file"):
            check(push.read("/datasets/config/push"), "nothing")
        with t.promise("a primary's key reads no snapshot"):
            refused_read(push, "/datasets/config/snapshot.db")
        with t.promise("a primary's key changes nothing by /control"):
            try:
                push.control("admin list")
            except Failed as why:
                same(why.code, "PERMISSION", "code")
            else:
                raise Failed("it was answered")
    with t.promise("a primary's key opens nothing on the primary itself, nor "
                   "a secondary's key on anybody"):
        for target, owner in ((cluster.primary, cluster.primary),
                              (cluster.primary, node), (node, node)):
            for user in "lockstep", "admin", "local":
                try:
                    Admin(target, user, owner.path("keys", "login_key"))
                except Exception:
                    continue
                raise Failed("%s logs in on %s as %s" % (
                    owner.name, target.name, user))


def refused_read(admin, path):
    try:
        admin.read(path)
    except (OSError, PermissionError):
        return
    raise Failed("%s was read" % path)


@scenario
def a_fleet_of_handles(t):
    node = t.node("node")
    with Admin(node) as admin:
        with t.promise("64 handles are given, then refusals, then more"):
            held = []
            for _ in range(80):
                try:
                    held.append(admin.sftp.open("/status.json"))
                except OSError:
                    break
            check(32 <= len(held) <= 64, "%d handles" % len(held))
            for f in held:
                f.close()
            admin.read("/status.json")
        with t.promise("a handle keeps its rendering"):
            with admin.sftp.open("/status.json") as f:
                first = f.read()
                node.cli("user", "add", "ann", "--home", "/srv/ann")
                f.seek(0)
                same(f.read(), first, "content")
                same(f.stat().st_size, len(first), "size")
        with t.promise("no name reaches the machine's own files"):
            for path in ("/../../etc/passwd", "/etc/passwd", "etc/passwd",
                         "//etc//passwd", "/datasets/../../etc/passwd",
                         "/datasets/config/../../../etc/passwd", "~",
                         "/datasets/config/snapshot.db/x", "/proc/self/mem",
                         "/status.json\0.txt", "/datasets/%2e%2e/x",
                         "/datasets/" + "x" * 300, "/" + "a/" * 500,
                         "/keys/host_key", "/datasets/config/published.db",
                         "/node.db", "\\..\\x", "/datasets/config\0/push"):
                try:
                    data = admin.read(path)
                except (OSError, UnicodeError):
                    continue
                raise Failed("%r gives %r" % (path, data[:40]))


if __name__ == "__main__":
    run()

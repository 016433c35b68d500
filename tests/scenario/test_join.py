#!/usr/bin/python3
"""A join file admits one primary, once, for a while, and nothing else."""

import base64
import datetime
import hmac
import json
import os

import paramiko

from admin import Admin, Refused
from lockstep import (DONE, KEY, Cluster, check, run, same, scenario,
                      wait_for)


def make(t, primary, node, file, *more):
    path = os.path.join(t.directory, file)
    primary.cli("join-file", "create", node.address, path, "--name",
                node.name, *more)
    return path


def is_over(path):
    """Whether the time of a join file is, without using it."""
    with open(path) as f:
        expires = datetime.datetime.fromisoformat(json.load(f)["expires"])
    return expires < datetime.datetime.now(datetime.timezone.utc)


def error_of(admin, command, **args):
    try:
        admin.control(command, **args)
    except Refused as why:
        return why.error["code"]
    return None


def enrolment(primary):
    """What a primary would say of itself."""
    key = base64.b64encode(b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + bytes(32))
    return {"cluster": "01" * 16, "cluster_name": "x", "epoch": 1,
            "primary_id": primary.status()["node"]["id"],
            "primary_name": "x", "login_key": "ssh-ed25519 " + key.decode(),
            "bundle_key": "02" * 32, "fingerprint": primary.fingerprint()}


@scenario
def a_fresh_node_joins_by_a_file(t):
    primary, node, other = t.node("primary"), t.node("fresh"), t.node("other")
    path = make(t, primary, node, "fresh.join")
    with t.promise("the file is its owner's, and shows no secret elsewhere"):
        same(os.stat(path).st_mode & 0o777, 0o600, "its mode")
        with open(path) as f:
            secret = json.load(f)["secret"]
        for log in primary.log(), node.log():
            check(secret not in log, "the secret is in a log")
    with t.promise("it is refused for another host, and by its primary"):
        reply = other.run("join", path)
        check(reply.code != DONE and "is for" in reply.err, reply)
        check(primary.run("join", path).code != DONE, "the primary took it")
    with t.promise("before the host has taken it nobody is admitted"):
        reply = primary.run("--yes", "server", "add", "--join", path)
        same(reply.code, KEY, "the exit code")
        check('Run "lockstep join FILE" there' in reply.err, reply)
        same(node.status()["node"]["role"], "standalone", "its role")
    with t.promise("it opens nothing but the way to that primary"):
        node.cli("join", path)
        for user in "join", "lockstep", "admin":
            for password in "", secret, "0" * 64:
                try:
                    with Admin(node, user, password=password):
                        raise AssertionError("%s got in" % user)
                except (paramiko.SSHException, EOFError, OSError):
                    pass
        node.cli("ipfilter", "unban", "--all")
        reply = other.run("--yes", "server", "add", "--join", path)
        check(reply.code != DONE, reply)
        same(node.status()["node"]["role"], "standalone", "its role")
    with t.promise("who has the secret may enrol it for that primary only"):
        proof = hmac.new(bytes.fromhex(secret), b"lockstep join primary\n" +
                         node.fingerprint().encode(), "sha256").hexdigest()
        with Admin(node, "join", password=proof) as admin:
            for file in "/status.json", "/events.jsonl", "/README.txt":
                try:
                    admin.read(file)
                    raise AssertionError("it reads " + file)
                except OSError:
                    pass
            for command in "status", "events list", "user list", "hook wait":
                same(error_of(admin, command), "PERMISSION", command)
            same(error_of(admin, "node enroll", **enrolment(other)),
                 "PERMISSION", "another primary")
        same(node.status()["node"]["role"], "standalone", "its role")
    with t.promise("a node that does not prove the secret is not enrolled"):
        with open(other.password_file()) as f:
            password = f.read().strip()
        with Admin(primary) as admin:
            same(error_of(admin, "server add", host=other.address,
                          user="admin", password=password, name="other",
                          fingerprint=other.fingerprint(),
                          join_proof="0" * 64), "KEY_CHANGED", "the error")
        same(other.status()["node"]["role"], "standalone", "its role")
    with t.promise("the primary adds it without password and fingerprint"):
        before = primary.sql("SELECT count(*) FROM users")
        primary.cli("user", "add", "ann", "--home", "/home/ann")
        server = primary.cli("server", "add", "--join", path)
        same(server["name"], "fresh", "its name")
        wait_for(lambda: primary.state_of("fresh") == "synchronized", 20,
                 "synchronized")
        same(node.sql("SELECT count(*) FROM users"), [(before[0][0] + 1,)],
             "its users")
    with t.promise("who is listed gets no other file, and is told what to do"):
        unused = os.path.join(t.directory, "unused.join")
        for address, name in ((node.address, "another"),
                              (other.address, "fresh")):
            reply = primary.run("join-file", "create", address, unused,
                                "--name", name)
            check('"fresh" is listed already' in reply.err and
                  "server trust" in reply.err, reply)
        check(not os.path.exists(unused), "it was made")
        reply = primary.run("--yes", "server", "add", "--join", path)
        check('as "fresh"' in reply.err and "server show fresh" in reply.err,
              reply)
    with t.promise("it cannot be used twice, also after it left the cluster"):
        check(node.run("join", path).code != DONE, "taken by a secondary")
        primary.cli("server", "remove", "fresh")
        wait_for(lambda: node.status()["node"]["role"] == "standalone", 20,
                 "standalone")
        reply = node.run("join", path)
        check(reply.code != DONE and "used already" in reply.err, reply)
        reply = primary.run("--yes", "server", "add", "--join", path)
        check(reply.code != DONE and "makes another" in reply.err, reply)
    with t.promise("it expires, on the primary and on the host"):
        short = make(t, primary, node, "short.join", "--expires", "1s")
        wait_for(lambda: is_over(short), what="the end of its time")
        reply = node.run("join", short)
        check(reply.code != DONE and "expired" in reply.err, reply)
        for seconds in 2, 10, 60:  # it has to be taken in time
            late = make(t, primary, node, "late.join", "--expires",
                        "%ds" % seconds)
            if node.run("join", late).code == DONE:
                break
            os.unlink(late)
        else:
            check(False, "it is never taken")
        wait_for(lambda: is_over(late), what="the end of its time")
        reply = primary.run("--yes", "server", "add", "--join", late)
        check(reply.code != DONE and "expired" in reply.err and
              "join-file create" in reply.err, reply)
        # A primary whose clock is behind: the host goes by its own.
        with open(late) as f:
            changed = json.load(f)
        changed["expires"] = "2099-01-01T00:00:00.000Z"
        with open(late, "w") as f:
            json.dump(changed, f)
        reply = primary.run("--yes", "server", "add", "--join", late)
        check(reply.code != DONE, reply)
        same(node.status()["node"]["role"], "standalone", "its role")


@scenario
def forty_are_added_from_a_file(t):
    primary = t.node("primary")
    cluster = Cluster(primary, [t.node("one"), t.node("two")])
    lines = []
    for node in cluster.secondaries:
        path = make(t, primary, node, node.name + ".join")
        node.cli("join", path)
        lines.append("%s join=%s\n" % (node.address, path))
    with open(os.path.join(t.directory, "servers.txt"), "w") as f:
        f.writelines(lines)
    with t.promise("server add --from takes join files"):
        primary.cli("server", "add", "--from", f.name)
        cluster.wait_synchronized()


run()

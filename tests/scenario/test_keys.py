#!/usr/bin/python3
"""Keys are rotated while the cluster works: successors are announced, both
count until the next one is used, and a key nobody announced stops everything."""

import datetime
import os
import shutil
import signal
import stat
import subprocess
import threading
import time

from lockstep import (DONE, PARTLY, PATIENCE, PORT, SLOW, check, in_one_of,
                      run, same, scenario, wait_for)

KINDS = "host", "login", "bundle"


def show(node):
    return node.cli("key", "show")


def key(node, kind):
    return next(k for k in show(node)["keys"] if k["kind"] == kind)


def rotated(node, kind, before):
    """Whether nobody accepts the key before this one any more."""
    now = key(node, kind)
    return now["state"] == "in use" and now["fingerprint"] != before


def rotate(node, kind, *more):
    """Rotates, and waits until it is through; the fingerprints."""
    before = key(node, kind)["fingerprint"]
    node.cli("key", "rotate", kind, *more)
    wait_for(lambda: rotated(node, kind, before), 20, "%s of %s" %
             (kind, node.name), 0.05)
    return before, key(node, kind)["fingerprint"]


def pins(primary, node):
    """The host key of NODE that the primary accepts, and the next."""
    s = next(s for s in show(primary)["servers"] if s["name"] == node.name)
    return s["fingerprint"], s["next"]


class Watch(threading.Thread):
    """Looks at the servers' list all the time: how old the last confirmation
    of each got, and which states they were seen in."""

    def __init__(self, primary):
        super().__init__(daemon=True)
        self.primary = primary
        self.over = False
        self.longest_look = 0.0  # what it cannot tell apart, in seconds
        self.states = set()
        self.synchronized = {}

    def run(self):
        while not self.over:
            began = time.monotonic()
            for s in self.primary.servers()[1:]:
                self.states.add(s["state"])
                self.synchronized.setdefault(s["name"], set()).add(
                    s["last_synchronized"])
            self.longest_look = max(self.longest_look,
                                    time.monotonic() - began)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.over = True
        self.join()


def moment(text):
    """RFC 3339 with milliseconds, as seconds."""
    return datetime.datetime.fromisoformat(text).timestamp()


def check_gaps(watch, interval):
    for name, seen in watch.synchronized.items():
        moments = sorted(moment(t) for t in seen)
        gaps = [b - a for a, b in zip(moments, moments[1:])]
        check(len(gaps) >= 3, "%s: only %d rounds seen" % (name, len(gaps)))
        # An interval that is missed is a gap of two.
        check(max(gaps) < (2 * interval + watch.longest_look) * SLOW,
              "%s: gaps %s" % (name, gaps))


@scenario
def rotated_without_a_missed_interval(t):
    cluster = t.cluster(2)
    primary = cluster.primary
    primary.cli("user", "add", "ann", "--comment", ".")
    cluster.sync()
    cluster.wait_synchronized()
    overwrites = [primary.server(n)["overwrites"] for n in cluster.secondaries]

    def rotate_all():
        with Watch(primary) as watch:
            for node in cluster.nodes():
                for kind in KINDS:
                    before, now = rotate(node, kind)
                    check(before != now, "%s is the same" % kind)
            for node in cluster.secondaries:
                wait_for(lambda n=node: pins(primary, n) ==
                         (n.fingerprint(), None), 20, "pinned", 0.05)
            primary.sql("UPDATE users SET comment = comment || '.'")
            cluster.sync()
            wait_for(lambda: all(len(s) > 4 for s in
                                 watch.synchronized.values()), 20, "rounds")
        states.update(watch.states)
        check_gaps(watch, 1)
    with t.promise("all keys of three nodes are rotated without a prompt, a "
                   "missed interval or an overwrite"):
        states = set()
        in_one_of(3, rotate_all)
        check(not states & {"key-changed", "refused", "held", "unreachable",
                            "drifted"}, "states seen: %s" % states)
        same([primary.server(n)["overwrites"] for n in cluster.secondaries],
             overwrites, "overwrites")
        comment = primary.sql("SELECT comment FROM users")
        for node in cluster.secondaries:
            same(node.sql("SELECT comment FROM users"), comment,
                 "comment on " + node.name)
    with t.promise("each node knows the others' keys and no successor"):
        ours = {k["kind"]: k["fingerprint"] for k in show(primary)["keys"]}
        for node in cluster.secondaries:
            same(show(node)["primary"],
                 {"name": primary.name, "host": ours["host"],
                  "login": ours["login"], "login_next": None,
                  "bundle": ours["bundle"], "bundle_next": None,
                  "login_trusted": None, "bundle_trusted": None}, "pinned")
        same(show(primary)["waits_for"], [], "waits for")
    with t.promise("the key files are private, and no successor is left"):
        for node in cluster.nodes():
            names = sorted(os.listdir(node.path("keys")))
            same(names, ["bundle_key", "host_key", "login_key"], "files")
            for name in names:
                same(stat.S_IMODE(os.stat(node.path("keys", name)).st_mode),
                     0o600, name)
    with t.promise("the cluster works on after every node was restarted"):
        for node in cluster.nodes():
            node.restart()
        cluster.wait_synchronized()
        same([primary.server(n)["overwrites"] for n in cluster.secondaries],
             overwrites, "overwrites")
    with t.promise("each step is an event"):
        for kind in KINDS:
            for name in "key-made", "key-rotated":
                check(any(kind + " key" in e["text"]
                          for e in primary.events(name)), (name, kind))
        check(cluster.secondaries[0].events("key-announced"), "none there")


@scenario
def a_stolen_login_key(t):
    cluster = t.cluster(1)
    primary, node = cluster.primary, cluster.secondaries[0]
    cluster.wait_synchronized()
    stolen = os.path.join(t.directory, "stolen")
    shutil.copy(primary.path("keys", "login_key"), stolen)

    def log_in():
        return subprocess.Popen(
            ["sftp", "-q", "-P", str(PORT), "-i", stolen, "-o",
             "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-o",
             "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
             "-b", "-", "lockstep@" + node.address],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True)

    with t.promise("rotating the login key ends the sessions of the one "
                   "before, and refuses it from then on"):
        thief = log_in()
        thief.stdin.write("ls /datasets\n")
        thief.stdin.flush()
        check("sftp>" in thief.stdout.readline(), "no prompt")
        check("/datasets/" in thief.stdout.readline(), "not logged in")
        rotate(primary, "login")
        # It notices when it asks for something.
        thief.stdin.write("ls /datasets\n")
        thief.stdin.close()
        check(thief.wait(PATIENCE * SLOW) != 0, "its session went on")
        check(log_in().wait(PATIENCE * SLOW) != 0, "it could log in again")
        cluster.wait_synchronized()


@scenario
def one_is_down(t):
    cluster = t.cluster(2)
    primary, (here, away) = cluster.primary, cluster.secondaries
    cluster.wait_synchronized()
    away.stop()
    before = {k: key(primary, k)["fingerprint"] for k in KINDS}
    with t.promise("a server that is down is waited for, by name, and the "
                   "others are pushed to as before"):
        for kind in KINDS:
            primary.cli("key", "rotate", kind)
        wait_for(lambda: [w["name"] for w in show(primary)["waits_for"]] ==
                 [away.name], 20, "waits for it", 0.05)
        for kind in KINDS:
            same(key(primary, kind)["fingerprint"], before[kind], kind)
            same(key(primary, kind)["state"], "announcing", kind)
        check(show(here)["primary"]["login_next"], "not announced")
        primary.cli("user", "add", "ann", "--home", "/srv/ann")
        primary.cli("sync", "now", "--wait", here.name)
    with t.promise("rotating again makes no other successor"):
        nexts = [k["next"] for k in show(primary)["keys"]]
        for kind in KINDS:
            primary.cli("key", "rotate", kind)
        same([k["next"] for k in show(primary)["keys"]], nexts, "successors")
    with t.promise("killed and restarted meanwhile, the primary goes on when "
                   "the server is back"):
        primary.kill9()
        primary.start()
        same([k["next"] for k in show(primary)["keys"]], nexts, "successors")
        away.start()
        for kind in KINDS:
            wait_for(lambda k=kind: rotated(primary, k, before[k]), 30, kind,
                     0.05)
        same([k["fingerprint"] for k in show(primary)["keys"]], nexts, "keys")
        cluster.wait_synchronized()
        same(away.sql("SELECT name FROM users"), [("ann",)], "users")
    with t.promise("force is remembered: restarted before the server was "
                   "found to be out of reach, the primary goes on without it"):
        was = key(primary, "bundle")["fingerprint"]
        os.kill(away.pid(), signal.SIGSTOP)
        primary.cli("key", "rotate", "bundle", "--force")
        same(key(primary, "bundle")["fingerprint"], was, "bundle key")
        primary.kill9()
        away.kill9()
        primary.start()
        wait_for(lambda: key(primary, "bundle")["fingerprint"] != was, 20,
                 "bundle key", 0.05)
    with t.promise("a server that is removed is waited for no longer"):
        wait_for(lambda: primary.state_of(away) == "unreachable", 20, "down")
        was = key(primary, "login")["fingerprint"]
        primary.cli("key", "rotate", "login")
        same(key(primary, "login")["fingerprint"], was, "login key")
        primary.cli("server", "remove", away.name, "--force")
        wait_for(lambda: rotated(primary, "login", was), 20, "login", 0.05)
        cluster.wait_synchronized(here)


@scenario
def unannounced(t):
    cluster = t.cluster(2)
    primary, (one, two) = cluster.primary, cluster.secondaries
    cluster.wait_synchronized()
    with t.promise("a secondary that shows a host key it did not announce is "
                   "sent nothing: key-changed"):
        primary.cli("server", "pause", one.name)
        one.cli("key", "rotate", "host", "--force")
        same(one.cli("status")["node"]["fingerprint"], one.fingerprint(),
             "the local command line")
        primary.cli("server", "resume", one.name)
        wait_for(lambda: primary.state_of(one) == "key-changed", 20, "state",
                 0.05)
        primary.cli("user", "add", "ann", "--home", "/srv/ann")
        reply = primary.run("--json", "sync", "now", "--wait", one.name)
        same(reply.code, PARTLY, "exit code")
        check("is key-changed" in reply.out, reply.out)
        same(one.sql("SELECT name FROM users"), [], "users")
        check(primary.run("status", "--check").code != DONE, "healthy")
    with t.promise("until an administrator accepts it"):
        primary.cli("server", "trust", one.name, "--fingerprint",
                    one.fingerprint())
        cluster.wait_synchronized()
        same(one.sql("SELECT name FROM users"), [("ann",)], "users")
        same(pins(primary, one), (one.fingerprint(), None), "pinned")
    for kind, state in ("login", "refused"), ("bundle", "key-changed"):
        with t.promise("a %s key that a secondary has not heard of is refused "
                       "by it" % kind):
            two.stop()
            wait_for(lambda: primary.state_of(two) == "unreachable", 20,
                     "down", 0.05)
            revision = one.dataset()["revision"]
            primary.cli("key", "rotate", kind, "--force")
            two.start()
            wait_for(lambda: primary.state_of(two) == state, 20, "state",
                     0.05)
            primary.cli("user", "add", "u-" + kind, "--home", "/srv/u")
            reply = primary.run("--json", "sync", "now", "--wait", two.name)
            same(reply.code, PARTLY, "exit code")
            check("is " + state in reply.out, reply.out)
            same(two.sql("SELECT 1 FROM users WHERE name = ?", "u-" + kind),
                 [], "users")
            check(revision <= one.dataset()["revision"], "went back")
            wait_for(lambda: cluster.synchronized(one), 20, "the other one")
        with t.promise("until an administrator there accepts its fingerprint, "
                       "which is said and has to be typed: " + kind):
            ours = key(primary, kind)["fingerprint"]
            error = primary.server(two.name)["error"]
            check(ours in error["message"] + error["hint"], error)
            # The primary learns of it by a connection of its own, with a
            # change to send.
            os.kill(primary.pid(), signal.SIGSTOP)
            two.cli("key", "trust", kind, ours)
            # The primary may have used it since.
            pinned = show(two)["primary"]
            check(ours in (pinned[kind], pinned[kind + "_trusted"]), pinned)
            two.restart()
            os.kill(primary.pid(), signal.SIGCONT)
            cluster.wait_synchronized()
            pinned = show(two)["primary"]
            same((pinned[kind], pinned[kind + "_trusted"]), (ours, None),
                 "pinned")
            same(two.sql("SELECT 1 FROM users WHERE name = ?", "u-" + kind),
                 [(1,)], "users")


@scenario
def killed_in_between(t):
    """kill -9 of an engine at many moments of rotations: after a restart
    everything goes on by itself."""
    cluster = t.cluster(2)
    primary = cluster.primary
    cluster.wait_synchronized()
    overwrites = [primary.server(n)["overwrites"] for n in cluster.secondaries]
    with t.promise("rotations are finished by themselves after kill -9 of "
                   "either side at any moment"):
        for turn in range(12):
            rotating = cluster.nodes()[turn % 3]
            victim = cluster.nodes()[turn // 3 % 3]
            kinds = KINDS if rotating is primary else ("host",)
            before = {k: key(rotating, k)["fingerprint"] for k in kinds}
            for kind in kinds:
                rotating.cli("key", "rotate", kind)
            # From at once to long after all is over.
            threading.Event().wait(0.004 * turn * turn)
            victim.kill9()
            victim.start()
            for kind in kinds:
                wait_for(lambda k=kind: rotated(rotating, k, before[k]), 30,
                         "turn %d, %s" % (turn, kind), 0.05)
            cluster.wait_synchronized()
        same([primary.server(n)["overwrites"] for n in cluster.secondaries],
             overwrites, "overwrites")


@scenario
def backup_carries_successors(t):
    cluster = t.cluster(2)
    primary, (here, away) = cluster.primary, cluster.secondaries
    cluster.wait_synchronized()
    file = os.path.join(t.directory, "backup")
    away.stop()
    for kind in KINDS:
        primary.cli("key", "rotate", kind)
    wait_for(lambda: [w["name"] for w in show(primary)["waits_for"]] ==
             [away.name], 20, "waits for it", 0.05)
    nexts = [k["next"] for k in show(primary)["keys"]]
    primary.cli("backup", "create", file)
    with t.promise("a node restored in the middle of a rotation finishes it"):
        restore(primary, file)
        same([k["next"] for k in show(primary)["keys"]], nexts, "successors")
        away.start()
        wait_for(lambda: [k["fingerprint"] for k in show(primary)["keys"]] ==
                 nexts, 30, "rotated", 0.05)
        cluster.wait_synchronized()
    with t.promise("restored after it was finished, it is refused until its "
                   "administrator uses the successors that it has"):
        wait_for(lambda: not show(primary)["waits_for"], 20, "finished", 0.05)
        restore(primary, file)
        for node in here, away:
            wait_for(lambda n=node: primary.state_of(n) == "refused", 20,
                     "state", 0.05)
        for kind in KINDS:
            primary.cli("key", "rotate", kind, "--force")
        # Once it is let in again, they are told of the others first.
        wait_for(lambda: [k["fingerprint"] for k in show(primary)["keys"]] ==
                 nexts, 20, "its keys", 0.05)
        cluster.wait_synchronized()


def restore(node, file):
    node.stop()
    shutil.rmtree(node.directory)
    os.mkdir(node.directory, 0o700)
    node.cli("backup", "restore", file)
    node.start()


@scenario
def alone(t):
    node = t.node("node")
    with t.promise("a node that stands alone waits for nobody"):
        for kind in KINDS:
            rotate(node, kind)
    with t.promise("the local command line works all the time"):
        over = threading.Event()
        failures = []

        def ask():
            while not over.is_set():
                reply = node.run("status")
                if reply.code != DONE:
                    failures.append(str(reply))

        thread = threading.Thread(target=ask)
        thread.start()
        for _ in range(5):
            rotate(node, "host")
        over.set()
        thread.join()
        same(failures, [], "failures")
    with t.promise("an unknown kind is refused"):
        check(node.run("key", "rotate", "house").code != DONE, "it was taken")


if __name__ == "__main__":
    run()

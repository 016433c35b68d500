#!/usr/bin/python3
"""Pause, interval, trust, detach: what an administrator does with servers."""

import contextlib
import glob
import os
import signal
import sqlite3

from anew import reinstall
from lockstep import (DONE, ERROR, KEY, NOT_PRIMARY, check, run, same,
                      scenario, wait_for)


def users(node):
    return [n for n, in node.sql("SELECT name FROM users ORDER BY name")]


@scenario
def pause_and_resume(t):
    cluster = t.cluster(2)
    primary, (first, second) = cluster.primary, cluster.secondaries
    with t.promise("a paused server gets nothing while the others go on"):
        primary.cli("server", "pause", first.name)
        same(primary.state_of(first), "paused", "state")
        primary.cli("user", "add", "ann", "--home", "/srv/ann")
        wait_for(lambda: users(second) == ["ann"], 10, "the other has it")
        primary.cli("sync", "now", second.name, "--wait")
        same(users(first), [], "users of the paused one")
    with t.promise("a pause outlives a restart"):
        primary.restart()
        same(primary.state_of(first), "paused", "state")
    with t.promise("a resumed server catches up"):
        primary.cli("server", "resume", first.name)
        cluster.wait_synchronized()
        same(users(first), ["ann"], "users")
    with t.promise("with sync off nothing is pushed by itself"):
        primary.cli("sync", "config", "--enabled", "no")
        for node in cluster.secondaries:
            wait_for(lambda: primary.state_of(node) == "paused", 10, "paused")
        primary.cli("user", "add", "ben", "--home", "/srv/ben")
        same(users(first) + users(second), ["ann", "ann"], "users")
    with t.promise("with sync on again it is"):
        primary.cli("sync", "config", "--enabled", "yes")
        cluster.wait_synchronized()
        same(users(first), ["ann", "ben"], "users")


@scenario
def between_two_rounds(t):
    cluster = t.cluster(2, interval="1d")
    primary, (first, second) = cluster.primary, cluster.secondaries
    cluster.sync()
    with t.promise("servers that were restarted are seen to be equal without "
                   "a round"):
        first.restart()
        second.restart()
        cluster.wait_synchronized()
    with t.promise("a primary ends while a server has not answered"):
        os.kill(first.pid(), signal.SIGSTOP)
        try:
            primary.cli("sync", "now")
            wait_for(lambda: primary.state_of(second) == "synchronized", 10,
                     "the other synchronized")
            primary.stop()
        finally:
            os.kill(first.pid(), signal.SIGCONT)


@scenario
def the_interval(t):
    cluster = t.cluster(2, interval="1s")
    primary, (first, second) = cluster.primary, cluster.secondaries
    with t.promise("a change is pushed within the interval, unasked"):
        primary.sql("INSERT INTO users (name, uid, gid, home) VALUES "
                    "('ann', 1000, 1000, '/srv/ann')")
        for node in cluster.secondaries:
            wait_for(lambda: users(node) == ["ann"], 5, "arrived")
    with t.promise("a server may have an interval of its own"):
        primary.cli("sync", "config", "--interval", "1h", "--server",
                    first.name)
        same(primary.server(first)["interval_s"], 3600, "interval")
        same(primary.server(second)["interval_s"], 1, "interval")
    with t.promise("an idle interval confirms, and dates last synchronized "
                   "and the last attempt"):
        cluster.wait_synchronized(second)
        before = primary.server(second)
        for date in "last_synchronized", "last_attempt":
            wait_for(lambda: primary.server(second)[date] > before[date], 10,
                     "a newer " + date)
    for bad in "0s", "500ms", "25h", "-1s", "soon":
        with t.promise("an interval of %s is refused" % bad):
            reply = primary.run("--json", "sync", "config", "--interval=" +
                                bad)
            check(reply.code in (1, 2), "exit code %d" % reply.code)
            same(primary.cli("sync", "status")["interval_ms"], 1000,
                 "interval")
    with t.promise("the interval outlives a restart"):
        primary.restart()
        same(primary.cli("sync", "status")["interval_ms"], 1000, "interval")
        same(primary.server(first)["interval_s"], 3600, "interval")


@scenario
def a_changed_host_key(t):
    cluster = t.cluster(1)
    primary, node = cluster.primary, cluster.secondaries[0]
    primary.cli("user", "add", "ann", "--home", "/srv/ann")
    cluster.sync()
    pinned = node.fingerprint()
    node.stop()
    for path in glob.glob(node.path("keys", "host_key*")):
        os.unlink(path)
    node.start()
    primary.cli("user", "add", "ben", "--home", "/srv/ben")
    with t.promise("a changed host key stops the push and is shown"):
        wait_for(lambda: primary.state_of(node) == "key-changed", 20,
                 "key-changed", 0.1)
        same(users(node), ["ann"], "users")
        check([e for e in primary.events() if e["level"] != "info" and
               "host key" in e["text"]], "no event")
    with t.promise("server trust with another fingerprint is refused"):
        primary.cli("server", "trust", node.name, "--fingerprint", pinned,
                    expect=5)
        same(primary.state_of(node), "key-changed", "state")
    with t.promise("server trust with the right one goes on"):
        primary.cli("server", "trust", node.name, "--fingerprint",
                    node.fingerprint())
        cluster.wait_synchronized()
        same(users(node), ["ann", "ben"], "users")


def again(primary, node, *more, expect=DONE):
    return primary.cli(
        "server", "trust", node.name, "--again", "--password-file",
        node.password_file(), "--fingerprint", node.fingerprint(), *more,
        expect=expect)


@scenario
def installed_anew(t):
    cluster = t.cluster(2)
    primary, (node, other) = cluster.primary, cluster.secondaries
    primary.cli("user", "add", "ann", "--home", "/srv/ann")
    primary.cli("sync", "config", "--server", node.name, "--interval", "7s")
    cluster.sync()
    wait_for(lambda: events_of(primary, node, "enrolled"), 20, "its events")
    pinned, before = node.fingerprint(), primary.server(node)
    node_id = node.status()["node"]["id"]
    reinstall(node)
    with t.promise("a server that was installed anew is shown, with what to "
                   "do"):
        wait_for(lambda: primary.state_of(node) == "key-changed", 20,
                 "key-changed", 0.1)
        hint = primary.server(node)["error"]["hint"]
        check("server trust second1" in hint and "--again" in hint, hint)
    with t.promise("another key than the one that was compared is refused: "
                   "the password stays here"):
        primary.cli("server", "trust", node.name, "--again",
                    "--password-file", node.password_file(), "--fingerprint",
                    pinned, expect=KEY)
        check(not [e for e in node.events() if e["kind"] == "login"
                   and e.get("who") == "admin"], "somebody logged in")
    with t.promise("a wrong password changes nothing"):
        wrong = os.path.join(t.directory, "wrong")
        with open(wrong, "w") as f:
            f.write("not that one\n")
        primary.cli("server", "trust", node.name, "--again",
                    "--password-file", wrong, "--fingerprint",
                    node.fingerprint(), expect=KEY)
        same(primary.server(node)["fingerprint"], pinned, "pinned key")
        same(node.status()["node"]["role"], "standalone", "role")
    with t.promise("without a confirmation nothing is sent"):
        reply = primary.run(
            "--no-input", "server", "trust", node.name, "--again",
            "--password-file", node.password_file(), "--fingerprint",
            node.fingerprint())
        check(reply.code != DONE, reply)
        same(node.status()["node"]["role"], "standalone", "role")
    with t.promise("server trust --again registers and overwrites it"):
        reply = again(primary, node)
        same(reply["name"], node.name, "name")
        cluster.wait_synchronized()
        same(users(node), ["ann"], "users")
        check(node.status()["node"]["id"] != node_id, "it has its old id")
    with t.promise("it keeps name, interval, counters and events"):
        now = primary.server(node)
        same((now["name"], now["interval_s"], now["overwrites"]),
             (before["name"], 7, before["overwrites"] + 1), "entry")
        check(now["pushes"] >= before["pushes"] and
              now["bytes_sent"] > before["bytes_sent"], now)
        same(now["fingerprint"], node.fingerprint(), "fingerprint")
        wait_for(lambda: len(events_of(primary, node, "enrolled")) == 2, 20,
                 "events of both lives")
        same([e["level"] for e in primary.events("server-renewed")],
             ["warning"], "events about it")
    with t.promise("it is an ordinary server, over restarts too"):
        primary.cli("user", "add", "ben", "--home", "/srv/ben")
        primary.restart()
        cluster.wait_synchronized()
        node.restart()
        cluster.sync()
        same(users(node), ["ann", "ben"], "users")
        same(primary.server(node)["overwrites"], before["overwrites"] + 1,
             "overwrites")
        same(primary.server(other)["overwrites"], 1, "the other's")
    with t.promise("one that kept its host key is refused, with what to do; "
                   "paused, it is registered and overwritten when resumed"):
        reinstall(node, keep_host_key=True)
        wait_for(lambda: primary.state_of(node) == "refused", 30, "refused",
                 0.1)
        hint = primary.server(node)["error"]["hint"]
        check("server trust second1 --again" in hint, hint)
        primary.cli("server", "pause", node.name)
        same(again(primary, node)["state"], "paused", "state")
        same(users(node), [], "users")
        primary.cli("server", "resume", node.name)
        cluster.wait_synchronized()
        same(users(node), ["ann", "ben"], "users")
    with t.promise("another server of this cluster is none that was installed "
                   "anew"):
        other_key = other.fingerprint()
        primary.stop()
        with contextlib.closing(sqlite3.connect(
                primary.path("node.db"))) as db, db:
            db.execute("UPDATE servers SET host = ? WHERE name = ?",
                       (other.address, node.name))
        primary.start()
        primary.cli("server", "trust", node.name, "--again",
                    "--password-file", other.password_file(), "--fingerprint",
                    other_key, expect=ERROR)
        check(primary.server(node)["fingerprint"] != other_key, "it was taken")


def events_of(primary, node, kind):
    listed = primary.cli("events", "--node", node.name)["events"]
    return [e for e in listed if e["kind"] == kind and
            e.get("node") == node.name]


@scenario
def detach_and_return(t):
    cluster = t.cluster(1)
    primary, node = cluster.primary, cluster.secondaries[0]
    primary.cli("user", "add", "ann", "--home", "/srv/ann")
    cluster.sync()
    with t.promise("only a secondary detaches"):
        primary.cli("node", "detach", expect=ERROR)
    with t.promise("a detached node is standalone and keeps its rows"):
        node.cli("node", "detach")
        same(node.status()["node"]["role"], "standalone", "role")
        same(node.status()["cluster"], None, "cluster")
        same(users(node), ["ann"], "users")
        traces = node.sql("SELECT name FROM sqlite_schema WHERE type = "
                          "'trigger' AND name LIKE '!_lockstep%' ESCAPE '!'")
        node.cli("user", "add", "own", "--home", "/srv/own")
        check(traces is not None, "no traces read")
    with t.promise("the primary shows that it is refused"):
        wait_for(lambda: primary.state_of(node) == "refused", 20, "refused",
                 0.1)
        same(users(node), ["ann", "own"], "users")
    with t.promise("it may be added again, after it was removed by force"):
        primary.cli("server", "remove", node.name, "--force")
        cluster.add(node)
        cluster.wait_synchronized()
        same(users(node), ["ann"], "users")


@scenario
def what_a_secondary_knows(t):
    cluster = t.cluster(1)
    primary, node = cluster.primary, cluster.secondaries[0]
    with t.promise("status on a secondary says whose it is and when it was "
                   "last heard from"):
        status = node.status()
        same(status["node"]["role"], "secondary", "role")
        same(status["cluster"]["id"], primary.status()["cluster"]["id"],
             "cluster")
        same(status["cluster"]["primary"]["name"], primary.name, "primary")
        before = status["cluster"]["primary"]["last_heard"]
        wait_for(lambda: node.status()["cluster"]["primary"]["last_heard"] >
                 before, 10, "heard again")

    def equal_since():
        return node.status()["cluster"]["primary"]["equal_since"]

    with t.promise("and since when it has been equal, also after a restart"):
        cluster.sync()
        cluster.wait_synchronized()
        before = wait_for(equal_since, 20, "equal")
        node.restart()
        same(wait_for(equal_since, 20, "equal again"), before, "equal since")
        primary.cli("user", "add", "newer")
        cluster.sync()
        check(wait_for(equal_since, 20, "equal") > before, "no later moment")
    with t.promise("a row that drifts ends that"):
        before = equal_since()
        node.sql("UPDATE users SET comment = 'drifted'")
        wait_for(lambda: (equal_since() or before) > before, 20,
                 "equal since the repair")
    with t.promise("the first add made a primary of epoch 1 or more"):
        status = primary.status()
        same(status["node"]["role"], "primary", "role")
        check(status["cluster"]["epoch"] >= 1, "epoch %s" % status)
        same(node.status()["cluster"]["epoch"], status["cluster"]["epoch"],
             "epoch")
    with t.promise("status --check is content on both"):
        cluster.sync()
        cluster.wait_synchronized()
        for n in cluster.nodes():
            same(n.run("status", "--check").code, 0, n.name)
    with t.promise("digest and revision are the same on both"):
        a, b = primary.status()["datasets"], node.status()["datasets"]
        same([(d["name"], d["revision"], d["digest"], d["rows"]) for d in b],
             [(d["name"], d["revision"], d["digest"], d["rows"]) for d in a],
             "datasets")
    with t.promise("a secondary refuses to push"):
        node.cli("sync", "now", expect=NOT_PRIMARY)
    with t.promise("a dry run shows the rows and publishes nothing"):
        primary.cli("sync", "config", "--interval", "1h")
        cluster.sync()  # behind the look of the last second
        before = primary.dataset()["revision"]
        primary.sql("INSERT INTO users (id, name, uid, gid, home) VALUES "
                    "(77, 'dry', 1000, 1000, '/srv/dry')")
        changes = primary.cli("sync", "now", "--dry-run")["changes"]
        found = [c for c in changes if c["dataset"] == "config"]
        same(found[0]["added"], 1, "rows added")
        check("77" in str(found[0]["rows"]), "the row is not shown")
        same(primary.dataset()["revision"], before, "revision")
    with t.promise("a server that waits for its interval is as it should be"):
        wait_for(lambda: primary.state_of(node) == "behind", 20, "behind")
        same(primary.run("status", "--check").code, DONE, "exit code")
    with t.promise("one that is down is not, though its primary itself is"):
        node.stop()
        wait_for(lambda: primary.state_of(node) == "unreachable", 20, "down")
        status = primary.cli("status", "--check", expect=ERROR)
        check(node.name in status["problem"], status)
        same(status["own_problem"], None, "own_problem")
        same(primary.run("status", "--own").code, DONE, "exit code")


if __name__ == "__main__":
    run()

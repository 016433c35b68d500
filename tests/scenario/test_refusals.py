#!/usr/bin/python3
"""What is refused is refused with its exit code, and changes neither side."""

import os
import subprocess

import contents
from admin import RecordingServer
from lockstep import (DONE, ERROR, KEY, LOCKSTEP, NOT_PRIMARY, SLOW,
                      UNREACHABLE, USAGE, check, run, same, scenario, wait_for)


def picture(node):
    """All of a node that a refusal might change by mistake."""
    status = node.status()
    live = contents.read_together(node.live())[0]
    return (status["node"]["role"], status["cluster"] and
            status["cluster"]["id"], status["node"]["fingerprint"],
            [(d["name"], d["revision"], d["digest"]) for d in
             status["datasets"]], live.tables, live.objects,
            [(s["name"], s["overwrites"]) for s in node.servers()])


def refused(t, name, code, nodes, *args):
    """One promise: PRIMARY's command ends with CODE, NODES stay the same."""
    with t.promise(name):
        before = [picture(n) for n in nodes]
        reply = nodes[0].cli(*args, expect=code)
        check(reply and reply["error"]["message"], "no error in the JSON")
        check([picture(n) for n in nodes] == before, "a side changed")
        return reply["error"]


def write_password(t, text):
    path = os.path.join(t.directory, "password")
    with open(path, "w") as f:
        f.write(text + "\n")
    os.chmod(path, 0o600)
    return path


@scenario
def adding_a_server_is_refused(t):
    cluster = t.cluster(1)
    primary, second = cluster.primary, cluster.secondaries[0]
    alone = t.node("alone")
    alone.cli("user", "add", "local-user", "--home", "/srv/x")
    alone.cli("sync", "now")
    wrong = write_password(t, "not the password")
    key = alone.fingerprint()

    refused(t, "a wrong password is refused with 5", KEY, [primary, alone],
            "server", "add", alone.address, "--password-file", wrong,
            "--fingerprint", key)
    refused(t, "a wrong fingerprint is refused with 5", KEY,
            [primary, alone], "server", "add", alone.address,
            "--password-file", alone.password_file(), "--fingerprint",
            primary.fingerprint())
    refused(t, "a duplicate is refused with 1", ERROR, [primary, second],
            "server", "add", second.address, "--name", "again",
            "--password-file", second.password_file(), "--fingerprint",
            second.fingerprint())
    refused(t, "the primary itself under another name is refused with 1",
            ERROR, [primary], "server", "add", primary.address, "--name",
            "another", "--password-file", primary.password_file(),
            "--fingerprint", primary.fingerprint())
    refused(t, "an unreachable server is refused with 4", UNREACHABLE,
            [primary], "server", "add", t.addresses.get(7),
            "--password-file", wrong, "--fingerprint", key)
    refused(t, "a name that does not resolve is refused with 4", UNREACHABLE,
            [primary], "server", "add", "no-such-host.invalid",
            "--password-file", wrong, "--fingerprint", key)
    refused(t, "without a fingerprint nothing is trusted unasked", KEY,
            [primary, alone], "server", "add", alone.address,
            "--password-file", alone.password_file())
    refused(t, "a change on a secondary is refused with 7", NOT_PRIMARY,
            [second], "user", "add", "eve", "--home", "/srv/eve")
    with t.promise("the refusal on a secondary says where the primary is"):
        error = second.cli("user", "add", "eve", "--home", "/srv/eve",
                           expect=NOT_PRIMARY)["error"]
        text = error["message"] + str(error["hint"])
        check(primary.name in text or primary.address in text, text)


@scenario
def members_of_other_clusters_are_refused(t):
    cluster = t.cluster(1)
    theirs = t.node("theirs")
    member = t.node("member")
    theirs.cli("server", "add", member.address, "--name", "member",
               "--password-file", member.password_file(), "--fingerprint",
               member.fingerprint())
    refused(t, "another cluster's member is refused with 1", ERROR,
            [cluster.primary, member, theirs], "server", "add",
            member.address, "--password-file", member.password_file(),
            "--fingerprint", member.fingerprint())
    refused(t, "a primary with secondaries of its own is refused with 1",
            ERROR, [cluster.primary, theirs, member], "server", "add",
            theirs.address, "--password-file", theirs.password_file(),
            "--fingerprint", theirs.fingerprint())
    refused(t, "a secondary adds nobody", NOT_PRIMARY,
            [cluster.secondaries[0], theirs], "server", "add",
            theirs.address, "--password-file", theirs.password_file(),
            "--fingerprint", theirs.fingerprint())


@scenario
def no_login_before_the_key_was_checked(t):
    primary = t.node("primary")
    server = RecordingServer(t.addresses.get(6),
                             os.path.join(t.directory, "recorder"))
    t.ending.callback(server.close)
    password = write_password(t, "canary-pass-4711")
    with t.promise("a server with a wrong fingerprint sees no login attempt"):
        primary.cli("server", "add", t.addresses.get(6), "--password-file",
                    password, "--fingerprint", primary.fingerprint(),
                    expect=KEY)
        check(server.connections > 0, "it was not even connected to")
        same(server.attempts, [], "login attempts")
    with t.promise("server probe sees the key and tries no login"):
        found = primary.cli("server", "probe", t.addresses.get(6))
        shown = subprocess.run(
            ["ssh-keygen", "-l", "-f", os.path.join(t.directory, "recorder")],
            capture_output=True, text=True, check=True).stdout.split()[1]
        same(found["fingerprint"], shown, "fingerprint")
        same(server.attempts, [], "login attempts")
    with t.promise("the recording server does record a login"):
        primary.cli("server", "add", t.addresses.get(6), "--password-file",
                    password, "--trust-on-first-use", expect=KEY)
        check(any(a[0] == "password" for a in server.attempts),
              "no attempt: the promises above prove nothing")
    with t.promise("the password is in no file, log or argument"):
        found = subprocess.run(
            ["grep", "-rlF", "canary-pass-4711", primary.directory,
             primary.log_path], capture_output=True, text=True).stdout
        same(found, "", "files with the password")


@scenario
def two_adds_at_once(t):
    primary, second = t.node("primary"), t.node("second")
    args = [LOCKSTEP, "--state-dir", primary.directory, "--json", "--yes",
            "server", "add", second.address, "--name", "second",
            "--password-file", second.password_file(), "--fingerprint",
            second.fingerprint()]
    with t.promise("of two adds of one server at once, one succeeds"):
        both = [subprocess.Popen(args, stdin=subprocess.DEVNULL,
                                 stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL)
                for _ in range(2)]
        codes = sorted(p.wait(120 * SLOW) for p in both)
        same(codes, [DONE, ERROR], "exit codes")
        same([s["name"] for s in primary.servers()], ["primary", "second"],
             "servers")
    with t.promise("and the server is synchronized"):
        primary.cli("user", "add", "ann", "--home", "/srv/ann")
        primary.cli("sync", "now", "--wait")
        same(second.sql("SELECT name FROM users"), [("ann",)], "users")


@scenario
def two_servers_at_once(t):
    primary = t.node("primary")
    nodes = [t.node("second%d" % i) for i in (1, 2)]
    with t.promise("two servers added at once are both added"):
        both = [subprocess.Popen(
            [LOCKSTEP, "--state-dir", primary.directory, "--json", "--yes",
             "server", "add", n.address, "--name", n.name,
             "--password-file", n.password_file(), "--fingerprint",
             n.fingerprint()], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL) for n in nodes]
        same([p.wait(120 * SLOW) for p in both], [DONE, DONE], "exit codes")
        primary.cli("user", "add", "ann", "--home", "/srv/ann")
        primary.cli("sync", "now", "--wait")
        for n in nodes:
            same(n.sql("SELECT name FROM users"), [("ann",)], "users")


@scenario
def removing_a_server(t):
    cluster = t.cluster(2)
    primary, (first, second) = cluster.primary, cluster.secondaries
    with t.promise("remove while down is refused with 4"):
        first.kill9()
        primary.cli("server", "remove", first.name, expect=UNREACHABLE)
        check(any(s["name"] == first.name for s in primary.servers()),
              "it is gone all the same")
    with t.promise("remove --force while down is done"):
        primary.cli("server", "remove", first.name, "--force")
        same([s["name"] for s in primary.servers()],
             [primary.name, second.name], "servers")
    with t.promise("a removed server is standalone and keeps its rows"):
        primary.cli("user", "add", "ann", "--home", "/srv/ann")
        cluster.secondaries = [second]
        cluster.sync()
        primary.cli("server", "remove", second.name)
        wait_for(lambda: second.status()["node"]["role"] == "standalone", 10,
                 "standalone")
        same(second.sql("SELECT name FROM users"), [("ann",)], "users")
        second.cli("user", "add", "own", "--home", "/srv/own")
    with t.promise("a server left behind by force detaches itself"):
        first.start()
        same(first.status()["node"]["role"], "secondary", "role")
        first.cli("node", "detach")
        same(first.status()["node"]["role"], "standalone", "role")


@scenario
def usage_is_checked(t):
    node = t.node("node")
    with t.promise("an unknown command is a usage error"):
        node.cli("frobnicate", expect=USAGE)
    with t.promise("an unknown option is a usage error"):
        node.cli("user", "list", "--frobnicate", expect=USAGE)
    with t.promise("a user with a name that is none is refused"):
        node.cli("user", "add", "../etc", "--home", "/srv/x", expect=ERROR)
        same(node.sql("SELECT count(*) FROM users"), [(0,)], "users")
    with t.promise("--help begins with examples"):
        out = node.run("server", "add", "--help").out
        check("lockstep server add" in out, "no example in:\n" + out)


if __name__ == "__main__":
    run()

#!/usr/bin/python3
"""doctor names the layer that fails, and what to type on which side."""

import contextlib
import glob
import json
import os
import socket
import subprocess
import threading

import paramiko

from admin import Admin, make_key
from lockstep import (BUILD, DONE, ERROR, KEY, PATIENCE, PORT, SLOW, UNREACHABLE,
                      Skipped, check, children, run, run_cli, same, scenario,
                      wait_for)

STRANGER = "127.0.0.66"
OWN = "127.0.0.1"  # what loopback connections come from
NOBODY = "192.0.2.7"  # RFC 5737


def doctor(target, *options, prefix=(), expect=DONE, patience=60):
    """The checks by name, and the error, of a look at TARGET."""
    reply = run_cli("--json", "--no-input", "--timeout", str(patience),
                    *options, "doctor", target, prefix=prefix)
    same(reply.code, expect, "exit code of\n%s" % reply)
    checks = {c["name"]: c for c in reply.json["checks"]}
    return checks, reply.json["error"]


def network(*commands):
    """A prefix that runs a program in a network of its own."""
    unshare = ["unshare", "--net"]
    if os.geteuid() != 0:
        unshare.append("--map-root-user")
    script = " && ".join(["ip link set lo up", *commands, 'exec "$0" "$@"'])
    prefix = [*unshare, "sh", "-c", script]
    if subprocess.run([*prefix, "true"], stderr=subprocess.DEVNULL).returncode:
        raise Skipped("no network of its own can be made here")
    return prefix


def connect(node, source):
    s = socket.socket()
    s.settimeout(PATIENCE * SLOW)
    s.bind((source, 0))
    s.connect((node.address, PORT))
    return s


def first_bytes(node, source):
    with connect(node, source) as s:
        try:
            return s.recv(100)
        except ConnectionResetError:
            return b""


@contextlib.contextmanager
def serving(address, handle):
    """A server of another program; HANDLE gets each connection."""
    server = socket.create_server((address, PORT))

    def accept():
        with contextlib.suppress(OSError):
            while True:
                client, _ = server.accept()
                with contextlib.suppress(OSError, EOFError,
                                         paramiko.SSHException):
                    handle(client)

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join()


def commands(check_):
    return check_["type"]


@scenario
def layers_below_the_connection(t):
    with t.promise("a name that nobody knows"):
        checks, error = doctor("nowhere.invalid", prefix=network(),
                               expect=UNREACHABLE)
        same(error["code"], "RESOLVE", "code")
        check(not checks["name"]["ok"], "the name is called good")
    for what, way in (("no route", ()),
                      ("a route that says unreachable",
                       ("ip route add unreachable 192.0.2.0/24",))):
        with t.promise(what):
            checks, error = doctor(NOBODY, prefix=network(*way),
                                   expect=UNREACHABLE)
            same(error["code"], "NO_ROUTE", "code")
            check(checks["name"]["ok"] and not checks["connection"]["ok"],
                  "another layer is blamed")
    with t.promise("packets that vanish"):
        checks, error = doctor(
            NOBODY, prefix=network("ip route add 192.0.2.0/24 dev lo"),
            expect=UNREACHABLE, patience=2)
        same(error["code"], "NO_ANSWER", "code")
        check("firewall" in error["hint"], error["hint"])
    with t.promise("nobody listens"):
        _, error = doctor("127.0.0.1", prefix=network(), expect=UNREACHABLE)
        same(error["code"], "CONNECTION_REFUSED", "code")
    with t.promise("another program listens"):
        def answer(client):
            client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 50)
            client.close()
        with serving(t.addresses.get(0), answer):
            checks, error = doctor(t.addresses.get(0), expect=ERROR)
        same(error["code"], "PROTOCOL", "code")
        check(checks["connection"]["ok"], "the connection is blamed")


@scenario
def a_door_that_is_shut(t):
    cluster = t.cluster(1)
    primary, node = cluster.primary, cluster.secondaries[0]
    with t.promise("the secondary names the rule that would shut us out"):
        node.cli("ipfilter", "add", "deny", OWN, "--force")
        with Admin(node, source=STRANGER) as admin:
            checks = {c["name"]: c
                      for c in admin.control("doctor")["checks"]}
            check(not checks["primary's address"]["ok"], checks)
            check('rule "deny 127.0.0.1" of this node' in
                  checks["primary's address"]["text"], checks)
            same(commands(checks["primary's address"]),
                 ["lockstep ipfilter add allow 127.0.0.1 --position 1"],
                 "commands")
    with t.promise("from outside: closed without a byte, and what to type"):
        checks, error = doctor(node.address, expect=UNREACHABLE)
        same(error["code"], "CLOSED", "code")
        check(checks["connection"]["ok"], "the connection is blamed")
        check(OWN in checks["key"]["text"], "our address is not named")
        same(commands(checks["key"]),
             ["lockstep ipfilter test 127.0.0.1",
              "lockstep ipfilter add allow 127.0.0.1 --position 1",
              "lockstep ipfilter unban 127.0.0.1"], "commands")
    with t.promise("the primary says the same in server list and doctor"):
        node_error = error
        node.kill9()
        node.launch()
        wait_for(lambda: (primary.server(node)["error"] or {}).get("code") ==
                 "CLOSED", 60, "the error")
        same(primary.server(node)["error"], node_error, "the error")
        found = {c["name"]: c for c in
                 primary.cli("doctor", expect=ERROR)["checks"]}
        check(node_error["message"] in found["server second1"]["text"],
              found["server second1"])
        same(found["server second1"]["hint"], node_error["hint"], "hint")
    with t.promise("on the secondary: who was refused, and by what"):
        with Admin(node, source=STRANGER) as admin:
            text = wait_for(
                lambda: {c["name"]: c["text"] for c in
                         admin.control("doctor")["checks"]}.get(
                             "refused 127.0.0.1"), 60, "a refusal", 0.2)
            check("by the filter" in text and "deny 127.0.0.1" in text, text)
            # The first command of those does it.
            admin.control("ipfilter add", action="allow", address=OWN,
                          position=1)
        primary.cli("sync", "now")
        cluster.wait_synchronized(deadline=90)
        checks, error = doctor(node.address)
        same(error, None, "error")


@scenario
def bans_and_limits_are_told_apart(t):
    node = t.node("node", config="[limits]\nban_after = 3\n"
                  "max_unauthenticated_per_source = 2\n")

    def checks_of():
        return {c["name"]: c for c in node.cli("doctor")["checks"]}

    with t.promise("a limit, by its name"):
        held = [connect(node, STRANGER) for _ in range(6)]
        wait_for(lambda: "refused " + STRANGER in checks_of(),
                 what="a refusal")
        text = checks_of()["refused " + STRANGER]["text"]
        check("by the limit" in text, text)
        for s in held:
            s.close()
        wait_for(lambda: not children(node, "session"), 30, "their end")
        # The engine hears of an end a moment after it.
        wait_for(lambda: first_bytes(node, STRANGER), 30, "a greeting")
    with t.promise("a ban, and the command that lifts it"):
        transport = paramiko.Transport(connect(node, STRANGER))
        transport.start_client(timeout=PATIENCE * SLOW)
        for _ in range(3):
            with contextlib.suppress(paramiko.SSHException, EOFError):
                transport.auth_password("admin", "wrong")
        transport.close()
        wait_for(lambda: node.cli("ipfilter", "bans")["bans"], what="a ban")
        same(first_bytes(node, STRANGER), b"", "bytes")
        found = checks_of()["refused " + STRANGER]
        check("by the ban" in found["text"], found)
        check("lockstep ipfilter unban " + STRANGER in commands(found), found)
        node.cli("ipfilter", "unban", STRANGER)
        check("lockstep ipfilter unban " + STRANGER not in
              commands(checks_of()["refused " + STRANGER]), "still advised")
    with t.promise("the event names the rule"):
        node.cli("ipfilter", "add", "deny", "127.0.0.72/30")
        same(first_bytes(node, "127.0.0.73"), b"", "bytes")
        check(any('rule "deny 127.0.0.72/30" of this node' in e["text"]
                  for e in node.events("refused")), node.events("refused"))


class OtherVersion(paramiko.ServerInterface, paramiko.SFTPServerInterface):
    """A node of another protocol version: /control answers the same thing
    whatever it is asked."""

    def __init__(self, *_):
        pass

    def get_allowed_auths(self, username):
        return "password"

    def check_auth_password(self, username, password):
        return paramiko.AUTH_SUCCESSFUL

    def check_channel_request(self, kind, chanid):
        return paramiko.OPEN_SUCCEEDED

    def stat(self, path):
        return paramiko.SFTPAttributes()

    def open(self, path, flags, attr):
        return OtherControl(flags)


class OtherControl(paramiko.SFTPHandle):
    answer = json.dumps({"result": {
        "checks": [], "name": "old", "role": "standalone", "cluster": "",
        "version": "99.0", "protocol": 99, "seen_from": OWN,
        "time": "2026-01-01T00:00:00.000Z"}}).encode() + b"\n"

    def write(self, offset, data):
        return paramiko.SFTP_OK

    def read(self, offset, length):
        return self.answer[offset:offset + length] or paramiko.SFTP_EOF


@scenario
def layers_above_the_connection(t):
    node = t.node("node")
    fingerprint = node.fingerprint()
    login = ("--fingerprint", fingerprint, "--password-file",
             node.password_file())
    with t.promise("another key than the one that was named"):
        _, error = doctor(node.address, "--fingerprint",
                          "SHA256:" + "A" * 43, expect=KEY)
        same(error["code"], "KEY_CHANGED", "code")
    with t.promise("a wrong password"):
        wrong = node.path("../wrong")
        with open(wrong, "w") as f:
            f.write("wrong\n")
        checks, error = doctor(node.address, "--fingerprint", fingerprint,
                               "--password-file", wrong, expect=KEY)
        same(error["code"], "LOGIN", "code")
        check(checks["key"]["ok"], "the key is blamed")
        check("lockstep events --since 10m" in commands(checks["login"]),
              checks["login"])
    with t.promise("all is well: role, version, clock, address, and inside"):
        checks, error = doctor(node.address, *login)
        same(error, None, "error")
        check('"node" is standalone' in checks["role"]["text"], checks)
        check(OWN in checks["address"]["text"], checks)
        for name in "version", "clock", "there: disk", "there: dataset config":
            check(checks[name]["ok"], checks[name])
    with t.promise("another version"):
        path = node.path("../other_key")
        make_key(path)
        key = paramiko.Ed25519Key.from_private_key_file(path)
        def answer(client):
            transport = paramiko.Transport(client)
            transport.add_server_key(key)
            transport.set_subsystem_handler("sftp", paramiko.SFTPServer,
                                            OtherVersion)
            transport.start_server(server=OtherVersion())
        with serving(t.addresses.get(5), answer):
            _, error = doctor(t.addresses.get(5), "--trust-on-first-use",
                              "--password-file", node.password_file(),
                              expect=ERROR)
        same(error["code"], "VERSION", "code")
        check("speaks protocol 99" in error["message"], error)


@scenario
def clocks_that_differ(t):
    primary, node = t.node("primary"), t.node("second", start=False)
    found = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
    if "asan" in BUILD:
        raise Skipped("ASan has to be preloaded first, and libfaketime too")
    if not found:
        raise Skipped("libfaketime is not installed")
    # The sessions start with an empty environment: only the engine's clock
    # is wrong, and that is the one that counts.
    node.environment = {"LD_PRELOAD": found[0], "FAKETIME": "+1h",
                        "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    node.start()
    with t.promise("from outside the clock is an hour ahead"):
        checks, error = doctor(
            node.address, "--fingerprint", node.fingerprint(),
            "--password-file", node.password_file(), expect=ERROR)
        same(error, None, "error")
        check(not checks["clock"]["ok"], checks["clock"])
        check(" ahead of ours" in checks["clock"]["text"], checks["clock"])
    with t.promise("its primary says so: an event, the list, doctor"):
        primary.cli("server", "add", node.address, "--password-file",
                    node.password_file(), "--fingerprint",
                    node.fingerprint())
        server = primary.server("second")
        check(abs(server["clock_skew_ms"] - 3600000) < 60000 * SLOW, server)
        check(primary.events("clock-skew"), "no event")
        found = {c["name"]: c for c in
                 primary.cli("doctor", expect=ERROR)["checks"]}
        check(not found["clock of second"]["ok"], found)


@scenario
def what_is_wrong_inside(t):
    node = t.node("node")

    def problems(expect=ERROR):
        return {c["name"]: c for c in node.cli(
            "doctor", expect=expect)["checks"] if not c["ok"]}

    with t.promise("a new node is in order"):
        same(problems(DONE), {}, "problems")
    with t.promise("a key that others may read"):
        os.chmod(node.path("keys", "host_key"), 0o644)
        found = problems()
        same(list(found), ["permissions"], "problems")
        check("keys/host_key" in found["permissions"]["text"], found)
        os.chmod(node.path("keys", "host_key"), 0o600)
        same(problems(DONE), {}, "problems")
    with t.promise("a database that is gone"):
        os.rename(node.live(), node.live() + ".away")
        found = problems()
        check("file of config" in found and
              node.live() in found["file of config"]["text"], found)
        os.rename(node.live() + ".away", node.live())
    with t.promise("what is to be typed is shown to people too"):
        node.cli("ipfilter", "add", "deny", STRANGER)
        same(first_bytes(node, STRANGER), b"", "bytes")
        reply = node.run("doctor")
        check("    lockstep ipfilter add allow %s --position 1\n" % STRANGER
              in reply.err, reply)


if __name__ == "__main__":
    run()

#!/usr/bin/python3
"""Who offends is kept out; who runs the node is not."""

import contextlib
import socket

import paramiko

from admin import Admin
from lockstep import (PATIENCE, PORT, SLOW, check, children, run, same,
                      scenario, wait_for)

STRANGER = "127.0.0.66"
OTHER = "127.0.0.67"


def connect(node, source):
    s = socket.socket()
    s.settimeout(PATIENCE * SLOW)
    s.bind((source, 0))
    s.connect((node.address, PORT))
    return s


def bytes_from(node, source):
    """What a connection from SOURCE is sent before its login."""
    with connect(node, source) as s:
        try:
            return s.recv(100)
        except (ConnectionResetError, BrokenPipeError):
            return b""


def speak(node, source, words):
    """A connection from SOURCE that says WORDS, until the node ends it."""
    with connect(node, source) as s:
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            s.sendall(words)
            while s.recv(1000):
                pass


def wrong_logins(node, source, count):
    """Passwords that are refused, three to a connection."""
    while count > 0:
        transport = paramiko.Transport(connect(node, source))
        try:
            transport.start_client(timeout=PATIENCE * SLOW)
            for _ in range(min(count, 3)):
                count -= 1
                try:
                    transport.auth_password("admin", "wrong")
                except paramiko.AuthenticationException:
                    pass
        finally:
            transport.close()


@scenario
def refused_logins_ban_their_source(t):
    node = t.node("node")
    with t.promise("nine refused logins are forgiven"):
        wrong_logins(node, STRANGER, 9)
        check(bytes_from(node, STRANGER).startswith(b"SSH-2.0-"), "no banner")
        same(node.cli("ipfilter", "bans")["bans"], [], "bans")
    with t.promise("the tenth bans for an hour: zero bytes"):
        wrong_logins(node, STRANGER, 1)
        wait_for(lambda: node.cli("ipfilter", "bans")["bans"],
                 what="a ban")
        same(bytes_from(node, STRANGER), b"", "bytes")
        ban = node.cli("ipfilter", "bans")["bans"][0]
        same((ban["source"], ban["times"]), (STRANGER, 1), "the ban")
        check(node.events("banned"), "no event")
    with t.promise("others are served, and the refusal is counted"):
        with Admin(node) as admin:
            check('lockstep_refused_total{by="ban"} 1\n' in
                  admin.read("/metrics.prom").decode(), "no counter")
        check(bytes_from(node, OTHER).startswith(b"SSH-2.0-"), "no banner")
        node.cli("status")
    with t.promise("test says so, and the port agrees"):
        verdict = node.cli("ipfilter", "test", STRANGER)
        same(verdict["banned_until"], ban["until"], "until")
        same(node.cli("ipfilter", "test", OTHER)["banned_until"], None,
             "of another")
    with t.promise("a ban survives a restart"):
        node.restart()
        same(bytes_from(node, STRANGER), b"", "bytes")
        same(node.cli("ipfilter", "bans")["bans"], [ban], "the bans")
    with t.promise("unban works, and only once"):
        node.cli("ipfilter", "unban", STRANGER)
        check(bytes_from(node, STRANGER).startswith(b"SSH-2.0-"), "no banner")
        node.cli("ipfilter", "unban", STRANGER, expect=1)
        node.restart()
        check(bytes_from(node, STRANGER).startswith(b"SSH-2.0-"), "no banner")


@scenario
def broken_handshakes_ban_too(t):
    node = t.node("node")
    with t.promise("what is no SSH is an offence"):
        for _ in range(5):
            speak(node, STRANGER, b"GET / HTTP/1.1\r\n\r\n" * 40)
        wait_for(lambda: node.cli("ipfilter", "bans")["bans"],
                 what="a ban")
        same(bytes_from(node, STRANGER), b"", "bytes")
    with t.promise("who only connects is not banned, and starts no session"):
        for _ in range(200):
            connect(node, OTHER).close()
        # Until the engine has heard that those are gone.
        wait_for(lambda: bytes_from(node, OTHER).startswith(b"SSH-2.0-"),
                 what="a banner")
        same([b["source"] for b in node.cli("ipfilter", "bans")["bans"]],
             [STRANGER], "who is banned")


@scenario
def the_primary_behind_an_attackers_address_still_pushes(t):
    cluster = t.cluster(1)
    primary, node = cluster.primary, cluster.secondaries[0]
    source = "127.0.0.1"
    with t.promise("its passwords are refused after ten wrong ones"):
        wrong_logins(node, source, 10)
        wait_for(lambda: node.cli("ipfilter", "bans")["bans"],
                 what="a ban")
        with open(node.password_file()) as f:
            right = f.read().strip()
        transport = paramiko.Transport(connect(node, source))
        transport.start_client(timeout=PATIENCE * SLOW)
        try:
            transport.auth_password("admin", right)
            check(False, "a banned source logged in with a password")
        except paramiko.AuthenticationException:
            pass
        finally:
            transport.close()
    with t.promise("its key is served: pushes go on, after a restart too"):
        primary.cli("user", "add", "ann", "--home", "/srv/ann")
        cluster.sync()
        node.restart()
        primary.cli("user", "add", "bob", "--home", "/srv/bob")
        cluster.wait_synchronized()
        check("bob" in str(node.sql("SELECT name FROM users")), "not there")


@scenario
def silent_connections_are_counted(t):
    node = t.node("node", config="[limits]\nmax_unauthenticated = 50\n"
                  "max_unauthenticated_per_source = 4\nlogin_grace = 15s\n")
    wait_for(lambda: not children(node, "session"), what="no session")
    held = [connect(node, STRANGER) for _ in range(8)]
    with t.promise("a source has so many sessions before its login"):
        wait_for(lambda: len(children(node, "session")) >= 4, what="sessions")
        same(bytes_from(node, STRANGER), b"", "bytes for one more")
        same(len(children(node, "session")), 4, "sessions")
    with t.promise("the node itself and other sources are served"):
        node.cli("status")
        check(bytes_from(node, OTHER).startswith(b"SSH-2.0-"), "no banner")
    with t.promise("all together have so many"):
        for i in range(100):
            held.append(connect(node, "127.0.1.%d" % (i + 1)))
        wait_for(lambda: len(children(node, "session")) > 10, what="sessions")
        # The one more is the command line's.
        check(len(children(node, "session")) <= 51, "more than agreed")
        node.cli("status")
    with t.promise("without a login they end, and others get their turn"):
        wait_for(lambda: not children(node, "session"), 30, "the end")
        wait_for(lambda: bytes_from(node, OTHER).startswith(b"SSH-2.0-"),
                 what="a banner")
    for s in held:
        s.close()


if __name__ == "__main__":
    run()

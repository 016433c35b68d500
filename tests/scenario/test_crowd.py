#!/usr/bin/python3
"""A crowd at the address of the primary, or on the secondary's own host, that
takes every session there is: the primary gets in all the same.

In a network of this test's own: loopback addresses have no such limit.
"""

import contextlib
import socket

from lan import ip, own_network
from lockstep import PATIENCE, PORT, SLOW, Cluster, check, run, same, scenario

PRIMARY, SECONDARY = "10.97.0.1", "10.97.0.2"
# It listens everywhere: its own administrator comes over loopback.
SECOND_PORT = PORT + 1
MOST = 6


def knock(source):
    """A client that has said who it is, has heard so, and waits."""
    s = socket.create_connection((SECONDARY, SECOND_PORT), PATIENCE * SLOW,
                                 (source, 0))
    with contextlib.suppress(OSError):
        s.sendall(b"SSH-2.0-crowd\r\n")
        s.recv(100)
    return s


def pair(t, limit):
    """A cluster of two, whose primary comes from an address of its own."""
    primary = t.node("primary", "[node]\nsource_address = %s\n" % PRIMARY)
    node = t.node("second1", "[limits]\nlogin_grace = 10m\n"
                  "%s = %d\n" % (limit, MOST), start=False)
    node.listen = "0.0.0.0:%d" % SECOND_PORT
    node.cli_prefix = ["env"]  # its address alone does not say where it is
    node.start()
    primary.cli("server", "add", "%s:%d" % (SECONDARY, SECOND_PORT), "--name",
                node.name, "--password-file", node.password_file(),
                "--fingerprint", node.fingerprint())
    primary.cli("sync", "config", "--interval", "1s")
    cluster = Cluster(primary, [node])
    cluster.wait_synchronized()
    return cluster


def crowded(t, limit, source):
    cluster = pair(t, limit)
    primary, node = cluster.primary, cluster.secondaries[0]
    primary.stop()
    with contextlib.ExitStack() as crowd:
        for _ in range(MOST + 2):
            crowd.enter_context(knock(source))
        primary.start()
        cluster.wait_synchronized()
        primary.cli("user", "add", "ann", "--home", "/srv/ann")
        cluster.sync()
        same(node.sql("SELECT name FROM users"), [("ann",)], "users")
        check([e for e in node.events("refused") if limit in e["text"]],
              "nobody was told")


@scenario
def the_primary_gets_in(t):
    apart = False
    with t.promise("a network of one's own"):
        own_network()
        for address in PRIMARY, SECONDARY:
            ip("address", "add", address + "/32", "dev", "lo")
        apart = True
    if not apart:
        return
    with t.promise("through a crowd at its own address"):
        crowded(t, "max_sessions_per_source", PRIMARY)


@scenario
def the_primary_gets_in_past_programs_of_the_host(t):
    with t.promise("through a crowd on the secondary's host"):
        crowded(t, "max_sessions", "127.0.0.1")


run()

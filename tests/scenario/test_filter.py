#!/usr/bin/python3
"""The filter decides before one byte is sent."""
# timeout: 120

import socket

from lockstep import PORT, SLOW, check, run, same, scenario, wait_for

STRANGER = "127.0.0.254"


def bytes_from(node, source):
    """What a connection from SOURCE is sent before it says anything."""
    with socket.socket() as s:
        s.settimeout(5 * SLOW)
        s.bind((source, 0))
        try:
            s.connect((node.address, PORT))
            return s.recv(100)
        except (ConnectionResetError, BrokenPipeError):
            return b""


@scenario
def a_denied_source_receives_nothing(t):
    cluster = t.cluster(1)
    primary, node = cluster.primary, cluster.secondaries[0]
    with t.promise("by default loopback is allowed"):
        check(bytes_from(primary, STRANGER).startswith(b"SSH-2.0-"),
              "no banner")
    with t.promise("a denied source receives zero bytes"):
        primary.cli("ipfilter", "add", "deny", STRANGER, "--position", "1")
        same(bytes_from(primary, STRANGER), b"", "bytes")
        check(bytes_from(primary, "127.0.0.1"), "others are denied too")
    with t.promise("a node's own rule is not replicated"):
        cluster.sync()
        check(bytes_from(node, STRANGER), "the secondary denies it too")
    with t.promise("a removed rule no longer denies"):
        primary.cli("ipfilter", "remove", "1")
        check(bytes_from(primary, STRANGER), "no banner")
    with t.promise("a cluster rule denies on the secondary too"):
        primary.cli("ipfilter", "add", "deny", STRANGER, "--cluster",
                    "--position", "1")
        cluster.sync()
        wait_for(lambda: bytes_from(node, STRANGER) == b"", 5, "denied")
        same(bytes_from(primary, STRANGER), b"", "bytes from the primary")
    with t.promise("rules outlive a restart"):
        node.restart()
        same(bytes_from(node, STRANGER), b"", "bytes")


@scenario
def the_filter_answers_what_it_would_do(t):
    node = t.node("node")
    for address, wanted in (("127.0.0.1", "allow"), ("10.1.2.3", "allow"),
                            ("192.168.9.9", "allow"), ("::1", "allow"),
                            ("fd00::1", "allow"), ("8.8.8.8", "deny"),
                            ("2001:db8::1", "deny"),
                            ("::ffff:10.1.2.3", "allow"),
                            ("::ffff:8.8.8.8", "deny")):
        with t.promise("%s is %s by default" % (
                address, {"allow": "allowed", "deny": "denied"}[wanted])):
            found = node.cli("ipfilter", "test", address)
            same(found["action"], wanted, "action")
    with t.promise("the first rule that matches wins"):
        node.cli("ipfilter", "add", "allow", "8.8.8.0/24", "--position", "1")
        node.cli("ipfilter", "add", "deny", "8.8.8.8", "--position", "1")
        same(node.cli("ipfilter", "test", "8.8.8.8")["action"], "deny",
             "action")
        same(node.cli("ipfilter", "test", "8.8.8.9")["action"], "allow",
             "action")
        node.cli("ipfilter", "move", "1", "2")
        same(node.cli("ipfilter", "test", "8.8.8.8")["action"], "allow",
             "action")
    for bad in "10.0.0.1/8", "10.0.0.9-10.0.0.1", "300.1.1.1", "10.0.0.0/33":
        with t.promise("%s is refused" % bad):
            node.cli("ipfilter", "add", "deny", bad, expect=1)


if __name__ == "__main__":
    run(110)

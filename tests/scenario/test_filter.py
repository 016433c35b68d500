#!/usr/bin/python3
"""The filter decides before one byte is sent."""

import socket

from lockstep import PATIENCE, PORT, SLOW, check, run, same, scenario, wait_for

STRANGER = "127.0.0.254"


def bytes_from(node, source):
    """What a connection from SOURCE is sent before it says anything."""
    with socket.socket() as s:
        s.settimeout(PATIENCE * SLOW)
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
    with t.promise("who matches no rule is told so, and one scope is asked "
                   "about"):
        found = node.run("ipfilter", "test", "8.8.8.8").out
        check("none matches: the default" in found, found)
        node.cli("ipfilter", "test", "8.8.8.8", "--scope", "both", expect=1)
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


def rules(node):
    """(action, address) of the rules that are not defaults."""
    return [(r["action"], r["address"])
            for r in node.cli("ipfilter", "list")["rules"]
            if r["comment"] != "default"]


@scenario
def nobody_locks_himself_out_by_mistake(t):
    cluster = t.cluster(1)
    primary, node = cluster.primary, cluster.secondaries[0]
    with t.promise("a rule against one's own connection is refused"):
        primary.cli("ipfilter", "add", "deny", "127.0.0.0/8", expect=1)
        primary.cli("ipfilter", "add", "deny", "127.0.0.1", "--cluster",
                    expect=1)
        same(rules(primary), [], "rules")
    with t.promise("an order that would is refused, and changes nothing"):
        primary.cli("ipfilter", "add", "allow", "127.0.0.1")
        primary.cli("ipfilter", "add", "deny", "127.0.0.0/8")
        kept = rules(primary)
        primary.cli("ipfilter", "move", "2", "1", expect=1)
        primary.cli("ipfilter", "remove", "1", expect=1)
        same(rules(primary), kept, "rules")
    with t.promise("a cluster's rule may, where the node's own decides"):
        primary.cli("ipfilter", "add", "deny", "127.0.0.1", "--cluster",
                    "--comment", "held off by the local rule")
    with t.promise("a secondary does not let it shut out its primary"):
        cluster.sync()
        wait_for(lambda: node.events("rule-refused"), what="an event")
        check(bytes_from(node, "127.0.0.1"), "the primary is shut out")
        primary.cli("ipfilter", "remove", "3")
        cluster.sync()
    with t.promise("a rule against the primary is refused on its secondary"):
        reply = node.run("--yes", "ipfilter", "add", "deny", "127.0.0.1")
        same(reply.code, 1, "exit code")
        check("shut out" in reply.err, reply.err)
    with t.promise("forced, it is there"):
        node.cli("ipfilter", "add", "deny", "127.0.0.1", "--force",
                 "--confirm", "10")
        same(bytes_from(node, "127.0.0.1"), b"", "bytes")
    with t.promise("and taken back when nobody confirms it"):
        wait_for(lambda: bytes_from(node, "127.0.0.1"), 20, "a way in")
        same(rules(node), [], "rules")
        check(node.events("reverted"), "no event")
        primary.cli("user", "add", "ann", "--home", "/srv/ann")
        cluster.sync()


@scenario
def a_change_waits_to_be_confirmed(t):
    node = t.node("node")
    node.cli("ipfilter", "add", "allow", "192.0.2.1", "--comment", "one")
    node.cli("ipfilter", "add", "deny", "192.0.2.2", "--comment", "two")
    before = node.cli("ipfilter", "list")["rules"]
    changes = (("add", "deny", "192.0.2.3"),
               ("add", "deny", "192.0.2.3", "--cluster"),
               ("remove", "1"), ("move", "2", "1"))
    for change in changes:
        with t.promise("unconfirmed, it is taken back: " + " ".join(change)):
            answer = node.cli("ipfilter", *change, "--confirm", "1")
            check(answer["reverts_at"], "no time")
            wait_for(lambda: node.cli("ipfilter", "list")["rules"] == before,
                     20, "the rules of before")
    with t.promise("confirmed, it stays; once"):
        node.cli("ipfilter", "add", "deny", "192.0.2.3", "--confirm", "600")
        node.cli("ipfilter", "add", "deny", "192.0.2.4", "--confirm", "600",
                 expect=1)
        node.cli("ipfilter", "confirm")
        node.cli("ipfilter", "confirm", expect=1)
        after = rules(node)
        check(("deny", "192.0.2.3") in after, "not there")
    with t.promise("what was not confirmed does not survive a kill"):
        node.cli("ipfilter", "add", "deny", "192.0.2.4", "--confirm", "600")
        check(("deny", "192.0.2.4") in rules(node), "not there")
        node.kill9()
        node.start()
        wait_for(lambda: rules(node) == after, 20, "the rules of before")


if __name__ == "__main__":
    run()

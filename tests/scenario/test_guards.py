#!/usr/bin/python3
"""What keeps an administrator, and a primary, from being shut out."""

import socket

from lockstep import (LOCKSTEP, PATIENCE, PORT, SLOW, check, run, same, scenario,
                      wait_for)
from terminal_line import Terminal

STRANGER = "127.0.0.66"


def bytes_from(node, source):
    with socket.socket() as s:
        s.settimeout(PATIENCE * SLOW)
        s.bind((source, 0))
        try:
            s.connect((node.address, PORT))
            return s.recv(100)
        except ConnectionResetError:
            return b""


@scenario
def a_multi_homed_primary_has_one_address(t):
    source = t.addresses.get(7)
    cluster = t.cluster(1, config="[node]\nsource_address = %s\n" % source)
    primary, node = cluster.primary, cluster.secondaries[0]
    with t.promise("registration and pushes come from source_address"):
        same(primary.server(node)["seen_from"], source, "seen_from")
        same(node.status()["cluster"]["primary"]["address"], source,
             "the primary's address")
        node.cli("ipfilter", "add", "allow", source)
        node.cli("ipfilter", "add", "allow", "127.0.0.1")
        node.cli("ipfilter", "add", "deny", "127.0.0.0/8")
        node.restart()
        primary.cli("user", "add", "ann", "--home", "/srv/ann")
        cluster.wait_synchronized()
        same(bytes_from(node, STRANGER), b"", "bytes for others")
    with t.promise("a source address of another family reaches nobody"):
        primary.config = "[node]\nsource_address = ::1\n"
        primary.restart()
        error = wait_for(
            lambda: [e for e in [primary.server(node)["error"]]
                     if e and e["code"] == "NO_ROUTE"], what="an error")[0]
        check("source address" in error["hint"], error)


@scenario
def a_rule_that_a_secondary_refuses(t):
    cluster = t.cluster(2, config="[node]\nsource_address = %s\n" %
                        t.addresses.get(7))
    primary, (node, other) = cluster.primary, cluster.secondaries
    with t.promise("is named on the primary, by server and rule"):
        primary.cli("ipfilter", "add", "deny", t.addresses.get(7),
                    "--cluster", "--comment", "by mistake")
        primary.cli("user", "add", "ann", "--home", "/srv/ann")
        cluster.sync()
        wait_for(lambda: sorted(e["server"] for e in
                                primary.events("rule-refused")) ==
                 [node.name, other.name], what="an event of each server")
        rule = 'rule "deny %s" of the cluster' % t.addresses.get(7)
        same(primary.cli("server", "show", node.name)["server"]
             ["rule_refused"], rule, "server show")
        check(rule in primary.run("server", "show", node.name).out,
              "not shown to people")
    with t.promise("while the rest of the push goes on"):
        same(node.sql("SELECT name FROM users"), [("ann",)], "users")
        cluster.wait_synchronized()
        node.restart()
        primary.cli("user", "add", "bob", "--home", "/srv/bob")
        cluster.wait_synchronized()
        wait_for(lambda: node.events("rule-refused"),
                 what="an event on the secondary")
    with t.promise("and no longer when it is gone"):
        primary.cli("ipfilter", "remove", "1")
        wait_for(lambda: primary.server(node)["rule_refused"] is None,
                 what="no rule")


@scenario
def a_secondary_is_narrowed_to_its_primary(t):
    source = t.addresses.get(7)
    primary = t.node("primary", "[node]\nsource_address = %s\n" % source)
    node, wide = t.node("narrow"), t.node("wide")
    for one, more in (node, ["--narrow", "yes"]), (wide, []):
        primary.cli("server", "add", one.address, "--password-file",
                    one.password_file(), "--fingerprint", one.fingerprint(),
                    *more)
    with t.promise("with --narrow yes only the primary and itself get in"):
        rules = [(r["action"], r["address"])
                 for r in node.cli("ipfilter", "list")["rules"]
                 if r["comment"] == "narrowed"]
        same(rules, [("allow", "127.0.0.0/8"), ("allow", "::1"),
                     ("allow", source), ("deny", "0.0.0.0/0"),
                     ("deny", "::/0")], "rules")
        for address in "10.1.2.3", "192.168.1.1", "fd00::1":
            same(node.cli("ipfilter", "test", address)["action"], "deny",
                 address)
        node.restart()
        primary.cli("user", "add", "ann", "--home", "/srv/ann")
        primary.cli("sync", "now", "--wait")
    with t.promise("doctor comes from the address that is configured, as a "
                   "push does"):
        reply = primary.run("--json", "doctor", wide.address)
        same([c["text"] for c in reply.json["checks"]
              if c["name"] == "connection"],
             ["port %d answers; we come from %s" % (PORT, source)],
             "connection")
    with t.promise("unasked, nothing is narrowed"):
        same(wide.cli("ipfilter", "test", "10.1.2.3")["action"], "allow",
             "action")
    with t.promise("ipfilter narrow does it later, as often as one likes"):
        for _ in range(2):
            same(wide.cli("ipfilter", "narrow")["address"], source, "address")
        same(len([r for r in wide.cli("ipfilter", "list")["rules"]
                  if r["comment"] == "narrowed"]), 5, "rules")
        same(wide.cli("ipfilter", "test", "10.1.2.3")["action"], "deny",
             "action")
    with t.promise("rules of before go on deciding first"):
        wide.cli("ipfilter", "add", "allow", "10.9.0.0/16", "--position", "1")
        wide.cli("ipfilter", "narrow")
        same(wide.cli("ipfilter", "test", "10.9.1.1")["action"], "allow",
             "action")


@scenario
def whoever_adds_is_asked_whether_to_narrow(t):
    primary = t.node("primary")
    for name, answer, action in (("yes", "y", "deny"), ("no", "", "allow")):
        node = t.node(name)
        term = Terminal(
            LOCKSTEP, "--state-dir", primary.directory, "server", "add",
            node.address, "--fingerprint", node.fingerprint(),
            "--password-file", node.password_file())
        try:
            with t.promise("%r to the question about the address seen: %s "
                           "for the others" % (answer, action)):
                term.type("", 'Type "%s" to go on: ' % name)
                term.type(name + "\n", "[y/N] ")
                check("come from 127.0.0." in term.text, term.text)
                term.type(answer + "\n", "synchronized")
                same(node.cli("ipfilter", "test", "10.1.2.3")["action"],
                     action, "action")
        finally:
            term.end()


@scenario
def a_monitor_is_nothing_to_speak_of(t):
    node = t.node("node", config="[limits]\nmonitors = 127.0.0.66/31, ::1\n")
    node.cli("ipfilter", "add", "deny", "127.0.0.64/28")
    with t.promise("its refused looks are counted and not told"):
        for _ in range(3):
            same(bytes_from(node, STRANGER), b"", "bytes")
        same(bytes_from(node, "127.0.0.70"), b"", "bytes")
        texts = wait_for(lambda: [e["text"] for e in node.events("refused")],
                         what="an event of another")
        check(all("127.0.0.70" in text for text in texts), texts)


if __name__ == "__main__":
    run()

#!/usr/bin/python3
"""The IP filter in the manager: rules, a countdown, bans."""

import os
import shutil
import socket

import paramiko

from terminal import SIZES, Terminal, check, wait_for

from lockstep import PATIENCE, PORT, SLOW, run, same, scenario

STRANGER = "127.0.0.66"


def rules(node):
    return [(r["action"], r["address"], r["cluster"])
            for r in node.cli("ipfilter", "list")["rules"]
            if r["id"] is not None]


def add_rule(term, address, confirm=None, action_keys=(), more=()):
    """A rule of the node's own; CONFIRM seconds until it is taken back."""
    term.see("F7 Add")
    term.keys("n")
    term.see("Add a rule")
    term.keys(*action_keys, "Down")
    term.type(address)
    term.keys("Down", *more)
    for _ in range(5):
        term.keys("Down")
    if confirm is not None:
        term.keys("C-u")
        term.type(str(confirm))
    term.keys("Down", "Enter")


@scenario
def rules_of_a_node(t):
    node = t.node("alone")
    with t.promise("the defaults are seen at every size"):
        for width, height in SIZES:
            with Terminal(node, width, height) as term:
                term.view("IP filter")
                term.see(r"^> 1 +. allow +127.0.0.0/8 +default")
                term.see('^Scope "service": not enforced here$')
                term.keys("x")
                term.see("This is what holds by default")
    with t.promise("who enforces rules of scope service is seen"):
        os.mkdir(node.path("service-rules"))
        for name in "nftables, for TCP port 22", "ProFTPD":
            with open(node.path("service-rules", name[:4]), "w") as f:
                f.write(name)
        with Terminal(node) as term:
            term.view("IP filter")
            term.see('^Scope "service": enforced by ProFTPD, nftables, for TCP '
                     'port 22$')
        check('service"  enforced by ProFTPD, nftables' in
              node.run("ipfilter", "list").out, "ipfilter list")
        shutil.rmtree(node.path("service-rules"))
        check('service"  not enforced here' in
              node.run("ipfilter", "list").out, "ipfilter list")
    with t.promise("a rule is added and kept"):
        with Terminal(node, 60, 16) as term:
            term.view("IP filter")
            add_rule(term, "192.0.2.0/24", 300)
            term.see("It reverts soon: F2 keeps it")
            term.see(r"^ A change is taken back in (5 min|\d+ s|4 min)")
            term.see("192.0.2.0/24 +this node")
            term.keys("F2")
            term.see("The change is kept")
            term.see_no("is taken back in")
            same(rules(node), [("allow", "192.0.2.0/24", False)], "rules")
    with t.promise("what is not kept is taken back by itself"):
        with Terminal(node) as term:
            term.view("IP filter")
            add_rule(term, "198.51.100.7", 15, ["Right"])
            term.see(r"deny +198\.51\.100\.7(.*\n)*.*taken back in \d+ s|"
                     r"taken back in \d+ s(.*\n)*.*deny +198\.51\.100\.7")
            term.see_no(r"198\.51\.100\.7")
            term.see_no("is taken back in")
            same(rules(node), [("allow", "192.0.2.0/24", False)], "rules")
    with t.promise("what would shut oneself out is refused, and mended there"):
        with Terminal(node) as term:
            term.view("IP filter")
            add_rule(term, "127.0.0.1", 0, ["Right"])
            term.see("Error: .*127.0.0.1")
            same(len(rules(node)), 1, "rules")
            term.keys("Escape")
    with t.promise("a rule is moved, tested and removed by its address"):
        with Terminal(node) as term:
            term.view("IP filter")
            add_rule(term, "203.0.113.9", 0, ["Right"])
            term.see("The rules are changed")
            term.see(r"^. 2 +. deny +203\.0\.113\.9")
            term.keys("g", "m")
            term.see('Rule 1, "allow 192.0.2.0/24" of this node')
            term.type("2")
            term.keys("Down", "C-u")
            term.type("0")
            term.keys("Down", "Enter")
            term.see(r"^. 1 +. deny +203\.0\.113\.9")
            term.keys("F5")
            term.see("Test an address")
            term.type("203.0.113.9")
            term.keys("Enter", "Enter")
            term.see("203.0.113.9: deny")
            term.see('Rule 1, "deny 203.0.113.9" of this node, decides')
            term.keys("Escape", "g", "x")
            term.see("will be removed")
            term.keys("C-u")
            term.type("0")
            term.keys("Down", "Down")
            term.type("203.0.113.8")
            term.keys("Enter")
            term.see("Error: this is not the name")
            term.keys("C-u")
            term.type("203.0.113.9")
            term.keys("Enter")
            term.see_no(r"deny +203\.0\.113\.9")
            same(rules(node), [("allow", "192.0.2.0/24", False)], "rules")


def offend(node):
    """Until STRANGER is banned."""
    def wrong_login():
        s = socket.socket()
        s.bind((STRANGER, 0))
        s.settimeout(PATIENCE * SLOW)
        s.connect((node.address, PORT))
        transport = paramiko.Transport(s)
        try:
            transport.start_client(timeout=PATIENCE * SLOW)
            transport.auth_password("admin", "wrong")
        except (paramiko.SSHException, OSError, EOFError):
            pass
        finally:
            transport.close()
        return node.cli("ipfilter", "bans")["bans"]

    wait_for(wrong_login, 60, "a ban")


@scenario
def bans(t):
    node = t.node("alone")
    with t.promise("a ban is seen at every size, and lifted"):
        offend(node)
        for width, height in SIZES:
            with Terminal(node, width, height) as term:
                term.view("IP filter")
                term.see("127.0.0.0/8")
                term.keys("F9")
                term.see("^> %s" % STRANGER)
        with Terminal(node) as term:
            term.view("IP filter")
            term.see("127.0.0.0/8")
            term.keys("b")
            term.see("^> %s" % STRANGER)
            term.keys("x")
            term.see("No address is banned")
            same(node.cli("ipfilter", "bans")["bans"], [], "bans")


@scenario
def a_cluster(t):
    cluster = t.cluster(1)
    with t.promise("a rule of the cluster, which a secondary cannot change"):
        with Terminal(cluster.primary) as term:
            term.view("IP filter")
            add_rule(term, "192.0.2.0/24", 0, more=["Right"])
            term.see("192.0.2.0/24 +cluster")
        cluster.sync()
        cluster.wait_synchronized()
        with Terminal(cluster.secondaries[0]) as term:
            term.view("IP filter")
            term.see("192.0.2.0/24 +cluster")
            for key in "m", "x":
                term.keys("g", key)
                term.see("The cluster's rules are changed on its primary")


run()

#!/usr/bin/python3
"""Events, doctor, and decisions about what waits for one."""

import os

from terminal import SIZES, Terminal, check, password, wait_for

from anew import reinstall
from lockstep import run, same, scenario


@scenario
def events_and_doctor(t):
    cluster = t.cluster(1)
    node = cluster.primary
    with t.promise("events, the newest first, as they happen"):
        for width, height in SIZES:
            with Terminal(node, width, height) as term:
                term.see("second1")
                term.keys("6")
                term.see("the newest first; following")
                node.cli("server", "pause", "second1")
                term.see("paused by")
                node.cli("server", "resume", "second1")
                term.see("resumed by")
                term.keys("/")
                term.type("resumed")
                term.see_no("paused by")
                term.keys("Enter", "Enter")
                term.see("server-resumed")
                term.keys("Escape", "Escape")
                term.keys("f")
                term.see("standing still")
    with t.promise("doctor names what is wrong first"):
        cluster.secondaries[0].stop()
        wait_for(lambda: node.state_of("second1") == "unreachable",
                 what="unreachable")
        with Terminal(node) as term:
            term.see("second1 +. unreachable")
            term.keys("d")
            term.see("Doctor: what this node finds")
            term.see(r"! [^\n]*\n(.*\n)*.*\+ ")
        cluster.secondaries[0].start()


@scenario
def decisions(t):
    cluster = t.cluster(1)
    node, other = cluster.primary, cluster.secondaries[0]
    with t.promise("overwrite and trust want the name typed"):
        with Terminal(node) as term:
            term.see("second1 +. synchronized")
            before = node.server("second1")["overwrites"]
            term.keys("j", "O")
            term.see('Everything on the server "second1"')
            term.type("second")
            term.keys("Enter")
            term.see("Error: this is not the name")
            same(node.server("second1")["overwrites"], before, "overwrites")
            term.type("1")
            term.keys("Enter")
            term.see("The server is overwritten.")
            check(node.server("second1")["overwrites"] > before,
                  "nothing was overwritten")
            other.stop()
            os.unlink(other.path("keys", "host_key"))
            other.start()
            term.see("second1 +. key-changed")
            term.keys("T")
            term.see("The host key of \"second1\" is read now")
            term.keys("Enter")
            term.see("the one that is trusted is")
            term.type(node.fingerprint())
            term.keys("Enter")
            term.type("second1")
            term.keys("Enter")
            term.see("Error: second1 shows the host key")
            check(not node.events("key-trusted"), "it is trusted")
            term.keys("Up", "C-u")
            term.type("256 %s second1 (ED25519)" % other.fingerprint())
            term.keys("Enter", "Enter")
            term.see("The new host key is trusted.")
            term.see("second1 +. synchronized")


def say_who(term, secret):
    """The first page of "Register again", and to the second."""
    term.see(r"Register again \(1 of 3\)")
    term.keys("Enter")
    term.type(secret)
    term.keys("Enter")


@scenario
def installed_anew(t):
    cluster = t.cluster(1)
    node, other = cluster.primary, cluster.secondaries[0]
    pinned, node_id = other.fingerprint(), other.status()["node"]["id"]
    reinstall(other)
    with Terminal(node) as term:
        with t.promise("a server that was installed anew: both keys are shown "
                       "before the password leaves"):
            term.see("second1 +. key-changed")
            term.keys("j", "A")
            say_who(term, "not that one")
            term.see("It is another one than so far")
            for key in other.fingerprint(), pinned:
                term.see(key.replace("+", r"\+"))
            term.type(pinned)
            term.keys("Enter")
            term.see("Error: second1 shows the host key")
            same(other.events("login-refused"), [], "logins there")
        with t.promise("a wrong password is mended where it was typed"):
            term.keys("C-u")
            term.type(other.fingerprint())
            term.keys("Enter")
            term.see(r"Register again \(1 of 3\)")
            term.see("Error: ")
            term.keys("C-u")
            term.type(password(other))
            term.keys("Enter")
            term.see(r"Register again \(2 of 3\)")
            term.keys("Enter")
        with t.promise("what is lost is shown at every size, and its name "
                       "wanted"):
            term.see(r"Register again \(3 of 3\)")
            term.see("is overwritten there")
            term.see_at_every_size("Type the server's name")
            term.keys("Down")
            term.type("second")
            term.keys("Enter")
            term.see("Error: this is not the name")
            same(other.status()["node"]["role"], "standalone", "role")
            same(node.server("second1")["fingerprint"], pinned, "pinned key")
        with t.promise("it is a secondary again"):
            term.type("1")
            term.keys("Enter")
            term.see('"second1" is a secondary of this node again, and synch')
            term.keys("Enter")
            term.see("second1 +. synchronized")
            now = node.server("second1")
            same(now["fingerprint"], other.fingerprint(), "pinned key")
            check(other.status()["node"]["id"] != node_id, "it has its old id")


run()

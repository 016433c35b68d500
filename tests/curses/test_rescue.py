#!/usr/bin/python3
"""Events, doctor, and decisions about what waits for one."""

import os

from terminal import SIZES, Terminal, check, wait_for

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


run()

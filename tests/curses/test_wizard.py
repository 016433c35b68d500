#!/usr/bin/python3
"""Adding servers in the manager, with everything that can go wrong first."""

import os
import re
import signal

from terminal import SIZES, Terminal, check, wait_for

from lockstep import run, same, scenario


def password(node):
    with open(node.password_file()) as f:
        return f.read().strip()


def fill_details(term, host, secret, name=""):
    term.see("Add a server .1 of 3")
    for text in host, None, None, secret, name:
        if text is not None:
            term.keys("C-u")
            term.type(text)
        term.keys("Enter")


@scenario
def the_wizard(t):
    node, other, third = t.node("alpha"), t.node("beta"), t.node("gamma")
    secret = password(other)
    nobody = t.addresses.get(7)
    with Terminal(node) as term:
        with t.promise("a standalone node begins with its first server"):
            term.see("To begin, press a")
            term.keys("a")
            term.see("Port +14983")
            term.see("User +admin")
        with t.promise("a wrong host: the error stands where it is mended"):
            fill_details(term, nobody, "wrong " + secret)
            term.see("Error: .*(refused|answer)")
            term.see("Host +" + nobody)
            term.see(r"Password +\*{6,}")
            check(secret not in term.text(), term.text)
        with t.promise("a wrong fingerprint: no password is sent"):
            term.keys("Up", "Up", "Up", "Up", "C-u")
            fill_details(term, other.address, None)
            term.see(r"Add a server \(2 of 3\)")
            term.see(re.escape(other.fingerprint()[:40]))
            term.see("has not been sent")
            term.type(node.fingerprint())
            term.keys("Enter")
            term.see("Error: .*shows the host key")
            term.see("No password was sent")
            check(not other.events("login-refused"), "a password was sent")
        with t.promise("a wrong password: back on the first page, all kept"):
            term.keys("C-u")
            term.type(other.fingerprint())
            term.keys("Enter")
            term.see(r"Add a server \(1 of 3\)")
            term.see("Error: ")
            term.see("Host +" + other.address)
        with t.promise("the summary names what is overwritten"):
            term.see("> Password")
            term.keys("C-u")
            term.type(secret)
            term.keys("Enter", "Enter")
            term.see(r"Add a server \(2 of 3\)")
            term.keys("Enter")
            term.see(r"Add a server \(3 of 3\)")
            term.see('"beta" at .* is a standalone node')
            term.see("config: revision")
            term.see("A backup of it is kept there")
            term.see("primary of a new cluster")
        with t.promise("only the typed name goes on"):
            term.type("office")
            term.keys("Enter", "Enter")
            term.type("alpha")
            term.keys("Enter")
            term.see("Error: this is not the name")
            same(node.status()["node"]["role"], "standalone", "role")
        with t.promise("it can be cancelled before it is a secondary"):
            os.kill(other.pid(), signal.SIGSTOP)
            try:
                term.keys("C-u")
                term.type("beta")
                term.keys("Enter")
                term.see("> connect")
                term.see("Esc: cancel, until it is made a secondary")
                term.keys("Escape")
                term.see("Error: cancelled, nothing was changed")
            finally:
                os.kill(other.pid(), signal.SIGCONT)
            same(node.status()["node"]["role"], "standalone", "role")
        with t.promise("then it is added, and the result says so"):
            term.keys("Enter")
            term.see('"beta" is a secondary of this node now')
            same(node.status()["cluster"]["name"], "office", "cluster")
            term.keys("Enter")
            term.see("^. beta +. synchronized")
        with t.promise("the second one needs no cluster"):
            term.keys("a")
            fill_details(term, third.address, password(third), "third")
            term.see(r"Add a server \(2 of 3\)")
            term.keys("Enter")
            term.see(r"Add a server \(3 of 3\)")
            check(not term.sees("Name of the cluster"), term.text)
            term.keys("Enter")
            term.type("third")
            term.keys("Enter")
            term.see('"third" is a secondary of this node now')
            term.keys("Escape")
            term.see("^. third +. synchronized")
    with t.promise("a password is in no event and no log"):
        for n in node, other, third:
            check(secret not in n.log() + str(n.events()), "found in " + n.name)


@scenario
def pages_at_every_size(t):
    node, other = t.node("alpha"), t.node("beta")
    for width, height in SIZES:
        with t.promise("the pages at %dx%d" % (width, height)):
            with Terminal(node, width, height) as term:
                term.see("To begin, press a")
                term.keys("a")
                fill_details(term, other.address, password(other))
                term.see("It is the same")
                term.see(re.escape(other.fingerprint()[:40]))
                term.keys("Enter")
                term.see("Type the server's name")
                term.see(" Add +Back")
                term.keys("NPage", "NPage")
                term.keys("Escape")
                term.see("It is the same")
                term.keys("Escape")
                term.see("Host +" + other.address)
                term.keys("Escape")
                term.see_no("Add a server .1")
                wait_for(lambda: node.status()["node"]["role"] ==
                         "standalone", what="nothing happened")


run()

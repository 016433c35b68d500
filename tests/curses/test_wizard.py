#!/usr/bin/python3
"""Pages of "Add a server" in every size, and leaving them halfway."""

import contextlib
import os
import re
import signal

from terminal import (SIZES, Terminal, check, fill_details, password,
                      wait_for)

from admin import Admin, Refused
from lockstep import run, same, scenario


@contextlib.contextmanager
def stopped(node):
    pid = node.pid()
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@scenario
def cancelling(t):
    node, other = t.node("alpha"), t.node("beta")
    with Terminal(node) as term:
        term.see("To begin, press a")
        term.keys("a")
        with t.promise("cancelled before it has arrived, it ends too"):
            with stopped(other):
                fill_details(term, other.address, password(other))
                term.keys("Escape")
                term.see("Error: cancelled, nothing was changed")
            with Admin(node) as admin:
                where = {"host": other.address, "ticket": "one"}
                same(admin.control("server cancel", **where),
                     {"cancelled": 0}, "nothing yet")
                try:
                    admin.control("server probe", **where)
                    check(False, "it went on")
                except Refused as why:
                    same(why.code, "CANCELLED", "code")
                where["ticket"] = "two"
                same(admin.control("server probe", **where)["fingerprint"],
                     other.fingerprint(), "another")
        term.keys("Enter")
        term.see(r"Add a server \(2 of 3\)")
        term.keys("Enter")
        term.see(r"Add a server \(3 of 3\)")
        term.keys("Enter", "Enter")
        with t.promise("it can be cancelled before it is a secondary"):
            with stopped(other):
                term.type("beta")
                term.keys("Enter")
                term.see_at_every_size("> connect", "Esc: cancel, until it is "
                                       "made")
                term.keys("Escape")
                term.see("Error: cancelled, nothing was changed")
            same(node.status()["node"]["role"], "standalone", "role")
        with t.promise("then it is added after all"):
            term.keys("Enter")
            term.see_at_every_size('"beta" is a secondary of this node', "Next:")


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

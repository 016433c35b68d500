#!/usr/bin/python3
"""Every box of the manager, and what it says when it cannot, at every size."""

import contextlib
import os
import signal

from terminal import Terminal, wait_for

from lockstep import HELD, children, run, scenario

NOT_THE_NAME = "Error: this is not the name"
MISSING = "Error: %s: this must be filled in"

# What is seen of each view once its rows are there.
ROWS = {"Servers": "second1 +. synchronized",
        "Users": "^. ann +. enabled|^User ann$",
        "IP filter": "allow +192.0.2.7", "Changes": "^. config +ready",
        "Events": "^> .* (info|warning) ", "Settings": "^ +Administrators"}

# Per view: the keys that open a box, what is seen of it, and the error when it
# is sent as it is, or None; more boxes of what is opened by "Enter" follow.
BOXES = (
    ("Servers", ("j",), (
        (("i", "C-u"), "How often .second1.", MISSING % "Interval"),
        (("x",), "server .second1. will be removed", NOT_THE_NAME),
        (("O",), "Everything on the server .second1.", NOT_THE_NAME),
        (("a",), r"Add a server \(1 of 3\)", MISSING % "Host"),
        (("T",), "host key of .second1. is read now", None),
        (("T", "Enter"), ".second1. shows the host key", NOT_THE_NAME),
        (("d",), "Doctor: what this node finds", None),
        (("?",), "Keys", None),
    )),
    ("Servers", ("Enter",), ((("x",), "will be removed", NOT_THE_NAME),)),
    ("Users", (), (
        (("n",), "Add a user", MISSING % "Name"),
        (("e",), "Change a user", None),
        (("p",), "A new password", "Error: "),
        (("x",), "The user .ann. will be removed", NOT_THE_NAME),
    )),
    ("Users", ("Enter",), (
        (("n",), "Add a key", MISSING % "Key"),
        (("f",), "Add a folder", MISSING % "Seen as"),
        (("o",), "Put into a group", MISSING % "Group"),
    )),
    ("Users", ("Escape", "o"), (
        (("n",), "Add a group", MISSING % "Name"),
        (("e",), "Change a group", None),
        (("x",), "The group .staff. will be removed", NOT_THE_NAME),
    )),
    ("IP filter", (), (
        (("n",), "Add a rule", MISSING % "Address"),
        (("m",), "Rule 1, .allow 192.0.2.7. of this node",
         MISSING % "To position"),
        (("x",), "Rule 1, .allow 192.0.2.7. of this node", NOT_THE_NAME),
        (("a",), "Test an address", MISSING % "Address"),
    )),
    ("IP filter", ("b",), ((("?",), "Keys", None),)),
    ("Changes", (), ((("d",), "What a server lacks", MISSING % "Server"),)),
    ("Events", (), ((("Enter",), "kind", None),)),
    ("Settings", (), (
        (("j", "e"), "Enabled +< yes >", None),
        (("n",), "Add a setting", MISSING % "Name"),
        (("a",), "Add an administrator", MISSING % "Name"),
        (("p",), "A new password for", "Error: "),
    )),
)


def box(term, keys, seen, error):
    term.keys(*keys)
    term.see_at_every_size(seen, back=not error)
    if error:
        # From the first field back over "Cancel" to the button.
        term.keys("BTab", "BTab", "Enter")
        term.see_at_every_size(error, back=False)
        term.resize(80, 24)
    term.keys("Escape")
    term.see_no(error or seen)


@scenario
def every_box(t):
    cluster = t.cluster(1)
    node = cluster.primary
    node.cli("user", "add", "ann")
    node.cli("group", "add", "staff")
    node.cli("ipfilter", "add", "allow", "192.0.2.7")
    cluster.sync()
    cluster.wait_synchronized()
    with Terminal(node) as term:
        for view, keys, boxes in BOXES:
            with t.promise("%s %s: %d boxes and their errors" %
                           (view, " ".join(keys), len(boxes))):
                term.view(view)
                term.see(ROWS[view])
                term.keys(*keys)
                for keys, seen, error in boxes:
                    box(term, keys, seen, error)
        held_and_lost(t, cluster, term)


def held_and_lost(t, cluster, term):
    node = cluster.primary
    with t.promise("what is held, and the box of an error"):
        with node.database() as db:
            db.executemany("INSERT INTO users (name, uid, gid, home) VALUES "
                           "(?, 1000, 1000, '/srv/x')",
                           [("user%d" % i,) for i in range(60)])
        cluster.sync()
        node.sql("DELETE FROM users")
        node.cli("sync", "now", "--wait", expect=HELD)
        term.view("Overview")
        term.see("second1 +. held")
        box(term, ("S",), "Put the right file back|dataset accept", None)
        box(term, ("H",), "Nothing is published until", None)
    with t.promise("acts go on over connections that were ended meanwhile"):
        ended = children(node, "session")
        for pid in ended:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_for(lambda: set(children(node, "session")) - set(ended),
                 what="another session")
        term.see_no("^Not connected")
        box(term, ("H", "Enter"), "Accepted, it would be", NOT_THE_NAME)
    with t.promise("a node that says nothing, and one that is gone"):
        os.kill(node.pid(), signal.SIGSTOP)
        try:
            term.see_at_every_size(r"^No answer for \d+ s; what is seen is")
        finally:
            os.kill(node.pid(), signal.SIGCONT)
        term.see_no("^No answer")
        node.stop()
        term.see_at_every_size("^Not connected: ")
        node.start()
        term.see_no("^Not connected")
        wait_for(lambda: term.sees("second1 +. "), what="it is back")


run()

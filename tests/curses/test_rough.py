#!/usr/bin/python3
"""The manager under bad conditions: nodes that stand still, sizes and keys at
random, names that mean harm."""

import os
import random

import signal
import unicodedata


from terminal import SIZES, Terminal, check, wait_for

from lockstep import in_one_of, run, same, scenario

SEED = int(os.environ.get("LOCKSTEP_SEED", "1"))
# Whoever waited for the node's answer would take longer.
SOON = 8
KEYS = int(os.environ.get("LOCKSTEP_RANDOM_KEYS", "6000"))




def soon(term, *steps):
    """What each key of STEPS brings is seen soon: always, unless the machine
    has other work to do.  Keys that may be typed again."""
    def try_it():
        for key, pattern in steps:
            term.keys(key)
            term.see(pattern, within=SOON)
    in_one_of(3, try_it)


@scenario
def a_node_that_stands_still(t):
    cluster = t.cluster(1)
    node = cluster.primary
    with Terminal(node) as term:
        term.see("second1 +. synchronized")
        os.kill(node.pid(), signal.SIGSTOP)
        try:
            with t.promise("a stopped node shows its age, not a frozen screen"):
                term.see(r"^No answer for \d+ s; what is seen is \d+ s old")
                first = int(term.see(r"what is seen is (\d+) s old")[1])
                wait_for(lambda: int(term.see(r"what is seen is (\d+) s old")
                                     [1]) > first, what="the age grows")
            with t.promise("keys answer at once meanwhile"):
                soon(term, ("j", "^> second1"))
                soon(term, ("?", "Keys"), ("Escape", r"(?s)\A(?!.*Keys)"))
                soon(term, ("2", "^[^\n]* 2 Servers[^\n]*\n *No answer"))
            with t.promise("opening it then says why it cannot be"):
                with Terminal(node, arguments=["--timeout", "2"]) as other:
                    other.see("accepts connections but sends nothing")
                    same(other.ended(), 4, "exit code")
                term.keys("1")
        finally:
            os.kill(node.pid(), signal.SIGCONT)
        with t.promise("it comes back by itself"):
            term.see_no("No answer|Not connected")
            term.see("second1 +. synchronized")
        with t.promise("a node that ends and starts again is found again"):
            node.stop()
            term.see("^Not connected: ")
            term.see("second1 +. synchronized")
            node.start()
            term.see_no("Not connected")
            term.see("second1 +. synchronized")
        with t.promise("q leaves although the node stands still"):
            os.kill(node.pid(), signal.SIGSTOP)
            try:
                term.see("^No answer")
                term.keys("q")
                same(term.ended(), 0, "exit code")
            finally:
                os.kill(node.pid(), signal.SIGCONT)


@scenario
def random_sizes(t):
    cluster = t.cluster(1)
    chance = random.Random(SEED)
    with t.promise("200 sizes while it works"):
        with Terminal(cluster.primary) as term:
            term.see("second1")
            for _ in range(200):
                term.resize(chance.randint(1, 220), chance.randint(1, 70))
                if chance.random() < 0.3:
                    term.keys(chance.choice(["1", "2", "j", "k", "?", "a",
                                             "Escape", "/", "Enter"]))
            term.resize(80, 24)
            # Keys mean nothing in a window that is too small.
            term.see("F1 Help")
            back_to_overview(term)
            term.see("second1 +. synchronized")
            term.keys("q")
            same(term.ended(), 0, "exit code")


@scenario
def random_keys(t):
    cluster = t.cluster(2)
    node = cluster.primary
    chance = random.Random(SEED)
    # Everything but what leaves or stops it.
    named = ["Up", "Down", "Left", "Right", "Home", "End", "PPage", "NPage",
             "Tab", "BTab", "Enter", "Escape", "Space", "BSpace", "DC", "IC",
             "F1", "F2", "F3", "F4", "F5", "F6", "F7", "F8", "F9", "C-u",
             "C-a", "C-e", "C-l"]
    letters = [c for c in "abcdefghijklmnoprstuvwxyzABCDEFGHIJKLMNOPRSTUVWXYZ"
               "0123456789/?<>|{}*-_.\u00e9\u4e2d\u0301"]
    with t.promise("%d random keys, seed %d: nothing is lost" % (KEYS, SEED)):
        with Terminal(node) as term:
            term.see("second2")
            sent = 0
            while sent < KEYS:
                burst = [chance.choice(named if chance.random() < 0.5
                                       else letters) for _ in range(100)]
                term.keys(*burst)
                sent += len(burst)
                check(not term.sees("^ended with"), term.text)
            back_to_overview(term)
            term.keys("q")
            same(term.ended(), 0, "exit code")
        same(sorted(s["name"] for s in node.servers()),
             ["primary", "second1", "second2"], "servers")
        for kind in "overwrite-agreed", "key-trusted":
            check(not node.events(kind), kind)


def columns(text):
    """How many columns TEXT takes."""
    return sum(0 if unicodedata.combining(c) else
               2 if unicodedata.east_asian_width(c) in "WF" else 1
               for c in text)


def are_aligned(lines):
    """Whether the column of the states begins at one place in all rows."""
    return len({columns(line.split(" enabled")[0])
                for line in lines if " enabled" in line}) == 1


def back_to_overview(term):
    """Out of whatever was opened, one after the other: as often as it takes,
    since what is under way may have to be cancelled first, and Escape and the
    overview's own key do no harm twice."""
    def out():
        term.keys(*["Escape"] * 12, "1", *["Escape"] * 12)
        return term.sees("is the primary of the cluster") and \
            not term.sees("[\u250c\u2514]")  # a box
    wait_for(out, what=lambda: "the overview:\n" + term.text())


@scenario
def names_that_mean_harm(t):
    harm = "a\033[2J\033]0;owned\007b\u202ec\n$(x)`y`\u200f\x9b"
    names = [harm, "\u4e2d\u6587", "e\u0301e\u0301", "plain"]
    node = t.node("alpha")
    with node.database() as db:
        # Whoever writes the file may do as he likes.
        db.execute("PRAGMA ignore_check_constraints = ON")
        db.executemany("INSERT INTO users (name, uid, gid, home, comment) "
                       "VALUES (?, 1000, 1000, '/', ?)",
                       [(name, harm) for name in names])
    with t.promise("hostile names drive no terminal, columns are aligned"):
        for width, height in SIZES:
            with Terminal(node, width, height) as term:
                term.see("To begin")
                term.keys("3")
                term.see("plain +")
                term.see(r"a\\x1b")
                text = term.text()
                check("\u202e" not in text and "\u200f" not in text, text)
                term.show(are_aligned, "columns")
                check("owned" not in term.tmux(
                    "display-message", "-p", "#{pane_title}"), "title")
                term.keys("Enter")
                term.see_no("plain +")
                check("\u202e" not in term.text(), term.text)
                term.keys("q")
                same(term.ended(), 0, "exit code")


run()

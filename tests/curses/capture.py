#!/usr/bin/python3
"""Screens of the manager for README.md, from three real daemons: make screens.

Replaces what stands between "<!-- screen NAME -->" and "<!-- end -->" there.
Names, addresses and host keys are those of one run.
"""

import os
import re
import sys

from terminal import Terminal, late

import lockstep

README = os.path.join(lockstep.ROOT, "README.md")


def captured(test):
    primary = test.node("amsterdam")
    cluster = lockstep.Cluster(primary, [])
    for name in "berlin", "chicago":
        node = test.node(name)
        cluster.add(node)
        cluster.secondaries.append(node)
    new = test.node("dublin")
    primary.cli("user", "add", "ann", "--comment", "Ann Smith")
    primary.cli("sync", "config", "--interval", "1d")
    cluster.sync()
    cluster.wait_synchronized()
    primary.cli("server", "pause", "chicago")
    screens = {}
    with Terminal(primary, 80, 18, frozen=late(primary)) as term:
        term.see("paused")
        screens["overview"] = term.screen()
        term.keys("a")
        term.see("1 of 3")
        with open(new.password_file()) as f:
            secret = f.read().strip()
        term.type(new.address)
        term.keys("Enter", "Enter", "Enter")
        term.type(secret)
        term.keys("Enter", "Enter")
        term.see("2 of 3")
        screens["host key"] = term.screen()
    return screens


def main():
    test = lockstep.Test("screens", lockstep.Addresses())
    try:
        screens = captured(test)
    finally:
        test.end()
    with open(README, encoding="utf-8") as f:
        text = f.read()
    for name, lines in screens.items():
        block = "\n".join("    " + line if line else "" for line in lines)
        text, count = re.subn(
            r"(<!-- screen %s -->\n).*?(<!-- end -->)" % name,
            lambda m: m[1] + "\n" + block.rstrip() + "\n\n" + m[2], text,
            flags=re.DOTALL)
        if count != 1:
            sys.exit("README.md has no place for the screen \"%s\"" % name)
    with open(README, "w", encoding="utf-8") as f:
        f.write(text)


main()

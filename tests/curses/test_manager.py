#!/usr/bin/python3
"""The manager's frame, its overview and its servers, on a real terminal."""

import os
import re
import signal

from terminal import SIZES, Terminal, check, compare, late, wait_for

from lockstep import LOCKSTEP, run, same, scenario

KEYS = "F1 Help F10 Quit Tab Next "


def fixed(cluster):
    """What differs from run to run, by name."""
    names = [(node.fingerprint(), "KEY-OF-" + node.name)
             for node in cluster.nodes()]
    # The longest first: 127.0.0.1 begins 127.0.0.16.
    names += sorted(((node.address, "ADDRESS-" + node.name)
                     for node in cluster.nodes()),
                    key=lambda pair: -len(pair[0]))
    return names + [(r"(?m)up \d+ (s|min)", "up UP"),
                    (r"(?m)\d+\.\d kB", "SIZE"),
                    (r"(?m)\d+\.\d ms", "TRIP")]


def quiet_cluster(t):
    """Two servers, and nothing that happens by itself."""
    cluster = t.cluster(2, interval="1d")
    cluster.sync()
    cluster.wait_synchronized()
    return cluster


def has_keys(term):
    term.show(lambda lines: lines[-1].startswith(KEYS), "no keys")


OVERVIEW_80 = """\
 primary is the primary of the cluster "primary", epoch 1
 version 0.1.0, up UP, listens on ADDRESS-primary:14983
 host key KEY-OF-primary
 sync every 1 d
 ● all is well

  DATASET  REVISION  ROWS  LAST CHANGE  UNPUBLISHED  SIZE  HELD
  config  1  0  2 h ago  no  SIZE  -
  admins  1  0  2 h ago  no  SIZE  -

  NAME  STATE  LAST SYNCHRONIZED  IN EFFECT  BEHIND  ERROR
> primary  ★ primary  -  yes  0  -
  second1  ● synchronized  2 h ago  yes  0  -
  second2  ● synchronized  2 h ago  yes  0  -
"""


@scenario
def screens(t):
    cluster = quiet_cluster(t)
    node = cluster.primary
    frozen = late(node)
    names = fixed(cluster)
    with t.promise("the overview at 80x24"):
        with Terminal(node, 80, 24, frozen=frozen) as term:
            compare(term, names, OVERVIEW_80)
            has_keys(term)
    with t.promise("overview, servers and one server at every size"):
        for width, height in SIZES:
            with Terminal(node, width, height, frozen=frozen) as term:
                term.see("second2 +. synchronized +2 h ago")
                has_keys(term)
                term.show(lambda lines: lines[0].endswith(" primary, primary"),
                          "no name in the first line")
                term.keys("2")
                term.see_no("all is well")
                term.see("second2 +. synchronized +2 h ago")
                term.keys("j", "Enter")
                term.see("^Server second1$")
                term.see("last synchronized +2 h ago")
                term.keys("G")
                term.see("Datasets|Events|started as standalone")
                term.keys("Escape")
                term.see("^> second1 +. synchronized")
    with t.promise("wide windows show more columns, low ones fewer"):
        with Terminal(node, 60, 16, frozen=frozen) as term:
            term.see("NAME +STATE +LAST SYNCHRONIZED")
            check(not term.sees("ROUND TRIP"), term.text)
            term.resize(200, 50)
            term.see("NAME +STATE +LAST SYNCHRONIZED +IN EFFECT +BEHIND +"
                     "ADDRESS +INTERVAL +ROUND TRIP +ERROR")
    with t.promise("below 60x16 there is a plain message, above all is back"):
        with Terminal(node, 80, 24, frozen=frozen) as term:
            term.see("second2")
            term.resize(40, 10)
            term.see("This window is 40x10; Lockstep needs")
            term.resize(80, 24)
            term.see("second2")
    with t.promise("ASCII and no colour"):
        with Terminal(node, 80, 24, frozen=frozen,
                      environment={"LC_ALL": "C", "NO_COLOR": "1"}) as term:
            term.see(r"second2 +\+ synchronized")
            check(all(ord(c) < 128 for c in term.text()), term.text)
            has_keys(term)
            colours = term.tmux("capture-pane", "-p", "-e", "-t", "s")
            check(not re.search(r"\033\[[\d;]*\b[34][0-7]\b", colours),
                  repr(colours))
    with t.promise("a view as text, without a terminal"):
        reply = node.run("--plain", "overview")
        same(reply.code, 0, "exit code")
        check("second2" in reply.out and "\033" not in reply.out, str(reply))
        for view in ("servers", "users", "ipfilter", "changes", "settings"):
            reply = node.run("--plain", view)
            same(reply.code, 0, "exit code of " + view)
            check(len(reply.out) > 60, str(reply))
        reply = node.run("--plain", "nothing")
        same(reply.code, 2, "exit code")
        check("overview" in reply.err, str(reply))


@scenario
def handling(t):
    cluster = quiet_cluster(t)
    node = cluster.primary
    with t.promise("filter, sort and marks"):
        with Terminal(node) as term:
            term.view("Servers")
            term.see("second2")
            term.keys("/")
            term.type("second2")
            term.see_no("second1")
            term.see("Filter: second2")
            term.keys("Tab")
            term.view("Users")
            term.keys("2", "k")
            term.see("Filter: second2 ")
            term.keys("Escape")
            term.see("second1")
            term.keys(">", "<")
            term.see(r"NAMEv")
            term.see(r"primary[^$]*second2[^$]*second1")
            term.keys("<", "g", "j", "Space", "Space")
            term.see(r"^ \*second1|^.\*.*second2")
            term.see("2 marked")
            term.keys("p")
            wait_for(lambda: node.state_of("second1") == "paused" and
                     node.state_of("second2") == "paused",
                     what="both are paused")
            term.see("second2 +. paused")
            term.keys("r")
            wait_for(lambda: cluster.synchronized(), what="both go on")
    with t.promise("the interval of a server"):
        with Terminal(node) as term:
            term.see("second1")
            term.keys("j", "i")
            term.see("How often \"second1\" is synchronized")
            term.keys("C-u")
            term.type("soon")
            term.keys("Enter")
            term.see("Error: Interval: this is not a duration")
            term.see("soon")
            term.keys("C-u")
            term.type("7m")
            term.keys("Enter")
            term.see("The interval is set.")
            wait_for(lambda: node.server("second1")["interval_s"] == 420,
                     what="seven minutes")
    with t.promise("the mouse: rows, tabs, the bottom line"):
        with Terminal(node) as term:
            term.see("second2")
            term.click_on("second2")
            term.see("^> second2")
            term.click_on("second2")
            term.see("^Server second2")
            term.click_on("2 Serve")
            term.see("^> primary")
            term.click_on("F1 Help")
            term.see("synchronize every server now")
            term.keys("NPage", "NPage", "NPage")
            term.see("leave")
            term.keys("Escape")
            term.see_no("Keys")
            term.click_on("F10 Quit")
            same(term.ended(), 0, "exit code")
    with t.promise("a server goes only when its name is typed"):
        with Terminal(node) as term:
            term.see("second2")
            term.keys("j", "j", "x")
            term.see('The server "second2" will be removed')
            term.keys("Tab")
            term.type("second1")
            term.keys("Enter")
            term.see("Error: this is not the name")
            same(len(node.servers()), 3, "servers")
            term.keys("C-u")
            term.type("second2")
            term.keys("Enter")
            term.see("The server is removed")
            term.see_no("^. second2")
            same(len(node.servers()), 2, "servers")
    with t.promise("details of what is no server say so"):
        with Terminal(node) as term:
            term.see("second1")
            term.keys("Enter")
            term.see("This row is the node itself")
            term.keys("j", "Enter")
            term.see("^Server second1")
            node.cli("server", "remove", "second1", "--yes")
            term.see("It is no server of this node any more")


def in_order_from(least, lines):
    """Whether all of a page of servers is there, their numbers above LEAST and
    in order."""
    lines = [line[2:] for line in lines]
    numbers = [int(line.split()[0].lstrip("*")[4:]) for line in lines
               if "paused" in line]
    return ("..." not in map(str.strip, lines) and numbers and
            numbers[0] > least and
            numbers == list(range(numbers[0], numbers[0] + len(numbers))))


@scenario
def many_servers(t):
    cluster = t.cluster(1, interval="1d")
    node = cluster.primary
    cluster.pretend_servers(999)
    with t.promise("1,000 servers: pages in their order, ends, filter"):
        for width, height in SIZES:
            with Terminal(node, width, height) as term:
                term.view("Servers")
                term.see("^> primary")
                for _ in range(12):
                    term.keys("NPage", "NPage", "NPage")
                term.show(lambda lines: in_order_from(300, lines),
                          "rows in order")
                term.keys("G")
                term.see("^> second1 ")
                term.see("^. node0999 +. paused")
                term.keys("/")
                term.type("node042")
                term.see("Filter: node042 +1[01] rows")
                term.see("^. node0429 +. paused")
                term.keys("Enter", "Escape", "g")
                term.see("^> primary")
        reply = node.run("--plain", "servers")
        check("more" in reply.out, reply.out[-300:])


@scenario
def endings(t):
    node = t.node("alone")
    with t.promise("a standalone node says how to begin"):
        with Terminal(node) as term:
            term.see("alone is a standalone node")
            term.see("To begin")
    with t.promise("q and Ctrl-C leave the terminal as it was"):
        for key in "q", "C-c":
            with Terminal(node) as term:
                term.see("To begin")
                term.keys(key)
                same(term.ended(), 0, "exit code")
    with t.promise("SIGTERM and crashes restore the terminal"):
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGSEGV,
                       signal.SIGABRT):
            with Terminal(node) as term:
                term.see("To begin")
                os.kill(term.pid(), number)
                term.ended()
    with t.promise("Ctrl-Z gives the terminal back and takes it again"):
        command = ["bash", "--norc", "-i"]
        with Terminal(node, command=command) as term:
            term.see("# *$")
            term.type("%s --state-dir %s" % (LOCKSTEP, node.directory))
            term.keys("Enter")
            term.see("To begin")
            term.keys("C-z")
            term.see("Stopped")
            term.type("fg")
            term.keys("Enter")
            term.see("To begin")
            term.see_no("Stopped")
            term.keys("q")
            term.see(r"# *$")


@scenario
def a_secondary(t):
    cluster = quiet_cluster(t)
    node = cluster.secondaries[0]
    with t.promise("a secondary shows whose it is, and no keys that change"):
        for width, height in SIZES:
            with Terminal(node, width, height) as term:
                term.see('second1 is a secondary of "primary" at 127')
                term.see("Read-only")
                term.see(r"equal with it since \d+ \w+ ago, primary last\s"
                         r"+heard \d+ \w+ ago")
                term.keys("t")
                term.see(r"equal with it since \d{4}-\d\d-\d\d \d\d:")
                for word in "Remove", "Pause", "Interval":
                    check(not term.sees(word), term.text)


run()

#!/usr/bin/python3
"""Changes in the manager: history, unpublished rows, drift."""

from terminal import SIZES, Terminal, check

from lockstep import run, scenario


@scenario
def changes(t):
    cluster = t.cluster(1, interval="1d")
    node, second = cluster.primary, cluster.secondaries[0]
    node.cli("user", "add", "ann", "--comment", "before")
    cluster.sync()
    node.cli("user", "set", "ann", "--comment", "after\\[2J")
    cluster.sync()
    cluster.wait_synchronized()
    node.cli("user", "add", "bob")
    with t.promise("history, and the rows of a revision, at every size"):
        for width, height in SIZES:
            with Terminal(node, width, height) as term:
                term.view("Changes")
                term.see("^> config +ready +3")
                term.keys("Enter")
                term.see("^History of config$")
                term.see("^> 3 ")
                term.keys("Enter")
                term.see("config revision 3, ")
                term.see(r"^> ~ users id=1 +comment: 'before' -> ")
                term.keys("Enter")
                term.see("A changed row")
                term.see(r"comment: 'before' -> 'after")
                term.keys("Escape", "Escape")
                term.see("^History of config$")
                term.keys("Escape")
                term.see("^> config")
    with t.promise("what is not published"):
        with Terminal(node) as term:
            term.view("Changes")
            term.see("^> config +ready +3")
            term.keys("F5")
            term.see("1 added, 0 changed, 0 removed")
            term.see(r"^> \+ users id=2 ")
            node.cli("user", "add", "cid")
            term.keys("r")
            term.see("2 added, 0 changed, 0 removed")
            term.see(r"^. \+ users id=3 ")
            term.keys("/")
            term.type("'cid'")
            term.see_no("users id=2 ")
    with t.promise("what drifted on a server"):
        second.sql("UPDATE users SET comment = 'drifted' WHERE name = 'ann'")
        with Terminal(node) as term:
            term.view("Changes")
            term.see("^> config +ready +3")
            term.keys("d")
            term.see("What a server lacks")
            term.type("nobody")
            term.keys("Enter")
            term.see('Error: .*"nobody"')
            term.keys("Escape")
            term.see("^> config")
            term.keys("d")
            term.type("second1")
            term.keys("Enter")
            term.see("^config to second1: ")
    with t.promise("a secondary says where to look"):
        with Terminal(second) as term:
            term.view("Changes")
            term.see("are the primary's: look there")
            term.see("^> config")
            check(not term.sees("F5 Unpublished"), term.text)
            term.keys("Enter", "u")
            term.see("^> config")


@scenario
def many_rows(t):
    node = t.node("alone")
    node.cli("user", "add", "first")
    node.sql("WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n"
             " WHERE i < 29999) INSERT INTO users (name, uid, gid, home)"
             " SELECT printf('u%05d', i), 10000 + i, 20000, '/srv/' || i"
             " FROM n")
    with t.promise("30,000 rows come while keys are answered; 20,000 are kept"):
        with Terminal(node) as term:
            term.view("Changes")
            term.see("^> config")
            term.keys("u")
            term.view("Servers")
            term.see("This node is standalone")
            term.view("Changes")
            term.see("3000[01] added")
            term.see("The first 20000 of 3000[01] rows")
            term.keys("G")
            term.see(r"^> \+ users id=20000 ")


run()

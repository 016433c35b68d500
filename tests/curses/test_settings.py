#!/usr/bin/python3
"""Settings in the manager: synchronization, values, administrators."""

from terminal import SIZES, VIEWS, Terminal, check

from lockstep import run, same, scenario


def settings(term):
    term.view("Settings")
    term.see("^ +Synchronization$|^> +Synchronization$")
    term.see("Administrators")


@scenario
def all_settings(t):
    node = t.node("alone")
    node.cli("config", "set", "banner", "hello")
    with t.promise("the settings at every size"):
        for width, height in SIZES:
            with Terminal(node, width, height) as term:
                term.view("Settings")
                term.see("enabled +yes")
                term.see("interval +1 min")
                term.see("history is kept +268.4 MB or 30 d a dataset")
                term.keys("G")
                term.see("^> admin +admin, 0 keys, of this node alone")
    with t.promise("synchronization"):
        with Terminal(node) as term:
            settings(term)
            term.keys("j", "e")
            term.see("Enabled +< yes >")
            term.keys("Right", "Down", "C-u")
            term.type("x")
            term.keys("Down", "Right", "Enter")
            term.see("Error: Interval: this is not a duration")
            term.keys("C-u")
            term.type("5m")
            term.keys("Down", "Enter")
            term.see("Synchronization is set")
            term.see("enabled +no")
            term.see("interval +5 min")
            term.see("instant +yes")
            found = node.cli("sync", "status")
            same((found["enabled"], found["interval_ms"], found["instant"]),
                 (False, 300000, True), "sync")
    with t.promise("a value is changed, added, and removed by its name"):
        with Terminal(node, 60, 16) as term:
            settings(term)
            term.click_on("banner")
            term.see("^> banner +hello")
            term.keys("Enter", "C-u")
            term.type("welcome")
            term.keys("Enter")
            term.see("banner +welcome")
            term.keys("n")
            term.type("motd")
            term.keys("Down")
            term.type("today")
            term.keys("Enter")
            term.see("motd +today")
            term.keys("x")
            term.see('The setting "banner" will be removed')
            term.type("motd")
            term.keys("Enter")
            term.see("Error: this is not the name")
            term.keys("C-u")
            term.type("banner")
            term.keys("Enter")
            term.see_no("banner +welcome")
            same([s["name"] for s in node.cli("config", "list")["settings"]],
                 ["motd"], "settings")
    with t.promise("an administrator is added, and the password changed"):
        with Terminal(node) as term:
            settings(term)
            term.keys("a")
            term.see("Add an administrator")
            term.type("eve")
            term.keys("Down", "Right", "Down", "Down")
            term.type("a long password")
            term.keys("Down")
            term.type("a long password")
            term.keys("Enter")
            term.see("The administrator is added")
            term.see("eve +viewer, 0 keys")
            check(not term.sees("a long password"), term.text)
            term.click_on("eve")
            term.see("^> eve")
            for again in "short", "an even longer one":
                if not term.sees("A new password"):
                    term.keys("p")
                term.see('A new password for "eve"')
                for _ in range(2):
                    term.keys("C-u")
                    term.type(again)
                    term.keys("Down")
                term.keys("Enter")
                if again == "short":
                    term.see("Error: the password is too short")
                    term.keys("Up", "Up")
            term.see("The password is set")
            term.keys("x")
            term.see('The administrator "eve" will not be let in')
            term.type("eve")
            term.keys("Enter")
            term.see_no("eve +viewer")


@scenario
def leaving(t):
    node = t.node("alone")
    node.cli("user", "add", "ann")
    with t.promise("q leaves from every view, and nothing is left over"):
        for title in VIEWS:
            with Terminal(node) as term:
                term.view(title)
                term.keys("Enter", "C-l", "q")
                if title == "Events":  # one of them is a box, which q closes
                    term.keys("q")
                same(term.ended(), 0, "exit code after " + title)


@scenario
def a_secondary(t):
    cluster = t.cluster(1)
    with t.promise("a secondary shows settings; only the own password is set"):
        with Terminal(cluster.secondaries[0]) as term:
            term.view("Settings")
            term.see("admin +admin, 0 keys")
            for word in "Edit", "Admin", "Setting", "Remove":
                check(not term.sees(r"F\d %s" % word), term.text)
            term.keys("e", "Enter", "x", "a", "n")
            term.keys("F5")
            term.see('A new password for "admin"')


run()

#!/usr/bin/python3
"""The life of a cluster, typed in the manager alone, against three daemons."""

import os
import re
import sqlite3

from terminal import Terminal, check, fill_details, password

from lockstep import run, same, scenario


def shown_key(node):
    """The host key as NODE's own manager shows it."""
    with Terminal(node) as term:
        return term.see(r"host key (SHA256:\S{43})")[1]


def wrong_first(term, node, other, nobody):
    """To the last page for OTHER, by a wrong host, key and password."""
    secret = password(other)
    key = shown_key(other)
    term.keys("a")
    fill_details(term, nobody, "wrong " + secret)
    term.see_at_every_size(r"(?s)Error: .*\b(refused|answer)")
    term.see("Host +" + nobody)
    term.see(r"Password +\*{6,}")
    check(secret not in term.text(), term.text)
    term.keys("Up", "Up", "Up", "Up", "C-u")
    fill_details(term, other.address, None)
    term.see(r"Add a server \(2 of 3\)")
    term.see(re.escape(key))
    term.see("has not been sent")
    term.type(shown_key(node))
    term.keys("Enter")
    term.see_at_every_size("Error: .*shows the host key")
    term.see("No password was sent")
    check(not other.events("login-refused"), "a password was sent")
    term.keys("C-u")
    term.type(key)
    term.keys("Enter")
    term.see_at_every_size(r"Add a server \(1 of 3\)", "Error: ")
    term.see("Host +" + other.address)
    term.see("> Password")
    term.keys("C-u")
    term.type(secret)
    term.keys("Enter", "Enter")
    term.see(r"Add a server \(2 of 3\)")
    term.keys("Enter")


def save(node):
    """A copy of its database as of now, such as a backup program makes."""
    old = node.path("../old.db")
    with node.database() as db:
        copy = sqlite3.connect(old)
        db.backup(copy)
        copy.close()
    return old


def first_servers(t, term, node, second, third):
    with t.promise("first start: it says how to begin; passwords are sent "
                   "only to whom they are for"):
        term.see("office is a standalone node")
        term.see("To begin, press a")
        wrong_first(term, node, second, t.addresses.get(7))
        term.see('"berlin" at .* is a standalone node')
        term.see("config: revision")
        term.see("A backup of it is kept there")
        term.see("primary of a new cluster")
    with t.promise("only the typed name goes on; the result says what it is"):
        term.type("Europe")
        term.keys("Enter", "Enter")
        term.type("paris")
        term.keys("Enter")
        term.see("Error: this is not the name")
        same(second.events("enrolled"), [], "enrolled")
        term.keys("C-u")
        term.type("berlin")
        term.keys("Enter")
        term.see('"berlin" is a secondary of this node now')
        term.keys("Enter")
        term.see('office is the primary of the cluster "Europe"')
    with t.promise("the second server, by another name"):
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
    with t.promise("passwords are in no event and no log"):
        for n in node, second, third:
            text = n.log() + str(n.events())
            check(password(second) not in text, "found in " + n.name)
            check(password(third) not in text, "found in " + n.name)


def every_second(t, term):
    with t.promise("how often the servers are synchronized"):
        term.view("Settings")
        term.see("interval +1 min")
        term.keys("j", "e")
        term.see("Enabled +< yes >")
        term.keys("Down", "C-u", "1", "s", "Down", "Enter")
        term.see("interval +1 s")


def user_and_rule(t, term, node, second, third):
    with t.promise("a user with a key arrives on both"):
        term.view("Users")
        term.see("No users yet")
        term.keys("n")
        term.see("Add a user")
        term.type("ann")
        term.keys("Up", "Up", "Enter")
        term.see("^User ann$")
        term.keys("n")
        term.see("Add a key")
        term.type("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + "B" * 43 +
                  " ann@laptop")
        term.keys("Enter")
        term.see("ann@laptop +SHA256:")
    with t.promise("a rule of the cluster"):
        term.view("IP filter")
        term.see("127.0.0.0/8")
        term.keys("n")
        term.see("Add a rule")
        term.keys("Down")
        term.type("192.0.2.0/24")
        term.keys("Down", "Right", *["Down"] * 5, "C-u", "0", "Down", "Enter")
        term.see("192.0.2.0/24 +cluster")
    with t.promise("both are synchronized: the secondaries show it"):
        for name in "berlin", "third":
            term.view("Overview")
            term.see("^. %s +. synchronized" % name)
        for n in second, third:
            with Terminal(n) as there:
                there.see('%s is a secondary of "office"' % n.name)
                there.view("Users")
                there.see("^> ann +. enabled")
                there.view("IP filter")
                there.see("192.0.2.0/24 +cluster")


def blocked(t, term, node, second):
    with Terminal(second) as there:
        with t.promise("shut out by force: doctor there names the rule"):
            there.view("IP filter")
            there.see("192.0.2.0/24 +cluster")
            there.keys("n")
            there.see("Add a rule")
            there.keys("Right", "Down")
            there.type(node.address)
            there.keys(*["Down"] * 5, "C-u", "0", "Down", "Enter")
            there.see("Error: this would shut out the primary of this node")
            there.keys("Right", "Enter")
            there.see("deny +%s +this node" % re.escape(node.address))
            second.restart()
            there.see_no("Not connected")
            there.view("Overview")
            there.keys("d")
            there.see("! primary's address +comes from %s: "
                      % re.escape(node.address))
            there.see('rule "deny %s" of' % re.escape(node.address))
            there.see("^ +lockstep ipfilter add allow %s --position 1$" %
                      re.escape(node.address))
        with t.promise("doctor of the primary says what to type where"):
            term.view("Overview")
            term.see("^. berlin +. unreachable")
            term.keys("d")
            term.see("! server berlin +")
            term.see("ipfilter add allow " + re.escape(node.address))
            term.keys("Escape")
        with t.promise("the rule taken away, it is caught up"):
            there.keys("Escape")
            there.view("IP filter")
            there.see("deny +%s +this node" % re.escape(node.address))
            there.keys("g", "x")
            there.see("will be removed")
            there.keys("C-u", "0", "Down", "Down")
            there.type(node.address)
            there.keys("Enter")
            there.see_no("deny +" + re.escape(node.address))
            term.keys("S")
            term.see("^. berlin +. synchronized")


def old_database(t, term, node, old):
    with t.promise("an old database is held, looked at, and accepted"):
        os.rename(old, node.live())
        term.see("^. berlin +. held")
        term.see("^. third +. held")
        term.keys("H")
        term.see('The dataset "config" is held')
        term.keys("Enter")
        term.see("3 REMOVED")
        term.type("config")
        term.keys("Enter")
        term.see(r"Published as revision \d+: 0 rows added, 0 changed, 3 "
                 "removed")
        term.see("^. berlin +. synchronized")
        term.see("^. third +. synchronized")
        term.view("Users")
        term.see("It is no user of this node any more")
        term.keys("Escape")
        term.see("No users yet")


def removal(t, term, third):
    with t.promise("a server goes when its name is typed; it stands alone"):
        term.view("Servers")
        term.see("^. third +. synchronized")
        term.keys("/")
        term.type("third")
        term.see_no("berlin")
        term.keys("Enter", "x")
        term.see('The server "third" will be removed')
        term.keys("Tab")
        term.type("third")
        term.keys("Enter")
        term.see("The server is removed")
        term.keys("Escape")
        term.see("^. berlin +. synchronized")
        term.see_no("^. third")
        with Terminal(third) as there:
            there.see("chicago is a standalone node")


@scenario
def the_life_of_a_cluster(t):
    node = t.node("office", "[node]\nsource_address = %s\n" %
                  t.addresses.get(0))
    second, third = t.node("berlin"), t.node("chicago")
    with Terminal(node) as term:
        first_servers(t, term, node, second, third)
        old = save(node)
        every_second(t, term)
        user_and_rule(t, term, node, second, third)
        blocked(t, term, node, second)
        old_database(t, term, node, old)
        removal(t, term, third)
        term.keys("q")
        same(term.ended(), 0, "exit code")


run()

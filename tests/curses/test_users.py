#!/usr/bin/python3
"""Users, their keys, folders and groups, in the manager."""

import subprocess

from terminal import SIZES, Terminal, check

from admin import Admin, Refused
from lockstep import run, same, scenario


def new_key(node, comment):
    path = node.path("key-" + comment)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C",
                    comment, "-f", path], check=True)
    return path + ".pub"


def user(node, name):
    return node.cli("user", "show", name)["user"]


def users(term):
    """To the list of all users, once it is there: its head comes first."""
    term.view("Users")
    term.see("^  NAME +LOGIN(.*\\n)+> |No users yet")


@scenario
def a_user(t):
    node = t.node("alone")
    with t.promise("a user is added, and its key by line and by file"):
        first, second = new_key(node, "ann@one"), new_key(node, "ann@two")
        with Terminal(node) as term:
            users(term)
            term.keys("n")
            term.see("Add a user")
            term.type("Ann Smith")
            for _ in range(7):
                term.keys("Down")
            term.type("secret one")
            term.keys("Down")
            term.type("secret two")
            term.keys("Enter")
            term.see("Error: the passwords are not the same")
            check(not term.sees("secret"), term.text)
            for _ in range(2):
                term.keys("C-u")
                term.type("correct horse battery")
                term.keys("Up")
            term.keys("Down", "Down", "Enter")
            term.see("Error: .*name")
            term.see("Ann Smith")
            for _ in range(8):
                term.keys("Up")
            term.keys("C-u")
            term.type("ann")
            for _ in range(8):
                term.keys("Down")
            term.keys("Enter")
            term.see("^User ann$")
            term.see('The user "ann" is added')
            same(user(node, "ann")["has_password"], True, "password")
            term.keys("n")
            with open(first) as f:
                term.type(f.read())
            term.see("The key is added")
            term.see("ann@one +SHA256:")
            term.keys("F7")
            term.type("/nowhere/at/all.pub")
            term.keys("Enter")
            term.see("Error: .*/nowhere/at/all.pub")
            term.keys("C-u")
            term.type(second)
            term.keys("Enter")
            term.see("ann@two +SHA256:")
            same(sorted(k["comment"] for k in user(node, "ann")["keys"]),
                 ["ann@one", "ann@two"], "keys")
    with t.promise("folders and groups of a user"):
        node.cli("group", "add", "staff")
        with Terminal(node, 60, 16) as term:
            users(term)
            term.keys("Enter")
            term.see("^User ann$")
            term.keys("f")
            term.type("/in")
            term.keys("Down")
            term.type("/srv/data")
            term.keys("Down", "Right", "Enter")
            term.see("The folder is added")
            term.keys("F2")
            term.type("nobody")
            term.keys("Enter")
            term.see('Error: .*"nobody" does not exist')
            term.keys("C-u")
            term.type("staff")
            term.keys("Enter")
            term.see("The user is a member now")
            found = user(node, "ann")
            same([(f["virtual_path"], f["real_path"], f["permissions"])
                  for f in found["folders"]], [("/in", "/srv/data", "read")],
                 "folders")
            same([g["name"] for g in found["groups"]], ["staff"], "groups")
    with t.promise("a key goes only when its name is typed"):
        with Terminal(node) as term:
            users(term)
            term.keys("Enter")
            term.see("ann@one")
            term.keys("x")
            term.see("Choose a key, a folder or a group first")
            term.click_on("ann@one")
            term.see("^> ann@one")
            term.keys("x")
            term.see('open the account "ann" any more')
            term.type("ann@two")
            term.keys("Enter")
            term.see("Error: this is not the name")
            same(len(user(node, "ann")["keys"]), 2, "keys")
            term.keys("C-u")
            term.type("ann@one")
            term.keys("Enter")
            term.see_no("ann@one")
            same(len(user(node, "ann")["keys"]), 1, "keys")
    with t.promise("edit, expiry, password, on and off"):
        with Terminal(node) as term:
            users(term)
            term.see("^> ann +. enabled")
            term.keys("e")
            term.see("Change a user")
            term.keys("Down", "C-u", "Down", "Down", "Down", "Down", "Down")
            term.type("2020-01-31")
            term.keys("Down", "Enter")
            term.see('The user "ann" is changed')
            term.see("^> ann +. expired")
            same(user(node, "ann")["comment"], None, "comment")
            term.keys("p", "Down", "Down", "Right", "Enter")
            term.see("The password is set")
            same(user(node, "ann")["has_password"], False, "password")
            term.keys("d")
            term.see("^> ann +. disabled")
            term.keys("d")
            term.see("^> ann +. expired")
    with t.promise("a user goes only when its name is typed"):
        with Terminal(node) as term:
            users(term)
            term.keys("F8")
            term.see('The user "ann" will be removed')
            term.type("an")
            term.keys("Enter")
            term.see("Error: this is not the name")
            term.type("n")
            term.keys("Enter")
            term.see("No users yet")


@scenario
def groups(t):
    node = t.node("alone")
    with t.promise("a group is added, filled, emptied and removed"):
        for name in "ann", "bob":
            node.cli("user", "add", name)
        with Terminal(node) as term:
            users(term)
            term.keys("o", "n")
            term.see("Add a group")
            term.type("staff")
            term.keys("Down", "Down", "Enter")
            term.see("The group is added")
            term.see("^> staff")
            term.keys("Enter", "Down", "Down", "Down")
            term.type("ann bob")
            term.keys("Down", "Enter")
            term.see("ann, ?bob")
            term.keys("e", "Down", "Down", "Down", "Down")
            term.type("ann")
            term.keys("Enter")
            term.see("1 +bob")
            term.keys("x")
            term.type("staff")
            term.keys("Enter")
            term.see("No groups yet")


def far_down(lines):
    """Whether a page of users is there, above 1,000 and in order."""
    numbers = [int(line[3:8]) for line in lines if line[2:3] == "u"]
    return numbers and numbers[0] > 1000 and not any(
        line.strip() == "..." for line in lines) and \
        numbers == list(range(numbers[0], numbers[0] + len(numbers)))


@scenario
def many(t):
    node = t.node("alone")
    node.sql("WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n"
             " WHERE i < 99999) INSERT INTO users (name, uid, gid, home,"
             " comment) SELECT printf('u%05d', i), 10000 + i % 50000, 20000,"
             " '/srv/' || i, 'User ' || (99999 - i) FROM n")
    with t.promise("100,000 users at every size: ends, filter, order"):
        for width, height in SIZES:
            with Terminal(node, width, height) as term:
                users(term)
                term.see("^> u00000 +. enabled")
                term.keys("G")
                term.see("^> u99999 +. enabled")
                term.keys("PPage")
                term.see_no(r"^. +\.\.\.$")
                term.keys("g")
                term.see("^> u00000 +. enabled")
                term.keys("/")
                term.type("USER 4242")
                term.see("Filter: USER 4242 +11 rows")
                term.see("u95757")
                term.keys("Enter", "Escape")
                term.see("^. u00000")
                term.keys(">", "<")
                term.see("^> u99999|^. u99999")
    with t.promise("the node sorts by any member, what is not set last"):
        node.sql("UPDATE users SET expires = 2000000000 + id WHERE id <= 3")
        node.sql("INSERT INTO user_keys (user_id, type, key) VALUES (7,"
                 " 'ssh-ed25519', 'AAAAC3NzaC1lZDI1NTE5AAAAI' ||"
                 " hex(zeroblob(22)))")
        with Admin(node) as admin:
            def names(**args):
                page = admin.control("user list", limit=2, **args)
                same(page["total"], 100000, "total")
                return [user["name"] for user in page["users"]]
            same(names(), ["u00000", "u00001"], "by name")
            same(names(sort="expires"), ["u00000", "u00001"], "by expiry")
            same(names(sort="expires", descending=True),
                 ["u00002", "u00001"], "by expiry, the latest first")
            same(names(sort="keys", descending=True), ["u00006", "u00000"],
                 "by keys")
            same(names(sort="uid", offset=1), ["u50000", "u00001"], "by uid")
            try:
                names(sort="password_hash")
                check(False, "sorted by what is not shown")
            except Refused as why:
                same(why.code, "INVALID", "code")
            found = admin.control("user list", filter="USER 5", limit=1)
            same(found["total"], 0, "case counts")
    with t.promise("a page as text says how many more there are"):
        reply = node.run("--plain", "users")
        same(reply.code, 0, "exit code")
        check("u00399" in reply.out and "u00400" not in reply.out and
              "and 99600 more" in reply.out, reply.out[-500:])
    with t.promise("a hundred pages down, the rows are in their order"):
        with Terminal(node) as term:
            users(term)
            term.see("u00000")
            for _ in range(60):
                term.keys("NPage", "NPage")
            # Not before the last key has been answered.
            term.show(far_down, "rows in order, far down")


@scenario
def a_secondary(t):
    cluster = t.cluster(1)
    cluster.primary.cli("user", "add", "ann")
    cluster.sync()
    cluster.wait_synchronized()
    with t.promise("a secondary shows users and no key that changes"):
        for width, height in SIZES:
            with Terminal(cluster.secondaries[0], width, height) as term:
                users(term)
                term.see("ann +. enabled")
                for word in "Add", "Edit", "Password", "On/off", "Remove":
                    check(not term.sees(r"F\d %s" % word), term.text)
                term.keys("n", "e", "x", "d", "p")
                term.keys("Enter")
                term.see("^User ann$")
                check(not term.sees(r"F\d (Key|Folder|Edit)"), term.text)
                term.keys("n", "f", "e", "x", "F2")
                term.see("^User ann$")


run()

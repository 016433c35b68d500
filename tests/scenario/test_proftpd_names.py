#!/usr/bin/python3
"""Whom lockstep-proftpd makes a user of ProFTPD, and what becomes of its files
when they are damaged or somebody else's."""

import os
import shutil
import sqlite3
import subprocess
import time

from lockstep import BUILD, Skipped, check, run, same, scenario

PROGRAM = os.path.join(BUILD, "lockstep-proftpd")
KEY = "AAAAC3NzaC1lZDI1NTE5AAAAI" + "B" * 43
RSA = "AAAAB3NzaC1yc2E" + "C" * 100
MADE = "var/lib/lockstep-proftpd/"


class Root:
    """A folder that stands for the root of a host."""

    def __init__(self, t):
        if os.geteuid() != 0:
            raise Skipped("only root can give homes away")
        node = t.node()
        # Nobody but root may write to a folder on the way to a home.
        self.path = "/srv/lockstep-ftp-%d" % os.getpid()
        t.ending.callback(shutil.rmtree, self.path, ignore_errors=True)
        for name in "etc/lockstep", "var/lib/lockstep", "srv":
            os.makedirs(self.path + "/" + name, mode=0o755)
        self.write("etc/passwd", "root:x:0:0::/root:/bin/sh\n"
                   "local:x:1234:1234::/home/local:/bin/sh\n")
        self.write("etc/group", "root:x:0:\nlocal:x:1234:\n")
        # What others run on this machine is none of this test's business.
        self.write("etc/lockstep/proftpd.conf", "end_sessions = no\n")
        node.stop()
        shutil.copy(node.live(), self.path + "/var/lib/lockstep/config.db")

    def file(self, name):
        return os.path.join(self.path, name)

    def write(self, name, text):
        with open(self.file(name), "w") as f:
            f.write(text)

    def sql(self, text, *values, name="var/lib/lockstep/config.db"):
        """As a replicated row comes in: without CHECKs."""
        db = sqlite3.connect(self.file(name))
        with db:
            db.execute("PRAGMA ignore_check_constraints = 1")
            rows = db.execute(text, values).fetchall()
        db.close()
        return rows

    def made(self, text):
        return self.sql(text, name=MADE + "users.db")

    def add(self, name, uid=5000, gid=5000, home="/srv/sftp/x", **more):
        columns = dict(name=name, uid=uid, gid=gid, home=self.path + home,
                       **more)
        self.sql("INSERT INTO users (%s) VALUES (%s)" % (
            ", ".join(columns), ", ".join("?" * len(columns))),
            *columns.values())

    def add_key(self, name, kind, key):
        self.sql("INSERT INTO user_keys (user_id, type, key) SELECT id, ?, ?"
                 " FROM users WHERE name = ?", kind, key, name)

    def add_rule(self, position, action, address, scope="service"):
        self.sql("INSERT INTO ip_rules (position, action, address, scope)"
                 " VALUES (?, ?, ?, ?)", position, action, address, scope)

    def run(self, *args, expect=0):
        p = subprocess.run([PROGRAM, "--root", self.path, *args], text=True,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        check(p.returncode == expect, lambda: "%s: exit %d, %s" % (
            args, p.returncode, p.stderr))
        return p.stderr

    def denied(self):
        with open(self.file(MADE + "rules.conf")) as f:
            return [line.split()[1] for line in f if "Deny" in line]


@scenario
def whom_proftpd_takes(t):
    with t.promise("what is no user of a host is left out, and is no harm"):
        root = Root(t)
        bad = ["root", "local", "-rf", "$(touch /x)", "a' OR '1", "a%b", "a b",
               "ann\nx", "", "../x", "Ann", "a" * 33, "a\0b", b"ann", 7]
        for name in bad:
            root.add(name)
        for ids in ((0, 5000), (999, 5000), (5000, 0), (1234, 5000),
                    (2**32 + 5000, 5000)):
            root.add("id%d-%d" % ids, *ids)
        root.add("out", home="/etc")
        said = root.run()
        # Twenty are named.
        same((said.count("is left out"), len(bad)), (20, 15), "told of")
        check("and 1 more" in said, said)
        same(root.made("SELECT name FROM users"), [], "users")
    if t.failures or "root" not in locals():
        return
    root.sql("DELETE FROM users")
    with t.promise("the good are taken, with groups and keys that are keys"):
        root.add("ann", 6001, 6001, "/srv/sftp/ann")
        root.add("off", 6002, 6002, "/srv/sftp/off", enabled=0)
        root.add("late", 6003, 6003, "/srv/sftp/late", expires=1000)
        root.add("soon", 6004, 6004, "/srv/sftp/soon",
                 expires=int(time.time()) + 86400)
        for name in "ann", "off":
            root.add_key(name, "ssh-ed25519", KEY)
        root.add_key("ann", "ssh-rsa", RSA)
        root.add_key("ann", "ssh-dss", KEY + "D")
        root.add_key("ann", "ssh-ed25519", "x\n---- END SSH2")
        root.run()
        same(root.made("SELECT name, password, uid, gid FROM users"),
             [("ann", "!", 6001, 6001), ("soon", "!", 6004, 6004)], "users")
        same(root.made("SELECT member, groupname FROM members"),
             [("ann", "lockstep-sftp"), ("soon", "lockstep-sftp")], "members")
        keys = [row[0] for row in root.made("SELECT key FROM keys")]
        same(len(keys), 2, "keys")
        for key in keys:
            lines = key.split("\n")
            same((lines[0], lines[-2:], max(map(len, lines)) <= 72),
                 ("---- BEGIN SSH2 PUBLIC KEY ----",
                  ["---- END SSH2 PUBLIC KEY ----", ""], True), "the form")
        same({"".join(k.split("\n")[1:-2]) for k in keys}, {KEY, RSA}, "keys")
    with t.promise("a second run writes nothing"):
        path = root.file(MADE + "users.db")
        before = os.stat(path)
        root.run("config", "1", "1")
        same(os.stat(path).st_mtime_ns, before.st_mtime_ns, "its time")
        same((before.st_mode & 0o777, os.stat(root.file(MADE)).st_mode & 0o777),
             (0o600, 0o700), "permissions")
    with t.promise("rows are those of the database, whatever was there"):
        tables = "users", "members", "keys"
        before = [root.made("SELECT * FROM " + name) for name in tables]
        for text in ("INSERT INTO users VALUES ('a', '!', 1, 1, '/', '/', 0)",
                     "INSERT INTO users VALUES ('zed', '!', 1, 1, '/', '/', 0)",
                     "INSERT INTO users VALUES (x'00', '!', 1, 1, '/', '/', 0)",
                     "UPDATE users SET uid = 0 WHERE name = 'ann'",
                     "UPDATE users SET password = x'00' WHERE name = 'soon'",
                     "UPDATE members SET gid = 0 WHERE member = 'ann'",
                     "DELETE FROM members WHERE member = 'soon'",
                     "INSERT INTO members VALUES ('ann', 'admin', 0)",
                     "UPDATE keys SET key = key || 'x' WHERE name = 'ann'",
                     "INSERT INTO keys VALUES ('soon', 'x')"):
            root.made(text)
        root.run()
        same([root.made("SELECT * FROM " + name) for name in tables], before,
             "the rows")
    with t.promise("who has no safe home is kept out"):
        os.makedirs(root.file("elsewhere"))
        os.symlink(root.file("elsewhere"), root.file("srv/sftp/lin"))
        root.add("lin", 6005, 6005, "/srv/sftp/lin")
        check("cannot log in" in root.run(), "nothing was said")
        same(root.made("SELECT count(*) FROM users"), [(2,)], "users")
    with t.promise("a damaged database is put aside and made anew"):
        with open(path, "r+b") as f:
            f.seek(4096)
            f.write(b"\xff" * 4096)
        check("made anew" in root.run(), "nothing was said")
        same(root.made("SELECT count(*) FROM users"), [(2,)], "users")
        check(os.path.exists(path + ".damaged"), "the damaged one is gone")
    with t.promise("one of somebody else's is refused and stays"):
        os.remove(path)
        root.sql("CREATE TABLE users (x)", name=MADE + "users.db")
        root.run(expect=1)
        same(root.made("SELECT sql FROM sqlite_schema"),
             [("CREATE TABLE users (x)",)], "its schema")


@scenario
def rules_come_to_prefixes(t):
    with t.promise("the first rule that matches decides"):
        root = Root(t)
        root.run()
        same(root.denied(), [], "denied without rules")
        root.add_rule(1, "allow", "10.0.0.0-10.0.0.2")
        root.add_rule(2, "deny", "10.0.0.0/29", "both")
        root.add_rule(3, "deny", "192.0.2.0/24", "admin")
        root.add_rule(4, "deny", "2001:db8::/32")
        root.run()
        same(root.denied(), ["10.0.0.3/32", "10.0.0.4/30", "2001:db8::/32"],
             "denied")
    if t.failures or "root" not in locals():
        return
    with t.promise("all of a family can be denied, and no more"):
        root.sql("DELETE FROM ip_rules WHERE position > 1")
        root.add_rule(2, "deny", "0.0.0.0/0")
        root.run()
        denied = root.denied()
        check("10.0.0.3/32" in denied and "128.0.0.0/1" in denied and
              not any(":" in d for d in denied), denied)
        same(sum(2 ** (32 - int(d.split("/")[1])) for d in denied),
             2 ** 32 - 3, "addresses")
        root.sql("DELETE FROM ip_rules")
        root.add_rule(1, "deny", "::/0")
        root.run()
        same(sum(2 ** (128 - int(d.split("/")[1])) for d in root.denied()),
             2 ** 128 - 2 ** 32, "addresses")
    with t.promise("a rule that is none leaves the file as it was"):
        before = root.denied()
        root.add_rule(2, "deny", "10.0.0.0/8\n</Limit>")
        root.run(expect=1)
        same(root.denied(), before, "denied")


if __name__ == "__main__":
    run()

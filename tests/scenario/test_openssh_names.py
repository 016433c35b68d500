#!/usr/bin/python3
"""Whom the programs for sshd make a user of a host, and whom never."""

import os
import shutil
import sqlite3
import subprocess
import time

from lockstep import BUILD, Skipped, check, run, same, scenario

PROGRAM = os.path.join(BUILD, "lockstep-openssh")
KEYS = os.path.join(BUILD, "lockstep-authorized-keys")
KEY = "AAAAC3NzaC1lZDI1NTE5AAAAI" + "B" * 43
HEADER = "# Made by lockstep-openssh"


class Root:
    """A folder that stands for the root of a host."""

    def __init__(self, t):
        if os.geteuid() != 0:
            raise Skipped("only root can give homes away")
        self.node = t.node()
        # Nobody but root may write to a folder on the way to a home.
        self.path = "/srv/lockstep-test-%d" % os.getpid()
        os.makedirs(self.path + "/etc/lockstep", mode=0o755)
        t.ending.callback(shutil.rmtree, self.path)
        # Those of the tests beside this one.
        self.write("etc/lockstep/openssh.conf", "end_sessions = no\n")
        self.write("etc/passwd", "root:x:0:0::/root:/bin/sh\n"
                   "local:x:1234:1234::/home/local:/bin/sh\n")
        self.write("etc/group", "root:x:0:\nsudo:x:27:\nlocal:x:1234:\n")
        os.makedirs(self.path + "/var/lib/lockstep")
        os.mkdir(self.path + "/srv")
        self.database = self.path + "/var/lib/lockstep/config.db"
        self.node.stop()
        shutil.copy(self.node.live(), self.database)

    def write(self, name, text):
        with open(os.path.join(self.path, name), "w") as f:
            f.write(text)

    def read(self, name):
        with open(os.path.join(self.path, "var/lib/extrausers", name)) as f:
            lines = f.read().split("\n")
        check(lines[0].startswith(HEADER), lines[0])
        return lines[1:-1]

    def names(self):
        return [line.split(":")[0] for line in self.read("passwd")]

    def sql(self, text, *values):
        """As a replicated row comes in: without CHECKs."""
        with sqlite3.connect(self.database) as db:
            db.execute("PRAGMA ignore_check_constraints = 1")
            db.execute(text, values)
        db.close()

    def add(self, name, uid=5000, gid=5000, home="/srv/sftp/x", **more):
        columns = dict(name=name, uid=uid, gid=gid, home=self.path + home,
                       **more)
        self.sql("INSERT INTO users (%s) VALUES (%s)" % (
            ", ".join(columns), ", ".join("?" * len(columns))),
            *columns.values())
        self.sql("INSERT INTO user_keys (user_id, type, key) SELECT id,"
                 " 'ssh-ed25519', ? FROM users WHERE name IS ?", KEY, name)

    def run(self, *args, program=PROGRAM, expect=0):
        p = subprocess.run([program, "--root", self.path, *args], text=True,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        check(expect is None or p.returncode == expect,
              lambda: "%s: exit %d, %s" % (args, p.returncode, p.stderr))
        return p

    def keys(self, name, uid=5000):
        return self.run(name, str(uid), program=KEYS, expect=None).stdout


@scenario
def whom_a_host_takes(t):
    with t.promise("what is no user of a host is left out, and is no harm"):
        root = Root(t)
        bad = ["root", "local", "-rf", "$(touch /x)", "a;b", "a b", "ann\n"
               "evil:x:0:0::/:/bin/sh", "a:b", "", "../x", "Ann", "a" * 33,
               "a\0b", "\u00e4", b"ann", 7, "*", "a,b"]
        for name in bad:
            root.add(name)
        same(root.run().stderr.count("is left out"), len(bad), "told of")
        same(root.names(), [], "users")
    if t.failures or "root" not in locals():
        return
    with t.promise("so is an id that is root's, the system's or somebody's"):
        for i, ids in enumerate([(0, 5000), (-1, 5000), (999, 5000),
                                 (5000, 0), (5000, 27), (1234, 5000),
                                 (5000, 1234), (2**32, 5000), (2**32 - 1, 1),
                                 ("0", 5000), (5000.5, 5000), (65534, 5000),
                                 (b"\0", 5000), (2**32 + 5000, 5000)]):
            root.add("id%d" % i, *ids)
        root.run()
        same(root.names(), [], "users")
    with t.promise("and a home outside of the folders for homes"):
        for i, home in enumerate(["/etc", "/srv/sftp", "/srv/sftp/../x",
                                  "/srv/sftp/./x", "/srv/sftp//x", "/srv",
                                  "/srv/sftpx/y", "/srv/sftp/a:b", "/",
                                  "/srv/sftp/a\nb", "/srv/sftp/x/"]):
            root.add("home%d" % i, home=home)
        root.run()
        same(root.names(), [], "users")
        same(os.listdir(root.path + "/srv"), [], "what was made")
    with t.promise("none of them is given keys"):
        for name, uid in root_users(root):
            same(root.keys(str(name).replace("\0", ""), max(int(uid), 0)), "",
                 "keys of %r" % name)
    with t.promise("of the good, only the enabled whose time is not over"):
        root.add("ann", 6001, 6001, "/srv/sftp/ann", comment="A:n\nn, :x")
        root.add("off", 6002, 6002, "/srv/sftp/off", enabled=0)
        root.add("late", 6003, 6003, "/srv/sftp/late", expires=1000)
        root.add("soon", 6004, 6004, "/srv/sftp/soon",
                 expires=int(time.time()) + 86400 * 3)
        root.run()
        same(root.read("passwd"),
             ["ann:x:6001:6001:Ann x:%s/srv/sftp/ann:/usr/sbin/nologin" %
              root.path, "soon:x:6004:6004::%s/srv/sftp/soon:"
              "/usr/sbin/nologin" % root.path], "passwd")
        same([line.split(":")[1] for line in root.read("shadow")], ["*", "*"],
             "passwords")
        same(root.read("group"), ["lockstep-sftp:x:14983:ann,soon"], "group")
        same(root.keys("ann", 6001), "restrict ssh-ed25519 %s\n" % KEY, "key")
        same(root.keys("ann", 6009), "", "keys of another ann")
        same([root.keys("off", 6002), root.keys("late", 6003)], ["", ""],
             "keys of those who may not")
    with t.promise("a home is root's, within it is a folder of the user's"):
        home = os.stat(root.path + "/srv/sftp/ann")
        own = os.stat(root.path + "/srv/sftp/ann/files")
        same((home.st_uid, home.st_mode & 0o777, own.st_uid, own.st_gid,
              own.st_mode & 0o777), (0, 0o755, 6001, 6001, 0o750), "owners")
    with t.promise("a link in a home's place is not followed"):
        os.makedirs(root.path + "/elsewhere")
        os.symlink(root.path + "/elsewhere", root.path + "/srv/sftp/lin")
        root.add("lin", 6005, 6005, "/srv/sftp/lin/x")
        check("cannot log in" in root.run().stderr, "it was followed")
        same(os.listdir(root.path + "/elsewhere"), [], "what was made")
    with t.promise("groups of the cluster, but none of the host's"):
        for name, gid in ("team", 7000), ("sudo", 7001), ("low", 27), (
                "local2", 1234), ("marker", 14983):
            root.sql("INSERT INTO groups (name, gid) VALUES (?, ?)", name, gid)
        root.sql("INSERT INTO group_members SELECT g.id, u.id FROM groups g,"
                 " users u")
        root.run()
        same(root.read("group")[1:], ["team:x:7000:ann,lin,soon"], "groups")
    with t.promise("a run that changes nothing writes nothing"):
        before = os.stat(root.path + "/var/lib/extrausers/passwd")
        root.run("config", "1", "5")
        after = os.stat(root.path + "/var/lib/extrausers/passwd")
        same(after.st_ino, before.st_ino, "the file")
    with t.promise("files of somebody else's are not written over"):
        root.write("var/lib/extrausers/shadow", "old:x:0::::::\n")
        p = root.run(expect=1)
        check("not of Lockstep's making" in p.stderr, p.stderr)
        os.unlink(root.path + "/var/lib/extrausers/shadow")
    with t.promise("without a database nothing changes and the run fails"):
        root.run()
        names = root.names()
        os.rename(root.database, root.database + ".away")
        root.run(expect=1)
        same(root.names(), names, "users")


def root_users(root):
    with sqlite3.connect(root.database) as db:
        rows = db.execute("SELECT name, CAST(uid AS INTEGER) FROM users"
                          " WHERE typeof(name) = 'text'").fetchall()
    db.close()
    return rows


if __name__ == "__main__":
    run()

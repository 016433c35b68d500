"""Rows about the hooks: from one change in a database of 10,000 users, each with
a key and a group, until a host has it, on disk.  Homes are there already.

Then what sshd waits for at each login: lockstep-authorized-keys, from its start
to its end, for one of these users.

lockstep-openssh looks for sessions to be ended too.  lockstep-proftpd is told
not to: it would close connections to a ProFTPD that runs on this machine."""

import os
import shutil
import subprocess
import time

from bench import Unmeasured, median
from lockstep import BUILD

USERS = 10_000
GROUPS = 100
HOOKS = (("OpenSSH", "openssh", "yes"), ("ProFTPD", "proftpd", "no"))
TARGET_MS = 300
KEYS = "OpenSSH, the keys of one of 10,000 users"
KEYS_MS = 5


class Root:
    """A folder that stands for the root of a host."""

    def __init__(self, test, node):
        self.node = node
        # Nobody but root may write to a folder on the way to a home.
        self.path = "/srv/lockstep-bench-%d" % os.getpid()
        os.makedirs(self.path + "/etc/lockstep", mode=0o755)
        test.ending.callback(shutil.rmtree, self.path)
        os.mkdir(self.path + "/srv")
        self.write("etc/passwd", "root:x:0:0::/root:/bin/sh\n")
        self.write("etc/group", "root:x:0:\n")
        for _, name, ends in HOOKS:
            self.write("etc/lockstep/%s.conf" % name, "end_sessions = %s\n" %
                       ends)

    def write(self, name, text):
        with open(os.path.join(self.path, name), "w") as f:
            f.write(text)

    def fill(self):
        with self.node.database() as db:
            db.execute("BEGIN")
            for i in range(1, GROUPS + 1):
                db.execute("INSERT INTO groups (id, name, gid) VALUES "
                           "(?, ?, ?)", (i, "group%d" % i, 50000 + i))
            for i in range(1, USERS + 1):
                name = "user%07d" % i
                db.execute(
                    "INSERT INTO users (id, name, password_hash, uid, gid, "
                    "home) VALUES (?, ?, ?, ?, 100, ?)",
                    (i, name, "$6$%016d$%086d" % (i, i), 100000 + i,
                     "%s/srv/sftp/%s" % (self.path, name)))
                db.execute("INSERT INTO user_keys (user_id, type, key) VALUES "
                           "(?, 'ssh-ed25519', ?)",
                           (i, "AAAAC3NzaC1lZDI1NTE5AAAAI%043d" % i))
                db.execute("INSERT INTO group_members (group_id, user_id) "
                           "VALUES (?, ?)", (1 + i % GROUPS, i))
            db.execute("COMMIT")

    def run(self, hook):
        """Milliseconds."""
        environment = dict(os.environ, LOCKSTEP_DATABASE=self.node.live())
        began = time.monotonic()
        subprocess.run([os.path.join(BUILD, "lockstep-" + hook), "--root",
                        self.path, "config", "1", "1"], env=environment,
                       check=True, stdout=subprocess.DEVNULL)
        return (time.monotonic() - began) * 1000

    def ask_keys(self):
        """Milliseconds."""
        config = os.path.join(self.path, "keys.conf")
        self.write("keys.conf", "database = %s\nhome_roots = %s/srv/sftp\n" %
                   (self.node.live(), self.path))
        began = time.monotonic()
        found = subprocess.run(
            [os.path.join(BUILD, "lockstep-authorized-keys"), "--config",
             config, "user%07d" % (USERS // 2), str(100000 + USERS // 2)],
            check=True, stdout=subprocess.PIPE).stdout
        took = (time.monotonic() - began) * 1000
        if not found.startswith(b"restrict ssh-ed25519 "):
            raise RuntimeError("no keys")
        return took

    def change(self, value):
        self.node.sql("UPDATE users SET password_hash = ? WHERE id = ?",
                      "$6$%016d$%086d" % (value, value), USERS // 2)


def measure(table, fresh):
    names = ["%s hook, 10,000 users, %s changed" % (title, how)
             for title, _, _ in HOOKS for how in ("1", "none")] + [KEYS]
    if not any(table.wants(n) for n in names):
        return
    if os.geteuid() != 0:
        raise Unmeasured("only root can give homes away")
    test = fresh()
    node = test.node("host")
    node.stop()
    root = Root(test, node)
    root.fill()
    for title, hook, _ in HOOKS:
        root.run(hook)
        times = {"1": [], "none": []}
        for i in range(9):
            root.change(USERS + i)
            times["1"].append(root.run(hook))
            times["none"].append(root.run(hook))
        for how, found in times.items():
            table.row("%s hook, 10,000 users, %s changed" % (title, how),
                      median(found), "ms", most=TARGET_MS)
    table.row(KEYS, median([root.ask_keys() for _ in range(51)]), "ms",
              most=KEYS_MS)
    test.end()

#!/usr/bin/python3
"""ProFTPD's own user table as a dataset: users come from the primary, and logins
are counted where they happen."""

import os
import sqlite3
import subprocess

from lockstep import check, run, same, scenario, wait_for
from proftpd_host import ProftpdHost, need_proftpd
from sshd_host import password_login

SCHEMA = """
CREATE TABLE users (userid TEXT PRIMARY KEY, passwd TEXT, uid INTEGER,
    gid INTEGER, homedir TEXT, shell TEXT, count INTEGER NOT NULL DEFAULT 0,
    accessed TEXT);
CREATE TABLE groups (groupname TEXT, gid INTEGER, members TEXT);
"""
TABLE = """
  SQLUserInfo users userid passwd uid gid homedir shell
  SQLGroupInfo groups groupname gid members
  SQLLog PASS count-login
  SQLNamedQuery count-login UPDATE "count = count + 1, accessed = datetime('now') WHERE userid = '%u'" users
"""


class TableHost(ProftpdHost):
    """ProFTPD reads, and writes, the dataset's live file."""

    is_hooked = False

    def table(self):
        return self.path("ftp/users.db")

    def example(self):
        lines = []
        for line in super().example().splitlines():
            word = line.split() or [""]
            if word[0] == "SQLConnectInfo":
                line = "  SQLConnectInfo %s" % self.table()
            line = line.replace("publickey password", "password")
            line = line.replace("SQLEngine auth", "SQLEngine on")
            if word[0] == "</VirtualHost>":
                lines.append(TABLE)
            if word[0] not in ("SQLUserInfo", "SQLUserWhereClause",
                               "SQLGroupInfo", "SQLNamedQuery", "Include",
                               "SFTPAuthorizedUserKeys"):
                lines.append(line)
        return "\n".join(lines) + "\n"

    def write_configuration(self, config):
        super().write_configuration(config)
        os.mkdir(self.path("ftp"), 0o755)
        self.node.config = '[dataset "ftp"]\npath = %s\n%s\n' % (
            self.table(), config)

    def sql(self, text, *values):
        db = sqlite3.connect(self.table(), timeout=20)
        with db:
            rows = db.execute(text, values).fetchall()
        db.close()
        return rows

    def count(self):
        return self.sql("SELECT count FROM users")[0][0]


def hash_of(password):
    return subprocess.run(["openssl", "passwd", "-6", password], text=True,
                          stdout=subprocess.PIPE, check=True).stdout.strip()


@scenario
def logins_are_counted_where_they_happen(t):
    with t.promise("two nodes with ProFTPD over its own table"):
        need_proftpd()
        nodes = [t.node("own%d" % i, start=False) for i in (1, 2)]
        hosts = [TableHost(t, nodes[0],
                           "protect = users.count, users.accessed"),
                 TableHost(t, nodes[1])]
        first, second = hosts
        db = sqlite3.connect(first.table())
        db.executescript(SCHEMA)
        db.close()
        home = "/srv/ann"
        for host in hosts:
            os.makedirs(host.path("srv/ann/files"))
            os.chmod(host.path("srv"), 0o755)
        first.sql("INSERT INTO users (userid, passwd, uid, gid, homedir,"
                  " shell) VALUES ('ann', ?, 5001, 5001, ?, '/bin/false')",
                  hash_of("old word"), home)
        for node in nodes:
            node.start()
        nodes[0].cli("server", "add", nodes[1].address, "--name", "own2",
                     "--password-file", nodes[1].password_file(),
                     "--fingerprint", nodes[1].fingerprint())
        nodes[0].cli("sync", "now", "--wait")
        for host in hosts:
            host.start()
    if t.failures or "home" not in locals():
        return
    with t.promise("a login on the secondary counts there, and is no drift"):
        for number in 1, 2:
            check(password_login(second, "ann", "old word"), second.log())
            wait_for(lambda: second.count() == number, 10, "the count")
        same(first.count(), 0, "the primary's count")
        nodes[0].cli("sync", "now", "--wait")
        check(nodes[1].cli("dataset", "verify", "ftp")["equal"], "differs")
        same(nodes[1].drift("ftp"), [], "drift")
        same(nodes[0].state_of("own2"), "synchronized", "state")
    with t.promise("a changed password reaches it, and the count stays"):
        first.sql("UPDATE users SET passwd = ?", hash_of("new word"))
        nodes[0].cli("sync", "now", "--wait")
        check(not password_login(second, "ann", "old word"), "the old one")
        check(password_login(second, "ann", "new word"), second.log())
        wait_for(lambda: second.count() == 3, 10, "the count")
        same(nodes[1].drift("ftp"), [], "drift")


if __name__ == "__main__":
    run()

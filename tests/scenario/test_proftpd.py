#!/usr/bin/python3
"""A user of the cluster logs in to a real ProFTPD on every node, as long as the
primary says so."""

import contextlib
import shutil
import socket
import sqlite3
import subprocess

import paramiko

from lan import Lan
from lockstep import (Failed, Skipped, check, descendants, in_one_of, run,
                      same, scenario, wait_for)
from proftpd_host import ProftpdHost, need_proftpd
from sshd_host import (PROGRAMS, SSHD_PORT, Session, cluster_of, make_key,
                       password_login, put_into_effect, sftp, sftp_command)

MARKER_GID = "14983"


def password(t, name):
    path = t.directory + "/" + name
    with open(path, "w") as f:
        f.write(name + "\n")
    return path


@scenario
def users_log_in_on_every_node(t):
    lan = None
    with t.promise("a network of its own for each host"):
        need_proftpd()
        lan = Lan()
    with t.promise("three hosts with lockstepd and ProFTPD"):
        need_proftpd()
        hosts = cluster_of(t, ProftpdHost, ["ftp1", "ftp2", "ftp3"], lan)
        primary = hosts[0].node
    if t.failures or "hosts" not in locals():
        return
    old, new = make_key(t, "old"), make_key(t, "new")
    primary.cli("user", "add", "ann", "--uid", "5001")
    primary.cli("user", "key", "add", "ann", old + ".pub")
    primary.cli("user", "add", "bob", "--password-file",
                password(t, "first password"))
    put_into_effect(hosts)
    with t.promise("a user with a key logs in on all three, without a reload"):
        for host in hosts:
            same(sftp(host, old, "ann"),
                 "sftp> pwd\nRemote working directory: /files\n", "the answer")
            found = sftp(host, old, "ann", "put /etc/hostname x\nls -ln\n")
            check(found and " 5001 " in found.splitlines()[-1], found)
    with t.promise("a user with a password too, and with no other"):
        for host in hosts:
            check(password_login(host, "bob", "first password"), host.log())
            check(not password_login(host, "bob", "!"), "a wrong password")
            check(not password_login(host, "ann", "!"), "no password")
    with t.promise("a key that was changed: the old is refused, the new taken"):
        primary.cli("user", "key", "remove", "ann", "old")
        primary.cli("user", "key", "add", "ann", new + ".pub")
        put_into_effect(hosts)
        for host in hosts:
            same(sftp(host, old, "ann"), None, "a login with the old key")
            check(sftp(host, new, "ann"), "the new key is refused")
    with t.promise("another's session stays when a user is disabled, whose "
                   "session ends"):
        primary.cli("user", "key", "add", "bob", old + ".pub")
        put_into_effect(hosts)
        ann = [Session(t, host, new, "ann") for host in hosts]
        bob = [Session(t, host, old, "bob") for host in hosts]
        primary.cli("user", "set", "ann", "--enabled", "no")
        put_into_effect(hosts)
        for host in hosts:
            check(any("ended 1 session" in e["text"]
                      for e in host.node.events("hook")), "the hook's event")
        wait_for(lambda: not any(s.is_open() for s in ann), 10,
                 "the end of the sessions")
        check(all(s.is_open() for s in bob), "bob's session was ended")
        for host in hosts:
            same(sftp(host, new, "ann"), None, "a login when disabled")
    network = lan.network if lan else "127.0.0.0/8"
    with t.promise("an address that a rule denies is refused after a reload "
                   "that ends no session"):
        primary.cli("ipfilter", "add", "allow", hosts[1].address, "--scope",
                    "service", "--cluster")
        primary.cli("ipfilter", "add", "deny", network, "--scope",
                    "service", "--cluster")
        put_into_effect(hosts)
        for host in hosts:
            wait_for(lambda h=host: sftp(h, old, "bob") is None and
                     "] denied" in h.log(), 10, "a refusal")
        check(all(s.is_open() for s in bob), "bob's session was ended")
        primary.cli("ipfilter", "remove", "--cluster", "2")
        put_into_effect(hosts)
        for host in hosts:
            wait_for(lambda h=host: sftp(h, old, "bob"), 10, "a login")
    with t.promise("logins go on while the daemon is down"):
        hosts[1].node.kill9()
        check(sftp(hosts[1], old, "bob"), "refused")
    with t.promise("whose time ends between two revisions is out, with his "
                   "session, as the timer runs it"):
        same(hosts[1].apply(), "", "what a run says before")
        check(bob[1].is_open(), "bob's session was ended")
        hosts[1].node.sql("UPDATE users SET expires = unixepoch() + 2 WHERE "
                          "name = 'bob'")
        wait_for(lambda: hosts[1].apply() == "ended 1 session\n", 20,
                 "a run that ends it")
        wait_for(lambda: not bob[1].is_open(), 10, "the end of the session")
        same(sftp(hosts[1], old, "bob"), None, "a login")
        check(bob[0].is_open(), "the session on the other was ended")


class SlowProftpdHost(ProftpdHost):
    """Whose sessions rest for a while within each login: they have their
    groups, but not yet their user, nor a title that names him."""

    slow = ["strace", "-f", "-o", "/dev/null", "-e", "trace=setgroups",
            "-e", "inject=setgroups:delay_exit=4000000"]

    def command(self):
        return [*self.slow, *super().command()]

    def hurry(self):
        """Starts it anew, without the rest."""
        self.run("sh", "-c", "kill $(cat /run/proftpd.pid)")
        self.server.wait()
        open(self.path("server.log"), "w").close()
        self.slow = []
        self.start()

    def logging_in(self):
        """Whether a session rests so."""
        for pid in descendants(self.server.pid):
            try:
                with open("/proc/%d/status" % pid) as f:
                    fields = dict(line.split(":", 1) for line in f)
            except OSError:
                continue
            if (MARKER_GID in fields["Groups"].split() and
                    fields["Uid"].split()[0] == "0"):
                return True
        return False


@scenario
def who_is_logging_in_is_not_thrown_out(t):
    with t.promise("a host whose ProFTPD is slow to log users in"):
        need_proftpd()
        if shutil.which("strace") is None:
            raise Skipped("strace is not installed")
        node = t.node(start=False)
        host = SlowProftpdHost(t, node)
        node.start()
        key = make_key(t, "key")
        node.cli("user", "add", "ann")
        node.cli("user", "key", "add", "ann", key + ".pub")
        host.apply()
        host.start()
    if t.failures or "key" not in locals():
        return
    with t.promise("who is in the middle of it is let in, while a hook runs"):
        client = subprocess.Popen(sftp_command(host, key, "ann"), text=True,
                                  stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT)
        wait_for(host.logging_in, 20, "a session that logs in")
        same(host.apply(), "", "what the hook says")
        said, _ = client.communicate("pwd\n")
        same(client.returncode, 0, said)
    host.hurry()
    with t.promise("also while another is removed"):
        names = iter(("bob1", "bob2", "bob3"))
        in_one_of(3, lambda: log_in_while_removed(host, key, next(names)))
    with t.promise("but who takes too long then is thrown out"):
        add(host, "carl")
        with socket.create_connection((host.address, SSHD_PORT), 60) as s:
            check(s.recv(4) == b"SSH-", "no greeting")
            host.node.cli("user", "remove", "carl")
            same(host.apply(), "ended 1 session\n", "what the hook says")
            with contextlib.suppress(ConnectionResetError):
                while s.recv(4096):
                    pass


def add(host, name):
    host.node.cli("user", "add", name)
    host.apply()


def knows(host, name):
    with contextlib.closing(sqlite3.connect(
            "file:%s?mode=ro" % host.users(), uri=True, timeout=5)) as db:
        return db.execute("SELECT 1 FROM users WHERE name = ?",
                          (name,)).fetchone() is not None


def log_in_while_removed(host, key, name):
    """Ann, whose client has connected before, logs in while NAME goes."""
    add(host, name)
    line = socket.create_connection((host.address, SSHD_PORT), 60)
    with contextlib.closing(paramiko.Transport(line)) as client:
        client.start_client(timeout=60)
        host.node.cli("user", "remove", name)
        hook = subprocess.Popen([*host.prefix, PROGRAMS + "/lockstep-proftpd"])
        try:
            wait_for(lambda: not knows(host, name), 20, "the removal")
            client.auth_publickey(
                "ann", paramiko.Ed25519Key.from_private_key_file(key))
        except (paramiko.SSHException, OSError, EOFError) as why:
            raise Failed("a login fails: %r" % why)
        finally:
            same(hook.wait(), 0, "the hook's exit code")
        paramiko.SFTPClient.from_transport(client).listdir("/")


if __name__ == "__main__":
    run()

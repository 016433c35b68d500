#!/usr/bin/python3
"""A user of the cluster logs in to a real sshd on every node, as long as the
primary says so."""

import os
import subprocess

from lan import Lan
from lockstep import BUILD, check, run, same, scenario, wait_for
from sshd_host import (Host, Session, cluster_of, make_key, need_sshd,
                       put_into_effect, sftp)


@scenario
def users_log_in_on_every_node(t):
    lan = None
    with t.promise("a network of its own for each host"):
        need_sshd()
        lan = Lan()
    with t.promise("three hosts with lockstepd and sshd"):
        need_sshd()
        hosts = cluster_of(t, Host, ["host1", "host2", "host3"], lan)
        primary = hosts[0].node
    if t.failures or "hosts" not in locals():
        return
    old, new = make_key(t, "old"), make_key(t, "new")
    primary.cli("user", "add", "ann", "--uid", "5001")
    primary.cli("user", "key", "add", "ann", old + ".pub")
    put_into_effect(hosts)
    with t.promise("a user with a key logs in on all three"):
        for host in hosts:
            same(sftp(host, old, "ann"),
                 "sftp> pwd\nRemote working directory: /files\n", "the answer")
    with t.promise("has the same uid everywhere, and a home of its own"):
        for host in hosts:
            check(host.run("id", "ann").startswith(
                "uid=5001(ann) gid=5001 groups=5001,14983(lockstep-sftp)"),
                host.run("id", "ann"))
            found = sftp(host, old, "ann", "put /etc/hostname x\nls -ln\n")
            check(found and " 5001 " in found.splitlines()[-1], found)
    with t.promise("a key that was changed: the old is refused, the new taken"):
        primary.cli("user", "key", "remove", "ann", "old")
        primary.cli("user", "key", "add", "ann", new + ".pub")
        put_into_effect(hosts)
        for host in hosts:
            same(sftp(host, old, "ann"), None, "a login with the old key")
            check(sftp(host, new, "ann"), "the new key is refused")
    with t.promise("another's session stays when a user is disabled, whose "
                   "session ends"):
        primary.cli("user", "add", "bob")
        primary.cli("user", "key", "add", "bob", old + ".pub")
        put_into_effect(hosts)
        ann = [Session(t, host, new, "ann") for host in hosts]
        bob = [Session(t, host, old, "bob") for host in hosts]
        primary.cli("user", "set", "ann", "--enabled", "no")
        put_into_effect(hosts)
        wait_for(lambda: not any(s.is_open() for s in ann), 10,
                 "the end of the sessions")
        check(all(s.is_open() for s in bob), "bob's session was ended")
        for host in hosts:
            same(sftp(host, new, "ann"), None, "a login when disabled")
    with t.promise("a hook outside of a container ends nothing in it"):
        other = t.node("other")
        root = t.directory + "/root"
        os.makedirs(root + "/etc")
        for name in "passwd", "group":
            with open(root + "/etc/" + name, "w") as f:
                f.write("root:x:0:0::/root:/bin/sh\n")
        p = subprocess.run(
            [BUILD + "/lockstep-openssh", "--root", root, "config", "1", "1"],
            env={"LOCKSTEP_DATABASE": other.live()}, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        same((p.returncode, p.stdout), (0, ""), "what it says")
        check(all(s.is_open() for s in bob), "bob's session was ended")
    with t.promise("logins go on while the primary is down"):
        hosts[0].node.kill9()
        for host in hosts:
            check(sftp(host, old, "bob"), "refused")
        hosts[0].node.start()
    with t.promise("users change while a secondary is down: it has them right "
                   "after its return"):
        hosts[1].node.kill9()
        primary.cli("user", "remove", "bob")
        check(sftp(hosts[1], old, "bob"), "refused while it is down")
        hosts[1].node.start()
        put_into_effect(hosts)
        same(sftp(hosts[1], old, "bob"), None, "a login of who was removed")
        wait_for(lambda: not any(s.is_open() for s in bob),
                 what="the end of his sessions")


if __name__ == "__main__":
    run()

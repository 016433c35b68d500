#!/usr/bin/python3
"""Rules by address before a real sshd, by nftables, in a network of our own."""

import os
import shutil
import socket
import subprocess
import sys

from lockstep import Skipped, check, run, same, scenario, wait_for
from sshd_host import PROGRAMS, SSHD_PORT, Host, need_sshd

OWN_NETWORK = "LOCKSTEP_TEST_NETWORK"
V6 = "2001:db8::1"


def nft(*words):
    return subprocess.run(["nft", *words], check=True, text=True,
                          stdout=subprocess.PIPE).stdout


def need_nft():
    need_sshd()
    if shutil.which("nft") is None:
        raise Skipped("nftables is not installed")
    if OWN_NETWORK not in os.environ:
        raise Skipped("no network of our own here")
    p = subprocess.run(["nft", "add", "table", "inet", "mine"],
                       stderr=subprocess.PIPE, text=True)
    if p.returncode != 0:
        raise Skipped("nftables does not work here: " + p.stderr.strip())


def connect(host, source):
    """A connection that sshd has greeted, or None."""
    to = V6 if ":" in source else host.address
    try:
        s = socket.create_connection((to, SSHD_PORT), 20, (source, 0))
    except ConnectionRefusedError:
        return None
    check(s.recv(4) == b"SSH-", "sshd said something else")
    return s


def let_in(host, *sources):
    """Those of SOURCES that are."""
    found = []
    for source in sources:
        s = connect(host, source)
        if s is not None:
            s.close()
            found.append(source)
    return found


def configure(host, text):
    with open(host.path("etc/lockstep/openssh.conf"), "w") as f:
        f.write("database = %s\nfilter_port = %d\nfilter_file = %s\n%s" % (
            host.node.live(), SSHD_PORT, host.path("service.nft"), text))


def apply(host, expect=0):
    return host.run(PROGRAMS + "/lockstep-openssh", expect=expect)


def add(node, action, address, *more):
    node.cli("ipfilter", "add", action, address, "--scope", "service",
             "--cluster", *more)


def enforced(node):
    return node.cli("ipfilter", "list")["enforced_by"]


@scenario
def sshd_is_behind_the_rules(t):
    with t.promise("a host with sshd, and a table of somebody else's"):
        need_nft()
        subprocess.run(["ip", "addr", "add", V6 + "/64", "dev", "lo"],
                       check=True)
        subprocess.run(["ip", "addr", "add", V6 + "1/64", "dev", "lo"],
                       check=True)
        node = t.node(start=False)
        host = Host(t, node)
        with open(host.path("etc/ssh/sshd_config.d/v6.conf"), "w") as f:
            f.write("ListenAddress [%s]:%d\n" % (V6, SSHD_PORT))
        configure(host, "")
        node.start()
        host.start()
        wait_for(lambda: host.log().count("Server listening") == 2,
                 what="both addresses")
        # The run of the hook that a start begins reads what is there now.
        wait_for(host.in_effect, what="in effect")
    if t.failures or "host" not in locals():
        return
    with t.promise("nothing is made unless the administrator says so"):
        add(node, "allow", "127.9.0.2-127.9.0.3")
        add(node, "deny", "127.9.0.0/24")
        add(node, "deny", V6 + "1")
        apply(host)
        same(nft("list", "tables"), "table inet mine\n", "tables")
        same(enforced(node), [], "who enforces")
    with t.promise("the first rule that matches decides, for both families"):
        configure(host, "filter = yes\n")
        early = connect(host, "127.9.0.9")
        apply(host)
        same(let_in(host, "127.9.0.1", "127.9.0.2", "127.9.0.3", "127.9.0.4",
                    "127.9.1.1", V6, V6 + "1"),
             ["127.9.0.2", "127.9.0.3", "127.9.1.1", V6], "let in")
        same(enforced(node), ["nftables, for TCP port %d" % SSHD_PORT],
             "who enforces")
    with t.promise("a connection that was there stays"):
        early.sendall(b"SSH-2.0-x\r\n")
        check(early.recv(1000), "it was closed")
        early.close()
    with t.promise("a change is in effect with its revision, by the hook"):
        add(node, "deny", "0.0.0.0/0")
        add(node, "deny", "::/0")
        node.cli("sync", "now", "--wait")
        wait_for(lambda: let_in(host, "127.9.1.1", V6) == [], 20, "refusals")
        wait_for(host.in_effect, 20, "in effect")
    with t.promise("the host itself is let in, and who is allowed"):
        same(let_in(host, "127.0.0.1", "127.9.0.2", "127.9.0.4"),
             ["127.0.0.1", "127.9.0.2"], "let in")
    with t.promise("tables that were flushed are there after the next run"):
        nft("flush", "ruleset")
        same(let_in(host, "127.9.0.4"), ["127.9.0.4"], "let in")
        apply(host)
        same(let_in(host, "127.9.0.4"), [], "let in")
        nft("flush", "ruleset")
        nft("-f", host.path("service.nft"))
        same(let_in(host, "127.9.0.4"), [], "let in by the script alone")
    with t.promise("when nft refuses, the run fails and all is as before"):
        before = nft("list", "ruleset")
        configure(host, "filter = yes\nnft = /bin/false\n")
        check("as before" in apply(host, expect=1), "it does not say so")
        same(nft("list", "ruleset"), before, "tables")
    with t.promise("a rule whose time is over counts no more"):
        configure(host, "filter = yes\n")
        node.sql("UPDATE ip_rules SET expires = 1000 WHERE action = 'deny'")
        apply(host)
        same(let_in(host, "127.9.0.4", V6 + "1"), ["127.9.0.4", V6 + "1"],
             "let in")
    with t.promise("switched off, it takes its table away, and no other"):
        nft("add", "table", "inet", "mine")
        configure(host, "filter = no\n")
        apply(host)
        same(nft("list", "tables"), "table inet mine\n", "tables")
        same(enforced(node), [], "who enforces")


if __name__ == "__main__":
    if (os.geteuid() == 0 and OWN_NETWORK not in os.environ and
            subprocess.run(["unshare", "-n", "true"],
                           stderr=subprocess.DEVNULL).returncode == 0):
        os.environ[OWN_NETWORK] = "1"
        os.execvp("unshare", ["unshare", "-n", "sh", "-c",
                              'ip link set lo up && exec "$0" "$@"',
                              sys.executable, *sys.argv])
    run()

#!/usr/bin/python3
"""What the admin port refuses, asked by clients that know how to ask:
ssh-audit, OpenSSH and asyncssh."""

import asyncio
import contextlib
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../scenario"))

import asyncssh  # noqa: E402
from lockstep import PATIENCE, PORT, ROOT, SLOW, Failed, check, children, \
    run, same, scenario, wait_for  # noqa: E402

DONE_TEXT = "done 42"


def settled(node):
    """No session is left, and none ended badly."""
    wait_for(lambda: not children(node, "session"), 20,
             "the end of the sessions")
    same([e["text"] for e in node.events("session-crashed")], [], "crashes")


@scenario
def what_ssh_audit_says(t):
    node = t.node("node")
    audit = shutil.which("ssh-audit")
    with t.promise("ssh-audit is there"):
        check(audit, "install ssh-audit")
    said = subprocess.run(
        [audit, "-n", "-p", str(PORT), node.address], text=True,
        capture_output=True, timeout=120 * SLOW).stdout
    with t.promise("ssh-audit finds no failure"):
        check("curve25519-sha256" in said, said)
        same(re.findall(r"^.*\[fail\].*$", said, re.M), [], "failures")
    with t.promise("each warning is explained in docs/threat-model.md"):
        with open(os.path.join(ROOT, "docs/threat-model.md")) as f:
            explained = f.read()
        for line in re.findall(r"^.*\[warn\].*$", said, re.M):
            check("`%s`" % line.split()[1] in explained, line)
    with t.promise("the banner tells no version"):
        same(re.findall(r"^\(gen\) banner: (.*)$", said, re.M),
             ["SSH-2.0-Lockstep"], "banner")
    with t.promise("nothing is left of it"):
        settled(node)


def ssh(node, *words, program="ssh"):
    key = node.path("local-admin-key")
    return subprocess.run(
        [program, "-F/dev/null", "-oStrictHostKeyChecking=no",
         "-oUserKnownHostsFile=/dev/null", "-oIdentitiesOnly=yes",
         "-oIdentityFile=" + key, "-oPort=%d" % PORT, "-oBatchMode=yes",
         "-oConnectTimeout=60", *words], text=True, capture_output=True,
        stdin=subprocess.DEVNULL, timeout=120 * SLOW)


@scenario
def what_openssh_asks_for(t):
    node = t.node("node")
    target = "local@" + node.address
    with t.promise("OpenSSH may list files, which shows that it gets in"):
        r = subprocess.run(
            ["sftp", "-F/dev/null", "-oStrictHostKeyChecking=no",
             "-oUserKnownHostsFile=/dev/null", "-oIdentitiesOnly=yes",
             "-oIdentityFile=" + node.path("local-admin-key"),
             "-P%d" % PORT, "-b-", target], input="ls\n", text=True,
            capture_output=True, timeout=120 * SLOW)
        same(r.returncode, 0, r.stderr)
    command = "echo done $((6 * 7))"
    for name, words in (
            ("exec", [target, command]),
            ("a shell", ["-T", target]),
            ("a terminal", ["-tt", target, command]),
            ("an agent", ["-A", target, command]),
            ("X11", ["-X", target, command]),
            ("another subsystem", ["-s", target, "netconf"]),
            ("a connection to a port", ["-W", "127.0.0.1:%d" % PORT, target]),
            ("a port of ours", ["-oExitOnForwardFailure=yes", "-N", "-R",
                                "127.0.0.1:0:127.0.0.1:1", target]),
            ("a socket of ours", ["-oExitOnForwardFailure=yes", "-N", "-R",
                                  t.directory + "/s:127.0.0.1:1", target]),
            ("a tunnel device", ["-w", "any", "-N",
                                 "-oExitOnForwardFailure=yes", target])):
        with t.promise("OpenSSH does not get %s" % name):
            with expired_is_failure(name):
                r = ssh(node, *words)
                check(r.returncode != 0, r.stdout)
                check(DONE_TEXT not in r.stdout and "SSH-2.0" not in r.stdout,
                      r.stdout)
    for method in "none", "gssapi-with-mic", "keyboard-interactive", \
            "hostbased":
        with t.promise("no login by " + method):
            r = ssh(node, "-oPreferredAuthentications=" + method,
                    "-oGSSAPIAuthentication=yes", target, command)
            same(r.returncode, 255, "exit")
            check("Permission denied (publickey,password)" in r.stderr,
                  r.stderr)
    with t.promise("nothing is left of them"):
        settled(node)


@contextlib.contextmanager
def expired_is_failure(name):
    try:
        yield
    except subprocess.TimeoutExpired:
        raise Failed("%s was neither given nor refused" % name)


REFUSALS = (asyncssh.Error, asyncssh.ChannelListenError, OSError)


async def refused(what, attempt):
    try:
        await asyncio.wait_for(attempt, PATIENCE * SLOW)
    except asyncio.TimeoutError:
        raise Failed("%s was neither given nor refused" % what)
    except REFUSALS:
        return
    raise Failed("%s was given" % what)


def connect(node, **options):
    return asyncssh.connect(
        node.address, PORT, username="local", known_hosts=None, config=None,
        client_keys=[node.path("local-admin-key")], agent_path=None,
        **options)


async def ask_for_everything(t, node):
    """Each over a connection of its own: none is refused for another."""
    for name, ask in (
            ("exec", lambda c: c.create_process("id")),
            ("a shell", lambda c: c.create_process()),
            ("a terminal", lambda c: c.create_process(
                "id", term_type="xterm")),
            ("another subsystem", lambda c: c.create_process(
                subsystem="netconf")),
            ("a connection", lambda c: c.open_connection(
                node.address, PORT)),
            ("a socket", lambda c: c.open_unix_connection("/run/x.sock")),
            ("a port of ours", lambda c: c.create_server(
                lambda *_: None, "127.0.0.1", 0)),
            ("a socket of ours", lambda c: c.create_unix_server(
                lambda *_: None, t.directory + "/a.sock"))):
        with t.promise("asyncssh does not get " + name):
            async with connect(node) as c:
                await refused(name, ask(c))


async def one_channel(t, node):
    async with connect(node) as c:
        sftp = await c.start_sftp_client()
        with t.promise("asyncssh gets sftp, which shows that it gets in"):
            check("status.json" in await sftp.listdir("/"), "nothing")
        with t.promise("a second channel is refused, of any kind"):
            await refused("sftp", c.start_sftp_client())
            await refused("exec", c.create_process("id"))
            await refused("a port", c.open_connection("127.0.0.1", PORT))
        with t.promise("the first channel works on"):
            check("status.json" in await sftp.listdir("/"), "nothing")


@scenario
def what_asyncssh_asks_for(t):
    node = t.node("node")
    asyncio.run(ask_for_everything(t, node))
    asyncio.run(one_channel(t, node))
    with t.promise("nothing is left of them"):
        settled(node)


if __name__ == "__main__":
    run()

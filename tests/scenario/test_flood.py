#!/usr/bin/python3
"""A flood at the admin port: pushes go on, and nothing of it stays.

A tenth of it in every run; whole with LOCKSTEP_FLOOD=whole.
"""
# alone: it takes what others need
# timeout: 240

import contextlib
import multiprocessing
import os
import random
import socket
import time

import paramiko

from admin import Admin
from lockstep import (PORT, SLOW, check, children, descendants, run, same,
                      scenario, wait_for)

PART = 1 if os.environ.get("LOCKSTEP_FLOOD") == "whole" else 10
LOGINS = 2000 // PART
SILENT_SOURCES, SILENT_EACH = 50 // min(PART, 5), 10
CUT = 1000 // PART
SLOW_ONES = 50 // min(PART, 5)
GRACE = 5 if PART == 1 else 3
ATTACKER = "127.0.100.1"

GROWTH_KIB = 4096  # tables of sources have their bounds; this is above them


def connect(address, source):
    s = socket.socket()
    s.settimeout(20 * SLOW)
    s.bind((source, 0))
    s.connect((address, PORT))
    return s


def bad_logins(address):
    """From one source: three passwords a connection, until it is banned;
    then connections that get nothing."""
    left = LOGINS
    while left > 0:
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
            s = connect(address, ATTACKER)
            s.settimeout(0.5)
            try:
                spoken = s.recv(1, socket.MSG_PEEK) != b""
            except socket.timeout:
                spoken = True
            if not spoken:
                left -= 1
                s.close()
                continue
            transport = paramiko.Transport(s)
            try:
                transport.start_client(timeout=20 * SLOW)
                for _ in range(3):
                    left -= 1
                    with contextlib.suppress(paramiko.AuthenticationException):
                        transport.auth_password("admin", "wrong")
            finally:
                transport.close()


def silent(address):
    """Connect, say nothing, stay until shut out."""
    held = []
    for source in range(SILENT_SOURCES):
        for _ in range(SILENT_EACH):
            with contextlib.suppress(OSError):
                held.append(connect(address, "127.0.101.%d" % (source + 1)))
    for s in held:
        with contextlib.suppress(OSError):
            while s.recv(4096):
                pass
        s.close()


def cut(address):
    """Begin the key exchange and leave in its middle."""
    r = random.Random(7)
    for number in range(CUT):
        with contextlib.suppress(OSError):
            with connect(address, "127.0.102.%d" % (number % 100 + 1)) as s:
                s.sendall(b"SSH-2.0-flood\r\n" +
                          b"\0\0\1\xfc\x0a\x14" + r.randbytes(r.randrange(200)))


def slow(address):
    """A byte of the greeting now and then."""
    held = []
    for source in range(SLOW_ONES):
        with contextlib.suppress(OSError):
            held.append(connect(address, "127.0.103.%d" % (source + 1)))
    greeting = b"SSH-2.0-slow_and_never_at_an_end"
    for byte in greeting:
        time.sleep(GRACE * 1.2 / len(greeting))  # too slow
        for s in held:
            with contextlib.suppress(OSError):
                s.send(bytes([byte]))
    for s in held:
        s.close()


def resident(node):
    """KiB of the engine in memory."""
    with open("/proc/%d/status" % node.pid()) as f:
        return next(int(line.split()[1]) for line in f
                    if line.startswith("VmRSS"))


def descriptors(node):
    """What the engine has open, by number."""
    folder = "/proc/%d/fd" % node.pid()
    found = {}
    for number in os.listdir(folder):
        with contextlib.suppress(OSError):
            found[int(number)] = os.readlink(os.path.join(folder, number))
    return found


def one_session_left(node):
    """The primary's alone: of all others the engine has let go, too.  It
    closes what it has of a session a moment after that has ended."""
    handles = [d for d in descriptors(node).values() if "pidfd" in d]
    return len(descendants(node.pid())) == len(handles) == 1


def what_is_open(node):
    """For a failure: every child, and every descriptor of the engine."""
    lines = []
    for pid in descendants(node.pid()):
        with contextlib.suppress(OSError):
            with open("/proc/%d/stat" % pid) as f:
                state = f.read().rpartition(")")[2].split()[0]
            with open("/proc/%d/cmdline" % pid) as f:
                command = f.read().replace("\0", " ")
            lines.append("child %d, state %s: %s" % (pid, state, command))
    lines += ["%d %s" % d for d in sorted(descriptors(node).items())]
    return "\n".join(lines)


def push(primary, admin, number):
    """Seconds from a commit until the secondary has proved it."""
    primary.sql("UPDATE users SET comment = ? WHERE name = 'ann'",
                str(number))
    began = time.monotonic()
    admin.control("sync now", wait=True, timeout_ms=int(10000 * SLOW))
    return time.monotonic() - began


def flood(node):
    context = multiprocessing.get_context("fork")
    attackers = [context.Process(target=f, args=(node.address,), daemon=True)
                 for f in (bad_logins, silent, cut, slow)]
    for process in attackers:
        process.start()
    return attackers


@scenario
def pushes_go_on_in_a_flood(t):
    cluster = t.cluster(
        1, secondary_config="[limits]\nlogin_grace = %ds\n" % GRACE)
    primary, node = cluster.primary, cluster.secondaries[0]
    primary.cli("user", "add", "ann", "--home", "/srv/ann")
    cluster.sync()
    node.cli("status")
    wait_for(lambda: one_session_left(node),
             what=lambda: "one session alone of\n" + what_is_open(node))
    before, memory = len(descriptors(node)), resident(node)
    took = []
    with t.promise("a push every second is proved, whoever knocks"):
        attackers = flood(node)
        with Admin(primary) as admin:
            while any(a.is_alive() for a in attackers) or len(took) < 5:
                took.append(push(primary, admin, len(took)))
                check(len(children(node, "session")) <= 110, "too many")
                time.sleep(max(0, 1 - took[-1]))  # one a second
        for process in attackers:
            process.join()
            same(process.exitcode, 0, "exit code of an attacker")
        same(node.sql("SELECT comment FROM users"), [(str(len(took) - 1),)],
             "the last change")
        took.sort()
        print("# %d pushes: median %.0f ms, p99 %.0f ms, longest %.0f ms" % (
            len(took), took[len(took) // 2] * 1000,
            took[int(len(took) * 0.99)] * 1000, took[-1] * 1000), flush=True)
    with t.promise("the attacker is banned, the flood is counted"):
        bans = {b["source"] for b in node.cli("ipfilter", "bans")["bans"]}
        check(ATTACKER in bans, bans)
        with Admin(node) as admin:
            metrics = admin.read("/metrics.prom").decode()
        refused = {line.split('"')[1]: int(line.split()[-1])
                   for line in metrics.splitlines()
                   if line.startswith("lockstep_refused_total{")}
        print("# refused: %s" % refused, flush=True)
        check(refused["ban"] > LOGINS // 2, refused)
        check(refused["limit"] > 0, refused)
    with t.promise("descriptors and children return to the start"):
        wait_for(lambda: one_session_left(node) and
                 len(descriptors(node)) == before, 20,
                 lambda: "%d descriptors of\n%s" % (before,
                                                    what_is_open(node)))
    with t.promise("so does memory"):
        after = resident(node)
        print("# resident: %d KiB before, %d after" % (memory, after),
              flush=True)
        if "asan" not in os.environ.get("LOCKSTEP_BUILD", ""):
            check(after - memory < GROWTH_KIB, "%d KiB more" %
                  (after - memory))
    with t.promise("the events tell of it and stay few"):
        kinds = [e["kind"] for e in node.events()]
        check("banned" in kinds and "login-refused" in kinds, set(kinds))
        check(len(kinds) < 600, "%d events" % len(kinds))


if __name__ == "__main__":
    run(230)

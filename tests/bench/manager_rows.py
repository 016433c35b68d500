"""Rows about the manager: from a key to what is drawn, and what an open screen
costs, with 1,000 servers and 100,000 users."""

import fcntl
import os
import pty
import select
import struct
import termios
import time

from bench import median
from lockstep import LOCKSTEP
from machine import cpu_ms, family_cpu_ms

SERVERS = 1_000
USERS = 100_000
KEYS = 200
WATCHED_S = 10
DOWN, PAGE_DOWN = b"j", b"\x1b[6~"


class Screen:
    """The manager of NODE on a terminal of its own, 200 columns wide."""

    def __init__(self, node, frozen=None):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update(TERM="xterm-256color", LC_ALL="C.UTF-8")
            if frozen:
                os.environ["LOCKSTEP_FREEZE_CLOCK"] = frozen
            try:
                os.execv(LOCKSTEP, [LOCKSTEP, "--state-dir", node.directory])
            finally:
                os._exit(127)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ,
                    struct.pack("HHHH", 50, 200, 0, 0))

    def read(self, wait_s):
        """What is drawn, or nothing after that time."""
        ready, _, _ = select.select([self.fd], [], [], wait_s)
        return os.read(self.fd, 1 << 20) if ready else b""

    def see(self, text, deadline_s=60):
        seen, end = b"", time.monotonic() + deadline_s
        while text not in seen:
            if time.monotonic() > end:
                raise RuntimeError("%r is not seen" % text)
            seen = seen[-(1 << 20):] + self.read(1)

    def settle(self):
        """Until nothing more is drawn."""
        while self.read(0.3):
            pass

    def press(self, key):
        """Milliseconds from the key to the first byte that is drawn."""
        begin = time.monotonic()
        os.write(self.fd, key)
        if not self.read(10):
            raise RuntimeError("nothing is drawn after %r" % key)
        took = (time.monotonic() - begin) * 1000
        self.read(0.005)
        return took

    def watch(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.read(0.2)

    def close(self):
        os.close(self.fd)
        os.waitpid(self.pid, 0)


def open_at(node, tab, text, frozen=None):
    screen = Screen(node, frozen)
    screen.see(b"Overview")
    os.write(screen.fd, tab)
    screen.see(text)
    screen.settle()
    return screen


def key_to_draw(node, tab, text):
    """Of rows and pages down, in turn: the one in the middle, and the slowest
    but one in a hundred."""
    screen = open_at(node, tab, text, "2030-01-31T12:00:00Z")
    found = [screen.press(PAGE_DOWN if i % 16 == 15 else DOWN)
             for i in range(KEYS)]
    screen.close()
    found.sort()
    return median(found), found[-1 - len(found) // 100]


def to_the_end(node, tab, text):
    """From "G" to the last row, which the node has to send first."""
    screen, found = open_at(node, tab, text, "2030-01-31T12:00:00Z"), []
    for _ in range(9):
        begin = time.monotonic()
        os.write(screen.fd, b"G")
        screen.see(b"99999")
        found.append((time.monotonic() - begin) * 1000)
        screen.settle()
        os.write(screen.fd, b"g")
        screen.settle()
    screen.close()
    return median(found)


def share(node, tab, text):
    """Percent of a core of an open screen, and of its node for it."""
    idle = family_cpu_ms(node.pid())
    time.sleep(WATCHED_S)
    idle = family_cpu_ms(node.pid()) - idle
    screen = open_at(node, tab, text)
    before, busy = cpu_ms(screen.pid), family_cpu_ms(node.pid())
    screen.watch(WATCHED_S)
    ours = cpu_ms(screen.pid) - before
    busy = family_cpu_ms(node.pid()) - busy
    screen.close()
    return ours / WATCHED_S / 10, max(0, busy - idle) / WATCHED_S / 10


def with_servers(test):
    """A primary that lists 1,000 servers: one is there, the others are known
    and paused."""
    cluster = test.cluster(1, interval="1d")
    cluster.sync()
    cluster.wait_synchronized()
    cluster.pretend_servers(SERVERS - 1)
    return cluster.primary


def with_users(test):
    node = test.node("alone")
    node.sql("WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n"
             " WHERE i < %d) INSERT INTO users (name, uid, gid, home, comment)"
             " SELECT printf('u%%05d', i), 100000 + i, 20000, '/srv/' || i,"
             " 'User ' || i FROM n" % (USERS - 1))
    return node


CASES = [("%s servers" % format(SERVERS, ","), with_servers, b"2", b"node00"),
         ("%s users" % format(USERS, ","), with_users, b"3", b"u00010")]


def measure(table, fresh):
    for what, make, tab, text in CASES:
        names = ["manager, key to draw, " + what,
                 "manager, slowest of 100 keys, " + what,
                 "manager, open screen, " + what,
                 "node, for that open screen, " + what]
        if not any(table.wants(n) for n in names):
            continue
        test = fresh()
        node = make(test)
        middle, slowest = key_to_draw(node, tab, text)
        ours, theirs = share(node, tab, text)
        table.row(names[0], middle, "ms", most=16)
        table.row(names[1], slowest, "ms", most=50)
        table.row(names[2], ours, "%", most=1)
        table.row(names[3], theirs, "%", most=1)
        if make is with_users:
            table.row("manager, to the last of 100,000 users",
                      to_the_end(node, tab, text), "ms", most=100)
        test.end()

"""Processes that stand still and lines that go dead: nobody else waits, no
state between, everything converges within two intervals of recovery."""

import contextlib
import os
import select
import signal
import socket
import threading

from kills import Scene, child_of, engine_of
from lockstep import PORT, SLOW, check, same, wait_for


class Line(threading.Thread):
    """A TCP line to a node that can be cut, or go dead without a word."""

    def __init__(self, address, target):
        super().__init__(daemon=True)
        self.target = target
        self.listener = socket.create_server((address, PORT))
        self.pairs = {}
        self.silent = False
        self.closed = False
        self.start()

    def connect(self):
        client, _ = self.listener.accept()
        try:
            server = socket.create_connection((self.target, PORT), 5)
        except OSError:
            client.close()
            return
        self.pairs[client], self.pairs[server] = server, client

    def drop(self, end):
        for s in (end, self.pairs.get(end)):
            if s is not None:
                self.pairs.pop(s, None)
                s.close()

    def run(self):
        while not self.closed:
            ends = [] if self.silent else list(self.pairs)
            try:
                ready, _, _ = select.select([self.listener] + ends, [], [],
                                            0.05)
                for end in ready:
                    if end is self.listener:
                        self.connect()
                    elif end in self.pairs:
                        self.forward(end)
            except (OSError, ValueError):
                continue

    def forward(self, end):
        try:
            data = end.recv(65536)
            if data:
                self.pairs[end].sendall(data)
                return
        except OSError:
            pass
        self.drop(end)

    def cut(self):
        for end in list(self.pairs):
            self.drop(end)

    def close(self):
        self.closed = True
        self.cut()
        self.listener.close()


def converges(scene, seconds):
    """By the interval alone, which is one second."""
    wait_for(lambda: scene.state(scene.node) == scene.number and
             scene.cluster.synchronized(), seconds, "converged", 0.05)


@contextlib.contextmanager
def stopped(pid):
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def pauses(t):
    scene = Scene(t)
    other = t.node("other")
    scene.cluster.add(other)
    scene.primary.cli("sync", "config", "--interval", "1s")
    for what, find in (
            ("the secondary's engine", engine_of(scene.node)),
            ("the secondary's session", child_of(scene.node, "session")),
            ("the primary's connector", child_of(scene.primary,
                                                 "connector"))):
        with t.promise("while %s stands still another server is served, and "
                       "it converges afterwards" % what):
            with stopped(find()):
                scene.change()
                wait_for(lambda: scene.state(other) == scene.number, 5,
                         "the other has it")
            converges(scene, 20)
    with t.promise("a pusher that stood still goes on where it was"):
        with stopped(child_of(scene.primary, "pusher")()):
            scene.change()
        converges(scene, 20)
        same(scene.state(other), scene.number, "the other's number")


def lines(t):
    scene = Scene(t)
    node, primary = scene.node, scene.primary
    far = t.node("far")
    line = Line(t.addresses.get(6), far.address)
    t.ending.callback(line.close)
    primary.cli("server", "add", t.addresses.get(6), "--name", "far",
                "--password-file", far.password_file(), "--fingerprint",
                far.fingerprint())
    primary.cli("sync", "config", "--interval", "1s")

    def reached():
        return scene.state(far) == scene.number and \
            primary.state_of("far") == "synchronized"
    with t.promise("a line that is cut is opened again, without an "
                   "overwrite"):
        overwrites = primary.server("far")["overwrites"]
        for _ in range(3):
            line.cut()
            scene.change()
            wait_for(reached, 10, "converged", 0.05)
        same(primary.server("far")["overwrites"], overwrites, "overwrites")
    with t.promise("a line gone dead in silence is noticed and not called "
                   "synchronized"):
        line.silent = True
        scene.change()
        wait_for(lambda: scene.state(node) == scene.number, 5,
                 "the other has it")
        wait_for(lambda: primary.state_of("far") in (
            "unreachable", "behind"), 30 * SLOW, "noticed", 0.1)
        check(scene.state(far) != scene.number, "it arrived all the same")
    with t.promise("once it speaks again everything converges"):
        line.cut()
        line.silent = False
        wait_for(reached, 30, "converged", 0.1)


def measure(t):
    pauses(t)


def measure_lines(t):
    lines(t)

"""A TCP line between a primary and one secondary, to count and keep back."""

import contextlib
import select
import socket
import threading
import time

from lockstep import PORT, wait_for


class Line(threading.Thread):
    """A TCP line to a node.  Once armed it lets so many requests of the
    caller's, and the answers to them, pass; the request after those passes
    too, but its answer is kept back."""

    def __init__(self, address, target):
        super().__init__(daemon=True)
        self.target = target
        self.listener = socket.create_server((address, PORT))
        self.callers = {}  # to the connection that leads to the node
        self.lock = threading.Lock()  # around those
        self.left = None
        self.asking = False
        self.closed = False
        self.last = time.monotonic()
        self.start()

    def is_quiet(self):
        return time.monotonic() - self.last > 3

    def arm(self, requests):
        self.asking = False
        self.left = requests

    def keeps_back(self):
        return self.left is not None and self.left < 0

    def run(self):
        while not self.closed:
            with self.lock:
                ends = list(self.callers)
                if not self.keeps_back():
                    ends += self.callers.values()
            try:
                ready, _, _ = select.select([self.listener] + ends, [], [],
                                            0.05)
            except (OSError, ValueError):
                continue  # one was cut
            for end in ready:
                with self.lock, contextlib.suppress(OSError, ValueError):
                    self.take(end)

    def take(self, end):
        """What is there to be read, if it was not cut meanwhile."""
        nodes = {n: c for c, n in self.callers.items()}
        if end is self.listener:
            self.connect()
        elif end in self.callers:
            self.pass_on(end, self.callers[end], True)
        elif end in nodes and not self.keeps_back():
            self.pass_on(end, nodes[end], False)

    def connect(self):
        caller, _ = self.listener.accept()
        self.callers[caller] = socket.create_connection((self.target, PORT), 60)

    def pass_on(self, end, other, request):
        data = end.recv(65536)
        if not data:
            self.drop(end if request else other)
            return
        if self.left is not None and request and not self.asking:
            self.left -= 1
        self.asking = request
        self.last = time.monotonic()
        other.sendall(data)

    def drop(self, caller):
        node = self.callers.pop(caller, None)
        if node is not None:
            caller.close()
            node.close()

    def cut(self, requests=None):
        """Ends what is open; what comes anew passes, or so many requests of
        it do, as by arm()."""
        with self.lock:
            self.asking = False
            self.left = requests
            for caller in list(self.callers):
                self.drop(caller)

    def close(self):
        self.closed = True
        self.cut()
        self.listener.close()
        self.join()


def through_a_line(t):
    """A cluster of one secondary, added through a line."""
    primary, node = t.node("primary"), t.node("second")
    primary.cli("sync", "config", "--interval", "1h")
    line = Line(t.addresses.get(7), node.address)
    primary.cli("server", "add", line.listener.getsockname()[0], "--name",
                node.name, "--password-file", node.password_file(),
                "--fingerprint", node.fingerprint())
    primary.cli("sync", "now", "--wait")
    # Its events are collected: what comes next is asked for by us.
    wait_for(line.is_quiet, 30, "a quiet line")
    return primary, node, line

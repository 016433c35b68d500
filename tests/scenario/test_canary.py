#!/usr/bin/python3
"""A password that registered a server and logged in is nowhere afterwards:
not on disk, not in logs and events, not in what others see of a process."""

import base64
import contextlib
import os
import sys
import threading

sys.path.insert(0, os.path.dirname(__file__))

from admin import Admin  # noqa: E402
from lockstep import Failed, check, descendants, part, run, same, \
    scenario, wait_for  # noqa: E402

CANARY = "canary-9f2c71d0a4b85e36"
WRONG = "canary-0000aaaa1111bbbb"
SHADOW_MIN = 1 << 30  # a sanitizer's own maps are larger than that


def forms(word):
    """WORD as it may be written."""
    raw = word.encode()
    yield raw
    yield raw.hex().encode()
    yield word.encode("utf-16-le")
    # Whatever stands before it in what was encoded.
    for before in range(3):
        text = base64.b64encode(b"\0" * before + raw)
        yield text[4 if before else 0:-4]


def is_in(data):
    return any(form in data for word in (CANARY, WRONG)
               for form in forms(word))


def files_below(folder):
    for path, _, names in os.walk(folder):
        for name in names:
            yield os.path.join(path, name)


def found_in_files(folder):
    found = []
    for path in files_below(folder):
        with open(path, "rb") as f:
            if is_in(f.read()):
                found.append(path)
    return found


class Watcher:
    """Reads what others see of every process, all the time."""

    def __init__(self, nodes):
        self.nodes = nodes
        self.found = set()
        self.seen = 0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.watch)

    def look(self, pid):
        for what in "cmdline", "environ":
            with contextlib.suppress(OSError):
                with open("/proc/%s/%s" % (pid, what), "rb") as f:
                    self.seen += 1
                    if is_in(f.read()):
                        self.found.add("%s of %s" % (what, pid))

    def watch(self):
        while not self.over.is_set():
            for pid in os.listdir("/proc"):
                if pid.isdigit():
                    self.look(pid)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


def in_memory(pid, word=CANARY):
    """How often a process has WORD in memory that is its own."""
    count = 0
    try:
        with open("/proc/%d/maps" % pid) as maps:
            lines = maps.readlines()
        memory = open("/proc/%d/mem" % pid, "rb")
    except OSError:
        return 0  # a session that has ended meanwhile
    with memory:
        for line in lines:
            place, rights, rest = line.split(None, 2)
            if not rights.startswith("rw"):
                continue
            start, end = (int(x, 16) for x in place.split("-"))
            if end - start > SHADOW_MIN:
                continue
            with contextlib.suppress(OSError, ValueError, OverflowError):
                memory.seek(start)
                count += memory.read(end - start).count(word.encode())
    return count


def has_it(node):
    """The processes of a node that have it in their memory, by their part."""
    return [part(pid) for pid in [node.pid()] + descendants(node.pid())
            if in_memory(pid) > 0]


def refused(attempt):
    try:
        attempt()
    except Exception:
        return
    raise Failed("it was let in")


@scenario
def a_password_is_nowhere(t):
    config = "[node]\nlog_level = debug\n"
    primary = t.node("primary", config)
    node = t.node("second1", config)
    outside = os.path.join(t.directory, "password")
    with open(outside, "w") as f:
        f.write(CANARY + "\n")
    os.chmod(outside, 0o600)
    with Watcher([primary, node]) as watcher:
        node.cli("admin", "passwd", "admin", "--password-file", outside)
        refused(lambda: Admin(node, "admin", password=WRONG))
        # As a user by mistake: what is typed there is logged.
        Admin(node, "admin", password=CANARY).close()
        primary.cli("server", "add", node.address, "--name", node.name,
                    "--password-file", outside, "--fingerprint",
                    node.fingerprint())
        primary.cli("user", "add", "ann", "--home", "/srv/ann")
        primary.cli("sync", "now", "--wait")
        node.run("--connect", "admin@" + node.address, "--password-file",
                 outside, "--trust-on-first-use", "status")
    os.unlink(outside)
    with t.promise("it registered a server, and logs in"):
        Admin(node, "admin", password=CANARY).close()
        same(node.status()["node"]["role"], "secondary", "role")
    with t.promise("no process had it on its command line or in its "
                   "environment"):
        check(watcher.seen > 1000, "nothing was looked at")
        same(sorted(watcher.found), [], "processes")
    with t.promise("no process of a node keeps it in memory"):
        for n in primary, node:
            # A session has it until the next packet is there, or it ends.
            wait_for(lambda: not has_it(n), what=lambda: "memory free of it, "
                     "not that of %s of %s" % (has_it(n), n.name))
            check(in_memory(n.pid(), n.directory) > 0, "memory was not read")
    for n in primary, node:
        n.stop()
    with t.promise("it is in no file: databases, logs, events, cores"):
        check(os.path.getsize(node.log_path) > 0, "there is no log")
        same(found_in_files(t.directory), [], "files")
    with t.promise("these looks find what is there"):
        with open(outside, "wb") as f:
            f.write(b"x" + base64.b64encode(b"key" + CANARY.encode()))
        same(found_in_files(t.directory), [outside], "files")


if __name__ == "__main__":
    run()

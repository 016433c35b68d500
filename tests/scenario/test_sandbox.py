#!/usr/bin/python3
"""What the parts of lockstepd have given up, looked at from outside, and what
it costs when one of them ends."""

import contextlib
import os
import signal
import sys

sys.path.insert(0, os.path.dirname(__file__))

from lockstep import check, children, run, same, \
    scenario, wait_for  # noqa: E402


def status_of(pid):
    with open("/proc/%d/status" % pid) as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f
                    if ":\t" in line)


def limits_of(pid):
    with open("/proc/%d/limits" % pid) as f:
        return {line[:26].strip(): line[26:47].strip()
                for line in f.readlines()[1:]}


def is_sanitized(pid):
    with open("/proc/%d/maps" % pid) as f:
        return "libasan" in f.read()


def open_files(pid):
    """What it holds open by a name in the file system."""
    folder = "/proc/%d/fd" % pid
    found = set()
    for fd in os.listdir(folder):
        with contextlib.suppress(OSError):
            target = os.readlink(os.path.join(folder, fd))
            if target.startswith("/") and target != "/dev/null":
                found.add(target)
    return found


def only(pids):
    return pids[0] if len(pids) == 1 else None


def parts_of(cluster):
    node = cluster.secondaries[0]
    cluster.wait_synchronized()
    for part, owner in (("pusher", cluster.primary),
                        ("connector", cluster.primary), ("session", node)):
        # Those of the registration and of the command line end.
        yield part, wait_for(lambda o=owner, p=part: only(children(o, p)),
                             what="one %s alone" % part)


@scenario
def every_part_is_shut_in(t):
    cluster = t.cluster(1)
    for part, pid in parts_of(cluster):
        sanitized = is_sanitized(pid)
        with t.promise("the %s is behind a filter of system calls" % part):
            status = status_of(pid)
            same(status["Seccomp"], "2", "Seccomp")
            same(status["NoNewPrivs"], "1", "NoNewPrivs")
        with t.promise("the %s has no capabilities" % part):
            wanted = "0" * 16
            if not sanitized:
                same((status["CapEff"], status["CapPrm"]), (wanted, wanted),
                     "capabilities")
        with t.promise("the %s leaves no core and writes no file" % part):
            limits = limits_of(pid)
            same(limits["Max core file size"], "0", "core")
            same(limits["Max file size"], "0", "size")
            if part != "connector" and not sanitized:
                same(limits["Max processes"], "0", "processes")
        with t.promise("the %s has an empty environment, and no file open" %
                       part):
            with open("/proc/%d/environ" % pid, "rb") as f:
                same(f.read(), b"", "environment")
            same(open_files(pid), set(), "open files")
        with t.promise("the %s sees no file" % part):
            root = os.readlink("/proc/%d/root" % pid)
            if part != "connector" and os.geteuid() == 0 and not sanitized:
                check(root.endswith("(deleted)"), root)


@scenario
def the_end_of_one_part_costs_that_one(t):
    cluster = t.cluster(1)
    primary, node = cluster.primary, cluster.secondaries[0]
    cluster.wait_synchronized()
    for part, owner, kind in (("pusher", primary, "process-crashed"),
                              ("connector", primary, "process-crashed"),
                              ("session", node, "session-crashed")):
        with t.promise("the end of the %s is an event that says how" % part):
            wait_for(lambda: children(owner, part), 20, "the " + part)
            for pid in children(owner, part):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            wait_for(lambda: any(
                part in e["text"] and "signal 9" in e["text"]
                for e in owner.events(kind)), 20, "an event")
        with t.promise("pushes go on after the end of the %s" % part):
            primary.cli("user", "add", "after-" + part, "--home", "/srv/x")
            wait_for(lambda: node.sql(
                "SELECT 1 FROM users WHERE name = ?", "after-" + part),
                30, "the push")
            cluster.wait_synchronized()
    with t.promise("both engines are the ones that were started"):
        for n in cluster.nodes():
            check(n.is_running(), n.name)


if __name__ == "__main__":
    run()

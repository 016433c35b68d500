#!/usr/bin/python3
"""A flood at the admin port: pushes go on, and nothing of it stays.

A tenth of it in every run; whole with LOCKSTEP_FLOOD=whole.
"""

import contextlib
import os
import time

from admin import Admin
from attackers import ATTACKER, Flood, push_one
from lockstep import (check, children, descendants, run, same, scenario,
                      wait_for)

FLOOD = Flood(1 if os.environ.get("LOCKSTEP_FLOOD") == "whole" else 10)
GROWTH_KIB = 4096  # tables of sources have their bounds; this is above them


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


@scenario
def pushes_go_on_in_a_flood(t):
    cluster = t.cluster(
        1, secondary_config="[limits]\nlogin_grace = %ds\n" % FLOOD.grace)
    primary, node = cluster.primary, cluster.secondaries[0]
    primary.cli("user", "add", "ann", "--home", "/srv/ann")
    cluster.sync()
    node.cli("status")
    wait_for(lambda: one_session_left(node),
             what=lambda: "one session alone of\n" + what_is_open(node))
    before, memory = len(descriptors(node)), resident(node)
    took = []
    with t.promise("a push every second is proved, whoever knocks"):
        attackers = FLOOD.start(node)
        with Admin(primary) as admin:
            while any(a.is_alive() for a in attackers) or len(took) < 5:
                took.append(push_one(primary, admin, len(took)))
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
        check(refused["ban"] > FLOOD.logins // 2, refused)
        check(refused["limit"] > 0, refused)
    with t.promise("descriptors and children return to the start"):
        # Not more: one of a moment may have been among those of before.
        wait_for(lambda: one_session_left(node) and
                 len(descriptors(node)) <= before, 20,
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
    run()

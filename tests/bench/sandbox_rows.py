"""Rows about the sandbox: what seccomp, Landlock and the empty root add to the
start of a session and to a round trip, against the same processes without."""

import os
import subprocess

from lockstep import BUILD

ROUNDS = 15


def once(program):
    """Microseconds until a session has logged in, of its processor's time, and
    of a small WRITE."""
    done = subprocess.run([os.path.join(BUILD, "tests/bench", program)],
                          check=True, capture_output=True, text=True,
                          timeout=120)
    return [float(word) for word in done.stdout.split()]


def measure(table, _fresh):
    names = ["sandbox, added to a session's start",
             "sandbox, added processor's time of a session",
             "sandbox, added to a round trip"]
    if not any(table.wants(n) for n in names):
        return
    # Taken in turns, and the best of each: what else the machine does passes.
    rounds = [(once("sandbox_on"), once("sandbox_off"))
              for _ in range(ROUNDS)]
    start, cpu, trip = [min(on[i] for on, _ in rounds) -
                        min(off[i] for _, off in rounds) for i in range(3)]
    table.row(names[0], start / 1000, "ms", most=5)
    table.row(names[1], cpu / 1000, "ms", most=5)
    table.row(names[2], trip, "us", most=20)

"""Rows about the filter: 100,000 rules, against going through them in order."""

import os
import subprocess

from lockstep import BUILD

RULES = 100_000


def measure(table, _fresh):
    names = ["filter, question to 100,000 rules",
             "filter, 100,000 rules compiled"]
    if not any(table.wants(n) for n in names):
        return
    done = subprocess.run(
        [os.path.join(BUILD, "tests/bench/filter_rules"), str(RULES)],
        check=True, capture_output=True, text=True)
    compile_ms, question_ns, plain_ns = map(float, done.stdout.split())
    table.row(names[0], question_ns, "ns", most=1000, peer=plain_ns)
    table.row(names[1], compile_ms, "ms", most=200)

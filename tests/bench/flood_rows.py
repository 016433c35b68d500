"""A row about pushes, one a second, while the port of the secondary is
flooded: the whole flood of tests/scenario/attackers.py.  A push has the time
of its interval, that second."""

import time

from admin import Admin
from attackers import Flood, push_one

INTERVAL_MS = 1000


def measure(table, fresh):
    name = "push during a flood, p99"
    if not table.wants(name):
        return
    flood = Flood(1)
    cluster = fresh().cluster(
        1, secondary_config="[limits]\nlogin_grace = %ds\n" % flood.grace)
    primary, node = cluster.primary, cluster.secondaries[0]
    primary.cli("user", "add", "ann", "--home", "/srv/ann")
    cluster.sync()
    took = []
    attackers = flood.start(node)
    with Admin(primary) as admin:
        while any(a.is_alive() for a in attackers):
            took.append(push_one(primary, admin, len(took)) * 1000)
            time.sleep(max(0, INTERVAL_MS - took[-1]) / 1000)  # one a second
    if any(a.exitcode != 0 for a in attackers):
        raise RuntimeError("an attacker failed")
    table.row(name, sorted(took)[int(len(took) * 0.99)], "ms",
              most=INTERVAL_MS)

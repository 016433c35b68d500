"""Rows about one primary and one secondary with S, M and L of data: changes
and overwrites, each against the peer in the same run."""

import os
import random
import shutil
import sqlite3

import fleet_data
from bench import Kept, median
from lockstep import Cluster
from peer import Peer

FASTER = {"S": 30, "M": 60, "L": 300}
OVERWRITE = {"S": 1.5, "M": 1.0, "L": 0.8}
REPEATS = 41
PEER_REPEATS = {"S": 5, "M": 5, "L": 3}


def pair(test, source):
    """A primary with SOURCE's tables in dataset config, and a secondary."""
    primary = test.node("primary")
    primary.stop()
    fleet_data.put_into(primary.live(), source)
    primary.start()
    cluster = Cluster(primary, [test.node("second")])
    cluster.add(cluster.secondaries[0], "--timeout", "600")
    primary.cli("sync", "config", "--interval", "1h")
    cluster.sync()
    return cluster


def time_changes(cluster, kept, count, users, repeats):
    times = []
    name = cluster.secondaries[0].name
    r = random.Random(2)
    with cluster.primary.database() as db:
        for _ in range(repeats):
            fleet_data.change(db, count, users, r)
            times.append(kept.publish(name))
    return median(times[1:])


def time_overwrites(cluster, kept, repeats):
    name = cluster.secondaries[0].name
    before = cluster.primary.server(name)["overwrites"]
    times = [kept.run("server overwrite", name=name)[0]
             for _ in range(repeats)]
    done = cluster.primary.server(name)["overwrites"] - before
    if done < repeats:
        raise RuntimeError("%d overwrites in place of %d" % (done, repeats))
    return median(times)


def time_peer_changes(peer, copy, users, repeats):
    """A plain copy of the same data, changed likewise."""
    times = []
    r = random.Random(2)
    db = sqlite3.connect(copy, isolation_level=None)
    db.execute("PRAGMA journal_mode = DELETE")
    peer.overwrite(copy)
    for _ in range(repeats):
        fleet_data.change(db, 10, users, r)
        times.append(peer.change(copy))
    db.close()
    return median(times)


def measure_size(table, test, size, results):
    source = fleet_data.path_of(table.data, size)
    users = fleet_data.USERS[size]
    cluster = pair(test, source)
    copy = os.path.join(test.directory, "copy.db")
    shutil.copyfile(source, copy)
    peer = Peer(test.directory, test.addresses.get(6))
    test.ending.callback(peer.close)
    with Kept(cluster.primary) as kept:
        ten = results[size] = time_changes(cluster, kept, 10, users, REPEATS)
        table.row("10 rows, " + size, ten, "ms", most=2)
        theirs = time_peer_changes(peer, copy, users, PEER_REPEATS[size])
        table.row("10 rows against rsync, " + size, ten, "ms", peer=theirs,
                  faster=FASTER[size])
        if size == "M":
            table.row("1,000 rows, M", time_changes(
                cluster, kept, 1000, users, 11), "ms", most=30)
        repeats = 1 if size == "L" else 3
        ours = time_overwrites(cluster, kept, repeats)
        theirs = median([peer.overwrite(copy) for _ in range(repeats)])
        table.row("overwrite against rsync, " + size, ours, "ms",
                  peer=theirs, faster=OVERWRITE[size])


def measure(table, fresh):
    if not any(table.wants(n) for n in ("10 rows", "1,000 rows, M",
                                        "overwrite against rsync")):
        return
    results = {}
    for size in table.sizes:
        test = fresh()
        measure_size(table, test, size, results)
        test.end()
    if "S" in results and "L" in results:
        table.row("10 rows, L compared with S", results["L"] / results["S"],
                  "times", most=1.3)

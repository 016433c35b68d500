"""Rows about comparing: a publish of ten rows that no trigger noted, against
SQLite's own session diff, the program sqldiff where it is installed, and rsync
of the file; and how long another program's writer waits meanwhile, without a
log."""

import os
import shutil
import sqlite3
import subprocess
import time

import fleet_data
from bench import median
from lockstep import BUILD
from peer import Peer

WALK = os.path.join(BUILD, "tests/bench/compare_walk")
ROUNDS = {"S": 11, "M": 7, "L": 3}


def walk(*args):
    """Milliseconds."""
    return int(subprocess.run([WALK, *map(str, args)], check=True,
                              stdout=subprocess.PIPE, text=True).stdout) / 1000


def sqldiff(old, new):
    """Milliseconds; the program prints UPDATE statements."""
    began = time.monotonic()
    subprocess.run(["sqldiff", old, new], check=True,
                   stdout=subprocess.DEVNULL)
    return (time.monotonic() - began) * 1000


def change(path, users, value):
    """Ten rows."""
    with sqlite3.connect(path) as db:
        db.execute("UPDATE fleet_users SET quota = ? WHERE id % ? = 1",
                   (value, users // 10))
    db.close()


def measure_size(table, test, peer, size):
    source = fleet_data.path_of(table.data, size)
    folder = os.path.join(test.directory, "compare-" + size)
    live, old = os.path.join(folder, "live.db"), os.path.join(folder, "old.db")
    works = [os.path.join(folder, w) for w in ("publish", "wait")]
    for work in works:
        os.makedirs(work)
    shutil.copyfile(source, live)
    shutil.copyfile(source, old)
    ours = walk("publish", live, works[0], ROUNDS[size])

    change(live, fleet_data.USERS[size], 77)
    theirs = median([walk("session", old, live) for _ in range(3)])
    table.row("compare, publish of 10 rows, " + size, ours, "ms", peer=theirs,
              faster=4)
    if shutil.which("sqldiff"):
        table.row("compare against sqldiff, " + size, ours, "ms",
                  peer=sqldiff(old, live), faster=4)

    peer.overwrite(live)
    times = []
    for i in range(3):
        change(live, fleet_data.USERS[size], 78 + i)
        times.append(peer.change(live))
    table.row("compare against rsync, " + size, ours, "ms",
              peer=median(times), faster=2)
    table.row("compare, longest wait of a writer, " + size,
              walk("wait", live, works[1], ROUNDS[size]), "ms", most=100)
    shutil.rmtree(folder)


def measure(table, fresh):
    if not table.wants("compare"):
        return
    test = fresh()
    peer = Peer(test.directory, test.addresses.get(7))
    test.ending.callback(peer.close)
    for size in table.sizes:
        measure_size(table, test, peer, size)
    test.end()

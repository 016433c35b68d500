"""Rows about the wire: bytes of a push, bytes of an idle interval, and an
overwrite where every round trip costs 20 ms."""

import os
import random
import shutil
import subprocess

import fleet_data
from bench import Kept, Unmeasured, median
from lockstep import BUILD, Cluster, wait_for
from machine import Wire, bytes_read
from pair_rows import pair, time_overwrites
from peer import Peer

DELAY_LINE = os.path.join(BUILD, "tests/bench/delay_line")
ONE_WAY_US = 10_000
# Less than any table here, more than bookkeeping.
NO_TABLE_READ_KIB = 64


def push_bytes(table, cluster, users):
    primary, node = cluster.primary, cluster.secondaries[0]
    wire = Wire(node.address)
    found = []
    with Kept(primary) as kept, primary.database() as db:
        r = random.Random(3)
        for _ in range(9):
            fleet_data.change(db, 10, users, r)
            sent, received, _ = wire.read()
            kept.publish(node.name)
            now = wire.read()
            found.append(now[0] - sent + now[1] - received)
    table.row("wire bytes for 10 rows, both ways", median(found), "B",
              most=1500)


def idle_interval(table, cluster):
    primary, node = cluster.primary, cluster.secondaries[0]
    primary.cli("sync", "config", "--interval", "1s")
    wire = Wire(node.address)

    def confirmed():
        return primary.server(node.name)["last_synchronized"]

    def interval():
        """Bytes, trips and KiB read between two confirmations."""
        before, reads = wire.read(), [bytes_read(n.pid()) for n in
                                      cluster.nodes()]
        start = before[2]
        wait_for(lambda: wire.read()[2] > start, 10, "a heartbeat", 0.01)
        wait_for(lambda: wire.read() == wire.read(), 10, "quiet", 0.01)
        after = wire.read()
        read = max(bytes_read(n.pid()) - r for n, r in
                   zip(cluster.nodes(), reads))
        return (after[0] + after[1] - before[0] - before[1],
                after[2] - before[2], read / 1024)
    last = confirmed()
    wait_for(lambda: confirmed() > last, 10, "a confirmation")
    found = [interval() for _ in range(7)]
    table.row("idle interval, bytes both ways",
              median([f[0] for f in found]), "B", most=400)
    table.row("idle interval, round trips", median([f[1] for f in found]),
              "trips", most=1)
    table.row("idle interval, read from files on either side",
              median([f[2] for f in found]), "KiB", most=NO_TABLE_READ_KIB)


class FarNetwork:
    """Two network namespaces 20 ms apart."""

    def __init__(self, test):
        if os.geteuid() != 0 or not os.path.exists("/dev/net/tun"):
            raise Unmeasured("network namespaces and TUN devices need root")
        self.names = ["lockstep-%d-%s" % (os.getpid(), x) for x in "ab"]
        for name in self.names:
            subprocess.run(["ip", "netns", "add", name], check=True)
            test.ending.callback(subprocess.run,
                                 ["ip", "netns", "del", name])
        line = subprocess.Popen([DELAY_LINE, *self.names, str(ONE_WAY_US)],
                                stdout=subprocess.PIPE, text=True)
        test.ending.callback(line.wait)
        test.ending.callback(line.kill)
        if line.stdout.readline() != "ready\n":
            raise Unmeasured("the delay line does not start")

    def inside(self, index):
        return ["ip", "netns", "exec", self.names[index]]


def far_node(test, network, index, source=None):
    node = test.node("far%d" % index, start=False)
    node.address = "10.99.0.%d" % (index + 1)
    node.prefix = node.cli_prefix = network.inside(index)
    node.listen = "0.0.0.0:14983"
    node.start()
    if source:
        node.stop()
        fleet_data.put_into(node.live(), source)
        node.start()
    return node


def far_overwrite(table, test):
    network = FarNetwork(test)
    source = fleet_data.path_of(table.data, "M")
    copy = os.path.join(test.directory, "copy.db")
    shutil.copyfile(source, copy)
    peer = Peer(test.directory, "10.99.0.2", network.inside(1),
                network.inside(0))
    test.ending.callback(peer.close)
    cluster = Cluster(far_node(test, network, 0, source),
                      [far_node(test, network, 1)])
    cluster.add(cluster.secondaries[0])
    cluster.primary.cli("sync", "config", "--interval", "1h")
    with Kept(cluster.primary) as kept:
        ours = time_overwrites(cluster, kept, 3)
    theirs = median([peer.overwrite(copy) for _ in range(3)])
    table.row("overwrite M at 20 ms against rsync", ours, "ms", peer=theirs,
              faster=1.2)


def measure(table, fresh):
    if table.wants("wire bytes for 10 rows") or table.wants("idle interval"):
        size = "M" if "M" in table.sizes else "S"
        test = fresh()
        cluster = pair(test, fleet_data.path_of(table.data, size))
        push_bytes(table, cluster, fleet_data.USERS[size])
        idle_interval(table, cluster)
        test.end()
    if "M" in table.sizes and table.wants("overwrite M at 20 ms"):
        test = fresh()
        try:
            far_overwrite(table, test)
        except Unmeasured as why:
            table.unmeasured("overwrite M at 20 ms against rsync", str(why))
        test.end()

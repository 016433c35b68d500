"""A network of this test's own, and one for each host that is plugged into it:
nothing of the machine's is seen or changed, and all of it ends with the test.

    lan = Lan()                     once, before anything is started
    host = Host(t, node, lan=lan)   a host with an address of its own
"""

import ctypes
import os
import subprocess

from lockstep import Skipped

CLONE_NEWNET = 0x40000000
PREFIX = "10.98.0."


def ip(*words):
    p = subprocess.run(["ip", *words], stderr=subprocess.PIPE, text=True)
    if p.returncode != 0:
        raise Skipped("ip %s: %s" % (" ".join(words), p.stderr.strip()))


def own_network():
    """This process and what it starts from now on, with no network but lo."""
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
        raise Skipped("no network of one's own here: " +
                      os.strerror(ctypes.get_errno()))
    ip("link", "set", "lo", "up")


class Lan:
    """An Ethernet switch, to which this process is connected as well."""

    network = PREFIX + "0/24"

    def __init__(self):
        own_network()
        self.ports = 0
        ip("link", "add", "lan", "type", "bridge")
        ip("address", "add", PREFIX + "254/24", "dev", "lan")
        ip("link", "set", "lan", "up")

    def next_address(self):
        self.ports += 1
        return "%s%d" % (PREFIX, self.ports)

    def plug(self, pid, address):
        """Connects the network of that process, which gets the address."""
        port = "port" + address.rpartition(".")[2]
        inside = ["nsenter", "-t", str(pid), "-n", "ip"]
        ip("link", "add", port, "type", "veth", "peer", "name", "eth0",
           "netns", str(pid))
        ip("link", "set", port, "master", "lan", "up")
        for words in (["link", "set", "lo", "up"],
                      ["address", "add", address + "/24", "dev", "eth0"],
                      ["link", "set", "eth0", "up"]):
            subprocess.run([*inside, *words], check=True)

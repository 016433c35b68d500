"""How much memory of their own the processes of nodes need at most.

    with Peaks(cluster.nodes()) as peaks:
        cluster.sync()
    peaks.worst()          # MiB, and whose

Counted are pages that no file backs (RssAnon, RssShmem), looked at again and
again: the kernel's own high-water mark counts mapped files as well."""

import contextlib
import re
import threading

from lockstep import descendants, part

OWN = re.compile(r"^Rss(?:Anon|Shmem):\s+(\d+)", re.M)


def own_mib(pid):
    """What a process has now, 0 for one that is gone."""
    with contextlib.suppress(OSError):
        with open("/proc/%d/status" % pid) as f:
            return sum(int(n) for n in OWN.findall(f.read())) / 1024
    return 0


class Peaks:
    STEP = 0.004   # seconds between two looks
    LOOKS = 50     # between two searches for new processes

    def __init__(self, nodes):
        self.nodes = nodes
        self.mib = {}  # by node and part
        self.ended = threading.Event()

    def search(self):
        self.processes = []
        for node in self.nodes:
            for pid in [node.pid()] + descendants(node.pid()):
                name = part(pid)
                if name:
                    self.processes.append(("%s's %s" % (node.name, name), pid))

    def look(self):
        for key, pid in self.processes:
            self.mib[key] = max(self.mib.get(key, 0), own_mib(pid))

    def watch(self):
        looks = 0
        while not self.ended.wait(self.STEP):
            looks += 1
            if looks % self.LOOKS == 0:
                self.search()
            self.look()

    def __enter__(self):
        self.search()
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()
        self.look()

    def worst(self):
        key = max(self.mib, key=self.mib.get)
        return self.mib[key], key

"""What the kernel says about processes and connections."""

import os
import re
import subprocess

from lockstep import PORT, descendants, part


def pss_kib(pid):
    with open("/proc/%d/smaps_rollup" % pid) as f:
        return int(re.search(r"^Pss:\s+(\d+)", f.read(), re.M).group(1))


def cpu_ms(pid):
    """CPU time of every thread of a process, ended ones aside."""
    total = 0
    for task in os.listdir("/proc/%d/task" % pid):
        try:
            with open("/proc/%d/task/%s/schedstat" % (pid, task)) as f:
                total += int(f.read().split()[0])
        except OSError:
            pass
    return total / 1e6


def family(pid):
    """An engine and its children."""
    return [pid] + [p for p in descendants(pid) if part(p)]


def family_cpu_ms(pid):
    return sum(cpu_ms(p) for p in family(pid))


def bytes_read(pid):
    """All that a process asked to read, from caches too."""
    with open("/proc/%d/io" % pid) as f:
        return int(re.search(r"^rchar: (\d+)", f.read(), re.M).group(1))


class Wire:
    """The TCP payload of the connections to one address, by the kernel."""

    def __init__(self, address):
        self.address = address

    def read(self):
        """Bytes sent, bytes received, segments with data sent."""
        text = subprocess.run(
            ["ss", "-tinH", "state", "established", "dst",
             "%s:%d" % (self.address, PORT)], check=True,
            stdout=subprocess.PIPE, text=True).stdout

        def total(name):
            return sum(int(n) for n in re.findall(
                r"\b%s:(\d+)" % name, text))
        return (total("bytes_sent"), total("bytes_received"),
                total("data_segs_out"))

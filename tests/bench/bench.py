"""The table of make bench, and a kept connection to run commands on."""

import json
import os
import subprocess

from lockstep import BUILD, PORT

CLIENT = os.path.join(BUILD, "tests/bench/control_client")
FORM = "%-44s %12s %12s %9s %14s  %s"


class Unmeasured(Exception):
    """A row that cannot be measured on this machine, with the reason."""


class Table:
    def __init__(self, sizes, rows, data):
        self.sizes = sizes
        self.chosen = [r for r in rows.split(",") if r]
        self.data = data
        self.missed = []
        self.left_out = []
        self.count = 0

    def wants(self, name):
        return not self.chosen or any(c in name for c in self.chosen)

    def head(self):
        print(FORM % ("work", "ours", "peer", "ratio", "target", "verdict"),
              flush=True)

    def row(self, name, ours, unit, most=None, peer=None, faster=None):
        """One row: OURS at most MOST, or FASTER times as fast as PEER."""
        if not self.wants(name):
            return
        ratio = peer / ours if peer is not None and ours else None
        good = ratio >= faster if faster is not None else ours <= most
        target = "%gx faster" % faster if faster is not None else \
            "%g %s" % (most, unit)
        print(FORM % (
            name, show(ours, unit), "" if peer is None else show(peer, unit),
            "" if ratio is None else "%.2fx" % ratio, target,
            "ok" if good else "MISSED"), flush=True)
        self.count += 1
        if not good:
            self.missed.append(name)

    def unmeasured(self, name, why):
        print("%-44s not measured: %s" % (name, why), flush=True)
        self.left_out.append(name)

    def close(self):
        if self.left_out:
            print("not measured: " + "; ".join(self.left_out))
        if self.missed:
            print("missed: " + "; ".join(self.missed))
        print("%d rows, %d missed, %d not measured" %
              (self.count, len(self.missed), len(self.left_out)))
        return 1 if self.missed or self.left_out else 0


def show(value, unit):
    return "%.*f %s" % (0 if value >= 1000 or unit == "B" else
                        1 if value >= 10 else 2, value, unit)


class Kept:
    """A kept connection of the local administrator."""

    def __init__(self, node):
        self.process = subprocess.Popen(
            [*node.cli_prefix, CLIENT, "127.0.0.1" if node.cli_prefix else
             node.address, str(PORT), node.path("local-admin-key"),
             node.fingerprint()], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True, bufsize=1)

    def run(self, command, **args):
        """Milliseconds that it took, and the result."""
        self.process.stdin.write(json.dumps(
            {"command": command, "args": args}) + "\n")
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError("%s: the connection is gone" % command)
        took, _, text = answer.partition(" ")
        result = json.loads(text)
        if isinstance(result, dict) and result.get("error"):
            raise RuntimeError("%s: %s" % (command, result["error"]))
        return int(took) / 1000, result

    def publish(self, *servers):
        """From "publish now" to durable and proved on those servers."""
        args = {"servers": list(servers)} if servers else {}
        took, result = self.run("sync now", wait=True, **args)
        for s in result["servers"]:
            if s["state"] != "synchronized":
                raise RuntimeError("%(name)s is %(state)s" % s)
        return took

    def close(self):
        self.process.stdin.close()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def median(values):
    return sorted(values)[len(values) // 2]

"""A real HAProxy, configured by what contrib/haproxy prints.

    proxy = Proxy(t, generate(primary, "--bind", "127.0.0.1:2222"))
    proxy.state("second1")     "UP", "DRAIN" or "DOWN"
"""

import os
import socket
import subprocess

from lockstep import BUILD, ROOT, check, wait_for

AGENT = 14984
GENERATOR = os.path.join(ROOT, "contrib/haproxy/lockstep-haproxy")
GLOBAL = """global
    stats socket %s mode 600
"""


def generate(primary, *options):
    """The configuration for the cluster of that node."""
    made = subprocess.run(
        [*primary.cli_prefix, GENERATOR, *options, "--", "--state-dir",
         primary.directory], stdout=subprocess.PIPE, text=True,
        env=dict(os.environ, PATH="%s:%s" % (BUILD, os.environ["PATH"])))
    check(made.returncode == 0, "lockstep-haproxy: exit %d" % made.returncode)
    return made.stdout


class Proxy:
    def __init__(self, t, config):
        self.path = os.path.join(t.directory, "haproxy.stats")
        file = os.path.join(t.directory, "haproxy.cfg")
        with open(file, "w") as f:
            f.write(GLOBAL % self.path + config)
        self.process = subprocess.Popen(["haproxy", "-db", "-f", file])
        t.ending.callback(self.end)
        wait_for(self.states, 10, "HAProxy answers")

    def end(self):
        self.process.kill()
        self.process.wait()

    def rows(self, section="sftp"):
        """What it says of each server of that section."""
        try:
            with socket.socket(socket.AF_UNIX) as s:
                s.connect(self.path)
                s.sendall(b"show stat\n")
                lines = s.makefile().read().lstrip("# ").split("\n")
        except OSError:
            return {}
        head = lines[0].split(",")
        rows = [dict(zip(head, line.split(","))) for line in lines[1:] if line]
        return {r["svname"]: r for r in rows if r["pxname"] == section and
                r["svname"] not in ("FRONTEND", "BACKEND")}

    def states(self):
        # "DRAIN (agent)", "UP 1/2"
        return {name: r["status"].split(" ")[0]
                for name, r in self.rows().items()}

    def state(self, name):
        return self.states().get(name, "")

    def sessions(self, name):
        """How many are open to that server."""
        return sum(int(self.rows(section)[name]["scur"])
                   for section in ("sftp", "sftp-last"))

    def served(self, name):
        """How many sessions that server has had."""
        return sum(int(self.rows(section)[name]["stot"])
                   for section in ("sftp", "sftp-last"))

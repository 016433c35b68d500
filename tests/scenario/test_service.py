#!/usr/bin/python3
"""What a service manager is told, and how little the unit lets the daemon do."""

import os
import re
import shutil
import socket
import subprocess

from lockstep import (ROOT, SLOW, Skipped, check, run, same, scenario,
                      wait_for)

UNITS = os.path.join(ROOT, "contrib/systemd")
# Of "systemd-analyze security"; each exception has its reason in the unit.
EXPOSURE = {"lockstepd.service": 2.1, "lockstep-openssh.service": 1.5,
            "lockstep-proftpd.service": 2.2}


@scenario
def a_service_manager_is_told(t):
    path = os.path.join(t.directory, "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.bind(path)
        s.settimeout(30 * SLOW)
        node = t.node(start=False)
        node.environment = {"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "1000000"}
        node.launch()
        with t.promise("ready, when connections are taken"):
            told = s.recv(1000).decode().split("\n")
            same(told, ["READY=1", "STATUS=%s" % node.listen], "the message")
            socket.create_connection((node.address, 14983), 60).close()
        with t.promise("again and again that the loop turns"):
            same([s.recv(1000) for _ in range(3)], [b"WATCHDOG=1"] * 3,
                 "messages")
        with t.promise("that it is stopping"):
            node.tell_to_end()
            while (last := s.recv(1000)) == b"WATCHDOG=1":
                pass
            same(last, b"STOPPING=1", "the last message")
        node.stop()
    with t.promise("an address that is none keeps nothing from working"):
        node.environment = {"NOTIFY_SOCKET": "nowhere"}
        node.start()
        wait_for(lambda: "nobody is told" in node.log(), what="the warning")


@scenario
def the_units_allow_little(t):
    for unit, most in EXPOSURE.items():
        with t.promise("%s: exposure %g at most" % (unit, most)):
            if shutil.which("systemd-analyze") is None:
                raise Skipped("systemd-analyze is not installed")
            p = subprocess.run(
                ["systemd-analyze", "security", "--offline=true",
                 os.path.join(UNITS, unit)], text=True,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            found = re.search(r"exposure level for \S+: ([\d.]+)", p.stdout)
            if found is None:
                raise Skipped(p.stdout.strip()[-200:])
            check(float(found[1]) <= most, "it is " + found[1])


if __name__ == "__main__":
    run()

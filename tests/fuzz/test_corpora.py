#!/usr/bin/python3
"""Every fuzz target is built, has a corpus, and stands it: "make fuzz" will
find it so, whatever changed around it."""

import glob
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.environ.get("LOCKSTEP_BUILD", os.path.join(HERE, "../../build"))


def fault(name):
    """Why NAME's target does not stand its corpus, or ""."""
    folder = os.path.join(HERE, "corpus", name)
    if not os.path.isdir(folder):
        return "it has no corpus"
    p = subprocess.run([os.path.join(BUILD, "tests/fuzz", "replay_" + name),
                        folder], capture_output=True, text=True, timeout=300,
                       errors="replace")
    if p.returncode != 0:
        return "exit %d: %s" % (p.returncode, p.stderr[-400:])
    said = re.match(r"(\d+) inputs$", p.stdout.splitlines()[-1])
    wanted = len([n for n in os.listdir(folder) if n[0] != "."])
    if not said or wanted == 0 or int(said.group(1)) != wanted:
        return "%r of %d inputs" % (p.stdout[-60:], wanted)
    return ""


failures = 0
for source in sorted(glob.glob(os.path.join(HERE, "fuzz_*.c"))):
    target = os.path.basename(source)[len("fuzz_"):-len(".c")]
    why = fault(target)
    failures += why != ""
    print("%s fuzz target %s stands its corpus%s" % (
        "not ok" if why else "ok", target,
        ": " + " ".join(why.split()) if why else ""))
sys.exit(1 if failures else 0)

#!/usr/bin/python3
"""Random databases, proved equal on two replicas: tests/equality, in short."""

import importlib.machinery
import importlib.util
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAM = os.path.join(HERE, "../equality/run")
COUNT = int(os.environ.get("LOCKSTEP_SCHEMAS", "200"))


def load(path):
    loader = importlib.machinery.SourceFileLoader("equality", path)
    module = importlib.util.module_from_spec(
        importlib.util.spec_from_loader("equality", loader))
    sys.modules["equality"] = module
    loader.exec_module(module)
    return module


def main():
    counts, failures = load(PROGRAM).run(1, COUNT, 20)
    for failure in failures:
        print("not ok " + failure.replace("\n", " "))
    done = sum(n for what, n in counts.items()
               if what.startswith("databases ("))
    if done < COUNT // 2:
        print("not ok only %d of %d databases were replicated" % (done, COUNT))
    if not failures:
        print("ok %d random databases stay equal at %d moments" % (
            done, counts["moments proved"]))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/python3
"""The checks check: the linter finds what it is there to find, and the runner
counts failures, crashes, silence and leftovers as what they are."""

import os
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
failed = False


def report(name, problem):
    global failed
    failed = failed or bool(problem)
    print("not ok %s: %s" % (name, problem) if problem else "ok " + name)


def write(root, path, text, mode=0o644):
    full = os.path.join(root, path)
    os.makedirs(os.path.dirname(full), exist_ok=True)
    with open(full, "w", encoding="utf-8") as f:
        f.write(text)
    os.chmod(full, mode)


def lint(files):
    """What structure.py says about a tree of these files."""
    with tempfile.TemporaryDirectory() as root:
        for folder in ("base", "admin-proto", "ipfilter", "sync", "daemon",
                       "manager-tui"):
            guard = re.sub(r"\W", "_", folder + "/x.h").upper()
            write(root, folder + "/x.h", "/* x */\n#ifndef %s\n#define %s\n"
                  "#endif\n" % (guard, guard))
        for path, text in files.items():
            write(root, path, text)
        done = subprocess.run(
            [sys.executable, os.path.join(ROOT, "tests/lint/structure.py"),
             root], capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr


def lint_proves_the_layering():
    """Every pair of folders is allowed or refused as the design says."""
    allowed = {
        "daemon": "daemon sync ipfilter admin-proto base",
        "manager-tui": "manager-tui admin-proto base",
        "sync": "sync admin-proto base",
        "admin-proto": "admin-proto base",
        "ipfilter": "ipfilter base",
        "base": "base",
    }
    for folder, targets in allowed.items():
        for target in allowed:
            code, said = lint({folder + "/a.c":
                               '/* a */\n#include "%s/x.h"\n' % target})
            good = target in targets.split()
            if (code == 0) != good:
                return "%s including %s/: exit %d %s" % (
                    folder, target, code, said)
    return None


def lint_finds_each_fault():
    body = "\nint\nf(void)\n{\n%s}\n"
    faults = {
        "not a path from the root": ("sync/a.c", '/* a */\n#include "x.h"\n'),
        "write it with quotes": ("sync/a.c", "/* a */\n#include <base/x.h>\n"),
        "function of 101 lines": ("base/a.c", "/* a */" + body % ("\n" * 101)),
        "file of 601 lines": ("base/a.c", "/* a */\n" + "\n" * 600),
        "the name says nothing": ("base/util.c", "/* a */\n"),
        "promises later work": ("base/a.c", "/* TO" "DO: all of it */\n"),
        "does not begin with": ("base/a.c", "int x;\n"),
        "line of 81 columns": ("base/a.c", "/* " + "a" * 75 + " */\n"),
        "tab": ("base/a.c", "/* a */\n\tint x;\n"),
        "include guard": ("base/a.h", "/* a */\n#ifndef A_H\n"),
        "ask base/clock.h": ("sync/a.c", "/* a */\n" + body % "time(NULL);\n"),
        "a unit test sleeps": ("tests/unit/a.c", "/* a */\nsleep(1);\n"),
        "a .c file is included": ("tests/unit/a.c",
                                  '/* a */\n#include "base/b.c"\n'),
        "there is no docs/decisions/1-x.md": (
            "base/a.c", "/* docs/decisions/" "1-x.md */\n"),
        "not begin with its number": ("docs/decisions/0002-x.md", "# 3. X\n"),
        "the number of 0001-b.md, too": ("docs/decisions/0001-c.md",
                                         "# 1. C\n"),
    }
    for expected, (path, text) in faults.items():
        code, said = lint({path: text, "base/b.c": "/* b */\n",
                           "docs/decisions/0001-b.md": "# 1. B\n"})
        if code != 1 or expected not in said:
            return "%s: exit %d, %r" % (expected, code, said)
    code, said = lint({"base/a.c": "/* a */" + body % ("\n" * 100)})
    return said if code != 0 else None


def run_tests(scripts, slowness="1"):
    """The runner's exit code and output for a tree of these scripts."""
    with tempfile.TemporaryDirectory() as root:
        os.makedirs(os.path.join(root, "tests"))
        shutil.copy(os.path.join(ROOT, "tests/run"),
                    os.path.join(root, "tests/run"))
        for name, text in scripts.items():
            write(root, "tests/scenario/test_%s.py" % name, text)
        done = subprocess.run(
            [sys.executable, os.path.join(root, "tests/run")],
            capture_output=True, text=True, check=False,
            env=dict(os.environ, LOCKSTEP_TEST_SLOWNESS=slowness))
        return done.returncode, done.stdout.splitlines(), done.stderr


def runner_counts_what_tests_say():
    code, lines, _ = run_tests({
        "a": "print('ok one'); print('ok 2 - two'); print('okay then')",
        "b": "# alone: to try that too\nprint('skip three: no tool')\n"
             "print('ok 4 # SKIP four')",
    })
    if code != 0 or lines[-1] != "2 passed, 0 failed, 2 skipped":
        return "exit %d, %r" % (code, lines)
    return None


def runner_counts_what_goes_wrong():
    bad = {
        "says": "print('ok a'); print('not ok b: why')",
        "crashes": "import os; print('ok a', flush=True); os.abort()",
        "exits": "print('ok a'); raise SystemExit(3)",
        "silent": "pass",
        "planned": "print('1..2'); print('ok 1 - a')",
        "hangs": "# timeout: 1\nimport signal\nprint('ok a', flush=True)\n"
                 "signal.pause()",
    }
    for name, text in bad.items():
        code, lines, _ = run_tests({name: text})
        if code != 1 or " 1 failed," not in lines[-1]:
            return "%s: exit %d, %r" % (name, code, lines)
    code, lines, _ = run_tests({})
    if code != 1 or lines[-1] != "0 passed, 0 failed, 0 skipped":
        return "no tests: exit %d, %r" % (code, lines)
    return None


def runner_leaves_no_daemon_behind():
    """One that detached twice, as daemons do, and ignores SIGTERM: it is
    ended, and the program that left it behind fails."""
    with tempfile.NamedTemporaryFile("r") as note:
        code, lines, _ = run_tests({"daemon": """
import os, signal, time
gate, done = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        with open(%r, "w") as f:
            f.write(str(os.getpid()))
        os.write(done, b"x")
        while True:
            signal.pause()
    os._exit(0)
os.read(gate, 1)
print("ok a")
""" % note.name}, "0.25")  # it is waited for in vain
        pid = int(note.read())
    if code != 1 or not any("left 1 processes behind" in x for x in lines):
        return "exit %d, %r" % (code, lines)
    return "it lives on" if os.path.exists("/proc/%d" % pid) else None


for check in (lint_proves_the_layering, lint_finds_each_fault,
              runner_counts_what_tests_say, runner_counts_what_goes_wrong,
              runner_leaves_no_daemon_behind):
    report(check.__name__, check())
sys.exit(1 if failed else 0)

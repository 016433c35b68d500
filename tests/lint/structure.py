#!/usr/bin/python3
"""Checks how the tree is built: who includes whom, how long things are, what
they are called.

    structure.py [ROOT]

Prints one line per finding, "FILE:LINE: WHAT", and exits 1 if there is any.
"""

import glob
import os
import re
import sys

# Folder: the other folders that it may include from.  As in
# docs/architecture.md; a change here is a change of the design.
MAY_INCLUDE = {
    "base": (),
    "admin-proto": ("base",),
    "ipfilter": ("base",),
    "sync": ("admin-proto", "base"),
    "manager-tui": ("admin-proto", "base"),
    "daemon": ("sync", "ipfilter", "admin-proto", "base"),
}
# Tests and small programs beside them use whatever they are about.
TEST_FOLDERS = ("tests", "contrib", "demo")

MAX_FUNCTION_LINES = 100
MAX_FILE_LINES = 600
MAX_LINE = 80
VAGUE_NAMES = {"util", "utils", "misc", "helper", "helpers", "common"}
PROMISES = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")
INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]')
CLOCK = re.compile(
    r"\b(?:clock_gettime|gettimeofday|ftime)\s*\("
    r"|(?<![\w.>])time\s*\(\s*(?:NULL|0|&)")
# The return type is on a line of its own, so this is a definition.
LIBSSH_NAME = re.compile(r"(?:ssh|sftp)_\w+\(")
DECISION = re.compile(r"docs/(decisions/[\w-]+\.md)")
SLEEP = re.compile(r"\b(?:u?sleep|nanosleep)\s*\(")


class Findings:
    def __init__(self, root):
        self.root = root
        self.count = 0

    def add(self, path, line, text):
        self.count += 1
        print("%s:%d: %s" % (os.path.relpath(path, self.root), line, text))


def sources(root, patterns):
    found = set()
    for folder in list(MAY_INCLUDE) + list(TEST_FOLDERS):
        for pattern in patterns:
            found.update(glob.glob(
                os.path.join(root, folder, "**", pattern), recursive=True))
    return sorted(f for f in found if os.path.isfile(f))


def folder_of(root, path):
    return os.path.relpath(path, root).split(os.sep)[0]


def check_include(findings, path, number, kind, name):
    folder = folder_of(findings.root, path)
    target = name.split("/")[0]
    if kind == "<":
        if target in MAY_INCLUDE:
            findings.add(path, number, "<%s> is ours: write it with quotes"
                         % name)
        return
    if not os.path.exists(os.path.join(findings.root, name)):
        findings.add(path, number, '"%s" is not a path from the root' % name)
    elif folder in TEST_FOLDERS or target == folder:
        return
    elif target not in MAY_INCLUDE[folder]:
        findings.add(path, number, "%s may not include %s/" % (folder, target))


def check_lines(findings, path, lines):
    is_header = path.endswith(".h")
    folder = folder_of(findings.root, path)
    asks_clock = os.path.relpath(path, findings.root) == "base/clock.c" or (
        folder in TEST_FOLDERS)
    for number, line in enumerate(lines, 1):
        include = INCLUDE.match(line)
        if include:
            check_include(findings, path, number, *include.groups())
            if include[2].endswith(".c"):
                findings.add(path, number, "a .c file is included")
        if len(line) > MAX_LINE:
            findings.add(path, number, "line of %d columns" % len(line))
        if "\t" in line:
            findings.add(path, number, "tab")
        if not asks_clock and CLOCK.search(line):
            findings.add(path, number, "ask base/clock.h for the time")
        if LIBSSH_NAME.match(line):
            findings.add(path, number, "ssh_ and sftp_ are libssh's prefixes")
        if "/unit/" in path and SLEEP.search(line):
            findings.add(path, number, "a unit test sleeps")
    if is_header:
        guard = re.sub(r"\W", "_", os.path.relpath(path, findings.root)).upper()
        if "#ifndef %s" % guard not in lines:
            findings.add(path, 1, "the include guard is not %s" % guard)


def check_functions(findings, path, lines):
    """A body starts at a brace in the first column, as the style has it."""
    start = None
    for number, line in enumerate(lines, 1):
        if line == "{":
            start = number
        elif line.startswith("}") and start is not None:
            length = number - start - 1
            if length > MAX_FUNCTION_LINES:
                findings.add(path, start, "function of %d lines" % length)
            start = None


def check_c_file(findings, path, lines):
    if not lines or not lines[0].startswith("/*"):
        findings.add(path, 1, "does not begin with what the file is for")
    if len(lines) > MAX_FILE_LINES:
        findings.add(path, 1, "file of %d lines" % len(lines))
    check_lines(findings, path, lines)
    check_functions(findings, path, lines)


def check_decisions(findings, root):
    """Each has a number of its own, and says it."""
    owners = {}
    for path in sorted(glob.glob(os.path.join(root, "docs/decisions/*.md"))):
        number = os.path.basename(path)[:4]
        with open(path, encoding="utf-8") as f:
            if not f.readline().startswith("# %d. " % int(number)):
                findings.add(path, 1, "does not begin with its number")
        if number in owners:
            findings.add(path, 1, "the number of %s, too" % owners[number])
        owners[number] = os.path.basename(path)


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    root = os.path.abspath(
        sys.argv[1] if len(sys.argv) > 1 else os.path.join(here, "../.."))
    findings = Findings(root)
    files = sources(root, ("*.c", "*.h"))
    others = sources(root, ("*.def", "*.py", "*.sh", "run"))
    for path in files + others:
        with open(path, encoding="utf-8") as f:
            lines = f.read().split("\n")[:-1]
        stem = os.path.basename(path).split(".")[0]
        if stem in VAGUE_NAMES:
            findings.add(path, 1, "the name says nothing: name what it does")
        for number, line in enumerate(lines, 1):
            if PROMISES.search(line):
                findings.add(path, number, "a word that promises later work")
            for page in DECISION.findall(line) if path in files else ():
                if not os.path.exists(os.path.join(root, "docs", page)):
                    findings.add(path, number, "there is no docs/" + page)
        if path in files:
            check_c_file(findings, path, lines)
    check_decisions(findings, root)
    if not files:
        findings.add(root, 1, "there is nothing to check")
    sys.exit(1 if findings.count else 0)


if __name__ == "__main__":
    main()

#!/usr/bin/python3
"""Checks that the manual tells of everything, and that it is well formed.

    manual.py BUILD

BUILD has both programs and the pages ("make all man").  Prints one line per
finding and exits 1 if there is any.  That each command and each key is in its
page is seen to by contrib/manual/pages.py, which makes them.
"""

import glob
import json
import os
import re
import subprocess
import sys

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
EXAMPLE = "contrib/lockstepd.conf"
# What one host has and another has not: the example shows what it looks like.
NO_DEFAULT = {"name", "path"}

findings = 0


def found(where, what):
    global findings
    findings += 1
    print("%s: %s" % (where, what))


def example_keys():
    """Section and name of every line of the example, commented or not."""
    section, keys = None, {}
    with open(os.path.join(ROOT, EXAMPLE), encoding="utf-8") as f:
        for line in f:
            title = re.match(r';?\[(\w+)( "NAME")?\]$', line)
            value = re.match(r";?(\w+) = (.*)$", line)
            if title:
                section = title[1]
            elif value:
                keys[section, value[1]] = value[2]
    return keys


def check_example(tables):
    shown = example_keys()
    for key in tables["keys"]:
        name = key["section"], key["name"]
        value = shown.pop(name, None)
        if value is None:
            found(EXAMPLE, "has no %s.%s" % name)
        elif key["default"] and key["name"] not in NO_DEFAULT and (
                value != key["default"]):
            found(EXAMPLE, "%s.%s is %s by default" % (*name, key["default"]))
    for name in shown:
        found(EXAMPLE, "%s.%s is no key" % name)


def check_daemon_options(build):
    text = subprocess.run([os.path.join(build, "lockstepd"), "--help"],
                          check=True, capture_output=True, text=True).stdout
    page = os.path.join(build, "man/lockstepd.8")
    with open(page, encoding="utf-8") as f:
        described = set(re.findall(r"^\.It Fl (\S+)", f.read(), re.M))
    offered = {o[1:] for o in re.findall(r"(?<![\w-])--?[a-z][\w-]*",
                                         text.partition("usage:")[2])}
    for option in sorted(offered ^ described):
        found(page, "-%s is only in one of page and --help" % option)


def check_form(page):
    p = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", page],
                       capture_output=True, text=True)
    for line in p.stdout.splitlines():
        found(page, line.partition(page + ":")[2])


def main():
    build = sys.argv[1]
    with open(os.path.join(build, "man/tables.json"), encoding="utf-8") as f:
        check_example(json.load(f))
    check_daemon_options(build)
    pages = glob.glob(os.path.join(build, "man/*.[1-9]"))
    for page in sorted(pages):
        check_form(page)
    wanted = len(glob.glob("docs/*.[1-9]")) + 1  # the protocol's is made
    if len(pages) != wanted:
        found(build, "%d pages and not %d" % (len(pages), wanted))
    sys.exit(1 if findings else 0)


if __name__ == "__main__":
    main()

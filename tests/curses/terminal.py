"""The manager in a real terminal: keys typed in, the screen read back.

    with Terminal(node, 80, 24) as term:
        term.see("all is well")
        term.keys("2", "j", "Enter")
        ...

A terminal is a tmux server of its own, with a socket of its own, ended with
the test.  Waiting is for what is to be seen, never for a time.
"""

import datetime
import itertools
import os
import re
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../scenario"))

import lockstep  # noqa: E402
from lockstep import Failed, Skipped, check, wait_for  # noqa: E402

SIZES = ((80, 24), (200, 50), (60, 16))
NUMBERS = itertools.count(1)
# The tabs, in their order.
VIEWS = ("Overview", "Servers", "Users", "IP filter", "Changes", "Events",
         "Settings")


def late(node, hours=2):
    """A moment HOURS after everything that NODE knows of, for a clock that
    stands still: every age is then the same."""
    times = re.findall(r'"last_\w+": "(\d{4}-\d\d-\d\dT[\d:.]+)Z"',
                       node.run("--json", "status").out +
                       node.run("--json", "server", "list").out)
    newest = max(datetime.datetime.fromisoformat(t) for t in times)
    # What is confirmed once more meanwhile is hardly younger.
    at = newest + datetime.timedelta(hours=hours, minutes=20)
    return at.isoformat(timespec="milliseconds") + "Z"


def password(node):
    """The first one of NODE's administrator."""
    with open(node.password_file()) as f:
        return f.read().strip()


def fill_details(term, host, secret, name=""):
    """The first page of "Add a server"; None leaves what is there."""
    term.see("Add a server .1 of 3")
    for text in host, None, None, secret, name:
        if text is not None:
            term.keys("C-u")
            term.type(text)
        term.keys("Enter")


class Terminal:
    def __init__(self, node, width=80, height=24, arguments=(), frozen=None,
                 environment=None, command=None):
        self.width, self.height = width, height
        self.socket = os.path.join(os.path.dirname(node.directory),
                                   "tmux-%d" % next(NUMBERS))
        variables = {"LC_ALL": "C.UTF-8", "TERM": "screen-256color",
                     "TZ": "UTC", "SHELL": "/bin/sh"}
        variables.update(environment or {})
        if frozen:
            variables["LOCKSTEP_FREEZE_CLOCK"] = frozen
        words = ["env"] + ["%s=%s" % pair for pair in variables.items()]
        if command:
            words += command
        else:
            words += [lockstep.LOCKSTEP, "--state-dir", node.directory]
            words += list(arguments)
        # What the shell says afterwards is how the program ended.
        script = '"$@"; echo "ended with $?"; stty -a | grep -o " -\\?echo ";' \
            ' exec cat'
        self.tmux("-f", "/dev/null", "new-session", "-d", "-s", "s",
                  "-x", str(width), "-y", str(height),
                  "sh", "-c", script, "sh", *words)
        self.tmux("set-option", "-g", "status", "off")
        self.tmux("set-option", "-g", "mouse", "off")
        self.resize(width, height)

    def tmux(self, *args, check_it=True):
        try:
            p = subprocess.run(["tmux", "-u", "-S", self.socket] + list(args),
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               text=True, timeout=120,
                               env=dict(os.environ, LC_ALL="C.UTF-8"))
        except FileNotFoundError:
            raise Skipped("tmux is not installed")
        if check_it and p.returncode != 0:
            raise Failed("tmux %s: %s" % (args[0], p.stderr.strip()))
        return p.stdout

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.tmux("kill-server", check_it=False)

    # -- out ---------------------------------------------------------------

    def screen(self):
        """The lines that are seen, without trailing blanks."""
        text = self.tmux("capture-pane", "-p", "-t", "s")
        return [line.rstrip() for line in text.split("\n")[:self.height]]

    def text(self):
        return "\n".join(self.screen())

    def sees(self, pattern):
        return re.search(pattern, self.text(), re.MULTILINE)

    def see(self, pattern, within=None):
        """Waits until PATTERN is seen, for WITHIN seconds at most where that
        is what is to be proved; returns the match."""
        began = time.monotonic()
        try:
            found = wait_for(lambda: self.sees(pattern), what=pattern)
        except Failed:
            raise Failed("%r is not seen:\n%s" % (pattern, self.text()))
        took = time.monotonic() - began
        check(within is None or took < within * lockstep.SLOW,
              "%r is seen after %.1f s" % (pattern, took))
        return found

    def see_at_every_size(self, *patterns, back=True):
        """The same in each of SIZES, that of now first, and then BACK to
        it."""
        now = self.width, self.height
        for size in sorted(SIZES, key=lambda size: size != now):
            if size != (self.width, self.height):
                self.resize(*size)
            for pattern in patterns:
                self.see(pattern)
        if back:
            self.resize(*now)

    def show(self, holds, what):
        """Waits for a screen of which HOLDS(lines) is true, and returns what
        that gives.  One that is looked at may be half drawn: a single look
        after see() proves nothing."""
        return wait_for(lambda: holds(self.screen()), what=lambda: "%s:\n%s" %
                        (what, self.text()))

    def see_no(self, pattern):
        try:
            wait_for(lambda: not self.sees(pattern), what=pattern)
        except Failed:
            raise Failed("%r is still seen:\n%s" % (pattern, self.text()))

    def pid(self):
        """Of the manager."""
        shell = int(self.tmux("display-message", "-p", "-t", "s",
                              "#{pane_pid}"))
        found = [p for p in lockstep.descendants(shell)
                 if command_name(p) == "lockstep"]
        check(found, "the manager does not run")
        return found[0]

    def ended(self):
        """Waits for the end; the exit code, once the terminal is as before."""
        code = int(self.see(r"^ended with (\d+)")[1])
        self.see(r"^ echo")
        flags = self.tmux("display-message", "-p", "-t", "s",
                          "#{alternate_on} #{mouse_any_flag} #{cursor_flag}")
        check(flags.strip() == "0 0 1",
              "the terminal was not restored: %s" % flags.strip())
        return code

    # -- in ----------------------------------------------------------------

    def keys(self, *keys):
        """Names as tmux has them ("Enter", "F5", "C-z"), or characters."""
        self.tmux("send-keys", "-t", "s", *keys)

    def view(self, title):
        """To the tab of that title."""
        self.see("^ (Lockstep )? *1 ")
        self.keys(str(VIEWS.index(title) + 1))
        self.see(r"^[^\n]* %d %s( |$)" % (VIEWS.index(title) + 1, title))

    def type(self, text):
        self.tmux("send-keys", "-t", "s", "-l", text)

    def send(self, data):
        """Bytes as a terminal would send them."""
        self.tmux("send-keys", "-t", "s", "-H",
                  *["%02x" % byte for byte in data])

    def click(self, y, x):
        at = bytes((33 + x, 33 + y))
        self.send(b"\x1b[M " + at + b"\x1b[M#" + at)

    def click_on(self, text):
        y, line = self.show(lambda lines: [
            (y, line) for y, line in enumerate(lines) if text in line],
            "nothing to click on: %r" % text)[0]
        self.click(y, line.index(text))

    def resize(self, width, height):
        self.width, self.height = width, height
        self.tmux("resize-window", "-t", "s", "-x", str(width),
                  "-y", str(height))


def command_name(pid):
    try:
        with open("/proc/%d/comm" % pid) as f:
            return f.read().strip()
    except OSError:
        return ""


def plain(text, replacements):
    """TEXT with what differs from run to run put by name, and every gap of
    two or more blanks as two."""
    for old, new in replacements:
        text = re.sub(old, new, text) if hasattr(old, "match") or \
            old.startswith("(?") else text.replace(old, new)
    lines = [re.sub(r"(?<=\S) {2,}", "  ", line).rstrip()
             for line in text.split("\n")]
    return "\n".join(lines).strip("\n")


def compare(term, names, wanted):
    """Waits until what is between the first and the last line is WANTED, as
    it stands in a test's text block, and NAMES as in plain()."""
    wanted = "\n".join(line.rstrip() for line in
                       wanted.strip("\n").split("\n"))
    term.show(lambda lines: plain("\n".join(lines[1:-1]), names) == wanted,
              "should be\n%s\nand is" % wanted)

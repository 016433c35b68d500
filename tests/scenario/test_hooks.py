#!/usr/bin/python3
"""Hooks: a revision is put into effect, in order, once, and over failures."""

import os
import signal

from admin import Admin
from line import through_a_line
from lockstep import Cluster, check, run, same, scenario, wait_for

# Each call leaves a line; a second one beside it would be seen.
NOTE = """#!/bin/sh
dir=%(dir)s
mkdir "$dir/running" || echo "two at once" >>"$dir/overlap"
echo "$(basename "$0") $*" >>"$dir/calls"
%(body)s
code=$?
rmdir "$dir/running"
exit $code
"""


class Hooks:
    """The hook folder of one node, and what was called in it."""

    def __init__(self, t, node, timeout=600):
        self.node = node
        self.directory = os.path.join(t.directory, node.name + ".hooks")
        self.folder = os.path.join(self.directory, "hooks.d")
        os.makedirs(self.folder)
        node.config = (node.config or "") + \
            "[hooks]\nfolder = %s\ntimeout = %ds\n" % (self.folder, timeout)

    def path(self, name):
        return os.path.join(self.directory, name)

    def put(self, name, body="true", mode=0o700):
        path = os.path.join(self.folder, name)
        with open(path + ".new", "w") as f:
            f.write(NOTE % {"dir": self.directory, "body": body})
        os.chmod(path + ".new", mode)
        os.rename(path + ".new", path)
        return path

    def calls(self, dataset="config"):
        """(hook, epoch, revision) in the order of their calls."""
        try:
            with open(self.path("calls")) as f:
                words = [line.split() for line in f]
        except FileNotFoundError:
            return []
        return [(w[0], int(w[2]), int(w[3])) for w in words
                if w[1] == dataset]

    def number(self, name):
        """What a hook wrote there, or None for nothing yet."""
        try:
            with open(self.path(name)) as f:
                return int(f.read() or 0) or None
        except FileNotFoundError:
            return None

    def forget(self):
        for name in "calls", "overlap":
            if os.path.exists(self.path(name)):
                os.unlink(self.path(name))

    def state(self, dataset="config"):
        for d in self.node.cli("hook", "list")["datasets"]:
            if d["name"] == dataset:
                return d

    def in_effect(self):
        """Of every dataset: none of the hooks runs any more."""
        revision = self.node.dataset()["revision"]
        states = self.node.cli("hook", "list")["datasets"]
        # 0: not published yet, and then hooks are called for it.
        return all(d["in_effect"] and d["revision"] > 0 and
                   (d["name"] != "config" or d["revision"] == revision)
                   for d in states)

    def wait(self, what="in effect"):
        wait_for(self.in_effect, 20, what)


def publish(node, name):
    """A user more; the revision that it is in."""
    node.cli("user", "add", name, "--home", "/home/" + name)
    node.cli("sync", "now")
    return node.dataset()["revision"]


@scenario
def hooks_follow_each_revision(t):
    node = t.node("node", start=False)
    hooks = Hooks(t, node)
    hooks.put("20-second")
    hooks.put("10-first", 'env | sort >"$dir/environment"; pwd; umask')
    hooks.put("30-off", mode=0o600)
    hooks.put("40-other.txt")
    node.start()
    hooks.wait()
    with t.promise("they are called in order of name with dataset, epoch and "
                   "revision"):
        state = node.dataset()
        same([c for c in hooks.calls() if c[2] == state["revision"]],
             [("10-first", state["epoch"], state["revision"]),
              ("20-second", state["epoch"], state["revision"])], "the calls")
    with t.promise("their environment is what is documented, and no more"):
        with open(hooks.path("environment")) as f:
            found = dict(line.rstrip("\n").split("=", 1) for line in f)
        for own in "PWD", "_", "OLDPWD", "SHLVL":  # the shell's
            found.pop(own, None)
        same(found, {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C",
                     "LOCKSTEP_STATE_DIR": node.directory,
                     "LOCKSTEP_DATABASE": found["LOCKSTEP_DATABASE"],
                     "LOCKSTEP_ROLE": "standalone",
                     "LOCKSTEP_NODE": "node"}, "the environment")
    with t.promise("their output is in an event"):
        texts = [e["text"] for e in node.events("hook")]
        check(any("/ | 0077" in text for text in texts), texts)
    with t.promise("revisions that come while they run are one more call"):
        hooks.put("10-first", 'while [ -e "$dir/hold" ]; do sleep 0.05; done')
        open(hooks.path("hold"), "w").close()
        hooks.forget()
        first = publish(node, "first")
        wait_for(hooks.calls, 10, "the first call")
        for name in "second", "third", "fourth":
            last = publish(node, name)
        os.unlink(hooks.path("hold"))
        hooks.wait()
        same([(c[0], c[2]) for c in hooks.calls()],
             [(name, revision) for revision in (first, last)
              for name in ("10-first", "20-second")], "the calls")
    with t.promise("one at a time"):
        check(not os.path.exists(hooks.path("overlap")), "two ran at once")
    with t.promise("what is in effect stays so over a restart, without calls"):
        hooks.forget()
        node.restart()
        hooks.wait()
        same(hooks.calls(), [], "calls")
    with t.promise("hook run calls them again"):
        reply = node.cli("hook", "run")
        check(reply["in_effect"], reply)
        same([c[0] for c in hooks.calls()], ["10-first", "20-second"],
             "the calls")


def failures(node, kind="hook-failed"):
    return [e["text"] for e in node.events(kind)]


@scenario
def hooks_that_fail_are_called_again(t):
    node = t.node("node", start=False)
    hooks = Hooks(t, node, timeout=4)
    hooks.put("10-good")
    hooks.put("20-bad", 'echo no such thing; ! [ -e "$dir/bad" ]')
    hooks.put("30-late")
    node.start()
    hooks.wait()
    with t.promise("a failure keeps the later ones from nothing, and is shown "
                   "with the reason"):
        open(hooks.path("bad"), "w").close()
        hooks.forget()
        publish(node, "ann")
        wait_for(lambda: hooks.state()["error"], 10, "the error")
        same([c[0] for c in hooks.calls()][:3],
             ["10-good", "20-bad", "30-late"], "the calls")
        check(any('"20-bad"' in text and "exit status 1" in text and
                  "no such thing" in text for text in failures(node)),
              failures(node))
        reply = node.run("status", "--check")
        check(reply.code != 0 and "20-bad" in reply.out + reply.err, reply)
    with t.promise("the failing one and those after it are called again until "
                   "they succeed"):
        hooks.forget()
        wait_for(hooks.calls, 10, "the next try")
        os.unlink(hooks.path("bad"))
        hooks.wait()
        same([c[0] for c in hooks.calls()][-2:], ["20-bad", "30-late"],
             "the last calls")
        check("10-good" not in [c[0] for c in hooks.calls()], "10-good again")
        check(node.events("hook-recovered"), "no event")
        same(node.run("status", "--check").code, 0, "status --check")
    with t.promise("one that takes too long is killed with all it started"):
        hooks.put("20-bad", """if [ -e "$dir/bad" ]; then
rmdir "$dir/running"; sleep 1000 & echo $! >"$dir/pid"; wait; fi""")
        open(hooks.path("bad"), "w").close()
        publish(node, "bob")
        wait_for(lambda: "longer than 4 s" in "".join(failures(node)), 10,
                 "the event")
        pid = wait_for(lambda: hooks.number("pid"), what="its child")
        wait_for(lambda: not is_alive(pid), 10, "the end of its child")
        os.unlink(hooks.path("bad"))
        hooks.wait()
    for what, spoil in (
            ("writable by others", lambda p: os.chmod(p, 0o722)),
            ("another user's", lambda p: os.chown(p, 65534, -1))):
        with t.promise("one that is %s is not run" % what):
            path = hooks.put("20-bad", "true")
            spoil(path)
            hooks.forget()
            before = len(failures(node, "hook-refused"))
            node.cli("hook", "run")
            # The failure may have been followed by another try already.
            called = [c[0] for c in hooks.calls()]
            same(called[:2], ["10-good", "30-late"], "the calls")
            check("20-bad" not in called, called)
            check(len(failures(node, "hook-refused")) > before, "no event")
            check(not hooks.in_effect(), "in effect")
            os.chown(path, 0, -1)
            os.chmod(path, 0o700)
            check(node.cli("hook", "run")["in_effect"], "not in effect")


def is_alive(pid):
    try:
        with open("/proc/%d/stat" % pid) as f:
            return f.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@scenario
def a_crash_before_the_hook_is_made_good(t):
    node = t.node("node", start=False)
    hooks = Hooks(t, node)
    hooks.put("10-slow", """echo $$ >"$dir/pid.$3"
while [ -e "$dir/hold" ]; do sleep 0.05; done""")
    node.start()
    hooks.wait()
    open(hooks.path("hold"), "w").close()
    hooks.forget()
    revision = publish(node, "ann")
    pid = wait_for(lambda: hooks.number("pid.%d" % revision), 10, "the call")
    with t.promise("a hook dies with its engine"):
        os.kill(node.pid(), signal.SIGKILL)
        wait_for(lambda: not is_alive(pid), 10, "its end")
        node.kill9()
    with t.promise("after the restart it is called for that revision"):
        os.unlink(hooks.path("hold"))
        os.rmdir(hooks.path("running"))
        hooks.forget()
        node.start()
        hooks.wait()
        same(hooks.calls()[-1][2], revision, "the revision")
        check(not os.path.exists(hooks.path("overlap")), "two ran at once")


@scenario
def the_primary_knows_what_is_in_effect(t):
    primary = t.node("primary", start=False)
    hooks = {"primary": Hooks(t, primary)}
    cluster = Cluster(primary.start(), [])
    for name in "good", "bad":
        node = t.node(name, start=False)
        hooks[name] = Hooks(t, node)
        cluster.secondaries.append(node.start())
    for node in hooks.values():
        node.put("10-x", '! [ -e "$dir/bad" ]')
    for node in cluster.secondaries:
        cluster.add(node)
    bad = hooks["bad"]

    def in_effect():
        return {s["name"]: s["in_effect"] for s in primary.servers()}

    with t.promise("what is synchronized and in effect is two columns"):
        wait_for(lambda: all(in_effect().values()), 20, "in effect everywhere")
        head = primary.run("server", "list").out.split("\n")[0]
        check("LAST SYNCHRONIZED" in head and "IN EFFECT" in head, head)
    with t.promise("a hook that fails on one node is shown on the primary, the "
                   "others are in effect"):
        open(bad.path("bad"), "w").close()
        revision = publish(primary, "ann")
        cluster.sync()
        wait_for(lambda: primary.server("bad")["effect_error"], 20,
                 "the error on the primary")
        wait_for(lambda: in_effect() == {"primary": True, "good": True,
                                         "bad": False}, 20, "the others")
        server = primary.server("bad")
        same(server["state"], "synchronized", "its state")
        check("10-x" in server["effect_error"]["message"], server)
        reply = primary.run("status", "--check")
        check(reply.code != 0 and "bad" in reply.out + reply.err, reply)
        same(hooks["good"].calls()[-1][2], revision, "the other's revision")
        with Admin(primary) as admin:
            text = admin.read("/metrics.prom").decode()
        for line in ('lockstep_in_effect 1\n',
                     'lockstep_server_in_effect{server="bad"} 0\n',
                     'lockstep_server_in_effect{server="good"} 1\n'):
            check(line in text, text)
    with t.promise("its recovery is known there without another change"):
        os.unlink(bad.path("bad"))
        bad.node.cli("hook", "run")
        primary.cli("sync", "now")
        wait_for(lambda: all(in_effect().values()), 20, "in effect everywhere")
        same(primary.server("bad")["effect_error"], None, "the error")
    with t.promise("an answer that takes a while is waited for, not asked for "
                   "again and again"):
        bad.put("10-x", 'while [ -e "$dir/hold" ]; do sleep 0.02; done')
        open(bad.path("hold"), "w").close()
        primary.cli("sync", "config", "--interval", "1h")
        publish(primary, "bob")
        wait_for(lambda: in_effect() == {"primary": True, "good": True,
                                         "bad": False}, 20, "the others")
        same(primary.server("bad")["effect_error"], None, "the error")
        os.unlink(bad.path("hold"))
        wait_for(lambda: all(in_effect().values()), 20, "in effect everywhere")


@scenario
def where_no_hook_is_nothing_is_asked(t):
    primary, node, line = through_a_line(t)
    with t.promise("a secondary without hooks is in effect with its receipt: "
                   "nothing travels for it"):
        line.arm(100)
        primary.cli("user", "add", "ann", "--home", "/home/ann")
        primary.cli("sync", "now", "--wait")
        same(primary.server(node.name)["in_effect"], True, "in effect")
        wait_for(line.is_quiet, 30, "a quiet line")
        same(100 - line.left, 1, "requests")
    line.close()


run()

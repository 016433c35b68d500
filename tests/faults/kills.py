"""kill -9 at a counted system call of one process, during a push and during
an overwrite: old state or new state, what was acknowledged is there, and
everything converges once the process is back."""

import os
import signal
import subprocess
import time

from lockstep import (DONE, SLOW, Failed, check, children, same,
                      wait_for)

POINTS = int(os.environ.get("LOCKSTEP_FAULT_POINTS", "100"))
CHOSEN = os.environ.get("LOCKSTEP_FAULT_PROCESS", "")
ROWS = 60

# What each part does to the world; counted by strace for each thread.
DISK = ["pwrite64", "fdatasync", "ftruncate", "unlink", "rename", "renameat2",
        "write", "fsync", "chmod"]
WIRE = ["read", "write", "sendto", "recvfrom", "poll", "epoll_wait",
        "writev", "recvmsg", "epoll_pwait", "sendmsg"]


class Tracer:
    """strace that kills PID at its N-th CALL."""

    def __init__(self, pid, call, n, action="signal=KILL"):
        self.process = subprocess.Popen(
            ["strace", "-f", "-qq", "-p", str(pid), "-o", "/dev/null", "-e",
             "trace=" + call, "-e", "inject=%s:%s:when=%s" %
             (call, action, n)], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        wait_for(lambda: self.attached(pid), 10, "strace attached", 0.002)

    def attached(self, pid):
        if self.process.poll() is not None:
            # Or the very call that it stood in was the one to die at.
            check(killed(pid), lambda: "strace: " +
                  self.process.stderr.read())
            return True
        try:
            for task in os.listdir("/proc/%d/task" % pid):
                with open("/proc/%d/task/%s/status" % (pid, task)) as f:
                    if "\nTracerPid:\t0\n" in f.read():
                        return False
        except OSError:
            return True
        return True

    def end(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()
        self.process.stderr.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()


class Scene:
    """A cluster in which one number is in every row of a table, so that a
    state between two is seen."""

    patience = 5  # seconds that one push may take

    def __init__(self, t):
        self.cluster = t.cluster(1, interval="1h")
        self.primary = self.cluster.primary
        self.node = self.cluster.secondaries[0]
        with self.primary.database() as db:
            db.execute("BEGIN")
            db.execute("CREATE TABLE numbers (id INTEGER PRIMARY KEY, n)")
            db.executemany("INSERT INTO numbers (n) VALUES (?)",
                           [(0,)] * ROWS)
            db.execute("COMMIT")
        self.number = 0
        self.cluster.sync()

    def change(self):
        self.number += 1
        self.primary.sql("UPDATE numbers SET n = ?", self.number)

    def state(self, node):
        """The number in every row of NODE's own file."""
        found = node.sql("SELECT n, count(*) FROM numbers GROUP BY n")
        check(len(found) == 1 and found[0][1] == ROWS,
              "%s is between two states: %r" % (node.name, found))
        return found[0][0]

    def push(self):
        """Changes, pushes, tells whether it was acknowledged."""
        self.change()
        return self.push_again()

    def push_again(self):
        return self.primary.run("--json", "--timeout", str(self.patience),
                                "sync", "now", "--wait",
                                deadline=2 * self.patience + 120).code == DONE

    def overwrite(self):
        self.change()
        return self.primary.run("--json", "--yes", "--timeout", "5",
                                "server", "overwrite",
                                self.node.name).code == DONE

    def recover(self):
        """Brings back what was killed; everything must converge."""
        def converged():
            # A killed process may die a moment after its system call.
            for node in self.cluster.nodes():
                if not node.is_running():
                    node.kill9()
                    node.start()
            done = self.push_again()
            return done and self.cluster.synchronized()
        wait_for(converged, 4 * self.patience, "converged", 0.05)
        same(self.state(self.node), self.number, "number")

    def check_after(self, acknowledged, old):
        """Right after the kill, before anything is restarted."""
        found = self.state(self.node)
        check(found in (old, self.number), "%s holds %s, neither %s nor %s" %
              (self.node.name, found, old, self.number))
        check(not acknowledged or found == self.number,
              "acknowledged, and not there")
        same(self.state(self.primary), self.number, "the primary's own")


def engine_of(node):
    return lambda: node.pid()


def child_of(node, name):
    def find():
        found = wait_for(lambda: children(node, name), 10,
                         "%s of %s" % (name, node.name))
        return found[-1]
    return find


def kill_at_points(t, scene, what, find, calls, act, acting, points=POINTS,
                   stride=1):
    """Kills until POINTS kills were survived, at each STRIDE-th call; one that
    is not reached so often in one act gives way to the next one."""
    with t.promise("%s killed at %d system calls during %s" %
                   (what, points, acting)):
        kills, n, which, idle = 0, 1 - stride, 0, 0
        calls = list(calls)
        while kills < points:
            n += stride
            call = calls[which % len(calls)]
            pid = find()
            old = scene.number
            with Tracer(pid, call, n):
                try:
                    acknowledged = act()
                    gone = killed(pid)
                except Failed as why:
                    raise Failed("at %s %d: %s" % (call, n, why))
            try:
                scene.check_after(acknowledged, old)
                if gone:
                    kills, idle = kills + 1, 0
                scene.recover()
            except Failed as why:
                raise Failed("at %s %d: %s" % (call, n, why))
            if not gone:
                n, which, idle = 1 - stride, which + 1, idle + 1
                check(idle <= 2 * len(calls), "only %d points" % kills)


def killed(pid):
    """Whether the process is gone, or about to be."""
    end = time.monotonic() + 0.05 * SLOW
    while True:
        try:
            with open("/proc/%d/stat" % pid) as f:
                if f.read().rpartition(")")[2].split()[0] in "ZX":
                    return True
        except OSError:
            return True
        if time.monotonic() > end:
            return False
        time.sleep(0.005)


def measure(t):
    scene = Scene(t)
    parts = [
        ("the primary's engine", engine_of(scene.primary), DISK),
        ("the secondary's engine", engine_of(scene.node), DISK),
        ("the secondary's session", child_of(scene.node, "session"), WIRE),
        ("the pusher", child_of(scene.primary, "pusher"), WIRE)]
    for what, find, calls in parts:
        if CHOSEN not in what:
            continue
        kill_at_points(t, scene, what, find, calls, scene.push, "a push")
        kill_at_points(t, scene, what, find, calls, scene.overwrite,
                       "an overwrite")

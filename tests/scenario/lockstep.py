"""The vocabulary of scenario tests: real daemons on loopback addresses.

    from lockstep import run, scenario, wait_for

    @scenario
    def a_change_arrives(t):
        cluster = t.cluster(secondaries=2)
        with t.promise("a change arrives"):
            cluster.primary.sql("UPDATE users SET comment = 'x'")
            cluster.primary.cli("sync", "now", "--wait")
            ...

    run()

Each promise prints one line: "ok NAME", "not ok NAME: why" or "skip NAME:
why".  Nothing here sleeps for a fixed time to let something happen: wait_for
looks until a condition holds.  Every process started here is ended by its pid.
"""

import contextlib
import fcntl
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import traceback

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))
BUILD = os.environ.get("LOCKSTEP_BUILD", os.path.join(ROOT, "build"))
LOCKSTEPD = os.path.join(BUILD, "lockstepd")
LOCKSTEP = os.path.join(BUILD, "lockstep")
PORT = 14983

# Sanitizers make everything slower; deadlines, not promises, stretch with it.
SLOW = float(os.environ.get("LOCKSTEP_TEST_SLOWNESS",
                            "4" if "asan" in BUILD else "1"))
# Seconds that every wait may last, on a machine that has other work to do.
PATIENCE = 60

# What a sanitizer says of any process of a node.
SANITIZER = re.compile(r"^.*(?:Sanitizer:|runtime error:).*$", re.MULTILINE)

# The exit codes of the command line.
DONE, ERROR, USAGE, PARTLY, UNREACHABLE, KEY, STALE, NOT_PRIMARY, HELD = \
    range(9)


class Failed(Exception):
    """A promise that does not hold."""


class Skipped(Exception):
    """A promise that cannot be tried on this machine."""


def wait_for(condition, deadline=PATIENCE, what="the condition", step=0.02):
    """Calls CONDITION until it returns something true, and returns that.

    WHAT, or what it returns then, is said if that does not happen within
    DEADLINE seconds, or PATIENCE if that is more."""
    deadline = max(deadline, PATIENCE)
    end = time.monotonic() + deadline * SLOW
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failed("%s did not come true in %g s" %
                         (what() if callable(what) else what,
                          deadline * SLOW))
        time.sleep(step)


def check(condition, why):
    if not condition:
        raise Failed(why() if callable(why) else why)


def same(found, wanted, what):
    check(found == wanted, lambda: "%s is %r, should be %r" %
          (what, found, wanted))


def in_one_of(tries, attempt):
    """What ATTEMPT() returns, for a promise about time: what is slow by
    itself is slow in each of so many TRIES, a busy machine in some."""
    for left in reversed(range(tries)):
        try:
            return attempt()
        except Failed as why:
            if left == 0:
                raise
            say("# tried again: %s" % one_line(why))
    return None


def is_free(address):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind((address, PORT))
            return True
        except OSError:
            return False


class Addresses:
    """Eight loopback addresses that no other running test uses."""

    def __init__(self):
        for slot in range(1, 31):
            lock = open("/tmp/.lockstep-test-slot-%d" % slot, "a")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                lock.close()
                continue
            if not all(is_free("127.0.0.%d" % (slot * 8 + i))
                       for i in range(8)):
                lock.close()
                continue
            self.lock = lock
            self.base = slot * 8
            return
        raise Failed("no free loopback addresses")

    def get(self, index):
        return "127.0.0.%d" % (self.base + index)


class Reply:
    """What one call of the command line gave."""

    def __init__(self, args, code, out, err):
        self.args, self.code, self.out, self.err = args, code, out, err
        self.json = None
        if out.strip().startswith(("{", "[")):
            try:
                self.json = json.loads(out)
            except ValueError:
                pass

    def __str__(self):
        return "lockstep %s: exit %d\n%s%s" % (
            " ".join(self.args), self.code, self.out, self.err)


class Node:
    """One daemon with its state directory."""

    def __init__(self, directory, address, name):
        self.directory = os.path.join(directory, name)
        self.address = address
        self.name = name
        self.process = None
        self.told = False
        self.config = None       # text of a configuration file, if any
        self.prefix = []         # a wrapper, such as faketime
        self.cli_prefix = []     # the same for the command line
        self.build = BUILD       # where its two programs are
        self.listen = "%s:%d" % (address, PORT)
        self.environment = {}
        self.log_path = os.path.join(directory, name + ".log")
        os.mkdir(self.directory, 0o700)

    # -- the daemon --------------------------------------------------------

    def arguments(self):
        a = self.prefix + [os.path.join(self.build, "lockstepd"),
                           "--state-dir", self.directory,
                           "--listen", self.listen, "--name", self.name,
                           "-f"]
        if self.config is not None:
            path = self.path("../%s.conf" % self.name)
            with open(path, "w") as f:
                f.write(self.config)
            a += ["--config", path]
        return a

    def launch(self):
        """Starts the daemon without waiting for it."""
        self.told = False
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                self.arguments(), stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, start_new_session=True,
                env=dict(os.environ, **self.environment))
        return self

    def start(self):
        self.launch()
        wait_for(self.answers, 30, "%s answers" % self.name)
        return self

    def answers(self):
        if not self.is_running():
            raise Failed("%s ended with %s:\n%s" % (
                self.name, self.process.returncode, self.log()[-2000:]))
        if not os.path.exists(self.path("local.json")):
            return False
        if self.cli_prefix:  # in a network of its own
            return self.run("status").code == DONE
        try:
            with socket.create_connection((self.address, PORT), 1):
                return True
        except OSError:
            return False

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def pid(self):
        """Of the engine, also behind a wrapper."""
        if not self.prefix:
            return self.process.pid
        for pid in [self.process.pid] + descendants(self.process.pid):
            if part(pid) == "engine":
                return pid
        raise Failed("%s has no engine" % self.name)

    def tell_to_end(self):
        """SIGTERM, once, to the engine and not to what it was started by."""
        if not self.told and self.is_running():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid(), signal.SIGTERM)
        self.told = True

    def stop(self, deadline=PATIENCE):
        """SIGTERM; returns the seconds it took and expects exit code 0, and
        that no sanitizer had anything to say so far."""
        self.check_log()
        if self.process is None:
            return 0.0
        began = time.monotonic()
        self.tell_to_end()
        try:
            code = self.process.wait(deadline * SLOW)
        except subprocess.TimeoutExpired:
            self.kill9()
            raise Failed("%s did not end after SIGTERM" % self.name)
        took = time.monotonic() - began
        self.process = None
        check(code == 0, "%s ended with %d:\n%s" %
              (self.name, code, self.log()[-2000:]))
        self.check_log()
        return took

    def check_log(self):
        """The sanitizers of child processes report into the node's log."""
        report = SANITIZER.search(self.log())
        check(report is None, lambda: "%s: %s\n%s" % (
            self.name, report[0], self.log()[report.start():][:4000]))

    def kill9(self):
        """Kills the engine and whatever it started."""
        if self.process is None:
            return
        group = self.process.pid
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)
        self.process.wait()
        self.process = None
        # A child that was just being started has what its parent had open,
        # the lock of the state directory too.
        wait_for(lambda: not living_in(group), what="the end of its children")

    def restart(self):
        self.stop()
        return self.start()

    def log(self):
        with contextlib.suppress(OSError):
            with open(self.log_path, errors="replace") as f:
                return f.read()
        return ""

    # -- the command line --------------------------------------------------

    def run(self, *args, input=None, deadline=120):
        """Runs the command line on this node as its local administrator."""
        return run_cli("--state-dir", self.directory, *args, input=input,
                       deadline=deadline, prefix=self.cli_prefix,
                       program=os.path.join(self.build, "lockstep"))

    def cli(self, *args, expect=DONE, input=None, deadline=120):
        """The same with --json and --yes, giving the JSON of stdout."""
        reply = self.run("--json", "--yes", "--no-input", *args, input=input,
                         deadline=deadline)
        check(reply.code == expect, lambda: "%s\nexpected exit %d" %
              (reply, expect))
        return reply.json

    def status(self):
        return self.cli("status")

    def fingerprint(self):
        return self.status()["node"]["fingerprint"]

    def password_file(self):
        return self.path("initial-admin-password")

    def dataset(self, name="config"):
        for d in self.cli("dataset", "list")["datasets"]:
            if d["name"] == name:
                return d
        raise Failed("%s has no dataset %s" % (self.name, name))

    def servers(self):
        return self.cli("server", "list")["servers"]

    def server(self, name):
        name = name.name if isinstance(name, Node) else name
        for s in self.servers():
            if s["name"] == name:
                return s
        raise Failed("%s does not list %s" % (self.name, name))

    def state_of(self, name):
        return self.server(name)["state"]

    def events(self, kind=None):
        """The events in its file, oldest first."""
        found = []
        for path in self.path("events.jsonl.1"), self.path("events.jsonl"):
            with contextlib.suppress(OSError):
                with open(path) as f:
                    for line in f:
                        if line.endswith("\n"):
                            found.append(json.loads(line))
        return [e for e in found if kind is None or e["kind"] == kind]

    # -- files and databases -----------------------------------------------

    def path(self, *parts):
        return os.path.join(self.directory, *parts)

    def live(self, dataset="config"):
        return self.path(dataset + ".db")

    def published(self, dataset="config"):
        return self.path("datasets", dataset, "published.db")

    def drift(self, dataset="config"):
        """The lines of the drift file that are whole by now."""
        with contextlib.suppress(OSError):
            with open(self.path("datasets", dataset, "drift.jsonl")) as f:
                return [json.loads(line) for line in f
                        if line.endswith("\n")]
        return []

    @contextlib.contextmanager
    def database(self, dataset="config"):
        db = sqlite3.connect(self.live(dataset), timeout=30,
                             isolation_level=None)
        try:
            yield db
        finally:
            db.close()

    def sql(self, text, *values, dataset="config"):
        """One statement on the live database by a program that knows
        nothing of Lockstep; the rows it gives."""
        with self.database(dataset) as db:
            return db.execute(text, values).fetchall()


def run_cli(*args, input=None, deadline=120, prefix=(), program=LOCKSTEP):
    args = [str(a) for a in args]
    try:
        p = subprocess.run([*prefix, program] + args, input=input or "",
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                           timeout=deadline * SLOW, text=True,
                           errors="replace")
    except subprocess.TimeoutExpired:
        raise Failed("lockstep %s did not end in %g s" %
                     (" ".join(args), deadline * SLOW))
    return Reply(args, p.returncode, p.stdout, p.stderr)


class Cluster:
    """A primary with registered secondaries."""

    def __init__(self, primary, secondaries):
        self.primary = primary
        self.secondaries = secondaries

    def nodes(self):
        return [self.primary] + self.secondaries

    def add(self, node, *more, expect=DONE):
        """Registers NODE as an administrator would."""
        return self.primary.cli(
            "server", "add", node.address, "--name", node.name,
            "--password-file", node.password_file(),
            "--fingerprint", node.fingerprint(), *more, expect=expect)

    def sync(self, expect=DONE):
        return self.primary.cli("sync", "now", "--wait", expect=expect)

    def synchronized(self, *nodes):
        """True when the primary lists these (all) as synchronized."""
        wanted = {n.name for n in nodes or self.secondaries}
        found = {s["name"] for s in self.primary.servers()
                 if s["state"] == "synchronized"}
        return wanted <= found

    def wait_synchronized(self, *nodes, deadline=PATIENCE):
        wait_for(lambda: self.synchronized(*nodes), deadline,
                 lambda: "synchronized, now %s" % [
                     (s["name"], s["state"], (s["error"] or {}).get("message"))
                     for s in self.primary.servers()], 0.1)


    def pretend_servers(self, count):
        """Has the primary know COUNT more servers, paused, that there are
        not: like the first one, but for their names."""
        node = self.primary
        node.stop()
        with contextlib.closing(sqlite3.connect(node.path("node.db"))) as db:
            names = ", ".join(
                row[1] for row in db.execute("PRAGMA table_info(servers)")
                if row[1] not in ("id", "name", "paused", "node_id"))
            with db:
                db.execute(
                    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1"
                    " FROM n WHERE i < ?) INSERT INTO servers (name, paused,"
                    " node_id, %s) SELECT printf('node%%04d', i), 1,"
                    " randomblob(16), %s FROM (SELECT * FROM servers LIMIT 1),"
                    " n" % (names, names), (count,))
        node.start()


class Test:
    """What a scenario is given: nodes of its own, promises to keep."""

    def __init__(self, name, addresses):
        self.name = name
        self.addresses = addresses
        self.directory = tempfile.mkdtemp(prefix="lockstep-")
        self.nodes = []
        self.ending = contextlib.ExitStack()
        self.failures = 0

    def node(self, name=None, config=None, start=True):
        index = len(self.nodes) + 1
        node = Node(self.directory, self.addresses.get(index - 1),
                    name or "node%d" % index)
        node.config = config
        self.nodes.append(node)
        return node.start() if start else node

    def cluster(self, secondaries=2, interval="1s", config=None,
                secondary_config=None):
        primary = self.node("primary", config)
        cluster = Cluster(primary, [])
        for i in range(secondaries):
            node = self.node("second%d" % (i + 1), secondary_config)
            cluster.add(node)
            cluster.secondaries.append(node)
        if interval:
            primary.cli("sync", "config", "--interval", interval)
        return cluster

    @contextlib.contextmanager
    def promise(self, name):
        """One line of output: whether what is written inside holds."""
        try:
            yield
        except Skipped as why:
            say("skip %s: %s" % (name, one_line(why)))
        except Exception as why:
            self.failures += 1
            say("not ok %s: %s" % (name, one_line(why)))
            if not isinstance(why, Failed):
                traceback.print_exc()
            elif "\n" in str(why):
                print(why, file=sys.stderr)
        else:
            say("ok %s" % name)

    def end(self):
        """Ends every daemon as an administrator would: one that does not end
        well, or leaks under a sanitizer, fails the scenario."""
        self.ending.close()
        for node in self.nodes:
            with contextlib.suppress(Failed):  # stop() says so, too
                node.tell_to_end()
        for node in self.nodes:
            try:
                node.stop()
            except Failed as why:
                self.failures += 1
                say("not ok %s ends well: %s" % (self.name, one_line(why)))
                print(why, file=sys.stderr)
            node.kill9()
        if self.failures and os.environ.get("LOCKSTEP_KEEP"):
            say("# kept in %s" % self.directory)
        else:
            shutil.rmtree(self.directory, ignore_errors=True)


def say(line):
    print(line, flush=True)


def one_line(why):
    text = str(why) or type(why).__name__
    return re.sub(r"\s+", " ", text)[:400]


def descendants(pid):
    """Every process below PID, by /proc."""
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError, IndexError):
                with open("/proc/%s/stat" % entry) as f:
                    fields = f.read().rpartition(")")[2].split()
                parents.setdefault(int(fields[1]), []).append(int(entry))
    found, todo = [], [pid]
    while todo:
        below = parents.get(todo.pop(), [])
        found += below
        todo += below
    return found


def living_in(group):
    """The processes of a group, but for those that are only to be reaped."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError, IndexError):
                with open("/proc/%s/stat" % entry) as f:
                    fields = f.read().rpartition(")")[2].split()
                if int(fields[2]) == group and fields[0] not in "ZX":
                    found.append(int(entry))
    return found


def part(pid):
    """Which part of lockstepd a process runs: "engine", "session", "pusher",
    "connector", or "" for another program."""
    with contextlib.suppress(OSError):
        with open("/proc/%d/cmdline" % pid, "rb") as f:
            words = f.read().decode(errors="replace").split("\0")
        if not words or "lockstepd" not in os.path.basename(words[0]):
            return ""
        for name in "session", "pusher", "connector":
            if any(w.lstrip("-").rpartition("=")[2] == name
                   for w in words[1:]):
                return name
        return "engine"
    return ""


def children(node, name):
    return [p for p in descendants(node.process.pid) if part(p) == name]


SCENARIOS = []


def scenario(function):
    SCENARIOS.append(function)
    return function


def run(limit=880):
    """Runs the scenarios of the calling file, or those named as arguments;
    LIMIT is below that of tests/run."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    signal.alarm(int(limit * SLOW))
    signal.signal(signal.SIGALRM, out_of_time)
    chosen = sys.argv[1:]
    failures = 0
    addresses = Addresses()
    for function in SCENARIOS:
        if chosen and function.__name__ not in chosen:
            continue
        test = Test(function.__name__, addresses)
        try:
            with test.promise_setup():
                function(test)
        finally:
            test.end()
        failures += test.failures
    sys.exit(1 if failures else 0)


def out_of_time(*_):
    raise Failed("the whole file took too long")


@contextlib.contextmanager
def promise_setup(self):
    """What fails outside a promise fails the scenario by its own name."""
    try:
        yield
    except Skipped as why:
        say("skip %s: %s" % (self.name, one_line(why)))
    except Exception as why:
        self.failures += 1
        say("not ok %s: %s" % (self.name, one_line(why)))
        if not isinstance(why, Failed):
            traceback.print_exc()
        elif "\n" in str(why):
            print(why, file=sys.stderr)


Test.promise_setup = promise_setup

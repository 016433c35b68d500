"""Full, failing and read-only disks on either side: a clear error, an event,
nothing half done, and recovery once the disk is well."""

import os
import subprocess

from kills import Scene, Tracer
from lockstep import Skipped, check, same, wait_for

FAILURES = [("pwrite64", "error=ENOSPC", "a full disk"),
            ("pwrite64", "error=EIO", "failing writes"),
            ("pwrite64", "error=EROFS", "a disk gone read-only"),
            ("fdatasync", "error=EIO", "failing syncs")]


def injected(t, scene, node, other_side):
    for call, error, what in FAILURES:
        with t.promise("%s on the %s: refused with an error, nothing half "
                       "done, recovers" % (what, other_side)):
            old = scene.number
            events = len(node.events())
            # A disk that is full or broken is so for every write of the
            # engine; its event log is written by other calls.
            with Tracer(node.pid(), call, "1+", error):
                acknowledged = scene.push()
            check(not acknowledged, "acknowledged without a disk")
            found = scene.state(scene.node)
            check(found in (old, scene.number), "%s is between" % found)
            check(node.is_running(), "the daemon ended")
            scene.recover()
            told = node.events()[events:] + scene.primary.events()
            check(any(e["level"] in ("warning", "error") for e in told),
                  "no event tells of it")


def mount(directory, size):
    if os.geteuid() != 0:
        raise Skipped("mounting needs root")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%s,mode=700" % size,
                    "tmpfs", directory], check=True)


def small_disk(t):
    """A secondary whose state directory is a small file system."""
    scene = Scene(t)
    node, primary = scene.node, scene.primary
    node.stop()
    kept = node.directory + ".kept"
    os.rename(node.directory, kept)
    os.mkdir(node.directory, 0o700)
    mount(node.directory, "12m")
    t.ending.callback(subprocess.run, ["umount", "-l", node.directory])
    subprocess.run(["cp", "-a", kept + "/.", node.directory], check=True)
    node.start()
    scene.recover()
    with t.promise("a push to a full file system is refused, the old rows "
                   "stay, and once there is room it arrives"):
        old = scene.number
        filler = node.path("filler")
        with open(filler, "wb") as f:
            try:
                while True:
                    f.write(b"x" * 65536)
                    f.flush()
            except OSError:
                pass
        primary.sql("CREATE TABLE big (x)")
        primary.sql("INSERT INTO big VALUES (randomblob(900000))")
        check(not scene.push(), "acknowledged without room")
        same(scene.state(node), old, "number")
        os.unlink(filler)
        scene.recover()
        same(node.sql("SELECT length(x) FROM big"), [(900000,)], "the rest")
    with t.promise("an overwrite that does not fit is refused before its "
                   "first byte"):
        primary.sql("INSERT INTO big VALUES (randomblob(5000000))")
        revision = node.dataset()["revision"]
        reply = primary.run("--json", "--yes", "--timeout", "10", "server",
                            "overwrite", node.name)
        check(reply.code != 0, "it was done")
        check("NO_SPACE" in reply.out, reply.out)
        same(node.dataset()["revision"], revision, "revision")
        same(node.sql("SELECT count(*) FROM big"), [(1,)], "rows")
    with t.promise("once there is room, it is done"):
        subprocess.run(["mount", "-o", "remount,size=64m", node.directory],
                       check=True)
        primary.run("--json", "--yes", "server", "overwrite", node.name)
        scene.recover()
        same(node.sql("SELECT count(*) FROM big"), [(2,)], "rows")


def read_only_disk(t):
    """A file system with open files cannot be made read-only by mounting;
    that it became so under a running daemon is injected above."""
    with t.promise("a daemon on a read-only file system does not start, and "
                   "says why"):
        node = t.node("readonly")
        node.stop()
        if os.geteuid() != 0:
            raise Skipped("mounting needs root")
        subprocess.run(["mount", "--bind", node.directory, node.directory],
                       check=True)
        t.ending.callback(subprocess.run, ["umount", "-l", node.directory])
        subprocess.run(["mount", "-o", "remount,bind,ro", node.directory],
                       check=True)
        node.launch()
        wait_for(lambda: not node.is_running(), 10, "it ended")
        check(node.process.returncode != 0, "exit code 0")
        check("ead-only" in node.log(), node.log()[-300:])
        subprocess.run(["mount", "-o", "remount,bind,rw", node.directory],
                       check=True)
        node.start()


def measure(t):
    scene = Scene(t)
    injected(t, scene, scene.node, "secondary")
    injected(t, scene, scene.primary, "primary")
    read_only_disk(t)


def measure_small(t):
    small_disk(t)

"""The clock a year forward and back, on either side, while everything runs."""

import os

from kills import Scene
from lockstep import Skipped, check, same, wait_for

LIBRARIES = ["/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
             "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1"]


def set_clock(node, offset):
    """Takes effect at once: the library reads the file at every call."""
    path = node.path("../%s.clock" % node.name)
    with open(path + ".new", "w") as f:
        f.write(offset + "\n")
    os.rename(path + ".new", path)


def with_fake_clock(node):
    library = next((p for p in LIBRARIES if os.path.exists(p)), None)
    if library is None:
        raise Skipped("libfaketime is not installed")
    node.stop()
    set_clock(node, "+0d")
    # The wall clock only: a jump does not move the monotonic one.
    node.environment = {
        "LD_PRELOAD": library, "FAKETIME_NO_CACHE": "1",
        "FAKETIME_TIMESTAMP_FILE": node.path("../%s.clock" % node.name),
        "DONT_FAKE_MONOTONIC": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    node.start()


def measure(t):
    scene = Scene(t)
    for node, side in ((scene.primary, "primary"),
                       (scene.node, "secondary")):
        for offset, words in (("+365d", "a year forward"),
                              ("-365d", "a year back"), ("+0d", "right")):
            with t.promise("the %s's clock %s: pushes and intervals go on" %
                           (side, words)):
                if not node.environment:
                    with_fake_clock(node)
                    scene.recover()
                overwrites = scene.primary.server(scene.node)["overwrites"]
                set_clock(node, offset)
                check(scene.push(), "a push was not acknowledged")
                same(scene.state(scene.node), scene.number, "number")
                scene.primary.cli("sync", "config", "--interval", "1s")
                scene.change()
                wait_for(lambda: scene.state(scene.node) == scene.number, 6,
                         "pushed by the interval")
                scene.primary.cli("sync", "config", "--interval", "1h")
                same(scene.primary.server(scene.node)["overwrites"],
                     overwrites, "overwrites")
        with t.promise("a restart of the %s with its clock a year back goes "
                       "on" % side):
            set_clock(node, "-365d")
            node.restart()
            scene.recover()
            check(scene.push(), "a push was not acknowledged")
            set_clock(node, "+0d")

"""Two daemons on one state directory, again and again, at one moment."""

import os
import subprocess

from kills import Scene
from lockstep import LOCKSTEPD, PORT, check, same, wait_for


def measure(t):
    scene = Scene(t)
    with t.promise("20 times a second daemon on the state directory of a "
                   "running one: refused, nothing is lost"):
        for i in range(20):
            node = (scene.primary, scene.node)[i % 2]
            second = subprocess.Popen(
                [LOCKSTEPD, "--state-dir", node.directory, "--listen",
                 "%s:%d" % (t.addresses.get(5), PORT), "--name", "second",
                 "-f"], stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            check(scene.push(), "a push was not acknowledged")
            check(second.wait(20) != 0, "the second one ended with 0")
        same(scene.state(scene.node), scene.number, "number")
    with t.promise("two daemons started at once on one state directory: one "
                   "runs, one is refused"):
        for _ in range(5):
            scene.primary.stop()
            scene.primary.launch()
            second = subprocess.Popen(
                scene.primary.arguments(), stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                start_new_session=True)
            pair = [scene.primary.process, second]
            while all(p.poll() is None for p in pair):
                os.sched_yield()
            loser = next(p for p in pair if p.poll() is not None)
            check(loser.returncode != 0, "the loser ended with 0")
            pair.remove(loser)
            scene.primary.process = pair[0]
            wait_for(scene.primary.answers, 20, "the winner answers")
            scene.recover()

#!/usr/bin/python3
"""server remove, when the link drops before the answer is there, or there is
none."""

import subprocess

from line import through_a_line
from lockstep import (DONE, KEY, LOCKSTEP, SLOW, check, run, same, scenario,
                      wait_for)


def remove(primary, node):
    return subprocess.Popen(
        [LOCKSTEP, "--state-dir", primary.directory, "--json", "--yes",
         "server", "remove", node.name], stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, text=True)


def removed(command, primary, node):
    out, _ = command.communicate(timeout=120 * SLOW)
    same(command.returncode, DONE, "exit code, of " + out)
    check('"released": true' in out or '"released":true' in out, out)
    same([s["name"] for s in primary.servers()], [primary.name], "servers")
    same(node.status()["node"]["role"], "standalone", "role")


@scenario
def the_answer_to_a_release_is_lost(t):
    primary, node, line = through_a_line(t)
    with t.promise("a server that was released, whose answer was lost, is "
                   "removed without force"):
        line.arm(2)  # OPEN and WRITE; the answer to READ is kept back
        command = remove(primary, node)
        wait_for(lambda: node.status()["node"]["role"] == "standalone", 10,
                 "released")
        check(command.poll() is None, "it did not wait for the answer")
        line.cut()
        removed(command, primary, node)
    line.close()


@scenario
def the_release_itself_is_lost(t):
    primary, node, line = through_a_line(t)
    with t.promise("a server that was not reached before the link dropped is "
                   "told again, and removed without force"):
        line.arm(0)
        command = remove(primary, node)
        wait_for(line.keeps_back, 10, "asked")
        same(node.status()["node"]["role"], "secondary", "role")
        line.cut()
        removed(command, primary, node)
    line.close()


@scenario
def without_a_link(t):
    cluster = t.cluster(2)
    primary, (one, two) = cluster.primary, cluster.secondaries
    cluster.wait_synchronized()
    with t.promise("one that is paused is told all the same"):
        primary.cli("server", "pause", one.name)
        same(primary.cli("server", "remove", one.name)["released"], True,
             "released")
        same(one.status()["node"]["role"], "standalone", "role")
    with t.promise("one that was detached there says so, and goes by force"):
        two.cli("node", "detach")
        error = primary.cli("server", "remove", two.name, expect=KEY)["error"]
        check("refused the key" in error["message"] and
              "--force" in error["hint"], error)
        same(primary.cli("server", "remove", two.name,
                         "--force")["released"], False, "released")
        same([s["name"] for s in primary.servers()], [primary.name], "servers")


if __name__ == "__main__":
    run()

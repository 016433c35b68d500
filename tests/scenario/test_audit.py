#!/usr/bin/python3
"""Who did what, from where, when and with what result: on every node, and
collected on the primary, each once."""

import os
import re
import socket

import paramiko

from admin import Admin
from lockstep import (ERROR, PATIENCE, SLOW, check, run, same, scenario,
                      wait_for)

RFC5424 = re.compile(
    r"^<(\d+)>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (\S+) lockstepd \d+ "
    r"(\S+) \[lockstep@32473 seq=\"(\d+)\"(?: \w+=\"(?:[^\"\\\]]|\\.)*\")*\] "
    "\ufeff(.*)$", re.DOTALL)


def collected(primary, node):
    """What the primary has of NODE's own events."""
    return [e for e in primary.cli("events", "--node", node.name, "--limit",
                                   "10000")["events"]
            if e["node"] == node.name]


def wait_collected(primary, node):
    """Until the primary has all that NODE had a moment ago."""
    newest = node.events()[-1]["seq"]
    return wait_for(lambda: [e for e in [collected(primary, node)] if e and
                             e[-1]["seq"] >= newest], 30, "the events",
                    0.2)[0]


@scenario
def every_login_and_every_change(t):
    node = t.node("node")
    with t.promise("a change: who, from where, what, when, result"):
        node.cli("user", "add", "ann", "--home", "/srv/ann")
        node.cli("user", "add", "ann", "--home", "/srv/ann", expect=ERROR)
        found = [e for e in node.events("command")
                 if "user add ann" in e["text"]]
        same([(e["who"], e["from"], e["result"]) for e in found],
             [("local", "127.0.0.1", "ok"), ("local", "127.0.0.1", "EXISTS")],
             "deeds")
        check(all(e["time"] for e in found), "no time")
    with t.promise("logins, granted and refused"):
        with Admin(node, source="127.0.0.66"):
            pass
        try:
            Admin(node, user="eve", password="wrong", source="127.0.0.66")
        except paramiko.AuthenticationException:
            pass
        same([(e["who"], e["result"]) for e in node.events()
              if e.get("from") == "127.0.0.66"],
             [("local", "ok"), ("eve", "LOGIN")], "logins")
    with t.promise("what may be secret is not there"):
        node.run("admin", "passwd", "admin", "--password-file", "-",
                 input="canary-4711-word\n")
        check(any("admin passwd" in e["text"]
                  for e in node.events("command")), "no record")
        with open(node.path("events.jsonl")) as f:
            check("canary-4711" not in f.read(), "a password is there")


@scenario
def the_primary_collects_each_event_once(t):
    cluster = t.cluster(2)
    primary, (node, other) = cluster.primary, cluster.secondaries

    def compare(one):
        found = wait_collected(primary, one)
        own = [e for e in one.events() if e["seq"] <= found[-1]["seq"]]
        same([(e["seq"], e["time"], e["text"]) for e in found],
             [(e["seq"], e["time"], e["text"]) for e in own], "events")

    with t.promise("all of each node, in order"):
        for one in node, other:
            compare(one)
    with t.promise("what happens there arrives by the next interval"):
        node.cli("ipfilter", "add", "deny", "192.0.2.9")
        compare(node)
        check(any("ipfilter add 192.0.2.9" in e["text"] and
                  e["who"] == "local" for e in collected(primary, node)),
              "the change is not there")
    with t.promise("each once over restarts and kills of both ends"):
        for number in range(4):
            node.cli("ipfilter", "add", "deny", "192.0.2.%d" % (20 + number))
            (primary if number % 2 else node).kill9()
            (primary if number % 2 else node).start()
            node.cli("ipfilter", "test", "192.0.2.1")
        cluster.wait_synchronized(deadline=90)
        for one in node, other:
            compare(one)
    with t.promise("many at once arrive too"):
        with Admin(node) as admin:
            for number in range(700):
                admin.control("ipfilter unban", all=True)
        compare(node)
    with t.promise("--since, --all and --node choose"):
        everything = primary.cli("events", "--all", "--limit",
                                 "10000")["events"]
        same({e["node"] for e in everything},
             {n.name for n in cluster.nodes()}, "nodes")
        times = [e["time"] for e in everything]
        same(times, sorted(times), "order")
        same(primary.cli("events", "--node", node.name, "--since",
                         "2099-01-01")["events"], [], "events to come")
        same({e["node"] for e in primary.cli("events")["events"]},
             {primary.name}, "this node's alone")
    with t.promise("a node whose numbers begin anew is collected on"):
        node.stop()
        os.unlink(node.path("events.jsonl"))
        node.start()
        node.cli("ipfilter", "add", "deny", "192.0.2.99")
        wait_for(lambda: any("192.0.2.99" in e["text"]
                             for e in collected(primary, node)), 60,
                 "the event")


@scenario
def syslog_and_journal_get_them_too(t):
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("127.0.0.1", 0))
    journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    journal_path = os.path.join(t.directory, "journal")
    journal.bind(journal_path)
    log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    log_path = os.path.join(t.directory, "log")
    log.bind(log_path)
    for s in udp, journal, log:
        s.settimeout(PATIENCE * SLOW)
    config = "[log]\nsyslog = %s\njournal = %s\n"

    def until(s, word):
        while True:
            data = s.recv(65536).decode()
            if word in data:
                return data

    node = t.node("node", config % ("127.0.0.1:%d" % udp.getsockname()[1],
                                    journal_path))
    with t.promise("RFC 5424 by UDP"):
        node.cli("user", "add", "ann", "--home", "/srv/ann")
        line = until(udp, "user add ann")
        match = RFC5424.match(line)
        check(match, line)
        same(match[1], "30", "facility daemon, severity info")
        same((match[2], match[3]), ("node", "command"), "host and kind")
        check('who="local" from="127.0.0.1" result="ok"' in line, line)
    with t.promise("what is quoted there stays inside its quotes"):
        node.cli("user", "show", 'a"]b', expect=ERROR)
        node.cli("user", "remove", 'a"]b', expect=ERROR)
        check(RFC5424.match(until(udp, "user remove")), "malformed")
    with t.promise("the journal's own protocol"):
        data = until(journal, "user add ann")
        fields = dict(line.split("=", 1) for line in data.splitlines())
        same((fields["PRIORITY"], fields["SYSLOG_IDENTIFIER"],
              fields["LOCKSTEP_KIND"], fields["LOCKSTEP_WHO"]),
             ("6", "lockstepd", "command", "local"), "fields")
    with t.promise("a socket, after SIGHUP"):
        node.config = config % (log_path, "no")
        node.arguments()  # writes the file
        node.process.send_signal(1)
        wait_for(lambda: node.events("reloaded"), what="the reload")
        node.cli("user", "add", "bob", "--home", "/srv/bob")
        check(RFC5424.match(until(log, "user add bob")), "malformed")
    with t.promise("nobody who listens is no reason to stop"):
        for s in udp, journal, log:
            s.close()
        node.cli("user", "add", "eve", "--home", "/srv/eve")
        check(any("user add eve" in e["text"] for e in node.events("command")),
              "not in the file")
    with t.promise("a name is refused: the engine asks no DNS"):
        node.stop()
        node.config = config % ("loghost.example.org:514", "no")
        node.launch()
        same(node.process.wait(PATIENCE * SLOW), 1, "exit code")
        node.process = None
        check("is no place for syslog" in node.log(), node.log()[-500:])


if __name__ == "__main__":
    run()

#!/usr/bin/python3
"""The written matrix of tests/unit/test_ipfilter.c, asked of a node: what
"ipfilter test" says and what the port does are one verdict.

In a network of this test's own, where every address is this host's.
"""

import os
import re
import socket

from admin import Admin
from lan import ip, own_network
from lockstep import PATIENCE, PORT, ROOT, SLOW, check, run, same, scenario

IPV6_FREEBIND = 78  # which this Python has no name for
SCOPES = {"A": "admin", "S": "service",
          "IPFILTER_ADMIN": "admin", "IPFILTER_SERVICE": "service",
          "IPFILTER_BOTH": "both"}


def matrix():
    """Its rules as (action, range, scope), and its cases as (address, scope,
    allowed), without those of a rule that has expired."""
    with open(os.path.join(ROOT, "tests/unit/test_ipfilter.c")) as f:
        text = f.read()
    rules = re.findall(r'\{ IPFILTER_(ALLOW|DENY), "([^"]+)", (\w+), \d+ \}',
                       text[text.index("office_rules[] ="):])
    cases = re.findall(r'\{ "([^"]+)", ([AS]), 0, (true|false), -?\d+ \}',
                       text[text.index("office_cases[] ="):])
    return ([(action.lower(), rng, SCOPES[scope])
             for action, rng, scope in rules],
            [(address, SCOPES[scope], allowed == "true")
             for address, scope, allowed in cases])


def is_let_in(address):
    """Whether a connection from there gets a byte; None: no host can have that
    address."""
    mapped = address.rpartition("::ffff:")[2] or address
    v6 = ":" in mapped
    with socket.socket(socket.AF_INET6 if v6 else socket.AF_INET) as s:
        s.settimeout(PATIENCE * SLOW)
        if mapped in ("0.0.0.0", "::"):
            return None
        if v6:
            s.setsockopt(socket.IPPROTO_IPV6, IPV6_FREEBIND, 1)
        try:
            s.bind((mapped, 0))
            s.connect(("::1" if v6 else "127.0.0.1", PORT))
        except OSError:
            return None
        if s.getsockname()[0] != mapped:
            return None
        try:
            s.sendall(b"SSH-2.0-matrix\r\n")
            return s.recv(100) != b""
        except (ConnectionResetError, BrokenPipeError):
            return False


@scenario
def one_verdict(t):
    everywhere = False
    with t.promise("a network where every address is ours"):
        own_network()
        for family in "-4", "-6":
            ip(family, "route", "add", "local", "default", "dev", "lo")
        everywhere = True
    if not everywhere:
        return
    # A host with every address is everybody's, and he has no limits.
    node = t.node("node", config="[limits]\nsession_rate = 10000\n"
                  "max_unauthenticated = 1000\n", start=False)
    node.address, node.listen = "127.0.0.1", "[::]:%d" % PORT
    node.start()
    rules, cases = matrix()
    asked = {"admin": 0, "service": 0, "port": 0}
    with Admin(node) as admin:
        for position, (action, address, scope) in enumerate(rules, 1):
            admin.control("ipfilter add", action=action, address=address,
                          scope=scope, position=position, force=True)
        with t.promise('"ipfilter test" gives every verdict of the matrix'):
            for address, scope, allowed in cases:
                found = admin.control("ipfilter test", address=address,
                                      scope=scope)["action"]
                same(found, "allow" if allowed else "deny",
                     "%s, %s" % (address, scope))
                asked[scope] += 1
        with t.promise("and the port gives the same"):
            for address, scope, allowed in cases:
                let_in = is_let_in(address) if scope == "admin" else None
                if let_in is not None:
                    same(let_in, allowed, address)
                    asked["port"] += 1
        with t.promise("that were at least 60, and 25 of them at the port"):
            print("# %s" % asked, flush=True)
            check(asked["admin"] + asked["service"] >= 60, asked)
            check(asked["port"] >= 25, asked)


run()

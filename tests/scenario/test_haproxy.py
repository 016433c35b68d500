#!/usr/bin/python3
"""A real HAProxy drains a stale node, and takes it back; where all others are
gone it makes do with stale ones."""

import contextlib
import http.client
import http.server
import shutil
import socket
import threading

from balancer import AGENT, Proxy, generate
from lockstep import (Cluster, Skipped, check, run, same, scenario,
                      wait_for)

SERVICE, FRONT = 14922, 14921
WEB, WEB_FRONT = 14980, 14981


class Service:
    """What an SFTP service begins with, and then its own name."""

    def __init__(self, address):
        self.address = address
        self.start()

    def start(self):
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind((self.address, SERVICE))
        self.socket.listen(50)
        threading.Thread(target=self.serve, args=(self.socket,),
                         daemon=True).start()

    def serve(self, listener):
        while True:
            try:
                peer, _ = listener.accept()
                peer.sendall(b"SSH-2.0-%s\r\n" % self.address.encode())
                peer.close()
            except OSError:
                if listener.fileno() < 0:
                    return

    def stop(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


def ask_agent(node):
    with socket.create_connection((node.address, AGENT), 60) as s:
        return s.makefile().read()


def answer_of(node):
    """The same, or nothing from one that only just starts."""
    with contextlib.suppress(ConnectionRefusedError):
        return ask_agent(node)


def greeting(address):
    with socket.create_connection((address, FRONT), 60) as s:
        return s.makefile().read().strip().rpartition("-")[2]


def serve(front, *nodes):
    """Waits until logins go to all of NODES and to nobody else."""
    wait_for(lambda: {greeting(front) for _ in range(4)} ==
             {n.address for n in nodes}, what="those who serve")


@scenario
def haproxy_follows_the_nodes(t):
    if not shutil.which("haproxy"):
        raise Skipped("haproxy is not installed")
    cluster = Cluster(None, [])
    services = {}
    for name in "primary", "second1", "second2":
        node = t.node(name, start=False)
        node.config = "[health]\nlisten = %s:%d\nservice = %s:%d\n" \
            "stale = 10s\n" % (node.address, AGENT, node.address, SERVICE)
        services[name] = Service(node.address)
        node.start()
        if cluster.primary is None:
            cluster.primary = node
        else:
            cluster.secondaries.append(node)
            cluster.add(node)
    primary = cluster.primary
    primary.cli("sync", "config", "--interval", "1s")
    first, second = cluster.secondaries
    front = t.addresses.get(7)
    proxy = Proxy(t, generate(
        primary, "--bind", "%s:%d" % (front, FRONT), "--inter", "200ms",
        "--port", str(SERVICE), "--backup", "primary"))

    with t.promise("all that is well takes logins"):
        wait_for(lambda: ask_agent(first) == "up ready\n",
                 what="the answer")
        wait_for(lambda: set(proxy.states().values()) == {"UP"}, 20,
                 "all are up")
        serve(front, first, second)
    with t.promise("a stale node is drained, the others go on"):
        primary.cli("server", "pause", "second1")
        wait_for(lambda: "DRAIN" in proxy.state("second1"), 20, "DRAIN")
        check(ask_agent(first).startswith("drain"), "it does not say so")
        check(first.run("status", "--check").code != 0, "status --check")
        serve(front, second)
        check(first.events("health"), "no event")
    with t.promise("it is taken back when it is synchronized again"):
        primary.cli("server", "resume", "second1")
        wait_for(lambda: proxy.state("second1") == "UP", 20, "UP")
        wait_for(lambda: greeting(front) == first.address, 20, "it serves")
    with t.promise("one that an administrator drained gets no logins, over a "
                   "restart too, until he takes it back"):
        first.cli("node", "drain", "on")
        wait_for(lambda: proxy.state("second1") == "DRAIN", 20, "DRAIN")
        first.restart()
        same(wait_for(lambda: answer_of(first), 20, "an answer"), "drain\n",
             "the first answer after a restart")
        check(first.run("status", "--check").code != 0, "status --check")
        serve(front, second)
        first.cli("node", "drain", "off")
        wait_for(lambda: proxy.state("second1") == "UP", 20, "UP")
        wait_for(lambda: first.run("status", "--check").code == 0, 20,
                 "status --check")
    with t.promise("while the primary is gone and all others are stale, these "
                   "serve"):
        services["primary"].stop()
        primary.kill9()
        wait_for(lambda: proxy.states() == {
            "primary": "DOWN", "second1": "DRAIN", "second2": "DRAIN"}, 30,
            proxy.states)
        serve(front, first, second)
        services["primary"].start()
        primary.start()
        wait_for(lambda: set(proxy.states().values()) == {"UP"}, 20,
                 "all are up again")
    with t.promise("one whose SFTP service does not answer is down"):
        services["second2"].stop()
        wait_for(lambda: ask_agent(second) == "down\n", 20, "the answer")
        wait_for(lambda: proxy.state("second2") == "DOWN", 20, "DOWN")
        services["second2"].start()
        wait_for(lambda: proxy.state("second2") == "UP", 20, "UP")
    with t.promise("whom the filter denies is told nothing"):
        second.cli("ipfilter", "add", "deny", front, "--position", "1")
        with socket.create_connection((second.address, AGENT), 60,
                                      (front, 0)) as s:
            same(s.recv(10), b"", "what was said")


class Page(http.server.BaseHTTPRequestHandler):
    """Says on which address it was asked for."""

    def do_GET(self):
        body = self.server.server_address[0].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


def page(address, cookie=None):
    """Who answered there, or nobody, and the cookie that came with it."""
    c = http.client.HTTPConnection(address, WEB_FRONT, timeout=60)
    c.request("GET", "/", headers={"Cookie": cookie} if cookie else {})
    answer = c.getresponse()
    body = answer.read().decode()
    given = answer.getheader("Set-Cookie")
    c.close()
    return (body if answer.status == 200 else None,
            given.split(";")[0] if given else None)


def serve_pages(node):
    server = http.server.ThreadingHTTPServer((node.address, WEB), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@scenario
def a_browser_stays_where_it_is(t):
    if not shutil.which("haproxy"):
        raise Skipped("haproxy is not installed")
    cluster = t.cluster(1)
    webs = {node.address: serve_pages(node)
            for node in (cluster.primary, *cluster.secondaries)}
    front = t.addresses.get(7)
    Proxy(t, generate(
        cluster.primary, "--bind", "%s:%d" % (front, FRONT), "--http",
        str(WEB), "--http-bind", "%s:%d" % (front, WEB_FRONT)))
    with t.promise("browsers are spread over the servers, each is given a "
                   "cookie"):
        wait_for(lambda: {page(front)[0] for _ in range(4)} == set(webs),
                 what="both serve")
        first, cookie = page(front)
        check(cookie.startswith("LOCKSTEP="), cookie)
    with t.promise("who brings it comes to the same server"):
        same({page(front, cookie)[0] for _ in range(8)}, {first}, "servers")
    with t.promise("when that is gone, to another one, with its cookie"):
        webs[first].shutdown()
        webs[first].server_close()
        other = (set(webs) - {first}).pop()
        wait_for(lambda: page(front, cookie)[0] == other,
                 what="the other serves")
        given = page(front, cookie)[1]
        check(given not in (None, cookie), given)


run()

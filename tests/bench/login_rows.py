"""Rows about logins to real servers, OpenSSH and ProFTPD, on a secondary, with
"instant" on and an outside writer on the primary.

"commit to login": from the COMMIT that adds a user and his key until the server
accepted that key.  The client has connected and exchanged keys before, which
costs the same without us, as the start of the subsystem does afterwards; it
tries as soon as the hook has the user.  "commit to session ended": from the
COMMIT that disables him until the client of his open SFTP session has lost the
connection.  ProFTPD itself takes 0.4 s for that after SIGTERM.
"""

import contextlib
import socket
import sqlite3
import time

import paramiko

from bench import Unmeasured, median
from lockstep import Skipped, wait_for
from proftpd_host import ProftpdHost, need_proftpd
from sshd_host import (SSHD_PORT, Host, cluster_of, make_key, need_sshd,
                       put_into_effect)

LOGIN_MS = 150
REPEATS = 11
LOOK_S = 0.0005


def sshd_knows(host, name):
    return ("\n%s:" % name) in "\n" + host.passwd()


def proftpd_knows(host, name):
    with contextlib.closing(sqlite3.connect(
            "file:%s?mode=ro" % host.users(), uri=True, timeout=5)) as db:
        return db.execute("SELECT 1 FROM users WHERE name = ?",
                          (name,)).fetchone() is not None


# And within how many milliseconds a session ends.
SERVERS = [("OpenSSH", Host, need_sshd, sshd_knows, 300),
           ("ProFTPD", ProftpdHost, need_proftpd, proftpd_knows, 700)]


def connected(host):
    """A client that has yet to log in."""
    line = socket.create_connection((host.address, SSHD_PORT), 20)
    # As any SSH client does, but this one: no 40 ms for each small packet.
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    client = paramiko.Transport(line)
    client.start_client(timeout=60)
    return client


def commit(node, *statements):
    """The moment of the COMMIT of these."""
    with node.database() as db:
        db.execute("BEGIN IMMEDIATE")
        for text, *values in statements:
            db.execute(text, values)
        began = time.monotonic()
        db.execute("COMMIT")
    return began


def time_login(primary, host, knows, client, key, uid):
    name = "user%d" % uid
    began = commit(
        primary,
        ("INSERT INTO users (id, name, uid, gid, home) VALUES (?, ?, ?, ?, ?)",
         uid, name, uid, uid, "/srv/sftp/" + name),
        ("INSERT INTO user_keys (user_id, type, key) VALUES (?, ?, ?)",
         uid, key.get_name(), key.get_base64()))
    wait_for(lambda: knows(host, name), 20, name, LOOK_S)
    client.auth_publickey(name, key)
    took = (time.monotonic() - began) * 1000
    paramiko.SFTPClient.from_transport(client).normalize(".")
    return took


def time_end(primary, client, uid):
    began = commit(
        primary, ("UPDATE users SET enabled = 0 WHERE id = ?", uid))
    client.join(20)
    if client.is_alive():
        raise RuntimeError("a session outlives its user")
    return (time.monotonic() - began) * 1000


def measure_server(table, test, names, make, knows, ended_ms):
    hosts = cluster_of(test, make, ["primary", "second"], None)
    primary, host = hosts[0].node, hosts[1]
    path = make_key(test, "key")
    key = paramiko.Ed25519Key.from_private_key_file(path)
    logins, ends = [], []
    for uid in range(5000, 5000 + REPEATS):
        put_into_effect(hosts)
        client = connected(host)
        with contextlib.closing(client):
            logins.append(time_login(primary, host, knows, client, key, uid))
            put_into_effect(hosts)
            ends.append(time_end(primary, client, uid))
    table.row(names[0], median(logins[1:]), "ms", most=LOGIN_MS)
    table.row(names[1], median(ends[1:]), "ms", most=ended_ms)


def measure(table, fresh):
    for server, make, need, knows, ended_ms in SERVERS:
        names = ["commit to login, " + server,
                 "commit to session ended, " + server]
        if not any(table.wants(n) for n in names):
            continue
        try:
            need()
        except Skipped as why:
            raise Unmeasured(str(why))
        test = fresh()
        measure_server(table, test, names, make, knows, ended_ms)
        test.end()

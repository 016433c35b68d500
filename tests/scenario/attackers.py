"""A flood at the admin port of a node, from many processes and addresses.

    flood = Flood(10)              # a tenth of it
    attackers = flood.start(node)  # processes, which end
    while any(a.is_alive() for a in attackers): ...

The whole is 2,000 bad logins from one source, 500 silent connections from 50,
1,000 cut handshakes and 50 slow ones.
"""

import contextlib
import multiprocessing
import random
import socket
import time

import paramiko

from lockstep import PORT, SLOW

ATTACKER = "127.0.100.1"  # the one with passwords
SILENT_EACH = 10


def connect(address, source):
    s = socket.socket()
    s.settimeout(60 * SLOW)
    s.bind((source, 0))
    s.connect((address, PORT))
    return s


def bad_logins(flood, address):
    """From one source: three passwords a connection, until it is banned;
    then connections that get nothing."""
    left = flood.logins
    while left > 0:
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
            s = connect(address, ATTACKER)
            s.settimeout(0.5)
            try:
                spoken = s.recv(1, socket.MSG_PEEK) != b""
            except socket.timeout:
                spoken = True
            if not spoken:
                left -= 1
                s.close()
                continue
            transport = paramiko.Transport(s)
            try:
                transport.start_client(timeout=60 * SLOW)
                for _ in range(3):
                    left -= 1
                    with contextlib.suppress(paramiko.AuthenticationException):
                        transport.auth_password("admin", "wrong")
            finally:
                transport.close()


def silent(flood, address):
    """Connect, say nothing, stay until shut out."""
    held = []
    for source in range(flood.silent_sources):
        for _ in range(SILENT_EACH):
            with contextlib.suppress(OSError):
                held.append(connect(address, "127.0.101.%d" % (source + 1)))
    for s in held:
        with contextlib.suppress(OSError):
            while s.recv(4096):
                pass
        s.close()


def cut(flood, address):
    """Begin the key exchange and leave in its middle."""
    r = random.Random(7)
    for number in range(flood.cut):
        with contextlib.suppress(OSError):
            with connect(address, "127.0.102.%d" % (number % 100 + 1)) as s:
                s.sendall(b"SSH-2.0-flood\r\n" +
                          b"\0\0\1\xfc\x0a\x14" + r.randbytes(r.randrange(200)))


def slow(flood, address):
    """A byte of the greeting now and then."""
    held = []
    for source in range(flood.slow):
        with contextlib.suppress(OSError):
            held.append(connect(address, "127.0.103.%d" % (source + 1)))
    greeting = b"SSH-2.0-slow_and_never_at_an_end"
    for byte in greeting:
        time.sleep(flood.grace * 1.2 / len(greeting))  # too slow
        for s in held:
            with contextlib.suppress(OSError):
                s.send(bytes([byte]))
    for s in held:
        s.close()


class Flood:
    """PART 10 is a tenth of it.  A login may take GRACE seconds there."""

    def __init__(self, part):
        self.grace = 5 if part == 1 else 3
        self.logins = 2000 // part
        self.silent_sources = 50 // min(part, 5)
        self.cut = 1000 // part
        self.slow = 50 // min(part, 5)

    def start(self, node):
        context = multiprocessing.get_context("fork")
        attackers = [context.Process(target=f, args=(self, node.address),
                                     daemon=True)
                     for f in (bad_logins, silent, cut, slow)]
        for process in attackers:
            process.start()
        return attackers


def push_one(primary, admin, number):
    """Seconds from a commit until the secondary has proved it."""
    primary.sql("UPDATE users SET comment = ? WHERE name = 'ann'",
                str(number))
    began = time.monotonic()
    admin.control("sync now", wait=True, timeout_ms=int(60000 * SLOW))
    return time.monotonic() - began

#!/usr/bin/python3
"""Packets that no honest client sends, before a login and after one: each has
a defined answer, and nothing grows, crashes or stays behind."""

import contextlib
import os
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))

import paramiko  # noqa: E402
from paramiko.message import Message  # noqa: E402

from admin import Admin  # noqa: E402
from lockstep import PATIENCE, PORT, SLOW, Failed, check, children, \
    in_one_of, run, same, scenario, wait_for  # noqa: E402

# SSH messages (RFC 4250 section 4.1.2).
DISCONNECT, IGNORE, UNIMPLEMENTED, DEBUG = 1, 2, 3, 4
SERVICE_REQUEST, SERVICE_ACCEPT, KEXINIT, NEWKEYS = 5, 6, 20, 21
USERAUTH_REQUEST, USERAUTH_FAILURE, USERAUTH_SUCCESS = 50, 51, 52
GLOBAL_REQUEST, REQUEST_SUCCESS = 80, 81
CHANNEL_OPEN, CHANNEL_CONFIRMATION, WINDOW_ADJUST = 90, 91, 93
CHANNEL_DATA, EXTENDED_DATA, CHANNEL_EOF, CHANNEL_CLOSE = 94, 95, 96, 97
CHANNEL_REQUEST, CHANNEL_SUCCESS = 98, 99

# SFTP (draft-ietf-secsh-filexfer-02 section 3).
INIT, VERSION, OPEN, CLOSE, READ, WRITE, STAT = 1, 2, 3, 4, 5, 6, 17
OPENDIR, REALPATH, STATUS, HANDLE, DATA, ATTRS = 11, 16, 101, 102, 103, 105
OK, EOF, NO_SUCH_FILE, DENIED, FAILURE, BAD_MESSAGE, UNSUPPORTED = \
    0, 1, 2, 3, 4, 5, 8
FOR_READING, FOR_WRITING = 1, 2

# A sanitizer keeps what was freed for a while.
SESSION_GROWTH_MAX = (24 << 20) if SLOW <= 1 else (400 << 20)
# Everything comes from one address: what bans it is told elsewhere.
NO_BANS = "[limits]\nban_after = 0\n"


class NoMemory(Failed):
    """A process that has ended has none."""


def memory_of(pid):
    """Bytes of its own."""
    with open("/proc/%d/status" % pid) as f:
        for line in f:
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) << 10
    raise NoMemory("no memory")


def is_over(node, sock, patience=PATIENCE):
    """Whether the node ends the connection, whatever it says before."""
    sock.settimeout(patience * SLOW)
    with contextlib.suppress(ConnectionError):
        while sock.recv(65536):
            pass
    return True


def in_time(attempt):
    """What ATTEMPT() returns; where a login may take a second only, it is
    tried until the machine has that second for it."""
    def tried():
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
            return [attempt()]
        return None
    return wait_for(tried, what="an attempt")[0]


def still_serves(node):
    def lists():
        with Admin(node) as admin:
            return admin.sftp.listdir("/")
    check("status.json" in in_time(lists), "no listing")


def settled(node):
    wait_for(lambda: not children(node, "session"), 30,
             "the end of the sessions")
    same([e["text"] for e in node.events("session-crashed")], [], "crashes")
    same([e["text"] for e in node.events("session-protocol")], [],
         "sessions that broke our own protocol")


# -- before the key exchange ------------------------------------------------

BANNER = b"SSH-2.0-raw\r\n"


def packet(payload, padding=4):
    """One binary packet without encryption (RFC 4253 section 6)."""
    return struct.pack(">IB", len(payload) + padding + 1, padding) + payload \
        + b"\0" * padding


def kexinit(**lists):
    names = ["curve25519-sha256", "ssh-ed25519", "aes256-ctr", "aes256-ctr",
             "hmac-sha2-256-etm@openssh.com",
             "hmac-sha2-256-etm@openssh.com", "none", "none", "", ""]
    body = bytes([KEXINIT]) + b"\1" * 16
    for name in names:
        name = lists.get("all", name).encode()
        body += struct.pack(">I", len(name)) + name
    return body + b"\0\0\0\0\0"


def before_the_exchange():
    yield "no SSH at all", b"GET / HTTP/1.0\r\n\r\n" * 20
    yield "another version", b"SSH-1.5-old\r\n" + packet(kexinit())
    yield "a banner without end", b"SSH-2.0-" + b"x" * 100000
    yield "a banner with NUL", b"SSH-2.0-\0\0\0\r\n" + packet(b"\0" * 32)
    for length in 0, 1, 4, 5, 35001, 262144, 0x7fffffff, 0xffffffff:
        yield "a packet of %d bytes" % length, \
            BANNER + struct.pack(">I", length) + b"\0" * 4096
    for padding in 0, 3, 200, 255:
        yield "%d bytes of padding in 36" % padding, \
            BANNER + struct.pack(">IB", 36, padding) + b"\x14" * 4096
    whole = kexinit()
    for cut in 1, 17, 18, 21, 40, len(whole) - 1:
        yield "KEXINIT cut at %d" % cut, \
            BANNER + packet(whole[:cut], 8) + b"\0" * 64
    yield "KEXINIT with a list that is longer than itself", BANNER + packet(
        whole[:17] + b"\xff\xff\xff\xff" + whole[21:])
    yield "KEXINIT of names nobody has", BANNER + packet(kexinit(all="none"))
    yield "KEXINIT twice", BANNER + packet(whole) + packet(whole) * 3
    for number in NEWKEYS, SERVICE_REQUEST, USERAUTH_REQUEST, \
            USERAUTH_SUCCESS, CHANNEL_OPEN, CHANNEL_DATA, 192, 255:
        yield "message %d instead of KEXINIT" % number, \
            BANNER + packet(bytes([number]) + b"\0" * 60)
        yield "message %d in the key exchange" % number, \
            BANNER + packet(whole) + packet(bytes([number]) + b"\0" * 60)
    yield "a point of no use", BANNER + packet(whole) + packet(
        bytes([30]) + struct.pack(">I", 32) + b"\0" * 32)
    for length in 0, 31, 33, 0xffffffff:
        yield "a point of %d bytes" % length, BANNER + packet(whole) + \
            packet(bytes([30]) + struct.pack(">I", length) + b"\1" * 40)


@scenario
def before_a_key_exchange(t):
    node = t.node("node", config=NO_BANS + "login_grace = 1s\n")
    still_serves(node)
    engine = memory_of(node.pid())
    for name, data in before_the_exchange():
        with t.promise("%s ends the connection" % name):
            sock = socket.create_connection((node.address, PORT), PATIENCE * SLOW)
            with contextlib.suppress(ConnectionError):
                sock.sendall(data)
            check(is_over(node, sock), name)
            sock.close()
    with t.promise("a stream that is cut anywhere ends its session"):
        whole = BANNER + packet(kexinit())
        for cut in range(0, len(whole), 16):
            sock = socket.create_connection((node.address, PORT), PATIENCE * SLOW)
            # Its second may be over.
            with contextlib.suppress(ConnectionError):
                sock.sendall(whole[:cut])
            sock.close()
    with t.promise("nothing is left of them, and the node serves"):
        settled(node)
        still_serves(node)
        check(memory_of(node.pid()) - engine < SESSION_GROWTH_MAX,
              "the engine grew")


# -- after the key exchange, before a login ---------------------------------

def message(*parts):
    m = Message()
    for part in parts:
        if isinstance(part, bool):
            m.add_boolean(part)
        elif isinstance(part, int):
            m.add_byte(bytes([part]))
        elif isinstance(part, tuple):
            m.add_int(part[0])
        else:
            m.add_string(part)
    return m


class Raw:
    """A connection after its key exchange; it hears what paramiko, which
    would take offence, is not told."""

    def __init__(self, node):
        self.transport = paramiko.Transport(
            socket.create_connection((node.address, PORT), PATIENCE * SLOW))
        self.transport.start_client(timeout=PATIENCE * SLOW)
        self.heard = []
        self.listen_to(self.transport)

    def listen_to(self, transport):
        packetizer = transport.packetizer
        read = packetizer.read_message

        def read_and_note():
            kind, m = read()
            self.heard.append(kind)
            return kind, m
        packetizer.read_message = read_and_note

    def send(self, *parts):
        with contextlib.suppress(EOFError, OSError, paramiko.SSHException):
            self.transport._send_message(message(*parts))

    def hears(self, *kinds):
        """Waits for one of these messages or for the end; what came."""
        end = time.monotonic() + PATIENCE * SLOW
        while time.monotonic() < end:
            for kind in self.heard:
                if kind in kinds:
                    return kind
            if not self.transport.is_active():
                return None
            self.transport.join(0.01)
        raise Failed("neither an answer nor an end")

    def close(self):
        self.transport.close()


USER = b"local"
OURS = object()  # the channel of sftp
SERVICE = b"ssh-connection"


def before_login():
    """Name, what is sent, and the messages one of which may answer; an end
    of the connection is always an answer."""
    yield "a channel", (CHANNEL_OPEN, b"session", (0,), (1 << 20,),
                        (32768,)), (92, UNIMPLEMENTED)
    yield "a forwarded port", (CHANNEL_OPEN, b"direct-tcpip", (0,), (1 << 20,),
                               (32768,), b"127.0.0.1", (PORT,), b"127.0.0.1",
                               (1,)), (92, UNIMPLEMENTED)
    yield "data for a channel", (CHANNEL_DATA, (0,), b"x" * 100), \
        (UNIMPLEMENTED,)
    yield "a request to a channel", (CHANNEL_REQUEST, (0,), b"subsystem",
                                     True, b"sftp"), (100, UNIMPLEMENTED)
    yield "a global request", (GLOBAL_REQUEST, b"tcpip-forward", True,
                               b"127.0.0.1", (0,)), (82, UNIMPLEMENTED)
    yield "a success of its own", (USERAUTH_SUCCESS,), (UNIMPLEMENTED,)
    yield "a confirmed channel", (CHANNEL_CONFIRMATION, (0,), (0,), (1,),
                                  (1,)), (UNIMPLEMENTED,)
    yield "another service", (SERVICE_REQUEST, b"ssh-connection"), \
        (UNIMPLEMENTED, SERVICE_ACCEPT)
    yield "no such service", (SERVICE_REQUEST, b"none"), \
        (UNIMPLEMENTED, SERVICE_ACCEPT)
    yield "keys out of turn", (NEWKEYS,), (UNIMPLEMENTED,)
    for method in b"none", b"gssapi-with-mic", b"hostbased", \
            b"keyboard-interactive", b"gssapi-keyex", b"", b"x" * 1000:
        yield "a login by %r" % method[:30].decode(), \
            (USERAUTH_REQUEST, USER, SERVICE, method), \
            (USERAUTH_FAILURE, UNIMPLEMENTED)
    yield "a login for another service", \
        (USERAUTH_REQUEST, USER, b"sftp", b"none"), \
        (USERAUTH_FAILURE, UNIMPLEMENTED)
    yield "a password that is longer than its packet", \
        (USERAUTH_REQUEST, USER, SERVICE, b"password", False, (1 << 30,)), \
        (USERAUTH_FAILURE, UNIMPLEMENTED)
    yield "a password with NUL", \
        (USERAUTH_REQUEST, USER, SERVICE, b"password", False, b"a\0b"), \
        (USERAUTH_FAILURE, UNIMPLEMENTED)
    yield "a user of 30,000 bytes", \
        (USERAUTH_REQUEST, b"u" * 30000, SERVICE, b"password", False, b"x"), \
        (USERAUTH_FAILURE, UNIMPLEMENTED)
    yield "a key that is none", \
        (USERAUTH_REQUEST, USER, SERVICE, b"publickey", True, b"ssh-ed25519",
         b"not a key", b"not a signature"), (USERAUTH_FAILURE, UNIMPLEMENTED)
    for number in 0, 7, 32, 49, 60, 61, 66, 127, 128, 192, 255:
        yield "message %d" % number, (number, b"x" * 40), \
            (UNIMPLEMENTED, USERAUTH_FAILURE)


def try_before_login(t, node, name, parts, answers):
    with t.promise("before a login, %s is refused or the end" % name):
        raw = in_time(lambda: Raw(node))
        if parts[0] == USERAUTH_REQUEST:
            raw.send(SERVICE_REQUEST, b"ssh-userauth")
        raw.send(*parts)
        answer = raw.hears(*answers)
        check(answer is None or answer in answers, str(raw.heard))
        for kind in USERAUTH_SUCCESS, CHANNEL_CONFIRMATION, \
                REQUEST_SUCCESS, CHANNEL_SUCCESS, CHANNEL_DATA:
            check(kind not in raw.heard, "message %d came" % kind)
        raw.close()


@scenario
def before_a_login(t):
    # What gets no answer ends with the time for a login.
    node = t.node("node", config=NO_BANS + "login_grace = 1s\n")
    still_serves(node)
    for name, parts, answers in before_login():
        try_before_login(t, node, name, parts, answers)
    with t.promise("ten thousand messages that say nothing change nothing"):
        raw = in_time(lambda: Raw(node))
        for _ in range(5000):
            raw.send(IGNORE, b"x")
            raw.send(DEBUG, False, b"x", b"")
        grown = 0
        for pid in children(node, "session"):
            # Its second may be over.
            with contextlib.suppress(OSError, NoMemory):
                grown = max(grown, memory_of(pid))
        check(grown < SESSION_GROWTH_MAX, "it grew")
        raw.close()
    with t.promise("nothing is left of them, and the node serves"):
        settled(node)
        still_serves(node)


# -- after a login ----------------------------------------------------------

def only(found):
    """The one that was found, or None."""
    return found.pop() if len(found) == 1 else None


class Sftp:
    """The subsystem, byte by byte."""

    def __init__(self, node, version=True):
        others = set(children(node, "session"))
        sock = socket.create_connection((node.address, PORT), PATIENCE * SLOW)
        self.transport = paramiko.Transport(sock)
        self.transport.start_client(timeout=PATIENCE * SLOW)
        self.transport.auth_publickey(
            "local", paramiko.Ed25519Key.from_private_key_file(
                node.path("local-admin-key")))
        self.channel = self.transport.open_session()
        self.channel.settimeout(PATIENCE * SLOW)
        self.channel.invoke_subsystem("sftp")
        # A sanitizer looks for leaks in a copy of a session that ends.
        self.pid = wait_for(lambda: only(
            set(children(node, "session")) - others), 20, "its one session")
        if version:
            self.send(INIT, struct.pack(">I", 3))
            same(self.receive()[0], VERSION, "VERSION")

    def send(self, kind, body):
        self.channel.sendall(struct.pack(">IB", len(body) + 1, kind) + body)

    def take(self, count):
        data = b""
        while len(data) < count:
            piece = self.channel.recv(count - len(data))
            if not piece:
                return None
            data += piece
        return data

    def receive(self):
        """Type and body of the next packet; None at the end."""
        head = self.take(4)
        if head is None:
            return None, b""
        body = self.take(struct.unpack(">I", head)[0])
        return body[0], body[1:]

    def ask(self, kind, body, number=7):
        """The answer to one request: its type, and the status if it is one."""
        self.send(kind, struct.pack(">I", number) + body)
        kind, body = self.receive()
        if kind is None:
            return None, None, b""
        same(struct.unpack(">I", body[:4])[0], number, "the number")
        status = struct.unpack(">I", body[4:8])[0] if kind == STATUS else None
        return kind, status, body[4:]

    def open(self, path, flags=FOR_READING):
        return self.ask(OPEN, string(path) + struct.pack(">II", flags, 0))

    def handle(self, path, flags=FOR_READING):
        kind, status, body = self.open(path, flags)
        check(kind == HANDLE, "no handle: %s %s" % (kind, status))
        return body

    def ends(self):
        self.channel.settimeout(PATIENCE * SLOW)
        while self.channel.recv(65536):
            pass
        return True

    def close(self):
        self.transport.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def string(data):
    if isinstance(data, str):
        data = data.encode()
    return struct.pack(">I", len(data)) + data


@scenario
def sftp_packets(t):
    node = t.node("node", config=NO_BANS)
    for length in 0, 263169, 1 << 24, 0x7fffffff, 0xffffffff:
        with t.promise("a packet of %d bytes ends the session, unread" %
                       length):
            with Sftp(node) as s:
                before = memory_of(s.pid)
                s.channel.sendall(struct.pack(">I", length) + b"\0" * 2000)
                s.ends()
                check(before < SESSION_GROWTH_MAX, "it was large already")
    with t.promise("a request before INIT is not served"):
        with Sftp(node, version=False) as s:
            s.send(OPEN, struct.pack(">I", 1) + string("/status.json") +
                   struct.pack(">II", 1, 0))
            kind, _ = s.receive()
            check(kind != HANDLE, "a handle")
    with t.promise("unknown types are answered as such, and it goes on"):
        with Sftp(node) as s:
            for kind in 0, 21, 22, 100, 150, 199, 201, 255:
                same(s.ask(kind, b"x" * 20)[:2], (STATUS, UNSUPPORTED),
                     "type %d" % kind)
            same(s.ask(STAT, string("/"))[0], ATTRS, "STAT")
    with t.promise("every request that is cut short is a bad message or the "
                   "end, and nothing else"):
        cut_short(node)
    with t.promise("NUL and dots lead nowhere"):
        with Sftp(node) as s:
            for path in "/status.json\0", "\0", "/../../../etc/passwd", \
                    "/datasets/../../etc/passwd", "//..//..//etc", "/etc", \
                    "/" + "../" * 300, "/./../.", "..", "x" * 1024:
                kind, status, _ = s.open(path)
                same(kind, STATUS, repr(path[:40]))
                check(status in (NO_SUCH_FILE, DENIED, FAILURE, BAD_MESSAGE),
                      "%r: %s" % (path[:40], status))
            same(s.ask(STAT, string("/"))[0], ATTRS, "STAT")
    with t.promise("10,000 handles are not given, and those given work"):
        many_handles(node)
    with t.promise("no offset or length is odd enough"):
        odd_offsets(node)
    with t.promise("nothing is left of them, and the node serves"):
        settled(node)
        still_serves(node)


def cut_short(node):
    # The attributes of an OPEN are passed over, there or not.
    requests = ((OPEN, string("/status.json") + struct.pack(">I", 1)),
                (CLOSE, string(b"\0\0\0\0")),
                (READ, string(b"\0\0\0\0") + struct.pack(">QI", 0, 100)),
                (WRITE, string(b"\0\0\0\0") + struct.pack(">Q", 0) +
                 string("data")),
                (STAT, string("/")), (OPENDIR, string("/")),
                (REALPATH, string("/")), (200, string("limits@openssh.com")))
    for kind, body in requests:
        whole = struct.pack(">I", 7) + body
        cut = 0
        while cut < len(whole):
            with Sftp(node) as s:
                cut = cut_until_the_end(s, kind, whole, cut)


def cut_until_the_end(s, kind, whole, cut):
    """Sends a request cut at CUT and later, as long as the session lasts;
    where to go on in the next one."""
    for cut in range(cut, len(whole)):
        s.send(kind, whole[:cut])
        answer, said = s.receive()
        if answer is None:
            return cut + 1
        same(answer, STATUS, "type %d cut at %d" % (kind, cut))
        check(struct.unpack(">I", said[4:8])[0] in
              (BAD_MESSAGE, FAILURE, UNSUPPORTED, NO_SUCH_FILE),
              "type %d cut at %d: %r" % (kind, cut, said))
    return len(whole)


def many_handles(node):
    with Sftp(node) as s:
        # One first, so that all that is needed is there.
        same(s.ask(CLOSE, s.handle("/status.json"))[:2], (STATUS, OK),
             "CLOSE")
        before, engine = memory_of(s.pid), memory_of(node.pid())
        given = []
        for i in range(10000):
            kind, _, body = s.open("/status.json")
            if kind == HANDLE:
                given.append(body)
        check(32 <= len(given) <= 64, "%d handles" % len(given))
        for handle in given:
            same(s.ask(READ, handle + struct.pack(">QI", 0, 10))[0], DATA,
                 "READ")
            same(s.ask(CLOSE, handle)[:2], (STATUS, OK), "CLOSE")
            same(s.ask(CLOSE, handle)[0], STATUS, "CLOSE again")
        same(s.open("/status.json")[0], HANDLE, "one more")
        check(memory_of(s.pid) - before < SESSION_GROWTH_MAX,
              "the session grew")
        check(memory_of(node.pid()) - engine < SESSION_GROWTH_MAX,
              "the engine grew")


def odd_offsets(node):
    with Sftp(node) as s:
        handle = s.handle("/status.json")
        for offset in (1 << 31, 1 << 32, (1 << 63) - 1, 1 << 63,
                       (1 << 64) - 1):
            for length in 0, 1, 1 << 18, 0xffffffff:
                same(s.ask(READ, handle + struct.pack(">QI", offset, length))
                     [:2], (STATUS, EOF), "READ at %d" % offset)
        for length in 0, 1, 1 << 18, 0x7fffffff, 0xffffffff:
            kind, status, _ = s.ask(READ,
                                    handle + struct.pack(">QI", 0, length))
            check(kind == DATA or status == EOF, "%s %s" % (kind, status))
        for number in b"", b"\0", b"\xff" * 4, b"\0" * 256, b"\0" * 257:
            kind, status, _ = s.ask(CLOSE, string(number))
            check(kind == STATUS and status != OK, repr(number[:8]))
        kind, status, _ = s.ask(WRITE, handle + struct.pack(">Q", 0) +
                                string("x"))
        check(status in (DENIED, FAILURE), "WRITE to what is read: %s" %
              status)
        for offset in 1, 4096, 1 << 40, (1 << 64) - 1:
            control = s.handle("/control", FOR_READING | FOR_WRITING)
            same(s.ask(WRITE, control + struct.pack(">Q", offset) +
                       string("{}"))[0], STATUS, "WRITE at %d" % offset)
            same(s.ask(CLOSE, control)[0], STATUS, "CLOSE")


def after_login():
    yield "a second channel", (CHANNEL_OPEN, b"session", (9,), (1 << 20,),
                               (32768,)), (92,)
    yield "a forwarded port", (CHANNEL_OPEN, b"direct-tcpip", (9,), (1 << 20,),
                               (32768,), b"127.0.0.1", (PORT,), b"127.0.0.1",
                               (1,)), (92,)
    yield "a channel of a kind nobody knows", \
        (CHANNEL_OPEN, b"x" * 200, (9,), (1,), (1,)), (92,)
    yield "exec on the channel of sftp", \
        (CHANNEL_REQUEST, OURS, b"exec", True, b"id"), (100,)
    yield "a variable on it", \
        (CHANNEL_REQUEST, OURS, b"env", True, b"A", b"B"), (100,)
    yield "an agent on it", \
        (CHANNEL_REQUEST, OURS, b"auth-agent-req@openssh.com", True), (100,)
    yield "sftp on it again", \
        (CHANNEL_REQUEST, OURS, b"subsystem", True, b"sftp"), (100,)
    yield "a global request", (GLOBAL_REQUEST, b"tcpip-forward", True,
                               b"127.0.0.1", (0,)), (82,)
    yield "a global request nobody knows", \
        (GLOBAL_REQUEST, b"x" * 100, True), (82,)
    yield "another login", (USERAUTH_REQUEST, b"admin", SERVICE, b"none"), \
        (USERAUTH_FAILURE, UNIMPLEMENTED)


SILENT = (
    ("a channel that is cut short", (CHANNEL_OPEN,)),
    ("a request to a channel that is not there",
     (CHANNEL_REQUEST, (77,), b"exec", True, b"id")),
    ("a request that is cut short", (CHANNEL_REQUEST, OURS)),
    ("data for a channel that is not there", (CHANNEL_DATA, (77,), b"x" * 99)),
    ("room for a channel that is not there", (WINDOW_ADJUST, (77,), (1,))),
    ("more room than there can be", (WINDOW_ADJUST, OURS, (0xffffffff,))),
    ("data of another kind", (EXTENDED_DATA, OURS, (1,), b"x" * 99)),
    ("the end of a channel that is not there", (CHANNEL_CLOSE, (77,))),
    ("data longer than its packet", (CHANNEL_DATA, OURS, (1 << 30,))),
    ("a channel confirmed that nobody asked for",
     (CHANNEL_CONFIRMATION, (77,), (0,), (1,), (1,))),
    ("a success that nobody asked for", (USERAUTH_SUCCESS,)),
    ("keys out of turn", (NEWKEYS,)),
    ("a key exchange cut short", (KEXINIT,)),
    ("a message nobody knows", (192, b"x")),
)


class LoggedIn(Raw):
    """With sftp open; OURS is its channel."""

    def __init__(self, node):
        super().__init__(node)
        self.transport.auth_publickey(
            "local", paramiko.Ed25519Key.from_private_key_file(
                node.path("local-admin-key")))
        self.sftp = paramiko.SFTPClient.from_transport(self.transport)
        del self.heard[:]

    def send(self, *parts):
        number = self.sftp.get_channel().remote_chanid
        super().send(*((number,) if p is OURS else p for p in parts))

    def listens(self):
        """Whether it is served, or has ended."""
        self.sftp.get_channel().settimeout(PATIENCE * SLOW)
        try:
            return "status.json" in self.sftp.listdir("/")
        except (EOFError, OSError, paramiko.SSHException):
            wait_for(lambda: not self.transport.is_active(), 20, "the end")
            return True


def leave_without_a_channel(node):
    for _ in range(5):
        raw = Raw(node)
        raw.transport.auth_publickey(
            "local", paramiko.Ed25519Key.from_private_key_file(
                node.path("local-admin-key")))
        raw.transport.sock.close()
    began = time.monotonic()
    wait_for(lambda: not children(node, "session"),
             what="the end of the sessions")
    # Who stays without a channel is sent away after five seconds.
    took = time.monotonic() - began
    check(took < 4 * SLOW, "it took %.1f s" % took)


@scenario
def after_a_login(t):
    node = t.node("node", config=NO_BANS)
    for name, parts, answers in after_login():
        with t.promise("after a login, %s is refused" % name):
            raw = LoggedIn(node)
            raw.send(*parts)
            answer = raw.hears(*answers)
            check(answer is None or answer in answers, str(raw.heard))
            for kind in CHANNEL_CONFIRMATION, REQUEST_SUCCESS, \
                    CHANNEL_SUCCESS, USERAUTH_SUCCESS:
                check(kind not in raw.heard, "message %d came" % kind)
            check(raw.listens(), "it does not serve")
            raw.close()
    for name, parts in SILENT:
        with t.promise("after a login, %s is passed over or the end" % name):
            raw = LoggedIn(node)
            raw.send(*parts)
            check(raw.listens(), "it does not serve")
            raw.close()
    with t.promise("who logs in and asks for nothing is sent away"):
        raw = Raw(node)
        raw.transport.auth_publickey(
            "local", paramiko.Ed25519Key.from_private_key_file(
                node.path("local-admin-key")))
        wait_for(lambda: not raw.transport.is_active(), 20, "the end")
    with t.promise("who logs in and leaves without a channel leaves nothing"):
        in_one_of(5, lambda: leave_without_a_channel(node))
    with t.promise("nothing is left of them, and the node serves"):
        settled(node)
        still_serves(node)


if __name__ == "__main__":
    run()

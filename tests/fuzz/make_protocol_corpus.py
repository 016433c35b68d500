#!/usr/bin/python3
"""Writes the seed corpora of fuzz_sftp, fuzz_push_frame, fuzz_facts and
fuzz_repair beside itself.

Each seed is a short honest conversation, or one that breaks one rule; the
fuzzer mutates from there.
"""
import base64
import json
import os
import struct

HERE = os.path.dirname(os.path.abspath(__file__))


def u32(n):
    return struct.pack(">I", n)


def u64(n):
    return struct.pack(">Q", n)


def text(s):
    data = s if isinstance(s, bytes) else s.encode()
    return u32(len(data)) + data


def packet(kind, *parts):
    body = bytes([kind]) + b"".join(parts)
    return u32(len(body)) + body


def handle(number):
    # generation 1, as the server numbers its first handles
    return text(u32(64 + number))


INIT = packet(1, u32(3))
VERSION = packet(2, u32(3), text("limits@openssh.com"), text("1"))


def open_file(i, path="/file", flags=3):
    return packet(3, u32(i), text(path), u32(flags), u32(0))


def attrs():
    return u32(15) + u64(5) + u32(0) * 2 + u32(0o100644) + u32(9) * 2


SERVER = {
    "session": INIT + open_file(1) + packet(5, u32(2), handle(0), u64(0), u32(99))
    + packet(6, u32(3), handle(0), u64(5), text("data"))
    + packet(8, u32(4), handle(0)) + packet(10, u32(5), handle(0), u32(0))
    + packet(4, u32(6), handle(0)) + packet(4, u32(7), handle(0)),
    "folder": INIT + packet(11, u32(1), text("/"))
    + packet(12, u32(2), handle(0)) * 2 + packet(8, u32(3), handle(0))
    + packet(4, u32(4), handle(0)),
    "names": INIT + b"".join(
        packet(kind, u32(kind), text("/a/../b/."), u32(0))
        for kind in (7, 9, 13, 14, 15, 16, 17, 18, 19, 20)),
    "paths": INIT + b"".join(
        packet(16, u32(i), text(p)) + packet(17, u32(i), text(p))
        for i, p in enumerate(
            ["", ".", "..", "/..", "/a/../..", "//", "/a\0b", "x" * 1024,
             "/" + "y" * 1023])),
    "extended": INIT + open_file(1)
    + packet(200, u32(2), text("limits@openssh.com"))
    + packet(200, u32(3), text("fsync@openssh.com"), handle(0))
    + packet(200, u32(4), text("other@example.org"), b"rest"),
    "handles": INIT + b"".join(open_file(i) for i in range(70)),
    "reads": INIT + open_file(1) + b"".join(
        packet(5, u32(i), handle(0), u64(i * 100), u32(0xffffffff))
        for i in range(80)),
    "unknown": INIT + packet(99, u32(1), b"abc") + packet(255, u32(2)),
    "second-init": INIT + INIT,
    "no-init": open_file(1),
    "huge": INIT + u32(0x10000000) + b"\x03",
    "cut": INIT + packet(3, u32(1), u32(0x10000000)),
}

CLIENT = {
    "replies": VERSION + b"".join(
        packet(102, u32(i), text("h")) + packet(103, u32(i + 1), text("data"))
        + packet(105, u32(i + 2), attrs())
        + packet(101, u32(i + 3), u32(0), text(""), text(""))
        for i in (0, 4, 8, 12)),
    "refusals": VERSION + b"".join(
        packet(101, u32(i), u32(i % 10), text("GAP: not mine\nDo it."), text(""))
        for i in range(1, 16)),
    "bare-status": VERSION + packet(101, u32(0), u32(4)),
    "names": VERSION + packet(104, u32(2), u32(1), text("n"), text("l"), attrs()),
    "extended-attrs": VERSION + packet(
        105, u32(2), u32(0x80000000), u32(2), text("a"), text("b"),
        text("c"), text("d")),
    "wrong-id": VERSION + packet(101, u32(77), u32(4), text(""), text("")),
    "no-version": packet(101, u32(0), u32(4), text(""), text("")),
}


def frame(kind, index, flags, payload, version=1):
    return (b"LS" + bytes([version, kind]) + u64(7) + u32(index)
            + bytes([flags]) + payload)


def heartbeat(names):
    return (b"c" * 16 + u64(3) + b"w" * 16 + bytes([len(names)]) + b"".join(
        bytes([len(n)]) + n + u64(9) + b"d" * 32 for n in names))


FRAMES = {
    "first": frame(1, 0, 0, b"payload"),
    "last": frame(1, 5, 1, b""),
    "heartbeat": frame(2, 0, 1, heartbeat([b"config", b"admins"])),
    "heartbeat-many": frame(2, 0, 1, heartbeat([b"n%d" % i for i in range(64)])),
    "heartbeat-empty": frame(2, 0, 1, heartbeat([])),
    "version": frame(1, 0, 1, b"x", version=2),
}


def integer(n):
    return b"\1" + struct.pack(">q", n)


def string(s):
    return b"\3" + bytes([len(s)]) + s


def keys(*pairs):
    return bytes([len(pairs)]) + b"".join(
        bytes([len(table)]) + table + bytes([len(key)]) + key
        for table, key in pairs)


# As fuzz_repair.c's tables are.
KEYS = {
    "none": keys(),
    "user": keys((b"users", integer(1))),
    "users": keys(*((b"users", integer(n)) for n in (1, 2, 3, 4, -1))),
    "folded": keys((b"keys", string(b"A")), (b"keys", string(b"a"))),
    "pairs": keys((b"two", integer(2) + integer(1)),
                  (b"two", b"\4\1\0" + b"\2" + struct.pack(">d", 1))),
    "mixed": keys((b"users", integer(2)), (b"keys", string(b"b")),
                  (b"counted", integer(1)), (b"two", b"\0\0")),
    "no-table": keys((b"nothing", integer(1))),
    "short": keys((b"users", integer(1)))[:-1],
    "text-as-rowid": keys((b"users", string(b"1"))),
}

FACTS = {
    "protocol": 1, "node": {"id": "00" * 16, "name": "edge-1"},
    "version": "0.1.0", "role": "secondary", "cluster": "5a" * 16, "epoch": 1,
    "dataset": "config", "writer": "77" * 16, "revision": 9,
    "digest": "d1" * 32, "schema_hash": "5c" * 32, "rows": 120,
    "drifted": False, "drift_rows": 0, "needs_overwrite": False, "reason": "",
    "blocker": None, "drift_hold": False,
    "verified": "2024-02-29T12:00:00.000Z", "drift_keys": None, "drift": [],
    "disk_free": 123456789, "peer_address": "127.0.0.1",
}
DRIFTED = dict(
    FACTS, drifted=True, drift_rows=12, reason="changed on this server: x",
    drift_keys=base64.b64encode(KEYS["users"]).decode(),
    drift=[{"table": "users", "key": "%d" % n} for n in range(12)])


def document(facts, **changed):
    return json.dumps(dict(facts, **changed),
                      separators=(",", ":")).encode() + b"\n"


DOCUMENTS = {
    "equal": document(FACTS),
    "drifted": document(DRIFTED),
    "empty": document(FACTS, revision=0, digest="00" * 32, verified=None,
                      needs_overwrite=True, role="standalone", cluster=None),
    "long": document(DRIFTED, reason="\u20ac" * 200, version="v" * 100,
                     drift=[{"table": "t" * 300, "key": "k" * 600}]),
    "protocol-2": document(FACTS, protocol=2),
    "negative": document(FACTS, revision=-1),
    "odd-digest": document(FACTS, digest="d1" * 31),
    "no-stamp": document(FACTS, verified="yesterday"),
    "odd-drift": document(FACTS, drift=["users", {"table": 1}]),
    "no-base64": document(DRIFTED, drift_keys="AAA*"),
}


def write(folder, seeds):
    os.makedirs(folder, exist_ok=True)
    for name, data in seeds.items():
        with open(os.path.join(folder, name), "wb") as f:
            f.write(data)


def main():
    corpus = os.path.join(HERE, "corpus")
    # The first byte: the half, and how large the pieces are.
    seeds = {"server-" + n: b"\xfe" + d for n, d in SERVER.items()}
    seeds["server-byte-by-byte"] = b"\x00" + SERVER["session"]
    seeds.update({"client-" + n: b"\xff" + d for n, d in CLIENT.items()})
    seeds["client-byte-by-byte"] = b"\x01" + CLIENT["replies"]
    write(os.path.join(corpus, "sftp"), seeds)
    write(os.path.join(corpus, "push_frame"), FRAMES)
    write(os.path.join(corpus, "facts"), DOCUMENTS)
    # The first byte: which revision.
    write(os.path.join(corpus, "repair"),
          {"%s-%d" % (n, i): bytes([i]) + d
           for n, d in KEYS.items() for i in (0, 3)})


if __name__ == "__main__":
    main()

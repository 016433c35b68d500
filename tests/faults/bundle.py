"""Frames and bundles made from docs/protocol.md alone, sharing no code with
Lockstep: what somebody else's primary, or an attacker, would send."""

import hashlib
import json
import struct

from cryptography.hazmat.primitives.asymmetric.ed25519 import \
    Ed25519PrivateKey

CHANGES, OVERWRITE, REPAIR = 1, 2, 3
FRAME_MAX = 240 * 1024


def varint(n):
    out = b""
    while n >= 0x80:
        out += bytes([n & 0x7f | 0x80])
        n >>= 7
    return out + bytes([n])


def counted(data):
    return varint(len(data)) + data


def value(v):
    if v is None:
        return b"\0"
    if isinstance(v, int):
        return b"\1" + struct.pack(">q", v)
    if isinstance(v, float):
        return b"\2" + struct.pack(">d", v)
    if isinstance(v, str):
        return b"\3" + counted(v.encode())
    return b"\4" + counted(v)


def values(row):
    return b"".join(value(v) for v in row)


def row_hash(table, key, row):
    return int.from_bytes(hashlib.sha256(
        counted(table.encode()) + values(key) + values(row)).digest(), "big")


class Digest:
    def __init__(self, number=0):
        self.number = number

    def add(self, table, key, row):
        self.number = (self.number + row_hash(table, key, row)) % 2 ** 256

    def remove(self, table, key, row):
        self.number = (self.number - row_hash(table, key, row)) % 2 ** 256

    def bytes(self):
        return self.number.to_bytes(32, "big")


class Bundle:
    """A CHANGES bundle of a revision on top of what FACTS say is held."""

    def __init__(self, name, facts, kind=CHANGES):
        self.kind = kind
        self.name = name
        self.cluster = bytes.fromhex(facts["cluster"])
        self.epoch = facts["epoch"]
        self.writer = bytes.fromhex(facts["writer"])
        self.from_revision = facts["revision"]
        self.to_revision = facts["revision"] + 1
        self.schema = bytes.fromhex(facts["schema_hash"])
        self.before = bytes.fromhex(facts["digest"])
        self.digest = Digest(int.from_bytes(self.before, "big"))
        self.rows = facts["rows"]
        self.puts = []

    def put(self, table, key, old, new):
        if old is not None:
            self.digest.remove(table, key, old)
        if new is not None:
            self.digest.add(table, key, new)
        self.rows += (old is None) - (new is None)
        self.puts.append((table, key, old, new))

    @staticmethod
    def entry(key, old, new):
        if new is None:
            return b"\1" + values(key)
        if old is None:
            return b"\2" + values(key) + values(new)
        moved = [i for i in range(len(new)) if old[i] != new[i]]
        return (b"\3" + values(key) + varint(sum(1 << i for i in moved)) +
                values([new[i] for i in moved]))

    def body(self):
        out = varint(0) + b"\0" + varint(0)
        tables = sorted({p[0] for p in self.puts})
        out += varint(len(tables))
        for table in tables:
            entries = [p[1:] for p in self.puts if p[0] == table]
            out += counted(table.encode()) + varint(len(entries))
            out += b"".join(self.entry(*e) for e in entries)
        return out

    def seal(self, key, body=None):
        """The whole bundle, signed with KEY (an Ed25519PrivateKey)."""
        body = self.body() if body is None else body
        name = self.name.encode()
        content = b"LSB1" + bytes([self.kind, 0, len(name)]) + name
        content += self.cluster + struct.pack(">Q", self.epoch) + self.writer
        content += struct.pack(">QQ", self.from_revision, self.to_revision)
        content += self.schema + self.schema + self.before
        content += self.digest.bytes()
        content += struct.pack(">QQq", self.rows, len(body), 1700000000000)
        content += body
        return self.sign(content, key)

    @staticmethod
    def sign(content, key):
        digest = hashlib.sha256(content).digest()
        message = hashlib.sha256(b"lockstep bundle 1\n" + digest).digest()
        return content + digest + key.sign(message)


def bundle_key(node):
    """The primary's bundle key, from the hex seed in its own folder."""
    with open(node.path("keys", "bundle_key")) as f:
        return Ed25519PrivateKey.from_private_bytes(
            bytes.fromhex(f.read().strip()))


def frame(payload, index=0, last=True, bundle_id=1, kind=1, version=1):
    return (b"LS" + bytes([version, kind]) + struct.pack(
        ">QI", bundle_id, index) + bytes([1 if last else 0]) + payload)


class Refused(Exception):
    """A frame that was refused; CODE is the wire name."""

    def __init__(self, why):
        super().__init__(why)
        self.code = str(why).split(":")[0].strip()


class Push:
    """The push file of one dataset, over a session that is logged in."""

    def __init__(self, admin, dataset="config"):
        self.file = admin.sftp.open("/datasets/%s/push" % dataset, "r+b", 0)
        self.next_id = 1

    def facts(self):
        """What is held; also ends the poison of a refused frame."""
        self.file.seek(0)
        return json.loads(self.file.read(256 * 1024))

    def write(self, data):
        self.file.seek(0)
        try:
            self.file.write(data)
        except OSError as why:
            raise Refused(why.args[-1] if why.args else why)

    def send(self, bundle):
        self.next_id += 1
        pieces = [bundle[i:i + FRAME_MAX]
                  for i in range(0, len(bundle), FRAME_MAX)] or [b""]
        for i, piece in enumerate(pieces):
            self.write(frame(piece, i, i == len(pieces) - 1, self.next_id))

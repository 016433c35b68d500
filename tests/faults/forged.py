"""Damaged, forged and repeated bundles, sent by a client that has the
primary's own login: what a session process in an attacker's hands can do."""

import time

import contents
from admin import Admin
from bundle import Bundle, Push, Refused, bundle_key, frame
from cryptography.hazmat.primitives.asymmetric.ed25519 import \
    Ed25519PrivateKey
from lockstep import SLOW, Failed, check, same


class Target:
    """A secondary whose primary is stopped, and one user to change."""

    def __init__(self, t):
        cluster = t.cluster(1)
        self.primary, self.node = cluster.primary, cluster.secondaries[0]
        self.primary.cli("user", "add", "ann", "--home", "/srv/ann",
                         "--comment", "true")
        cluster.sync()
        self.key = bundle_key(self.primary)
        self.primary.stop()
        self.admin = Admin(self.node, "lockstep",
                           self.primary.path("keys", "login_key"))
        t.ending.callback(self.admin.close)
        self.push = Push(self.admin)
        self.id, = self.node.sql("SELECT id FROM users")[0]

    def user(self):
        return self.node.sql("SELECT * FROM users WHERE id = ?", self.id)[0]

    def bundle(self, comment="forged"):
        """A bundle as the primary would make it: one user changed, one
        setting added."""
        b = Bundle("config", self.push.facts())
        old = self.user()
        columns = [c[1] for c in
                   self.node.sql("PRAGMA table_info(users)")]
        at = columns.index("comment")
        b.put("users", (self.id,), old, old[:at] + (comment,) + old[at + 1:])
        b.put("settings", (comment,), None, (comment, "added"))
        return b

    def picture(self):
        found = contents.read_together(self.node.live())[0]
        return found.tables, found.objects, found.specials

    def refused(self, data, what, codes=None):
        """DATA must be refused in time."""
        began = time.monotonic()
        try:
            self.push.send(data)
        except Refused as why:
            took = time.monotonic() - began
            check(took < 2 * SLOW, "%s took %.1f s" % (what, took))
            check(codes is None or why.code in codes,
                  "%s: %s" % (what, why))
            self.push.facts()
            return
        raise Failed("%s was accepted" % what)


def measure(t):
    target = Target(t)
    before = target.picture()
    good = target.bundle().seal(target.key)

    def unchanged():
        check(target.picture() == before, "the database changed")
    with t.promise("every truncation of a real bundle (%d) is refused in 2 s,"
                   " the database unchanged" % len(good)):
        for n in range(len(good)):
            target.refused(good[:n], "cut to %d" % n)
        unchanged()
    with t.promise("every single-bit flip of a real bundle (%d) is refused in "
                   "2 s, the database unchanged" % (8 * len(good))):
        for bit in range(8 * len(good)):
            flipped = bytearray(good)
            flipped[bit // 8] ^= 1 << bit % 8
            target.refused(bytes(flipped), "bit %d flipped" % bit)
        unchanged()
    with t.promise("a bundle that another key signed is refused"):
        target.refused(target.bundle().seal(Ed25519PrivateKey.generate()),
                       "another key", ["SIGNATURE"])
        unchanged()
    with t.promise("a bundle with bytes after its end is refused"):
        target.refused(good + b"\0", "a byte more")
        unchanged()
    signed_but_wrong(t, target, unchanged)
    frames(t, target, good, unchanged)
    with t.promise("the bundle itself is accepted, and a repeat of it: what "
                   "docs/protocol.md says suffices to write a primary"):
        target.push.send(good)
        same(target.user()[-1], "forged", "comment")
        target.push.send(good)
    with t.promise("an older bundle is refused once a newer one is held"):
        target.push.send(target.bundle("newer").seal(target.key))
        held = target.picture()
        target.refused(good, "the older one")
        check(target.picture() == held, "the database changed")


def signed_but_wrong(t, target, unchanged):
    """Signed by the right key, and wrong all the same."""
    def change(**members):
        b = target.bundle()
        for name, content in members.items():
            setattr(b, name, content)
        return b.seal(target.key)
    facts = target.push.facts()
    cases = [
        ("of another cluster", {"cluster": b"x" * 16}, ["OTHER_CLUSTER"]),
        ("of a lower epoch", {"epoch": facts["epoch"] - 1},
         ["STALE_EPOCH"]),
        ("from a revision ahead", {
            "from_revision": facts["revision"] + 5,
            "to_revision": facts["revision"] + 6}, ["GAP"]),
        ("to the held revision with other rows", {
            "from_revision": facts["revision"] - 1,
            "to_revision": facts["revision"]}, ["DIVERGED"]),
        ("with another digest before", {"before": b"x" * 32},
         ["DIVERGED"]),
        ("by another writer from another digest", {
            "writer": b"w" * 16, "before": b"x" * 32}, ["OTHER_WRITER"]),
        ("with another schema", {"schema": b"s" * 32}, ["SCHEMA"]),
        ("of a dataset that is none", {"name": "nothing"}, None),
        ("with an empty name", {"name": ""}, None),
        ("of an unknown kind", {"kind": 9}, ["CORRUPT"])]
    for what, members, codes in cases:
        with t.promise("a signed bundle %s is refused" % what):
            target.refused(change(**members), what, codes)
            unchanged()
    with t.promise("a signed bundle whose digest after is not that of the "
                   "rows is refused and rolled back"):
        b = target.bundle()
        b.digest.number ^= 1
        target.refused(b.seal(target.key), "another digest after",
                       ["DIGEST"])
        unchanged()
    with t.promise("signed nonsense for a body is refused"):
        for body in (b"", b"\xff" * 40, b"\0\0\0\1\5users\xff\xff\xff\xff\x0f",
                     b"\1\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01x"):
            target.refused(target.bundle().seal(target.key, body),
                           "body %r" % body)
        unchanged()
    with t.promise("signed DDL that reaches outside is refused or harmless"):
        for ddl in (b"ATTACH '/etc/passwd' AS x", b"PRAGMA writable_schema=1",
                    b"DROP TABLE _lockstep_state",
                    b"SELECT load_extension('x')"):
            body = b"\1" + bytes([len(ddl)]) + ddl + b"\0\0\0"
            target.refused(target.bundle().seal(target.key, body),
                           ddl.decode())
        unchanged()


def frames(t, target, good, unchanged):
    push = target.push

    def refuse(*pieces, codes=None):
        push.facts()
        for i, piece in enumerate(pieces):
            try:
                push.write(piece)
            except Refused as why:
                check(i == len(pieces) - 1, "refused at once: %s" % why)
                check(codes is None or why.code in codes, str(why))
                break
        else:
            raise Failed("accepted")
        push.facts()
        unchanged()
    half = len(good) // 2
    with t.promise("frames out of order, of two bundles, of another version "
                   "or kind are refused"):
        refuse(frame(good, index=1), codes=["PROTOCOL"])
        refuse(frame(good[:half], last=False), frame(good[half:], index=2),
               codes=["PROTOCOL"])
        refuse(frame(good[:half], last=False),
               frame(good[half:], index=1, bundle_id=2), codes=["PROTOCOL"])
        refuse(frame(good, version=2), codes=["VERSION"])
        refuse(frame(good, kind=7), codes=["PROTOCOL", "UNSUPPORTED"])
        refuse(b"L", codes=["PROTOCOL"])
        refuse(b"LS", codes=["PROTOCOL"])
    with t.promise("after a refused frame the handle is poisoned until a "
                   "READ at 0"):
        push.facts()
        for piece, code in ((frame(good[:-1]), None),
                            (frame(good), "POISONED")):
            try:
                push.write(piece)
            except Refused as why:
                check(code is None or why.code == code, str(why))
            else:
                raise Failed("accepted")
        unchanged()
        push.facts()
    with t.promise("a bundle that is never finished changes nothing"):
        push.write(frame(good[:half], last=False))
        push.facts()
        unchanged()

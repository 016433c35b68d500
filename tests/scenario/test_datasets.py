#!/usr/bin/python3
"""Databases of other programs, taken into use and out of it while they run."""

import os
import signal
import sqlite3
import stat

import contents
from lockstep import (DONE, ERROR, HELD, PARTLY, UNREACHABLE, Cluster, Skipped,
                      check, run, same, scenario, wait_for)

# In the spirit of ProFTPD's mod_sql, SFTPGo and PowerDNS.
PROFTPD = """
CREATE TABLE users (userid TEXT PRIMARY KEY, passwd TEXT, uid INTEGER,
    gid INTEGER, homedir TEXT, shell TEXT);
CREATE TABLE groups (groupname TEXT, gid INTEGER, members TEXT);
INSERT INTO users VALUES ('ann', 'x', 1000, 1000, '/srv/ann', '/bin/false');
INSERT INTO groups VALUES ('sftp', 1000, 'ann,bob'), (NULL, NULL, NULL);
"""
SFTPGO = """
CREATE TABLE users (id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    username VARCHAR(255) NOT NULL UNIQUE, status INTEGER NOT NULL,
    expiration_date BIGINT NOT NULL, password TEXT NULL, home_dir TEXT NOT NULL,
    quota_size BIGINT NOT NULL DEFAULT 0, permissions TEXT NOT NULL);
CREATE TABLE folders (id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    name VARCHAR(255) NOT NULL UNIQUE, path TEXT NULL);
CREATE TABLE users_folders_mapping (id INTEGER NOT NULL PRIMARY KEY
    AUTOINCREMENT, virtual_path TEXT NOT NULL,
    folder_id INTEGER NOT NULL REFERENCES folders (id) ON DELETE CASCADE
        DEFERRABLE INITIALLY DEFERRED,
    user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE
        DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT unique_mapping UNIQUE (user_id, folder_id));
CREATE INDEX users_status ON users (status);
INSERT INTO users (username, status, expiration_date, home_dir, permissions)
    VALUES ('ann', 1, 0, '/srv/ann', '{"/":["*"]}');
INSERT INTO folders (name, path) VALUES ('shared', '/srv/shared');
INSERT INTO users_folders_mapping (virtual_path, folder_id, user_id)
    VALUES ('/shared', 1, 1);
"""
POWERDNS = """
PRAGMA foreign_keys = 1;
CREATE TABLE domains (id INTEGER PRIMARY KEY, name VARCHAR(255) NOT NULL
    COLLATE NOCASE, master VARCHAR(128) DEFAULT NULL, type VARCHAR(8) NOT NULL);
CREATE UNIQUE INDEX name_index ON domains(name);
CREATE TABLE records (id INTEGER PRIMARY KEY, domain_id INTEGER DEFAULT NULL,
    name VARCHAR(255) DEFAULT NULL, type VARCHAR(10) DEFAULT NULL,
    content VARCHAR(65535) DEFAULT NULL, ttl INTEGER DEFAULT NULL,
    disabled BOOLEAN DEFAULT 0,
    FOREIGN KEY(domain_id) REFERENCES domains(id) ON DELETE CASCADE);
CREATE INDEX records_lookup_idx ON records(name, type);
INSERT INTO domains VALUES (1, 'example.org', NULL, 'NATIVE');
INSERT INTO records (domain_id, name, type, content, ttl)
    VALUES (1, 'example.org', 'SOA', 'ns hostmaster 1 2 3 4 5', 3600);
"""
SCHEMAS = {"proftpd": PROFTPD, "sftpgo": SFTPGO, "pdns": POWERDNS}
CHANGES = {
    "proftpd": "INSERT OR REPLACE INTO users VALUES ('%s', 'y', 1, 1, '/', '')",
    "sftpgo": "INSERT INTO folders (name, path) VALUES ('%s', '/srv')",
    "pdns": "INSERT INTO records (domain_id, name, type) VALUES (1,'%s','A')",
}


def set_mode(db, mode):
    try:
        db.execute("PRAGMA journal_mode = " + mode).fetchall()
    except sqlite3.OperationalError:
        return False
    return True


def execute(path, script, mode=None):
    """What sqlite3 does: a connection, a journal mode, some statements."""
    db = sqlite3.connect(path, timeout=30, isolation_level=None)
    if mode:
        # Nobody leaves WAL while somebody reads, and SQLite does not wait.
        wait_for(lambda: set_mode(db, mode), 30, "the journal mode")
    db.executescript(script)
    db.close()


def rows(path, text):
    db = sqlite3.connect(path, timeout=30)
    found = db.execute(text).fetchall()
    db.close()
    return found


def objects(path):
    return rows(path, "SELECT name FROM sqlite_schema"
                " WHERE name LIKE '\\_lockstep\\_%' ESCAPE '\\'")


class Files:
    """Where each node has the databases of the other programs."""

    def __init__(self, t, names):
        self.t, self.names = t, list(names)

    def path(self, node, name):
        folder = os.path.join(self.t.directory, "srv-" + node)
        os.makedirs(folder, exist_ok=True)
        return os.path.join(folder, name + ".sqlite")

    def config(self, node, names=None, more=""):
        return "".join('[dataset "%s"]\npath = %s\n%s' %
                       (n, self.path(node, n), more)
                       for n in (self.names if names is None else names))

    def make(self, modes=None):
        for name in self.names:
            execute(self.path("primary", name), SCHEMAS[name],
                    (modes or {}).get(name))


def reload(node, config):
    """A changed configuration and SIGHUP; returns when it was read."""
    before = len(node.events("reloaded")) + len(node.events("config-error"))
    node.config = config
    node.arguments()  # writes the file
    os.kill(node.pid(), signal.SIGHUP)
    wait_for(lambda: len(node.events("reloaded")) +
             len(node.events("config-error")) > before, 20, "read again")


def cluster_with(t, files, secondaries=2, more=""):
    primary = t.node("primary", files.config("primary", more=more))
    wait_for(lambda: all(primary.dataset(n)["state"] == "ready"
                         for n in files.names), 20, "opened")
    cluster = Cluster(primary, [])
    for i in range(secondaries):
        name = "second%d" % (i + 1)
        node = t.node(name, files.config(name))
        cluster.add(node)
        cluster.secondaries.append(node)
    primary.cli("sync", "config", "--interval", "1s")
    return cluster


def all_equal(cluster, files, names=None, nodes=None):
    for name in names or files.names:
        paths = [files.path(n.name, name)
                 for n in nodes or cluster.secondaries]
        found = contents.read_together(files.path("primary", name), *paths)
        for other in found[1:]:
            differs = contents.difference(found[0], other)
            check(not differs, differs)


@scenario
def databases_of_other_programs_arrive(t):
    files = Files(t, SCHEMAS)
    files.make({"proftpd": "MEMORY", "sftpgo": "WAL", "pdns": "DELETE"})
    cluster = cluster_with(t, files)
    primary = cluster.primary
    with t.promise("three databases of other programs arrive on two servers"):
        all_equal(cluster, files)
    with t.promise("what was made for a program on a secondary belongs to "
                   "whom its folder belongs, readable by nobody else"):
        for node in cluster.secondaries:
            for name in files.names:
                path = files.path(node.name, name)
                st, folder = os.stat(path), os.stat(os.path.dirname(path))
                same(stat.S_IMODE(st.st_mode), 0o600, "mode of " + path)
                same(st.st_uid, folder.st_uid, "owner of " + path)
    with t.promise("nothing of ours is in the files of the primary"):
        for name in files.names:
            same(objects(files.path("primary", name)), [], name)
    for mode in "WAL", "DELETE", "MEMORY":
        with t.promise("changes by a program in %s mode arrive" % mode):
            for name in files.names:
                execute(files.path("primary", name),
                        CHANGES[name] % ("new-" + mode), mode)
            cluster.sync()
            all_equal(cluster, files)
    with t.promise("status, dataset list and the file tree show them"):
        listed = {d["name"]: d for d in primary.status()["datasets"]}
        for name in files.names:
            same(listed[name]["state"], "ready", "state of " + name)
            check(primary.cli("dataset", "verify", name)["equal"],
                  name + " does not verify")
    with t.promise("a restart of everybody goes on where it was"):
        for node in cluster.nodes():
            node.restart()
        execute(files.path("primary", "pdns"), CHANGES["pdns"] % "later")
        cluster.wait_synchronized()
        cluster.sync()
        all_equal(cluster, files)
        same(primary.server("second1")["overwrites"], 1, "overwrites")
    with t.promise("a backup names the files that it leaves to their "
                   "programs"):
        path = os.path.join(t.directory, "backup")
        same(sorted(primary.cli("backup", "create", path)["left_out"]),
             sorted(files.path("primary", n) for n in files.names), "left out")


@scenario
def removed_datasets_leave_nothing(t):
    files = Files(t, ["pdns", "proftpd"])
    files.make()
    cluster = cluster_with(t, files, more="capture = triggers\n")
    primary = cluster.primary
    first, second = cluster.secondaries
    live = files.path("primary", "pdns")
    with t.promise("there is something to remove"):
        check(objects(live), "no trigger on the primary")
        check(objects(files.path("second1", "pdns")), "none on the secondary")
    with t.promise("a server that cannot be told stops dataset remove, and "
                   "all stays in use"):
        second.stop()
        wait_for(lambda: primary.state_of(second) == "unreachable", 20,
                 "unreachable")
        primary.cli("dataset", "remove", "pdns", expect=UNREACHABLE)
        same(primary.dataset("pdns")["state"], "ready", "state")
        check(objects(live), "the triggers are gone")
    with t.promise("with --force nothing of ours is left on the primary and "
                   "on the servers that were told, rows stay"):
        primary.cli("dataset", "remove", "pdns", "--force")
        for node in primary, first:
            path = files.path(node.name, "pdns")
            same(objects(path), [], "our objects on " + node.name)
            same(len(rows(path, "SELECT * FROM records")), 1, "records")
            same(node.dataset("pdns")["state"], "detached", "state")
            check(not os.path.exists(node.path("datasets", "pdns")),
                  "the work folder stays on " + node.name)
    with t.promise("the server that was not told says so by dataset detach"):
        second.start()
        second.cli("dataset", "detach", "pdns")
        same(objects(files.path("second2", "pdns")), [], "our objects")
    with t.promise("removed stays removed, also after a restart"):
        primary.restart()
        execute(live, CHANGES["pdns"] % "unseen")
        cluster.wait_synchronized()
        same(primary.dataset("pdns")["state"], "detached", "state")
        same(objects(live), [], "our objects")
        same(len(rows(files.path("second1", "pdns"),
                      "SELECT * FROM records")), 1, "records")
    with t.promise("dataset attach takes it into use again, everywhere"):
        cluster.wait_synchronized()
        primary.cli("dataset", "attach", "pdns")
        cluster.sync()
        all_equal(cluster, files)
        check(objects(live), "no trigger on the primary")
    with t.promise("Lockstep's own datasets cannot be removed"):
        primary.cli("dataset", "remove", "config", expect=ERROR)


# SQLite's documentation, "Making Other Kinds Of Table Schema Changes".
TWELVE_STEPS = """
PRAGMA foreign_keys = OFF;
BEGIN;
CREATE TABLE new_domains (id INTEGER PRIMARY KEY, name VARCHAR(255) NOT NULL
    COLLATE NOCASE, type VARCHAR(8) NOT NULL, account VARCHAR(40) DEFAULT 'me');
INSERT INTO new_domains (id, name, type) SELECT id, name, type FROM domains;
DROP TABLE domains;
ALTER TABLE new_domains RENAME TO domains;
CREATE UNIQUE INDEX name_index ON domains(name);
COMMIT;
PRAGMA foreign_keys = ON;
"""


@scenario
def capture_is_off_around_a_migration(t):
    files = Files(t, ["pdns"])
    files.make()
    cluster = cluster_with(t, files, more="capture = triggers\n")
    primary = cluster.primary
    live = files.path("primary", "pdns")
    revision = primary.dataset("pdns")["revision"]
    with t.promise("capture off: no object of ours in the file, and the state "
                   "says why nothing is published"):
        primary.cli("dataset", "capture", "pdns", "off")
        same(objects(live), [], "our objects")
        shown = primary.dataset("pdns")
        same(shown["state"], "off", "state")
        check("capture" in shown["held"], "no reason is shown")
        same(primary.state_of("second1"), "held", "state of second1")
    with t.promise("nothing is published while it is off, not even after a "
                   "restart or by accept"):
        execute(live, CHANGES["pdns"] % "early")
        primary.cli("sync", "now", expect=HELD)
        primary.cli("dataset", "accept", "pdns", expect=HELD)
        primary.restart()
        primary.cli("sync", "now", expect=HELD)
        same(primary.dataset("pdns")["revision"], revision, "revision")
        same(objects(live), [], "our objects")
    with t.promise("other datasets go on meanwhile"):
        primary.sql("INSERT INTO users (id, name, uid, gid, home) VALUES "
                    "(1, 'ann', 1000, 1000, '/srv/x')")
        for node in cluster.secondaries:
            wait_for(lambda: node.sql("SELECT * FROM users"), 20, "a user")
    with t.promise("a migration in twelve steps, capture on: it arrives"):
        execute(live, TWELVE_STEPS)
        primary.cli("dataset", "capture", "pdns", "on")
        cluster.sync()
        all_equal(cluster, files)
        check(objects(live), "no trigger in the file")
        same(primary.dataset("pdns")["state"], "ready", "state")
    with t.promise("and what follows is found by triggers"):
        execute(live, CHANGES["pdns"] % "late")
        cluster.sync()
        all_equal(cluster, files)


@scenario
def one_server_does_not_have_the_dataset(t):
    files = Files(t, ["proftpd", "pdns"])
    files.make()
    primary = t.node("primary", files.config("primary"))
    cluster = Cluster(primary, [])
    for name in "second1", "second2":
        has = files.names if name == "second1" else ["proftpd"]
        node = t.node(name, files.config(name, has))
        cluster.add(node, expect=DONE if name == "second1" else ERROR)
        cluster.secondaries.append(node)
    primary.cli("sync", "config", "--interval", "1s")
    first, second = cluster.secondaries
    with t.promise("it is listed as refused, with what to add to which file"):
        shown = primary.server(second)
        same(shown["state"], "refused", "state")
        check("pdns" in shown["error"]["message"], shown["error"])
        check('[dataset "pdns"]' in shown["error"]["hint"] and
              "second2.conf" in shown["error"]["hint"], shown["error"])
    with t.promise("the others go on: its other datasets, the other server"):
        execute(files.path("primary", "proftpd"), CHANGES["proftpd"] % "x")
        execute(files.path("primary", "pdns"), CHANGES["pdns"] % "x")
        primary.cli("sync", "now", "--wait", expect=PARTLY)
        all_equal(cluster, files, nodes=[first])
        all_equal(cluster, files, names=["proftpd"])
        same(primary.state_of(first), "synchronized", "state of first")
    with t.promise("it is said once, not at every interval"):
        count = len(primary.events("server-error"))
        for _ in range(3):
            primary.cli("sync", "now", "--wait", expect=PARTLY)
        same(len(primary.events("server-error")), count, "events")
    with t.promise("the section and SIGHUP there: it is synchronized"):
        reload(second, files.config("second2"))
        cluster.wait_synchronized()
        all_equal(cluster, files)


@scenario
def the_configuration_changes_while_we_run(t):
    files = Files(t, ["proftpd", "pdns"])
    files.make()
    primary = t.node("primary", files.config("primary", ["proftpd"]))
    cluster = Cluster(primary, [])
    node = t.node("second1", files.config("second1"))
    cluster.add(node)
    cluster.secondaries.append(node)
    with t.promise("SIGHUP adds a dataset, which arrives"):
        reload(primary, files.config("primary"))
        wait_for(lambda: primary.dataset("pdns")["state"] == "ready", 20,
                 "ready")
        cluster.sync()
        all_equal(cluster, files)
    with t.promise("a section that is gone closes its dataset, the other goes "
                   "on"):
        reload(primary, files.config("primary", ["proftpd"]))
        same([d["name"] for d in primary.status()["datasets"]],
             ["config", "admins", "proftpd"], "datasets")
        execute(files.path("primary", "proftpd"), CHANGES["proftpd"] % "y")
        cluster.sync()
        all_equal(cluster, files, ["proftpd"])
    with t.promise("and the section back opens it again, without an "
                   "overwrite"):
        before = primary.server(node)["overwrites"]
        execute(files.path("primary", "pdns"), CHANGES["pdns"] % "meanwhile")
        reload(primary, files.config("primary"))
        wait_for(lambda: primary.dataset("pdns")["state"] == "ready", 20,
                 "ready")
        cluster.sync()
        all_equal(cluster, files)
        same(primary.server(node)["overwrites"], before, "overwrites")
    with t.promise("another capture takes effect"):
        reload(primary, files.config("primary", more="capture = triggers\n"))
        wait_for(lambda: objects(files.path("primary", "pdns")), 20,
                 "triggers")
        execute(files.path("primary", "pdns"), CHANGES["pdns"] % "noted")
        cluster.sync()
        all_equal(cluster, files)
        reload(primary, files.config("primary"))
        wait_for(lambda: not objects(files.path("primary", "pdns")), 20,
                 "triggers gone")
    with t.promise("a bad section changes nothing"):
        reload(primary, files.config("primary") +
               '[dataset "own"]\npath = %s\n' % primary.path("config.db"))
        check("inside the state directory" in
              primary.events("config-error")[-1]["text"], "no reason")
        execute(files.path("primary", "pdns"), CHANGES["pdns"] % "z")
        cluster.sync()
        all_equal(cluster, files)
    with t.promise("the file moved and its path with it: nothing is lost"):
        moved = os.path.join(t.directory, "moved.sqlite")
        text = files.config("primary").replace(files.path("primary", "pdns"),
                                               moved)
        os.rename(files.path("primary", "pdns"), moved)
        reload(primary, text)
        wait_for(lambda: primary.dataset("pdns")["path"] == moved and
                 primary.dataset("pdns")["state"] != "opening", 20, "opened")
        execute(moved, CHANGES["pdns"] % "moved")
        primary.cli("sync", "now", "--wait")
        same(rows(moved, "SELECT * FROM records"),
             rows(files.path("second1", "pdns"), "SELECT * FROM records"),
             "records")


def error_of(node, name):
    return wait_for(lambda: node.dataset(name)["error"] and
                    node.dataset(name)["state"] == "error" and
                    node.dataset(name)["error"], 30, "an error of " + name)


@scenario
def what_cannot_be_a_dataset_is_refused(t):
    files = Files(t, ["absent", "text", "busy", "foreign", "pdns"])
    execute(files.path("primary", "pdns"), POWERDNS)
    with open(files.path("primary", "text"), "w") as f:
        f.write("this is no database at all\n" * 200)
    db = sqlite3.connect(files.path("primary", "foreign"))
    db.create_function("secret", 1, lambda v: v, deterministic=True)
    db.executescript("CREATE TABLE t (a, b AS (secret(a)) STORED);")
    db.close()
    execute(files.path("primary", "busy"), PROFTPD)
    holder = sqlite3.connect(files.path("primary", "busy"))
    holder.execute("PRAGMA locking_mode = EXCLUSIVE").fetchall()
    holder.execute("UPDATE users SET uid = uid + 1")
    holder.commit()
    primary = t.node("primary", files.config("primary"))
    primary.cli("sync", "config", "--interval", "1s")
    with t.promise("a file that is missing: what to do, and it is never made "
                   "by us"):
        e = error_of(primary, "absent")
        check("no file" in e["message"] and e["hint"], e)
        check(not os.path.exists(files.path("primary", "absent")), "made")
    with t.promise("a file that is no database is not touched"):
        e = error_of(primary, "text")
        check("no SQLite database" in e["message"] and e["hint"], e)
    with t.promise("a holder of an exclusive lock is named"):
        e = error_of(primary, "busy")
        check("pid %d" % os.getpid() in e["message"], e)
        check("EXCLUSIVE" in e["hint"], e)
    with t.promise("a function that only its program has is named"):
        e = error_of(primary, "foreign")
        check("secret" in e["message"] and e["hint"], e)
    with t.promise("they stop nobody else, and status --check finds them"):
        wait_for(lambda: primary.dataset("pdns")["state"] == "ready",
                 what="pdns is ready")
        check(primary.run("status", "--check").code != DONE, "all is well")
        execute(files.path("primary", "pdns"), CHANGES["pdns"] % "x")
        wait_for(lambda: primary.dataset("pdns")["revision"] == 2, 20,
                 "published")
    with t.promise("each is told once"):
        same(len([e for e in primary.events("dataset-error")
                  if e["dataset"] == "absent"]), 1, "events")
    with t.promise("the file appears, the lock goes: they open by themselves"):
        execute(files.path("primary", "absent"), PROFTPD)
        holder.close()
        for name in "absent", "busy":
            wait_for(lambda: primary.dataset(name)["state"] == "ready", 30,
                     name + " ready")
    with t.promise("a secondary never overwrites a file that is no database"):
        second = t.node("second1", '[dataset "pdns"]\npath = %s\n' %
                        files.path("primary", "text"))
        e = error_of(second, "pdns")
        check("no SQLite database" in e["message"], e)


@scenario
def sync_waits_for_what_is_being_opened(t):
    files = Files(t, ["pdns"])
    files.make()
    cluster = cluster_with(t, files, 1)
    primary = cluster.primary
    path = files.path("primary", "pdns")
    primary.cli("sync", "config", "--interval", "1h")
    with t.promise("a sync while a program keeps the file locked from the "
                   "start on does not say that all is done"):
        primary.stop()
        execute(path, CHANGES["pdns"] % "while-stopped")
        holder = sqlite3.connect(path, isolation_level=None)
        holder.execute("BEGIN EXCLUSIVE")
        primary.start()
        reply = primary.run("sync", "now", "--wait")
        check(reply.code != DONE, reply)
        holder.close()
    with t.promise("and once it lets go, the change arrives"):
        wait_for(lambda: primary.run("sync", "now", "--wait").code == DONE, 20,
                 "sync")
        all_equal(cluster, files)


@scenario
def the_file_may_lie_on_another_file_system(t):
    folder = "/dev/shm/lockstep-test-%d" % os.getpid()
    with t.promise("a file on another file system than the state directory "
                   "is made there"):
        if os.stat("/dev/shm").st_dev == os.stat(t.directory).st_dev:
            raise Skipped("there is one file system only")
        os.mkdir(folder)
        try:
            files = Files(t, ["pdns"])
            files.make()
            primary = t.node("primary", files.config("primary"))
            node = t.node("second1", '[dataset "pdns"]\npath = %s/p\n' %
                          folder)
            Cluster(primary, []).add(node)
            same(rows(folder + "/p", "SELECT * FROM records"),
                 rows(files.path("primary", "pdns"), "SELECT * FROM records"),
                 "records")
            check("p-lockstep-new" not in os.listdir(folder), "left beside")
            node.stop()
        finally:
            for name in os.listdir(folder):
                os.unlink(os.path.join(folder, name))
            os.rmdir(folder)


if __name__ == "__main__":
    run()

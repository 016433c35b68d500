#!/usr/bin/python3
"""One host key for a fleet behind a balancer, where both ends agree to it."""

import os
import shutil
import signal
import subprocess

from admin import Admin
from lockstep import check, run, same, scenario, wait_for
from proftpd_host import MAIN, need_proftpd
from sshd_host import PROGRAMS, SSHD_PORT, Host, need_sshd

SECTION = """[dataset "hostkeys"]
path = %s
secrets = *
"""


VIRTUAL_HOST = """
<IfModule !mod_sftp.c>
  LoadModule mod_sftp.c
</IfModule>
<VirtualHost %s>
  Port %d
  SFTPEngine on
  SFTPHostKey %s
</VirtualHost>
"""


class KeyHost(Host):
    """Shows the keys of the dataset once it was told to."""

    programs = ("lockstep-hostkeys",)

    def write_configuration(self, config):
        hooks = self.path("etc/lockstep/hooks.d")
        shutil.rmtree(self.path("etc/lockstep"), ignore_errors=True)
        os.makedirs(hooks)
        os.symlink(PROGRAMS + "/lockstep-hostkeys", hooks + "/50-hostkeys")
        os.mkdir(self.path("keys"), 0o700)

    def database(self):
        return self.path("keys/hostkeys.db")

    def section(self, *lines):
        return SECTION % self.database() + "".join(x + "\n" for x in lines)

    def run_program(self, *args, expect=0):
        return self.run(PROGRAMS + "/lockstep-hostkeys", "--database",
                        self.database(), *args, expect=expect)

    def start_sshd(self):
        with open(self.path("server.log"), "ab") as log:
            self.server = subprocess.Popen(
                [*self.prefix, "/usr/sbin/sshd", "-D", "-e"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_for(self.listens, 20, "sshd of %s listens" % self.node.name)

    def configure_sshd(self, *lines):
        with open(self.path("etc/ssh/sshd_config.d/test.conf"), "w") as f:
            f.write("ListenAddress %s:%d\nPidFile /run/sshd.pid\n" %
                    (self.address, SSHD_PORT))
            f.writelines(line + "\n" for line in lines)

    def take_keys(self):
        """As contrib/hostkeys/sshd_config tells sshd to."""
        self.configure_sshd("HostKey " + self.file())

    def reload_sshd(self):
        """It has no pid file while it starts anew, as the hook told it to."""
        told = "kill -HUP $(cat /run/sshd.pid) && echo told"
        wait_for(lambda: "told" in self.run("sh", "-c", told, expect=None),
                 20, "a pid file")

    def file(self):
        return self.path("keys/ssh_host_ed25519_key")

    def shown(self):
        """The key that a client is shown."""
        p = subprocess.run(["ssh-keyscan", "-t", "ed25519", "-p",
                            str(SSHD_PORT), self.address], text=True,
                           stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        return p.stdout.split()[-1] if p.stdout else None

    def reconfigure(self, text):
        """The daemon's configuration, read anew."""
        self.node.config = text
        self.node.arguments()  # writes the file
        os.kill(self.node.pid(), signal.SIGHUP)


class FtpKeyHost(KeyHost):
    """The same with ProFTPD."""

    def start_proftpd(self):
        with open(self.path("etc/proftpd/proftpd.conf"), "w") as f:
            f.write(MAIN + VIRTUAL_HOST % (self.address, SSHD_PORT,
                                           self.file()))
        with open(self.path("server.log"), "ab") as log:
            self.server = subprocess.Popen(
                [*self.prefix, "/usr/sbin/proftpd", "-n"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def import_key(host, name, bodies):
    """Puts a fresh key into the dataset; what clients are shown of it.  What
    nobody may be shown is added to BODIES, a line of it."""
    host.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f",
             host.path(name))
    with open(host.path(name)) as f:
        bodies.append(f.read().split("\n")[4])
    host.run_program("--import", host.path(name))
    with open(host.path(name + ".pub")) as f:
        return f.read().split()[1]


@scenario
def a_fleet_shows_one_key(t):
    bodies = []
    with t.promise("three hosts, of which two have the dataset"):
        need_sshd()
        nodes = [t.node(name, start=False) for name in ("one", "two", "three")]
        hosts = [KeyHost(t, node) for node in nodes]
        one, two, three = hosts
        primary = nodes[0]
        public = import_key(one, "fleet", bodies)
        nodes[0].config = one.section("send_to = two")
        nodes[1].config = two.section()
        nodes[2].config = ""
        for node in nodes:
            node.start()
        for node in nodes[1:]:
            primary.cli("server", "add", node.address, "--name", node.name,
                        "--password-file", node.password_file(),
                        "--fingerprint", node.fingerprint())
        primary.cli("sync", "now", "--wait")
    if t.failures or "public" not in locals():
        return
    with t.promise("the key is a file of root's on both, by the hook"):
        for host in one, two:
            wait_for(lambda h=host: os.path.exists(h.file()), 20, "the file")
            st = os.stat(host.file())
            same((st.st_uid, st.st_mode & 0o777), (0, 0o600), "the file's")
            same(os.stat(host.database()).st_mode & 0o777, 0o600, "database")
    with t.promise("both show it, the third has its own"):
        three.configure_sshd()
        for host in one, two:
            host.take_keys()
        for host in hosts:
            host.start_sshd()
        same([h.shown() == public for h in hosts], [True, True, False],
             "who shows it")
    with t.promise("who is not named is sent nothing, and nothing is amiss"):
        wait_for(lambda: primary.state_of("three") == "synchronized",
                 20, "synchronized")
    with t.promise("who does not permit it keeps its own key: the primary "
                   "names it, and the setting"):
        one.reconfigure(one.section("send_to = *"))
        wait_for(lambda: primary.state_of("three") == "refused", 30,
                 "refused")
        error = primary.server("three")["error"]
        check("hostkeys" in error["message"] and "three" in error["message"]
              and '[dataset "hostkeys"]' in error["hint"], error)
        check(not os.path.exists(three.database()), "it was sent")
        wait_for(lambda: primary.state_of("two") == "synchronized", 30,
                 "the other's synchronized")
    with t.promise("once it does, all three show one key"):
        three.reconfigure(three.section())
        wait_for(lambda: three.node.events("reloaded"), 20, "the reload")
        primary.cli("sync", "now", "--wait")
        wait_for(lambda: os.path.exists(three.file()), 20, "the file")
        three.take_keys()
        three.reload_sshd()
        wait_for(lambda: [h.shown() for h in hosts] == [public] * 3, 20,
                 "one key")
    with t.promise("a key that is replaced is shown by all, by the hooks"):
        public = import_key(one, "next", bodies)
        primary.cli("sync", "now", "--wait")
        wait_for(lambda: [h.shown() for h in hosts] == [public] * 3, 20,
                 "one key")
    with t.promise("one that has no pid file yet, as it starts, is told, too"):
        pid_file = two.path("run/sshd.pid")
        wait_for(lambda: os.path.exists(pid_file), 20, "a pid file")
        os.rename(pid_file, two.path("pid"))
        told = two.log().count("Received SIGHUP")
        with open(two.file()) as f:
            old = f.read()
        public = import_key(one, "third", bodies)
        primary.cli("sync", "now", "--wait")
        wait_for(lambda: open(two.file()).read() != old, 20, "the new file")
        os.rename(two.path("pid"), pid_file)
        wait_for(lambda: two.log().count("Received SIGHUP") > told, 20,
                 "its log")
    with t.promise("nobody reads a key from a node, not even an administrator"):
        for node in nodes:
            with Admin(node) as admin:
                for look in admin.sftp.stat, admin.read:
                    try:
                        look("/datasets/hostkeys/snapshot.db")
                        check(False, "it was read")
                    except OSError as why:
                        check("secret" in str(why), why)
        shown = primary.run("dataset", "show", "hostkeys", "2")
        check("(secret)" in shown.out, "%s %s" % (shown.out, shown.err))
        same([b for b in bodies if b[20:60] in shown.out], [],
             "a key in what is shown")
    with t.promise("a key that sshd would refuse changes nothing"):
        two.configure_sshd("HostKey " + two.file(), "NoSuchOption yes")
        os.rename(two.path("keys/ssh_host_ed25519_key"), two.path("kept"))
        check("as before" in two.run_program(expect=1), "it does not say so")
        check(not os.path.exists(two.file()), "it was put there")
        os.rename(two.path("kept"), two.file())
        two.take_keys()
        two.run_program()
        same(two.shown(), public, "the key")


@scenario
def proftpd_shows_it_too(t):
    bodies = []
    with t.promise("ProFTPD shows the key that was put in"):
        need_proftpd()
        host = FtpKeyHost(t, t.node(start=False))
        public = import_key(host, "first", bodies)
        host.run_program()
        host.start_proftpd()
        wait_for(lambda: host.shown() == public, 30, "the key")
        check(os.path.exists(host.path("run/proftpd.pid")), host.log)
    if t.failures or "public" not in locals():
        return
    with t.promise("and the next one, once the hook has told it"):
        public = import_key(host, "second", bodies)
        check(host.shown() != public, "it knew before")
        host.run_program()
        wait_for(lambda: host.shown() == public, 30, "the key")
    with t.promise("where it cannot see who runs it says so, and changes "
                   "nothing"):
        import_key(host, "third", bodies)
        said = host.run(
            "unshare", "-m", "sh", "-c",
            'mount -t proc -o hidepid=2,gid=9 proc /proc && exec "$0" "$@"',
            "setpriv", "--inh-caps", "-sys_ptrace", "--bounding-set",
            "-sys_ptrace", PROGRAMS + "/lockstep-hostkeys", "--database",
            host.database(), expect=1)
        check("could not see whether" in said and "ProtectProc" in said, said)
        same(host.shown(), public, "the key")
    with t.promise("nor who listens, where the pid file does not name him"):
        os.rename(host.path("run/proftpd.pid"), host.path("kept.pid"))
        said = host.run_program(expect=1)
        check("proftpd runs, but" in said and "PidFile" in said, said)
        same(host.shown(), public, "the key")
    with t.promise("a run that was cut short is finished, after one that "
                   "failed in between"):
        with open(host.path("third")) as f:
            key = f.read()
        with open(host.file(), "w") as f:
            f.write(key)
        with open(host.path("keys/not-yet-told"), "w"):
            pass
        host.run_program(expect=1)
        os.rename(host.path("kept.pid"), host.path("run/proftpd.pid"))
        told = host.log().count("SIGHUP")
        host.run_program()
        wait_for(lambda: host.log().count("SIGHUP") > told, 30, "the word")
        check(not os.path.exists(host.path("keys/not-yet-told")), "the mark")


if __name__ == "__main__":
    run()

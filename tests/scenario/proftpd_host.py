"""A host with a real ProFTPD and lockstepd, as sshd_host.py makes one: the
example of contrib/proftpd is what it is configured with.

    host = ProftpdHost(t, node)     before the node is started
    host.start()
"""

import glob
import os
import shutil
import socket
import struct
import subprocess

from lockstep import ROOT, Skipped, check, wait_for
from sshd_host import PROGRAMS, SSHD_PORT, Host, need_sshd

LISTENING = "0A"  # in /proc/net/tcp
MAIN = """ServerName main
ServerType standalone
Port 0
UseReverseDNS off
User proftpd
Group nogroup
WtmpLog off
DelayEngine off
SocketBindTight on
PidFile /run/proftpd.pid
ScoreboardFile /run/proftpd.scoreboard
TransferLog none
Include /etc/proftpd/conf.d/
"""


def need_proftpd():
    """Skips where it cannot be had."""
    need_sshd()
    for path, package in (
            ("/usr/sbin/proftpd", "proftpd-core"),
            ("/usr/lib/proftpd/mod_sftp_sql.so", "proftpd-mod-crypto"),
            ("/usr/lib/proftpd/mod_sql_sqlite.so", "proftpd-mod-sqlite")):
        if not glob.glob(path):
            raise Skipped("%s is not installed" % package)


class ProftpdHost(Host):
    programs = ("lockstep-proftpd",)
    is_hooked = True

    def make_host_keys(self):
        self.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f",
                 "/etc/proftpd/lockstep_ed25519")

    def users(self):
        """The path of the database that is made for ProFTPD."""
        return self.path("made/users.db")

    def write_configuration(self, config):
        shutil.rmtree(self.path("etc/lockstep"), ignore_errors=True)
        hooks = self.path("etc/lockstep/hooks.d")
        os.makedirs(hooks)
        if self.is_hooked:
            os.symlink(PROGRAMS + "/lockstep-proftpd", hooks + "/50-proftpd")
        with open(self.path("etc/lockstep/proftpd.conf"), "w") as f:
            f.write("database = %s\nusers = %s\nrules = %s\n%s" % (
                self.node.live(), self.users(), self.path("made/rules.conf"),
                config))
        with open(self.path("etc/proftpd/proftpd.conf"), "w") as f:
            f.write(MAIN)
        with open(self.path("etc/proftpd/conf.d/lockstep.conf"), "w") as f:
            f.write(self.example())

    def example(self):
        """contrib/proftpd/lockstep.conf with this host's paths."""
        with open(os.path.join(ROOT, "contrib/proftpd/lockstep.conf")) as f:
            text = f.read()
        for old, new in (
                ("<VirtualHost 0.0.0.0>", "<VirtualHost %s>" % self.address),
                ("Port 2222", "Port %d" % SSHD_PORT),
                ("/var/log/proftpd/", "/run/"),
                ("/var/lib/lockstep-proftpd/", self.path("made/"))):
            check(old in text, "the example has no " + old)
            text = text.replace(old, new)
        return text

    def apply(self, *args, expect=0):
        """Runs the hook by hand; what it says."""
        return self.run(PROGRAMS + "/lockstep-proftpd", *args, expect=expect)

    def command(self):
        return ["/usr/sbin/proftpd", "-n"]

    def start(self):
        with open(self.path("server.log"), "ab") as log:
            self.server = subprocess.Popen(
                [*self.prefix, *self.command()],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_for(self.listens, 20, "ProFTPD of %s listens" % self.node.name)

    def listens(self):
        """It says that it started before it listens."""
        check(self.server.poll() is None, self.log)
        here = "%08X:%04X" % (struct.unpack(
            "=I", socket.inet_aton(self.address))[0], SSHD_PORT)
        return any(line.split()[1:4:2] == [here, LISTENING] for line in
                   self.run("cat", "/proc/net/tcp").splitlines()[1:])

    def log(self):
        text = ""
        for name in "server.log", "run/sftp.log":
            try:
                with open(self.path(name), errors="replace") as f:
                    text += f.read()
            except FileNotFoundError:
                pass
        return text

"""A host of the demo's own with a real sshd, where one can be had: mounts of its
own over /etc, /srv and what else sshd and the hook write, so that nothing of the
machine's is changed.

    why = unable()                None, or why there is none
    host = SshdHost(directory, database, build)
    [*host.prefix, ...]           a command on that host
    host.start(address, port)     its sshd
    host.end()
"""

import os
import shutil
import subprocess
import time

NEEDED = {"/usr/sbin/sshd": "openssh-server",
          "/usr/lib/libnss_extrausers.so.2": "libnss-extrausers",
          "/usr/bin/sftp": "openssh-client"}
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PARTS = {"etc": "/etc", "srv": "/srv", "run": "/run", "opt": "/opt",
         "extrausers": "/var/lib/extrausers"}
SHIPPED = "contrib/openssh/sshd_config.d/lockstep.conf"
# Whatever the machine's own says: one address, and nobody but the cluster's.
SSHD_CONFIG = """ListenAddress %s:%d
PidFile none
UsePAM yes
PasswordAuthentication no
AllowGroups lockstep-sftp
Subsystem sftp internal-sftp
"""


def unable():
    if os.geteuid() != 0:
        return "only root can give users to a host"
    for path, package in NEEDED.items():
        if not os.path.exists(path):
            return "%s is not installed" % package
    p = subprocess.run(["unshare", "-m", "mount", "--bind", "/opt", "/opt"],
                       stderr=subprocess.PIPE, text=True)
    if p.returncode != 0:
        return "no mounts of one's own here: " + p.stderr.strip()
    return None


class SshdHost:
    def __init__(self, directory, database, build):
        self.directory = directory
        self.server = None
        shutil.copytree("/etc", self.path("etc"), symlinks=True,
                        ignore_dangling_symlinks=True)
        for part in "srv", "run/sshd", "opt", "extrausers":
            os.makedirs(self.path(part), mode=0o755)
        # What sshd runs has to be in folders that only root can write to.
        for program in "lockstep-openssh", "lockstep-authorized-keys":
            shutil.copy(os.path.join(build, program), self.path("opt"))
        self.configure(database)
        mounts = ['mount --bind "$0/%s" %s' % part for part in PARTS.items()]
        self.holder = subprocess.Popen(
            ["unshare", "-m", "--propagation", "private", "sh", "-c",
             "set -e\n%s\necho there\nexec sleep 1000000" % "\n".join(mounts),
             directory], stdout=subprocess.PIPE, text=True)
        if self.holder.stdout.readline() != "there\n":
            raise OSError("no mounts of its own")
        self.prefix = ["nsenter", "-t", str(self.holder.pid), "-m"]

    def path(self, *parts):
        return os.path.join(self.directory, *parts)

    def write(self, name, text):
        with open(self.path(name), "w") as f:
            f.write(text)

    def configure(self, database):
        """As docs/openssh.md says."""
        self.write("etc/nsswitch.conf", "passwd: files extrausers\n"
                   "group: files extrausers\nshadow: files extrausers\n"
                   "hosts: files\n")
        shutil.rmtree(self.path("etc/lockstep"), ignore_errors=True)
        os.makedirs(self.path("etc/lockstep/hooks.d"))
        os.symlink("/opt/lockstep-openssh",
                   self.path("etc/lockstep/hooks.d/50-openssh"))
        # It sees the processes of this machine: their sessions stay.
        self.write("etc/lockstep/openssh.conf",
                   "database = %s\nend_sessions = no\n" % database)

    def start(self, address, port):
        subprocess.run([*self.prefix, "ssh-keygen", "-A"], check=True,
                       stdout=subprocess.DEVNULL)
        with open(os.path.join(ROOT, SHIPPED)) as f:
            self.write("etc/ssh/sshd_config", SSHD_CONFIG % (address, port) +
                       f.read().replace("/usr/lib/lockstep", "/opt"))
        with open(self.path("sshd.log"), "w") as log:
            self.server = subprocess.Popen(
                [*self.prefix, "/usr/sbin/sshd", "-D", "-e"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        end = time.monotonic() + 60
        while "Server listening" not in self.log():
            if self.server.poll() is not None or time.monotonic() > end:
                raise OSError("sshd does not start: " + self.log())
            time.sleep(0.02)

    def log(self):
        with open(self.path("sshd.log"), errors="replace") as f:
            return f.read()

    def processes(self):
        return [p for p in (self.server, self.holder) if p is not None]

    def end(self):
        for p in self.processes():
            p.terminate()
            p.wait()

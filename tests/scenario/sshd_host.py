"""A host with a real sshd and lockstepd, without a machine of its own: mounts
and processes of its own, /etc copied, users by libnss-extrausers.

    host = Host(t, node)       before the node is started, which is then there
    host.start()               its sshd
    host.run("id", "ann")      as root on that host
    sftp(host, key, "ann", "pwd")
"""

import glob
import os
import shutil
import signal
import socket
import subprocess

import paramiko

from lockstep import (BUILD, PORT, ROOT, Failed, Skipped, check, descendants,
                      wait_for)

SSHD_PORT = 2222
# What sshd runs has to be in folders that only root can write to.
PROGRAMS = "/opt"
SETUP = """set -e
mount --bind "$0/etc" /etc
mount --bind "$0/srv" /srv
mount --bind "$0/run" /run
mount --bind "$0/extrausers" /var/lib/extrausers
mount --bind "$0/opt" /opt
: > "$0/ready"
exec sleep 1000000
"""


def need_sshd():
    """Skips where a host cannot be had."""
    if os.geteuid() != 0:
        raise Skipped("only root can give users to a host")
    for path, package in (
            ("/usr/sbin/sshd", "openssh-server"),
            ("/usr/lib/libnss_extrausers.so.2", "libnss-extrausers")):
        if not glob.glob(path):
            raise Skipped("%s is not installed" % package)
    p = subprocess.run(["unshare", "-m", "-p", "--fork", "--mount-proc",
                        "mount", "--bind", "/opt", "/opt"],
                       stderr=subprocess.PIPE, text=True)
    if p.returncode != 0:
        raise Skipped("no mounts of one's own here: " + p.stderr.strip())


class Host:
    programs = ("lockstep-openssh", "lockstep-authorized-keys")

    def __init__(self, t, node, config="", lan=None):
        if lan is not None:
            node.address = lan.next_address()
            node.listen = "0.0.0.0:%d" % PORT
        self.node, self.address = node, node.address
        self.directory = os.path.join(t.directory, node.name + ".host")
        self.server = None
        for part in "srv", "run/sshd", "extrausers", "opt":
            os.makedirs(self.path(part))
        shutil.copytree("/etc", self.path("etc"), symlinks=True,
                        ignore_dangling_symlinks=True)
        for program in self.programs:
            shutil.copy(os.path.join(BUILD, program), self.path("opt"))
        self.write_configuration(config)
        self.holder = subprocess.Popen(
            ["unshare", "-m", "-p", *(["-n"] if lan else []), "--fork", "--kill-child", "--mount-proc",
             "--propagation", "private", "sh", "-c", SETUP, self.directory])
        t.ending.callback(self.end)
        wait_for(lambda: os.path.exists(self.path("ready")), 10, "the host")
        with open("/proc/%d/task/%d/children" %
                  (self.holder.pid, self.holder.pid)) as f:
            self.init = f.read().split()[0]
        self.prefix = ["nsenter", "-t", self.init, "-m", "-p"]
        if lan is not None:
            self.prefix.append("-n")
            # Its local administrator comes from there, too.
            node.cli_prefix = ["nsenter", "-t", self.init, "-n"]
            lan.plug(self.init, self.address)
        # In time for its start: hooks act on this host then.
        node.prefix = self.prefix
        self.make_host_keys()

    def make_host_keys(self):
        self.run("ssh-keygen", "-A")

    def path(self, *parts):
        return os.path.join(self.directory, *parts)

    def write_configuration(self, config):
        with open(self.path("etc/nsswitch.conf"), "w") as f:
            f.write("passwd: files extrausers\ngroup: files extrausers\n"
                    "shadow: files extrausers\nhosts: files\n")
        folder = self.path("etc/lockstep")
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(os.path.join(folder, "hooks.d"))
        with open(os.path.join(folder, "openssh.conf"), "w") as f:
            f.write("database = %s\n%s" % (self.node.live(), config))
        os.symlink(PROGRAMS + "/lockstep-openssh",
                   os.path.join(folder, "hooks.d/50-openssh"))
        shipped = os.path.join(ROOT, "contrib/openssh/sshd_config.d")
        with open(os.path.join(shipped, "lockstep.conf")) as f:
            text = f.read().replace("/usr/lib/lockstep", PROGRAMS)
        with open(self.path("etc/ssh/sshd_config.d/lockstep.conf"), "w") as f:
            f.write(text)

    def run(self, *command, expect=0, input=None):
        p = subprocess.run([*self.prefix, *command], text=True,
                           input=input or "", stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT)
        check(expect is None or p.returncode == expect,
              lambda: "%s: exit %d\n%s" % (" ".join(command), p.returncode,
                                           p.stdout))
        return p.stdout

    def start(self):
        with open(self.path("server.log"), "ab") as log:
            self.server = subprocess.Popen(
                [*self.prefix, "/usr/sbin/sshd", "-D", "-e", "-o",
                 "ListenAddress=%s:%d" % (self.address, SSHD_PORT), "-o",
                 "PidFile=none", "-o", "LogLevel=VERBOSE"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_for(self.listens, 20, "sshd of %s listens" % self.node.name)

    def listens(self):
        check(self.server.poll() is None, self.log)
        return "Server listening" in self.log()

    def stop(self):
        """Ends its SFTP server as a service manager does, and its log."""
        for pid in descendants(self.server.pid)[:1]:
            os.kill(pid, signal.SIGTERM)
        self.server.wait()
        open(self.path("server.log"), "w").close()

    def log(self):
        with open(self.path("server.log"), errors="replace") as f:
            return f.read()

    def passwd(self):
        try:
            with open(self.path("extrausers/passwd")) as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def in_effect(self):
        """Whether its hooks have done what they had to."""
        return all(d["in_effect"] for d in
                   self.node.cli("hook", "list")["datasets"])

    def end(self):
        try:
            self.node.stop()
        finally:
            # Its first process takes all others with it.
            self.holder.kill()
            self.holder.wait()
            if self.server is not None:
                self.server.wait()


def cluster_of(t, make, names, lan):
    """A cluster of hosts that MAKE (Host) makes; the first is the primary's."""
    nodes = [t.node(name, start=False) for name in names]
    hosts = [make(t, node, lan=lan) for node in nodes]
    for node in nodes:
        node.start()
    for node in nodes[1:]:
        nodes[0].cli("server", "add", node.address, "--name", node.name,
                     "--password-file", node.password_file(),
                     "--fingerprint", node.fingerprint())
    nodes[0].cli("sync", "config", "--instant", "yes")
    for host in hosts:
        wait_for(host.in_effect, 20, "in effect")
        host.start()
    return hosts


def put_into_effect(hosts):
    """What was changed is pushed, and every hook has done its work."""
    hosts[0].node.cli("sync", "now", "--wait")
    wait_for(lambda: all(host.in_effect() for host in hosts), 20, "in effect")


def make_key(t, name):
    """A fresh key's path."""
    path = os.path.join(t.directory, name)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path,
                    "-C", name], check=True)
    return path


def password_login(host, user, password):
    """Whether that password is taken."""
    with socket.create_connection((host.address, SSHD_PORT), 60) as s:
        transport = paramiko.Transport(s)
        try:
            transport.start_client(timeout=60)
            transport.auth_password(user, password)
            return transport.is_authenticated()
        except paramiko.AuthenticationException:
            return False
        finally:
            transport.close()


def sftp_command(host, key, user):
    return ["sftp", "-q", "-P", str(SSHD_PORT), "-F", "none",
            "-o", "IdentityFile=" + key, "-o", "IdentitiesOnly=yes",
            "-o", "StrictHostKeyChecking=no", "-o", "BatchMode=yes",
            "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR",
            "-b", "-", "%s@%s" % (user, host.address)]


def sftp(host, key, user, batch="pwd\n"):
    """What a batch of sftp gives; None when the login is refused."""
    p = subprocess.run(sftp_command(host, key, user), input=batch, text=True,
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if p.returncode == 0:
        return p.stdout
    if "Permission denied (" in p.stderr or "closed" in p.stderr.lower():
        return None
    raise Failed("sftp: %s\n%s" % (p.stderr, host.log()[-2000:]))


class Session:
    """An open session of sftp; it holds until it is ended."""

    def __init__(self, t, host, key, user):
        command = sftp_command(host, key, user)
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True,
                                        stderr=subprocess.PIPE)
        t.ending.callback(self.end)
        self.process.stdin.write("pwd\n")
        self.process.stdin.flush()
        check(self.process.stdout.readline(), "no prompt")
        answer = self.process.stdout.readline()
        check("working directory" in answer, lambda: answer + host.log())

    def is_open(self):
        """Whether sftp still has its ssh."""
        return any(self.is_alive(p) for p in descendants(self.process.pid))

    @staticmethod
    def is_alive(pid):
        try:
            with open("/proc/%d/stat" % pid) as f:
                return f.read().rpartition(")")[2].split()[0] != "Z"
        except OSError:
            return False

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

"""The peer: rsync over a kept ssh connection, in its best case.

An sshd of our own on a loopback port (or in a network namespace), a master
connection that is opened once, and rsync through it.  It neither checks what
arrived nor waits for the disk.
"""

import os
import subprocess
import time

PORT = 14984


class Peer:
    def __init__(self, directory, address, server_prefix=(),
                 client_prefix=()):
        self.directory = os.path.join(directory, "peer")
        self.address = address
        self.client_prefix = list(client_prefix)
        self.target = os.path.join(self.directory, "target")
        os.makedirs(self.target)
        for name in "host", "login":
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "",
                            "-f", self.path(name)], check=True)
        with open(self.path("sshd_config"), "w") as f:
            f.write("ListenAddress %s:%d\nHostKey %s\n"
                    "AuthorizedKeysFile %s\nStrictModes no\nUsePAM no\n"
                    "PermitRootLogin yes\nPasswordAuthentication no\n"
                    "KbdInteractiveAuthentication no\nPidFile none\n"
                    "UseDNS no\n" % (address, PORT, self.path("host"),
                                     self.path("login.pub")))
        if os.geteuid() == 0:
            os.makedirs("/run/sshd", exist_ok=True)
        self.log = open(self.path("log"), "wb")
        self.server = subprocess.Popen(
            [*server_prefix, "/usr/sbin/sshd", "-D", "-e", "-f",
             self.path("sshd_config")], stdin=subprocess.DEVNULL,
            stdout=self.log, stderr=self.log)
        self.ssh = ["ssh", "-F", "none", "-S", self.path("s"), "-p",
                    str(PORT), "-i", self.path("login"), "-o",
                    "IdentitiesOnly=yes", "-o", "IdentityAgent=none", "-o",
                    "StrictHostKeyChecking=no", "-o", "BatchMode=yes", "-o",
                    "UserKnownHostsFile=" + self.path("known_hosts")]
        self.open_master()

    def path(self, name):
        return os.path.join(self.directory, name)

    def open_master(self):
        end = time.monotonic() + 20
        while True:
            p = subprocess.run(
                [*self.client_prefix, *self.ssh, "-M", "-N", "-f",
                 self.address], stdin=subprocess.DEVNULL, stdout=self.log,
                stderr=self.log)
            if p.returncode == 0:
                return
            if time.monotonic() > end:
                with open(self.path("log")) as f:
                    raise RuntimeError("no ssh to the peer:\n" + f.read())
            time.sleep(0.1)

    def rsync(self, source, *options):
        """Milliseconds to bring SOURCE into the target folder."""
        words = [*self.client_prefix, "rsync", "-t", *options, "-e",
                 " ".join(self.ssh), source,
                 "%s:%s/" % (self.address, self.target)]
        began = time.monotonic()
        subprocess.run(words, check=True, stdin=subprocess.DEVNULL)
        return (time.monotonic() - began) * 1000

    def change(self, source):
        """What changed of a file that is there already."""
        return self.rsync(source, "--inplace", "--no-whole-file")

    def overwrite(self, source):
        """The whole file, to where there is none."""
        there = os.path.join(self.target, os.path.basename(source))
        if os.path.exists(there):
            os.unlink(there)
        return self.rsync(source, "--whole-file", "--inplace")

    def close(self):
        subprocess.run([*self.client_prefix, *self.ssh, "-O", "exit",
                        self.address], stdout=self.log, stderr=self.log)
        self.server.terminate()
        self.server.wait()
        self.log.close()

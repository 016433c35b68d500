"""SFTP clients that administrators have, each behind the same few verbs:

    list(path)            the names there
    get(path, to)         fetch a file
    put(file, path)       store a file
    ask(request)          put a request into /control, get the reply
    forbidden(act, ...)   the very refusal

A failing verb raises Failed with what the client said.
"""

import http.client
import json
import os
import shutil
import subprocess

import paramiko

from admin import Admin
from lockstep import PORT, SLOW, Failed, Skipped, wait_for


def scan_host_key(node, path):
    """Pins the node's key in a known_hosts file of its own, as read from the
    node's own state directory."""
    p = subprocess.run(["ssh-keygen", "-y", "-f",
                        node.path("keys", "host_key")],
                       capture_output=True, text=True, check=True)
    with open(path, "w") as f:
        f.write("[%s]:%d %s\n" % (node.address, PORT,
                                  " ".join(p.stdout.split()[:2])))


RCLONE_PORT = 5572  # its usual one


class Client:
    program = None

    def __init__(self, node, directory, user, key):
        if self.program and not shutil.which(self.program):
            raise Skipped("%s is not installed" % self.program)
        self.node, self.directory = node, directory
        self.user, self.key = user, key
        self.known_hosts = os.path.join(directory, "known_hosts")
        scan_host_key(node, self.known_hosts)

    def scratch(self, name):
        return os.path.join(self.directory, "%s-%s" % (self.name, name))

    def execute(self, words, input=None):
        p = subprocess.run(words, input=input, capture_output=True,
                           text=True, timeout=120 * SLOW, cwd=self.directory,
                           env=dict(os.environ, HOME=self.directory))
        if p.returncode != 0:
            raise Failed("%s exits %d: %s%s" % (
                words[0], p.returncode, p.stdout, p.stderr))
        return p.stdout

    def ssh_options(self):
        return ["-F", "none", "-i", self.key, "-o", "IdentitiesOnly=yes",
                "-o", "IdentityAgent=none", "-o", "BatchMode=yes", "-o",
                "StrictHostKeyChecking=yes", "-o",
                "UserKnownHostsFile=" + self.known_hosts, "-o",
                "GlobalKnownHostsFile=none"]

    def request_file(self, request):
        path = self.scratch("request.json")
        with open(path, "w") as f:
            json.dump(request, f)
        return path

    def reply_of(self, path):
        with open(path) as f:
            return [json.loads(line) for line in f if line.strip()][-1]


class OpenSSH(Client):
    name, program = "sftp", "sftp"

    def batch(self, *lines):
        return self.execute(
            ["sftp", "-b", "-", *self.ssh_options(), "-P", str(PORT),
             "%s@%s" % (self.user, self.node.address)],
            "".join(line + "\n" for line in lines))

    def list(self, path):
        out = self.batch("ls -1 " + path)
        return {os.path.basename(line.strip()) for line in out.splitlines()
                if line and not line.startswith("sftp>")}

    def get(self, path, to):
        self.batch("get %s %s" % (path, to))

    def put(self, file, path):
        self.batch("put %s %s" % (file, path))

    def ask(self, request):
        reply = self.scratch("reply")
        self.batch("put %s /control" % self.request_file(request),
                   "get /control %s" % reply)
        return self.reply_of(reply)

    def remove(self, path):
        self.batch("rm " + path)

    def make_folder(self, path):
        self.batch("mkdir " + path)

    def rename(self, path, to):
        self.batch("rename %s %s" % (path, to))


class Lftp(Client):
    name, program = "lftp", "lftp"

    def script(self, *lines):
        connect = "ssh -a -x -p %d %s" % (PORT, " ".join(self.ssh_options()))
        return self.execute(["lftp", "--norc", "-c", "; ".join([
            "set cmd:fail-exit yes", "set net:max-retries 1",
            "set net:timeout 60", "set xfer:clobber yes",
            "set sftp:connect-program '%s'" % connect,
            "open -u %s,x sftp://%s:%d" % (self.user, self.node.address,
                                           PORT), *lines])])

    def list(self, path):
        return {os.path.basename(line.rstrip("/"))
                for line in self.script("cls -1 " + path).splitlines()}

    def get(self, path, to):
        self.script("get %s -o %s" % (path, to))

    def put(self, file, path):
        self.script("put %s -o %s" % (file, path))

    def ask(self, request):
        reply = self.scratch("reply")
        self.script("put %s -o /control" % self.request_file(request),
                    "get /control -o %s" % reply)
        return self.reply_of(reply)

    def remove(self, path):
        self.script("rm " + path)

    def make_folder(self, path):
        self.script("mkdir " + path)

    def rename(self, path, to):
        self.script("mv %s %s" % (path, to))


class Rclone(Client):
    name, program = "rclone", "rclone"

    def remote(self, path):
        return ":sftp,host=%s,port=%d,user=%s,key_file='%s'," \
            "known_hosts_file='%s',shell_type=none,disable_hashcheck=true," \
            "concurrency=4:%s" % (self.node.address, PORT, self.user,
                                  self.key, self.known_hosts, path)

    def rclone(self, *words):
        return self.execute(["rclone", "--config", "/dev/null", "--retries",
                             "1", "--low-level-retries", "1", *words])

    def list(self, path):
        return {line.rstrip("/") for line in
                self.rclone("lsf", self.remote(path)).splitlines()}

    def get(self, path, to):
        self.rclone("copyto", self.remote(path), to)

    def put(self, file, path):
        # What is read back is the reply, of another size and time.
        self.rclone("copyto", "--ignore-size", "--ignore-times",
                    "--no-check-dest", file, self.remote(path))

    def ask(self, request):
        """Two copies in one process, so over one connection."""
        reply = self.scratch("reply")
        if os.path.exists(reply):
            os.unlink(reply)
        self.put_and_get(self.request_file(request), reply)
        return self.reply_of(reply)

    def put_and_get(self, file, reply):
        # The address is this test's alone.
        place = "%s:%d" % (self.node.address, RCLONE_PORT)
        server = subprocess.Popen(
            ["rclone", "--config", "/dev/null", "rcd", "--rc-no-auth",
             "--rc-addr", place, "--retries", "1",
             "--low-level-retries", "1", "--ignore-size", "--ignore-times",
             "--no-check-dest"], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env=dict(os.environ, HOME=self.directory))
        try:
            self.copy_by(place, os.path.dirname(file), os.path.basename(file),
                         self.remote("/"), "control")
            self.copy_by(place, self.remote("/"), "control",
                         os.path.dirname(reply), os.path.basename(reply))
        finally:
            server.kill()
            server.wait()

    def copy_by(self, place, source, name, target, new_name):
        connection = http.client.HTTPConnection(place, timeout=120 * SLOW)

        def connected():
            try:
                connection.connect()
                return True
            except OSError:
                return False
        wait_for(connected, 10, "rclone rcd answers")
        connection.request("POST", "/operations/copyfile", json.dumps({
            "srcFs": source, "srcRemote": name, "dstFs": target,
            "dstRemote": new_name}), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        if answer.status != 200:
            raise Failed("rclone: " + text)

    def remove(self, path):
        self.rclone("deletefile", self.remote(path))

    def make_folder(self, path):
        self.rclone("mkdir", self.remote(path))

    def rename(self, path, to):
        self.rclone("moveto", self.remote(path), self.remote(to))


class Paramiko(Client):
    name = "paramiko"

    def __init__(self, *args):
        super().__init__(*args)
        self.admin = Admin(self.node, self.user, self.key)

    def wrap(self, function, *args):
        try:
            return function(*args)
        except (OSError, paramiko.SSHException) as why:
            raise Failed(str(why))

    def list(self, path):
        return set(self.wrap(self.admin.sftp.listdir, path))

    def get(self, path, to):
        self.wrap(self.admin.sftp.get, path, to)

    def put(self, file, path):
        self.wrap(lambda: self.admin.sftp.put(file, path, confirm=False))

    def ask(self, request):
        with open(self.request_file(request), "rb") as source:
            with self.admin.sftp.open("/control", "wb") as f:
                f.write(source.read())
        reply = self.scratch("reply")
        with open(reply, "wb") as f:
            f.write(self.admin.read("/control"))
        return self.reply_of(reply)

    def remove(self, path):
        self.wrap(self.admin.sftp.remove, path)

    def make_folder(self, path):
        self.wrap(self.admin.sftp.mkdir, path)

    def rename(self, path, to):
        self.wrap(self.admin.sftp.rename, path, to)


ALL = [OpenSSH, Lftp, Rclone, Paramiko]

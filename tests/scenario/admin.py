"""The admin port as any SFTP client sees it, here paramiko.

    with Admin(node) as admin:            # its local administrator
        admin.read("/status.json")
        admin.control("user list")

Also a recording SSH server, which accepts every connection and writes down
what it was asked for.
"""

import json
import logging
import os
import socket
import subprocess
import threading

import paramiko

from lockstep import PATIENCE, PORT, SLOW, Failed

logging.getLogger("paramiko").addHandler(logging.NullHandler())
logging.getLogger("paramiko").propagate = False


class Refused(Failed):
    """A command that the node refused, with its error."""

    def __init__(self, error):
        super().__init__("%(code)s: %(message)s" % error)
        self.error = error
        self.code = error["code"]


class Admin:
    def __init__(self, node, user="local", key=None, password=None,
                 source=None):
        """KEY is a path; the local administrator's when neither is given."""
        if key is None and password is None:
            key = node.path("local-admin-key")
        sock = socket.create_connection(
            (node.address, PORT), PATIENCE * SLOW,
            (source, 0) if source else None)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.transport = paramiko.Transport(sock)
        try:
            self.transport.start_client(timeout=PATIENCE * SLOW)
            if key is not None:
                self.transport.auth_publickey(
                    user, paramiko.Ed25519Key.from_private_key_file(key))
            else:
                self.transport.auth_password(user, password)
            self.sftp = paramiko.SFTPClient.from_transport(self.transport)
        except Exception:
            self.transport.close()
            raise

    def close(self):
        self.transport.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def read(self, path):
        with self.sftp.open(path, "rb") as f:
            return f.read()

    def control(self, command, progress=None, **args):
        """Runs a command and returns its result."""
        with self.sftp.open("/control", "r+b", 0) as f:
            f.write(json.dumps({"command": command, "args": args}))
            data, at = b"", 0
            while True:
                f.seek(at)
                piece = f.read(65536)
                if not piece:
                    raise Failed("%s: no answer" % command)
                at += len(piece)
                data += piece
                while b"\n" in data:
                    line, data = data.split(b"\n", 1)
                    if not line.strip():
                        continue
                    line = json.loads(line)
                    if "result" in line:
                        return line["result"]
                    if "error" in line:
                        raise Refused(line["error"])
                    if progress is not None:
                        progress.append(line["progress"])

    def server(self, name):
        for s in self.control("server list")["servers"]:
            if s["name"] == name:
                return s
        raise Failed("%s is not listed" % name)


def make_key(path):
    """An Ed25519 key pair at PATH and PATH.pub; the public line."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f",
                    path, "-C", os.path.basename(path)], check=True)
    with open(path + ".pub") as f:
        return f.read().strip()


class RecordingServer(paramiko.ServerInterface):
    """An SSH server with a key of its own that refuses every login and
    remembers each attempt."""

    def __init__(self, address, key_path):
        make_key(key_path)
        self.key = paramiko.Ed25519Key.from_private_key_file(key_path)
        self.attempts = []
        self.connections = 0
        self.socket = socket.create_server((address, PORT))
        self.transports = []
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            self.connections += 1
            transport = paramiko.Transport(client)
            self.transports.append(transport)
            transport.add_server_key(self.key)
            try:
                transport.start_server(server=self)
            except (paramiko.SSHException, EOFError):
                pass

    def close(self):
        self.socket.close()
        for transport in self.transports:
            transport.close()

    def get_allowed_auths(self, username):
        return "password,publickey"

    def refuse(self, *attempt):
        self.attempts.append(attempt)
        return paramiko.AUTH_FAILED

    def check_auth_none(self, username):
        return self.refuse("none", username)

    def check_auth_password(self, username, password):
        return self.refuse("password", username, password)

    def check_auth_publickey(self, username, key):
        return self.refuse("publickey", username)

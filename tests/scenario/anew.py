"""A node whose host was installed anew: nothing is left of it but its address
and its name."""

import os
import shutil


def reinstall(node, keep_host_key=False):
    node.stop()
    key = node.path("keys", "host_key")
    kept = open(key, "rb").read() if keep_host_key else None
    shutil.rmtree(node.directory)
    os.makedirs(node.path("keys") if kept else node.directory, 0o700)
    if kept:
        with open(os.open(key, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as f:
            f.write(kept)
    node.start()

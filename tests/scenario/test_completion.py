#!/usr/bin/python3
"""Completion: what may follow, in the words of the program and in the shells."""

import os
import shlex
import shutil
import signal
import subprocess

from lockstep import (LOCKSTEP, PATIENCE, SLOW, check, in_one_of, run, run_cli,
                      same, scenario)
from terminal_line import Terminal

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
SCRIPTS = os.path.join(ROOT, "contrib/completion")


def offers(*words):
    """The kind, and the values that are offered for the last of WORDS."""
    reply = run_cli("__complete", *words)
    same(reply.code, 0, "exit code")
    lines = reply.out.splitlines()
    return lines[0] if lines else "", [l.split("\t")[0] for l in lines[1:]]


def offered(words, found):
    """What is offered for the last of WORDS has to be FOUND.  The node is not
    waited for longer than a user would; a busy machine takes longer."""
    in_one_of(20, lambda: same(offers(*words), found, "offers"))


def among(word, *words):
    """WORD is among what is offered for the last of WORDS."""
    in_one_of(20, lambda: check(word in offers(*words)[1], words))


@scenario
def words_of_the_tables_are_completed(t):
    cases = [
        (["us"], "words", ["user"]),
        (["--js"], "words", ["--json"]),
        (["--json", "us"], "words", ["user"]),
        (["help", "us"], "words", ["user"]),
        (["user", "key", ""], "words", ["add", "list", "remove"]),
        (["user", "pa"], "words", ["passwd"]),
        (["user", "add", "--pass"], "words",
         ["--password-file", "--password-hash-file"]),
        (["user", "add", "--uid", "1", "--ui"], "words", []),
        (["group", "set", "--add", "a", "--ad"], "words", ["--add"]),
        (["sync", "config", "--enabled", ""], "words", ["yes", "no"]),
        (["sync", "config", "--enabled=n"], "words", ["--enabled=no"]),
        (["ipfilter", "add", ""], "words", ["allow", "deny"]),
        (["ipfilter", "add", "deny", "::", "--scope", "b"], "words", ["both"]),
        (["dataset", "capture", "x", "of"], "words", ["off"]),
        (["firewall", ""], "words", ["matrix"]),
        (["user", "add", "ann", "--password-file", ""], "files", []),
        (["user", "key", "add", "ann", ""], "files", []),
        (["backup", "restore", ""], "files", []),
        (["--state-dir", ""], "folders", []),
        (["--plain", "s"], "words", ["servers", "settings"]),
        (["--plain=o"], "words", ["--plain=overview"]),
        (["user", "show", "--", "--"], "words", []),
        (["nonsense", ""], "", []),
        (["status", "one", "word", "too", "many", ""], "", []),
        ([], "", []),
    ]
    for words, kind, values in cases:
        with t.promise("%r" % words):
            # No node is there to be asked.
            same(offers("--state-dir", t.directory, *words) if words else
                 offers(), (kind, values), "offers")


@scenario
def names_are_those_of_the_local_node(t):
    cluster = t.cluster(1)
    node = cluster.primary
    here = ["--state-dir", node.directory]
    for name in "ann", "anton", "bob":
        node.cli("user", "add", name)
    node.cli("group", "add", "staff")
    node.cli("folder", "add", "/in", "/srv/in", "--user", "ann",
             "--permissions", "read")
    with t.promise("users"):
        offered([*here, "user", "show", ""],
                ("words", ["ann", "anton", "bob"]))
        offered([*here, "user", "show", "an"], ("words", ["ann", "anton"]))
    with t.promise("users in a list"):
        offered([*here, "group", "set", "staff", "--add", "bob,an"],
                ("words", ["bob,ann", "bob,anton"]))
    with t.promise("no name for what is made new"):
        same(offers(*here, "user", "add", ""), ("words", []), "offers")
    with t.promise("servers, but not the primary itself"):
        offered([*here, "server", "pause", ""],
                ("words", [cluster.secondaries[0].name]))
    with t.promise("datasets, groups, folders, administrators"):
        among("config", *here, "dataset", "show", "")
        offered([*here, "group", "remove", ""], ("words", ["staff"]))
        in_one_of(20, lambda: check(
            offers(*here, "folder", "set", "")[1] != [], "folders"))
        among("admin", *here, "admin", "passwd", "")
    with t.promise("a name that would drive the terminal is not offered, a "
                   "comment is escaped"):
        with node.database() as db:
            db.execute("PRAGMA ignore_check_constraints = ON")
            db.execute("UPDATE users SET name = ? WHERE name = 'bob'",
                       ("bob\x1b[2J\tx\ny",))
            db.execute("UPDATE users SET comment = ? WHERE name = 'ann'",
                       ("\x1b]0;x\x07\n",))
        offered([*here, "user", "show", ""], ("words", ["ann", "anton"]))
        reply = run_cli("__complete", *here, "user", "show", "")
        check("\x1b" not in reply.out and "\x07" not in reply.out, reply.out)
    with t.promise("a remote node is not asked, since it wants a password"):
        same(offers(*here, "--connect", node.address, "user", "show", ""),
             ("words", []), "offers")
    with t.promise("a node that does not answer is not waited for"):
        os.kill(node.pid(), signal.SIGSTOP)
        try:
            same(offers(*here, "user", "show", ""), ("words", []), "offers")
        finally:
            os.kill(node.pid(), signal.SIGCONT)


def in_bash(line):
    """What the script offers in bash for LINE, its words split as readline
    splits them: at blanks, and at "=" and ":"."""
    words = []
    for part in line.split(" "):
        piece = ""
        for c in part:
            if c in "=:" and piece and piece[-1] not in "=:" or (
                    c not in "=:" and piece and piece[-1] in "=:"):
                words.append(piece)
                piece = ""
            piece += c
        words.append(piece)
    script = ("source %s/lockstep.bash; COMP_WORDS=(%s); COMP_CWORD=%d; "
              "COMP_LINE=%s; COMP_POINT=%d; _lockstep lockstep; "
              "((${#COMPREPLY[@]} == 0)) || printf '%%s\\n' "
              "\"${COMPREPLY[@]}\"" % (
                  shlex.quote(SCRIPTS), " ".join(map(shlex.quote, words)),
                  len(words) - 1, shlex.quote(line), len(line)))
    p = subprocess.run(["bash", "--norc", "-c", script], env=environment(),
                       capture_output=True, text=True, timeout=PATIENCE * SLOW)
    return p.stdout.splitlines()


def environment():
    path = os.path.dirname(LOCKSTEP) + ":" + os.environ["PATH"]
    return dict(os.environ, PATH=path, TERM="dumb", PS1="$ ", INPUTRC="/dev/null",
                LC_ALL="C.UTF-8")


@scenario
def bash_offers_what_the_program_does(t):
    cases = [
        ("lockstep ser", ["server"]),
        ("lockstep user key ", ["add", "list", "remove"]),
        ("lockstep sync config --enabled=", ["yes", "no"]),
        ("lockstep sync config --enabled=n", ["no"]),
        ("lockstep --fingerprint SHA256:abc= us", ["user"]),
        ("lockstep doctor host:22 --js", ["--json"]),
        ("lockstep nonsense x", []),
    ]
    for line, values in cases:
        with t.promise("%r" % line):
            same(in_bash(line), values, "offers")


@scenario
def bash_completes_what_is_typed(t):
    os.mkdir(os.path.join(t.directory, "folder"))
    with open(os.path.join(t.directory, "key-of-ann.pub"), "w") as f:
        f.write("")
    shell = Terminal("bash", "--norc", "--noprofile", "-i",
                     environment=environment())
    try:
        shell.type("cd %s; source %s/lockstep.bash; echo re''ady\n" %
                   (shlex.quote(t.directory), shlex.quote(SCRIPTS)), "ready")
        with t.promise("a noun, a verb and an option"):
            shell.type("lockstep serv\t", "server ")
            shell.type("overw\t", "overwrite ")
            shell.type("--no-i\t", "--no-input ")
        with t.promise("a value behind ="):
            shell.type("\x15lockstep sync config --enabled=y\t", "=yes ")
        with t.promise("a file"):
            shell.type("\x15lockstep user key add ann key-o\t",
                       "key-of-ann.pub ")
        with t.promise("a folder"):
            shell.type("\x15lockstep --state-dir fol\t", "folder")
    finally:
        shell.end()


@scenario
def other_shells_can_read_their_scripts(t):
    """Those that are installed: a test needs none but bash."""
    for shell, option, script in (("zsh", "-n", "_lockstep"),
                                  ("fish", "--no-execute", "lockstep.fish")):
        if shutil.which(shell) is None:
            continue
        with t.promise("%s reads %s" % (shell, script)):
            subprocess.run([shell, option, os.path.join(SCRIPTS, script)],
                           check=True, timeout=PATIENCE * SLOW)


if __name__ == "__main__":
    run()

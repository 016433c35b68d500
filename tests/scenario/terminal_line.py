"""A program on a terminal of its own, typed to line by line: what asks only
where somebody can answer.  Whole screens are tests/curses/terminal.py's."""

import os
import pty
import select
import signal

from lockstep import PATIENCE, SLOW, Failed


class Terminal:
    def __init__(self, *command, environment=None):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvpe(command[0], command, environment or os.environ)
        self.text = ""

    def type(self, text, expected):
        """Types TEXT and waits until EXPECTED follows."""
        self.text = ""
        os.write(self.fd, text.encode())
        while expected not in self.text:
            ready = select.select([self.fd], [], [], PATIENCE * SLOW)[0]
            data = os.read(self.fd, 4096) if ready else b""
            if not data:
                raise Failed("%r did not give %r but %r" %
                             (text, expected, self.text))
            self.text += data.decode(errors="replace")

    def end(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.fd)

"""Runs a command on a terminal of its own, types a line when the echo is off, and prints what the terminal showed."""

import os
import pty
import sys
import termios
import time

LIMIT = 20

line, command = sys.argv[1], sys.argv[2:]
pid, terminal = pty.fork()
if pid == 0:
    os.execv(command[0], command)

end = time.monotonic() + LIMIT
while termios.tcgetattr(terminal)[3] & termios.ECHO:
    if time.monotonic() > end:
        sys.exit("the echo was never turned off")
    time.sleep(0.005)
os.write(terminal, line.encode() + b"\n")

shown = b""
while True:
    try:
        part = os.read(terminal, 4096)
    except OSError:  # Linux's way to say that the program has closed its side
        break
    if not part:
        break
    shown += part
_, status = os.waitpid(pid, 0)
sys.stdout.write(shown.decode())
sys.exit(os.waitstatus_to_exitcode(status))

"""Another user's process, which tries to reach a socket: `strangers.py PATH`."""

import os
import socket
import sys

NOBODY = 65_534

if __name__ == "__main__":
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)
    try:
        socket.socket(socket.AF_UNIX).connect(sys.argv[1])
    except PermissionError:
        sys.exit("refused")
    sys.exit("connected")

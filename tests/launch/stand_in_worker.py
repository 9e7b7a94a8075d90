"""A worker without gRPC: it takes the introduction, announces itself, and does as it is told."""

# ruff: noqa: T201 (it starts what it was told, and its output is what is tested)

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, NoReturn

ANNOUNCE = int(sys.argv[sys.argv.index("--announce-fd") + 1])
INHERITED = [number for number in range(64) if Path(f"/proc/self/fd/{number}").exists()]
DAEMON = """
import os, signal
os.setsid()
if os.fork() == 0:
    print(os.getpid(), flush=True)
    signal.pause()
"""


def main() -> None:
    mode = os.environ.get("STAND_IN_MODE", sys.argv[1])
    introduction = json.loads(sys.stdin.readline())
    before_contact(mode, introduction)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(introduction["socket_path"])
    listener.listen()
    announce(introduction, **({"nonce": "another"} if mode == "wrong-nonce" else {}))
    after_contact(mode)
    sys.stdin.read()


def before_contact(mode: str, introduction: dict[str, Any]) -> None:
    match mode:
        case "silent":
            wait_for_ever()
        case "exits":
            print("this is why", flush=True)
            sys.exit(7)
        case "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        case "closes":
            os.close(ANNOUNCE)
            wait_for_ever()
        case "babbles":
            os.write(ANNOUNCE, b"hello\n")
            wait_for_ever()
        case "deaf":
            announce(introduction)
            wait_for_ever()
        case "wrapper":
            arguments = [sys.executable, __file__, "serve", "--announce-fd", str(ANNOUNCE)]
            child = subprocess.Popen(arguments, stdin=subprocess.PIPE, pass_fds=(ANNOUNCE,))
            child.communicate(json.dumps(introduction).encode() + b"\n")
        case _:
            return


def after_contact(mode: str) -> None:
    match mode:
        case "prints":
            print(*range(300), sep="\n")
            print("and no newline", end="", file=sys.stderr, flush=True)
        case "tells":
            told = {"argv": sys.argv, "environment": dict(os.environ), "inherited": INHERITED}
            print(json.dumps(told), flush=True)
        case "ends":
            sys.stdin.read()
            print("a last word", flush=True)
            sys.exit(5)
        case "stubborn":
            wait_for_ever()
        case "holds-gil":
            print("held", flush=True)
            ctypes.PyDLL(None).usleep(60_000_000)
        case "stops":
            os.kill(os.getpid(), signal.SIGSTOP)
        case "has-daemon":
            start_daemon()
        case _:
            return


def announce(introduction: dict[str, Any], **changed: object) -> None:
    line = {
        "protocol": 1,
        "pid": os.getpid(),
        "address": f"unix:{introduction['socket_path']}",
        "nonce": introduction["nonce"],
        "capacity": 1,
        "python": sys.executable,
        **changed,
    }
    os.write(ANNOUNCE, json.dumps(line).encode() + b"\n")
    os.close(ANNOUNCE)


def start_daemon() -> None:
    """Starts a process that leaves its session and its parent, and prints its process id."""
    subprocess.run([sys.executable, "-c", DAEMON], check=True)


def wait_for_ever() -> NoReturn:
    while True:
        threading.Event().wait()


if __name__ == "__main__":
    main()

"""The parent of all local workers: it starts, kills and reaps them, and ends them with the kernel.

Run by path, `python -I -S guardian.py SOCKET KERNEL_PID DIRECTORY...`, so it imports nothing but
the standard library. It has a single thread, because the system binds "die with your parent" to the
*thread* that forked. Orders and reports are JSON lines; descriptors travel beside the orders.
"""

import ctypes
import fcntl
import json
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

ENDING_SECONDS = 5.0
"""After that a process that even SIGKILL cannot end is left to the system."""
ROUND_MILLISECONDS = 20
PARENT_CHECK_MILLISECONDS = 500
Order = dict[str, Any]  # as JSON brings it
WORKER_ID_VARIABLE = "SNAKEPIT_WORKER_ID"
IGNORED_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE)
FIRST_FREE_DESCRIPTOR = 10  # the worker's own are 0 to 3
MOST_DESCRIPTORS = 64
CHUNK = 65536

SET_PDEATHSIG = 1
SET_CHILD_SUBREAPER = 36
PRCTL = getattr(ctypes.CDLL(None), "prctl", None)  # Linux only


def main() -> None:
    """Serves the kernel until it closes the socket or dies, then leaves nothing behind."""
    descriptor, kernel_pid = map(int, sys.argv[1:3])
    for number in IGNORED_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    if PRCTL is not None:
        PRCTL(SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    kernel = socket.fromfd(descriptor, socket.AF_UNIX, socket.SOCK_STREAM)
    os.close(descriptor)  # the copy, unlike this, is not inherited by workers
    guardian = Guardian(kernel, kernel_pid)
    try:
        guardian.serve()
    finally:
        guardian.end_all()
        for directory in sys.argv[3:]:
            remove_files(Path(directory))


class Guardian:
    """The table of workers, and the two ends of the talk with the kernel."""

    def __init__(self, kernel: socket.socket, kernel_pid: int) -> None:
        self._kernel = kernel
        self._kernel_pid = kernel_pid
        self._workers: dict[int, str] = {}  # by process id, until reaped: so no number is stale
        self._received = b""
        self._descriptors: list[int] = []
        self._unsent = b""
        self._wakeup = child_wakeup()
        self._kernel.settimeout(0)

    def serve(self) -> None:
        """Carries out orders and reports ends until the kernel is gone."""
        poller = select.poll()
        poller.register(self._wakeup, select.POLLIN)
        kernel_life = life_of(self._kernel_pid)
        if kernel_life is not None:
            poller.register(kernel_life, select.POLLIN)
        timeout = None if kernel_life is not None else PARENT_CHECK_MILLISECONDS
        while os.getppid() == self._kernel_pid:
            # A forked child of the kernel holds the socket open, so its end alone is not enough.
            poller.register(self._kernel, select.POLLIN | (select.POLLOUT if self._unsent else 0))
            events = dict(poller.poll(timeout))
            if kernel_life in events:
                return
            if self._wakeup in events:
                self._reap()
                self._kill_leftovers()
            if self._kernel.fileno() in events and not self._exchange():
                return

    def end_all(self) -> None:
        """Kills and reaps whatever descends from this process, daemons too."""
        poller = select.poll()
        poller.register(self._wakeup, select.POLLIN)
        deadline = time.monotonic() + ENDING_SECONDS
        while time.monotonic() < deadline:
            for pid in {*self._workers, *children()}:
                kill_with_group(pid)
            if not self._reap():
                break
            poller.poll(ROUND_MILLISECONDS)
        self._send()

    def _exchange(self) -> bool:
        """Sends and takes what is waiting. Tells whether the kernel still holds its end."""
        self._send()
        try:
            data, descriptors, _, _ = socket.recv_fds(self._kernel, CHUNK, MOST_DESCRIPTORS)
        except BlockingIOError:
            return True
        except OSError:
            return False
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)
            self._descriptors.append(descriptor)
        *lines, self._received = (self._received + data).split(b"\n")
        for line in lines:
            self._obey(json.loads(line))
        return bool(data)

    def _obey(self, order: Order) -> None:
        if order["order"] == "spawn":
            self._spawn(order)
        else:
            for pid, worker in self._workers.items():
                if worker == order["worker"]:
                    with suppress(OSError):
                        os.killpg(pid, order["signal"])

    def _spawn(self, order: Order) -> None:
        # Descriptors come with the first bytes of their order, so the oldest are its own.
        descriptors, self._descriptors = self._descriptors[:3], self._descriptors[3:]
        try:
            pid = start_process(order, descriptors)
        except StartError as error:
            self._report("spawn_failed", order["worker"], step=error.step, error=error.strerror)
        else:
            self._workers[pid] = order["worker"]
            self._report("spawned", order["worker"], pid=pid, start_ticks=start_ticks(pid))
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    def _reap(self) -> bool:
        """Reaps what has ended, and reports the workers among it. Tells whether a child is left."""
        with suppress(BlockingIOError):
            os.read(self._wakeup, CHUNK)
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            if pid in self._workers:
                self._take_leave(pid, os.waitstatus_to_exitcode(status), usage.ru_maxrss)

    def _take_leave(self, pid: int, code: int, peak: int) -> None:
        # A group's number is not given out again while one of its members lives.
        with suppress(OSError):
            os.killpg(pid, signal.SIGKILL)
        self._report(
            "exited",
            self._workers.pop(pid),
            pid=pid,
            exit_code=code if code >= 0 else None,
            signal=-code if code < 0 else None,
            peak_memory=peak if sys.platform == "darwin" else peak * 1024,
        )

    def _kill_leftovers(self) -> None:
        """Kills the processes that came to us when their worker, or a process of it, ended."""
        for pid in children():
            worker = worker_of(pid)
            if pid not in self._workers and worker and worker not in self._workers.values():
                kill_with_group(pid)

    def _report(self, report: str, worker: str, **details: object) -> None:
        self._unsent += json.dumps({"report": report, "worker": worker, **details}).encode() + b"\n"
        self._send()

    def _send(self) -> None:
        # A kernel that is gone or does not read must not hold up the killing: what is unsent waits.
        with suppress(OSError):
            while self._unsent:
                self._unsent = self._unsent[self._kernel.send(self._unsent) :]


class StartError(OSError):
    """A worker's process could not be started. `step` tells where: `fork`, `cwd` or `exec`."""

    def __init__(self, step: str, number: int) -> None:
        super().__init__(number, os.strerror(number))
        self.step = step


def start_process(order: Order, descriptors: list[int]) -> int:
    """Forks, and returns the process id once the new program runs."""
    guardian = os.getpid()
    complaint, complaint_end = os.pipe()
    try:
        pid = os.fork()
        if pid == 0:
            become_worker(order, descriptors, guardian, complaint_end)
    except OSError as error:
        os.close(complaint)
        raise StartError("fork", error.errno or 0) from error
    finally:
        os.close(complaint_end)
    with open(complaint, "rb") as pipe:
        text = pipe.read()  # ends with exec, which closes the other end
    if text:
        os.waitpid(pid, 0)
        raise StartError(*json.loads(text))
    return pid


def become_worker(order: Order, descriptors: list[int], guardian: int, complaint: int) -> NoReturn:
    """In the forked child: turns it into the worker. Exec closes the descriptors not named here."""
    step = "fork"
    try:
        os.setsid()
        for number in IGNORED_SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        if PRCTL is not None:
            PRCTL(SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != guardian:  # it died before the wish was made
            os._exit(1)
        complaint, stdin, output, announce = (
            fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, FIRST_FREE_DESCRIPTOR)
            for descriptor in (complaint, *descriptors)
        )
        for target, source in enumerate((stdin, output, output, announce)):
            os.dup2(source, target)
        step = "cwd"
        os.chdir(order["cwd"])
        step = "exec"
        os.execvpe(order["argv"][0], order["argv"], order["env"])
    except BaseException as error:  # noqa: BLE001 (it travels to whoever waits)
        os.write(complaint, json.dumps([step, getattr(error, "errno", None) or 0]).encode())
    os._exit(127)


def child_wakeup() -> int:
    """Opens a descriptor that gets readable whenever a child ends."""
    readable, writable = os.pipe()
    os.set_blocking(readable, False)
    os.set_blocking(writable, False)
    signal.set_wakeup_fd(writable, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    return readable


def life_of(pid: int) -> int | None:
    """Opens a descriptor that gets readable when a process ends, where the system has such."""
    with suppress(OSError, AttributeError):
        return os.pidfd_open(pid)
    return None


def kill_with_group(pid: int) -> None:
    """Kills one of our children and the process group that it is in."""
    with suppress(OSError):
        group = os.getpgid(pid)
        if group != os.getpgrp():
            os.killpg(group, signal.SIGKILL)
        os.kill(pid, signal.SIGKILL)


def children() -> Iterator[int]:
    """Lists our children, those adopted included; nothing where the system does not tell."""
    for path in Path("/proc/self/task").glob("*/children"):
        with suppress(OSError):
            yield from map(int, path.read_text().split())


def worker_of(pid: int) -> str:
    """Reads of which worker a process is a descendant, from the environment it was started with."""
    mark = f"{WORKER_ID_VARIABLE}=".encode()
    with suppress(OSError):
        for entry in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
            if entry.startswith(mark):
                return entry.removeprefix(mark).decode(errors="replace")
    return ""


def start_ticks(pid: int) -> int:
    """Reads when a process started, which tells it from a later one of the same number; else 0."""
    with suppress(OSError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    return 0


def remove_files(directory: Path) -> None:
    """Removes a directory with its files; never what lies deeper."""
    with suppress(OSError):
        for entry in directory.iterdir():
            entry.unlink(missing_ok=True)
        directory.rmdir()


if __name__ == "__main__":
    main()

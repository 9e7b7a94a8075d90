"""A process that serves a MainThread, and tells what becomes of the calls that a test names."""

# ruff: noqa: ASYNC221, ASYNC251 (it stands for user code that blocks)

import asyncio
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable

import anyio
import anyio.lowlevel
from anyio.abc import TaskGroup

from snakepit_nb.identifiers import CallId
from snakepit_nb.worker.main_thread import MainThread
from snakepit_nb.worker.running import CallEndedError

main_thread = MainThread()


def say(*words: str) -> None:
    """Writes one line in one piece, for two threads speak here."""
    os.write(1, (" ".join(words) + "\n").encode())


async def plain() -> str:
    say("runs")
    while True:
        time.sleep(0.01)


async def awaiting() -> str:
    say("runs")
    await asyncio.Event().wait()
    return "never"


async def in_a_child() -> str:
    say("runs")
    subprocess.run(["/bin/sleep", "60"], check=False)
    return "never"


async def shielded() -> str:
    with main_thread.uninterrupted():
        say("runs")  # within: the interrupt may come right behind it
        while not main_thread.was_interrupted:
            time.sleep(0.01)
        say("kept on")
    time.sleep(5)
    return "never"


async def hears_no_group() -> str:
    """Loses what is sent to the group, as a signal is lost that comes before a wait begins."""
    os.killpg = lambda *_: None
    os.kill = lambda *_: None
    return await awaiting()


async def catches_the_first() -> str:
    try:
        say("runs")
        time.sleep(60)
    except KeyboardInterrupt:
        say("caught one")
    time.sleep(60)
    return "never"


async def takes_signals() -> str:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return "with the signal"


async def lets_c_take_signals() -> str:
    sys_v_signal = ctypes.CDLL(None).signal
    sys_v_signal.argtypes = (ctypes.c_int, ctypes.c_void_p)
    sys_v_signal(signal.SIGINT, int(signal.SIG_IGN))  # Python does not see it
    return "with the signal"


async def quick() -> str:
    return f"quick on {threading.current_thread().name}"


async def exits() -> str:
    sys.exit(3)


async def cancels_itself() -> str:
    raise asyncio.CancelledError


WORK: dict[str, Callable[[], Awaitable[str]]] = {
    each.__name__: each
    for each in (
        plain,
        awaiting,
        in_a_child,
        shielded,
        hears_no_group,
        catches_the_first,
        takes_signals,
        lets_c_take_signals,
        quick,
        exits,
        cancels_itself,
    )
}


class Calls:
    """The calls that the test has begun, by name."""

    def __init__(self, tasks: TaskGroup) -> None:
        self._tasks = tasks
        self._scopes: dict[str, anyio.CancelScope] = {}

    async def obey(self, order: str, name: str) -> None:
        match order:
            case "run":
                self._tasks.start_soon(self._run, name)
            case "run-and-interrupt":
                self._tasks.start_soon(self._run, name)
                await anyio.lowlevel.checkpoint()
                main_thread.interrupt(CallId(name))
            case "cancel":
                self._scopes[name].cancel()
            case "interrupt":
                main_thread.interrupt(CallId(name))
                say("interrupted")
            case _:
                os.kill(os.getpid(), signal.SIGINT)
                say("signalled")

    async def _run(self, name: str) -> None:
        with anyio.CancelScope() as scope:
            self._scopes[name] = scope
            try:
                say("returned", await main_thread.run(CallId(name), WORK[name]))
            except CallEndedError as error:
                say("ended by", type(error.__cause__).__name__)
        if scope.cancelled_caught:
            say("cancelled")


async def converse() -> None:
    """Does what stdin says, line by line: an order, and the name of a call."""
    main_thread.attach()
    async with anyio.create_task_group() as tasks:
        calls = Calls(tasks)
        while line := await anyio.to_thread.run_sync(sys.stdin.readline):
            order, _, name = line.strip().partition(" ")
            await calls.obey(order, name)
        tasks.cancel_scope.cancel()
    main_thread.stop()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.setsid()
    threading.Thread(target=anyio.run, args=(converse,), name="grpc").start()
    main_thread.serve()
    say("served")

"""One session's IPython shell: ipykernel's own, with its messages turned into events of the cell.

The class is named as ipykernel's because rich and pandas tell a notebook by that name.
"""

import atexit
import os
from asyncio import CancelledError
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

from ipykernel.compiler import XCachingCompiler
from ipykernel.zmqshell import ZMQInteractiveShell as KernelShell
from IPython.core.error import StdinNotImplementedError, UsageError
from jupyter_client.session import Session
from traitlets.config import Config

from snakepit_nb.calls import (
    CELL_FILES_VARIABLE,
    CellError,
    CellEvent,
    ClearOutput,
    Display,
    ExecuteResult,
)

from .history import SessionHistory
from .kernel import WorkerKernel

PutEvent = Callable[[CellEvent], bool]

_RAISED_BY_US = (CancelledError, KeyboardInterrupt, EOFError, StdinNotImplementedError)
"""What an interrupt or a question to the notebook may come to, beneath the user's line."""


class EventSession(Session):
    """Stands where ipykernel keeps the session that signs and sends its messages."""

    def __init__(self, put: PutEvent) -> None:
        super().__init__()
        self._put = put

    def send(
        self,
        stream: object,  # noqa: ARG002 (the seam's)
        msg_or_type: str | Mapping[str, Any],
        content: Mapping[str, Any] | None = None,
        *_: object,
        **__: object,
    ) -> None:
        """Turns a message for the front end into an event."""
        if isinstance(msg_or_type, str):
            event = _event(msg_or_type, content or {})
        else:
            event = _event(msg_or_type["header"]["msg_type"], msg_or_type["content"])
        if event is not None:
            self._put(event)


def _event(message_type: str, content: Mapping[str, Any]) -> CellEvent | None:
    match message_type:
        case "display_data" | "update_display_data":
            return Display(
                data=content["data"],
                metadata=content["metadata"],
                transient=content["transient"],
                update=message_type == "update_display_data",
            )
        case "execute_result":
            return ExecuteResult(
                execution_count=content["execution_count"],
                data=content["data"],
                metadata=content["metadata"],
            )
        case "clear_output":
            return ClearOutput(wait=content["wait"])
        case "error":
            return CellError(
                name=content["ename"],
                value=content["evalue"],
                traceback=tuple(content["traceback"]),
            )
        case _:
            return None


class ZMQInteractiveShell(KernelShell):
    """The shell of one session."""

    kernel: WorkerKernel
    put: PutEvent = staticmethod(lambda _event: False)
    """Takes what the session shows; set by the cell host."""
    was_interrupted: Callable[[], bool] = staticmethod(lambda: False)
    """Tells whether the running cell has been interrupted; set by the cell host."""

    @property
    def shows_count_behind(self) -> int:
        """By how much the number that is shown is behind the count: 1, or 0 in old IPythons."""
        return int(self.execution_count) - int(self.displayhook.prompt_count)

    @property
    def failed_to_display(self) -> bool:
        """Tells whether the value of the last expression could not be formatted."""
        return bool(getattr(self, "_last_traceback_during_displayhook", False))

    def init_sys_modules(self) -> None:
        """Leaves `__main__` as it is: the cell's surroundings make it the session's."""

    def init_history(self) -> None:
        """Keeps the history under the notebook's numbers."""
        self.history_manager = SessionHistory(shell=self, parent=self)
        configurables: list[Any] = self.configurables
        configurables.append(self.history_manager)

    def forget_traceback(self) -> None:
        """Does for an awaited cell what `run_cell` does at its start."""
        self._last_traceback = None
        self._last_traceback_during_displayhook = False

    def showtraceback(self, exc_tuple: Any = None, *args: Any, **kwargs: Any) -> None:
        """Shows an interrupt as Python's own handler raises it, also where the cell awaited."""
        kind, _, frames = self._get_exc_info(exc_tuple)
        if issubclass(kind, _RAISED_BY_US):
            _cut_our_frames(frames)
        if issubclass(kind, CancelledError) and self.was_interrupted():
            exc_tuple = (KeyboardInterrupt, KeyboardInterrupt(), frames)
        super().showtraceback(exc_tuple, *args, **kwargs)

    def enable_gui(self, gui: str | None = None) -> None:
        """Accepts the inline backend; a worker runs no event loop of a desktop."""
        if gui not in (None, "inline"):
            raise UsageError(f"a worker has no event loop for {gui!r}: use %matplotlib inline.")
        self.active_eventloop = None

    def show_usage_error(self, exc: BaseException) -> None:
        """Puts out the one line of a UsageError, for the kernel to show as its own."""
        self.put(CellError(name=type(exc).__name__, value=str(exc), traceback=(), is_usage=True))


class CellCompiler(XCachingCompiler):
    """Names the file of a cell's code as the kernel does whose debugger looks for it."""

    def get_code_name(self, raw_code: str, transformed_code: str, number: int) -> str:
        """Returns the name that tracebacks tell, and debuggers know."""
        name: str = super().get_code_name(raw_code, transformed_code, number)
        directory = os.environ.get(CELL_FILES_VARIABLE)
        return name if directory is None else str(Path(directory) / Path(name).name)


def new_shell(put: PutEvent, was_interrupted: Callable[[], bool]) -> ZMQInteractiveShell:
    """Makes a session's shell with a namespace of its own."""
    module = ModuleType("__main__", doc="A session of a snakepit_nb worker.")
    config = Config()
    config.IPKernelApp = Config()  # tqdm.auto looks for it
    config.HistoryManager.hist_file = ":memory:"
    shell = ZMQInteractiveShell(
        config=config,
        user_module=module,
        user_ns=module.__dict__,
        compiler_class=CellCompiler,
    )
    shell.put = put
    shell.was_interrupted = was_interrupted
    shell.kernel = WorkerKernel(shell.get_parent)
    extensions: Any = shell.extension_manager
    extensions.load_extension("storemagic")  # as ipykernel does
    session = EventSession(put)
    for publisher in (shell.displayhook, shell.display_pub):
        publisher.set_trait("session", session)
    return shell


def discard(shell: ZMQInteractiveShell) -> None:
    """Lets a shell go that nobody needs any more; IPython itself would keep it until the exit."""
    atexit.unregister(shell.atexit_operations)
    shell.atexit_operations()
    shell.user_ns.clear()


def _cut_our_frames(frames: TracebackType | None) -> None:
    """Lets a traceback end where the user's code was when the signal came."""
    while frames is not None and frames.tb_next is not None:
        module: str = frames.tb_next.tb_frame.f_globals.get("__name__", "")
        if module == __name__:  # a method of the shell, which has called IPython's
            frames.tb_next = frames.tb_next.tb_next
            continue
        if module.startswith("snakepit_nb.worker."):
            frames.tb_next = None
        frames = frames.tb_next

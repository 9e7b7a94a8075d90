"""JupyterLab's debugger, for code in a worker.

ipykernel starts debugpy by a silent cell, which runs where all cells do: so debugpy is in the
worker already, and what is left to do is to ask there for what ipykernel asks its own process for.
"""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psutil
from ipykernel.debugger import Debugger

import snakepit_nb

Message = Mapping[str, Any]
Evaluate = Callable[[Mapping[str, str]], Mapping[str, Any]]

SECONDS_BETWEEN_LOOKS = 0.5

_EXPLORER = "__import__('snakepit_nb.worker.cells.explorer', fromlist=('',))"


class WorkerDebugger(Debugger):
    """Debugs the worker in which the kernel's cells run."""

    evaluate: Evaluate
    """Evaluates expressions where the cells run; set by the kernel."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)  # type: ignore[no-untyped-call]
        self._pid: int | None = None
        package = Path(snakepit_nb.__file__).parent
        self.kernel_modules += map(str, package.rglob("*.py"))  # where no step shall lead

    def start(self) -> Any:
        """Lets debugpy begin where cells run now."""
        if self._is_lost():
            self._pid, self.debugpy_initialized = None, False
        return super().start()  # type: ignore[no-untyped-call]

    async def inspectVariables(self, message: Message) -> Any:  # noqa: N802 (the protocol's)
        """Tells the variables of the cells' session."""
        return await self._explored(message, "variables()")

    async def variables(self, message: Message) -> Any:
        """Tells what a variable consists of."""
        if self.stopped_threads:
            return await super().variables(message)  # type: ignore[no-untyped-call]
        return await self._explored(
            message, f"parts({message['arguments']['variablesReference']!r})"
        )

    async def richInspectVariables(self, message: Message) -> Any:  # noqa: N802 (the protocol's)
        """Shows a variable as a cell would."""
        name = message["arguments"]["variableName"]
        if self.stopped_threads or not name.isidentifier():
            return await super().richInspectVariables(message)  # type: ignore[no-untyped-call]
        shown = await self._evaluated(name)
        body = {key: shown.get(key, {}) for key in ("data", "metadata")}
        return {**_answer(message), "body": body}

    async def _explored(self, message: Message, call: str) -> Any:
        shown = await self._evaluated(f"{_EXPLORER}.{call}")
        found = shown.get("data", {}).get("application/json", [])
        return self._build_variables_response(message, found)  # type: ignore[no-untyped-call]

    async def _evaluated(self, expression: str) -> Mapping[str, Any]:
        values = await asyncio.to_thread(self.evaluate, {"": expression})
        found: Mapping[str, Any] = values.get("", {})
        return found

    def _handle_event(self, message: Any) -> None:
        if message["event"] == "process":
            self._pid = message["body"]["systemProcessId"]
        super()._handle_event(message)  # type: ignore[no-untyped-call]

    async def _forward_message(self, message: Message) -> Any:
        """Asks debugpy, unless it is gone with its worker: nobody would ever answer."""
        answer = asyncio.ensure_future(super()._forward_message(message))  # type: ignore[no-untyped-call]
        while not answer.done():
            if self._is_lost():
                answer.cancel()
                return {**_answer(message), "success": False, "message": "The worker is gone."}
            await asyncio.wait({answer}, timeout=SECONDS_BETWEEN_LOOKS)
        return answer.result()

    def _is_lost(self) -> bool:
        return self._pid is not None and not psutil.pid_exists(self._pid)


def _answer(message: Message) -> dict[str, Any]:
    told = {"type": "response", "request_seq": message["seq"], "seq": message["seq"]}
    return {**told, "success": True, "command": message["command"]}

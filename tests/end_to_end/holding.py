"""Calls that run in real workers until a test lets them end."""

from concurrent.futures import Future, ThreadPoolExecutor
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from snakepit_nb.blocking.tool_calls import ToolCalls
from tests.waiting import until

HERE = Path(__file__).parent
OPTIONS: dict[str, Any] = {
    "adapters": ["capacity_tools:CapacityTools"],
    "env": {"PYTHONPATH": str(HERE)},
}
WITHIN = 15.0


class Held:
    """One call of the tool `hold`."""

    def __init__(self, note: Path) -> None:
        self.note = note
        self.answer: Future[int]

    @property
    def has_begun(self) -> bool:
        return self._begun.exists()

    @property
    def pid(self) -> int:
        """The process in which it runs, once it does."""
        until(lambda: self.has_begun or self.answer.done())
        if not self.has_begun:
            self.answer.result()
        return int(self._begun.read_text())

    def let_go(self) -> None:
        self.note.touch()

    def end(self) -> int:
        """Returns what it came to, when the caller has it."""
        self.let_go()
        return self.answer.result(WITHIN)

    @property
    def _begun(self) -> Path:
        return Path(f"{self.note}.begun")


class Holding:
    """Holds as many calls as it is asked to; behind the `with` all have ended."""

    def __init__(self, pool: ToolCalls, directory: Path) -> None:
        self._pool = pool
        self._directory = directory
        self._numbers = count()
        self._held: list[Held] = []
        self._threads = ThreadPoolExecutor(32)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        frames: TracebackType | None,
    ) -> None:
        for held in self._held:
            held.let_go()
        self._threads.shutdown()

    def submit(self, tool: str = "hold", **options: Any) -> Held:  # noqa: ANN401 (the pool's)
        """Makes a call, which may have to wait."""
        held = Held(self._directory / f"note-{next(self._numbers)}")
        self._held.append(held)
        arguments = {"note": str(held.note)}
        held.answer = self._threads.submit(self._pool.call, tool, arguments, **options)
        return held

    def begin(self, tool: str = "hold", **options: Any) -> Held:  # noqa: ANN401 (the pool's)
        """Makes a call and returns when it runs."""
        held = self.submit(tool, **options)
        assert held.pid
        return held

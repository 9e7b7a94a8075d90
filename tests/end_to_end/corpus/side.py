"""One side of the comparison: a kernel, and how its cells run."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.end_to_end.kernel_driver import Kernel, Message, Running, shown

from .cases import Case, Step

MASKS = (
    (r"ipykernel_\d+/", "ipykernel_PID/"),
    (r"0x[0-9a-f]{6,}", "0xADDRESS"),
    (r"\b[A-Z][a-z]{2} +\d{1,2} \d\d:\d\d\b", "MINUTE"),  # by `ls`; both sides may not begin in one
    (r"(?m)^(CPU times|Wall time).*\n", r"\1\n"),
    (r"(?m)^(?:The slowest run .*\n)?.* per loop .*\n", "TIME per loop\n"),
)
RANDOM = (
    r"[0-9a-f]{8}-[0-9a-f]{24}_\d+_\d+|"  # of messages
    r"(?<![0-9a-f])(?:[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?![0-9a-f])"
)
TOLD = ("status", "execution_count", "payload", "ename", "evalue", "traceback")

RESET = "%reset -f\n__import__('gc').freeze()"
"""It looks for garbage, and need not look again at all the modules that stay."""

Told = dict[str, Any]
"""What a front end is told of one step."""


class Side:
    """Runs cases in a kernel and tells what its front end is shown, but for what is random."""

    def __init__(self, kernel: Kernel, directory: Path, *, first_line: str = "") -> None:
        self._kernel = kernel
        self._directory = directory
        self._first_line = first_line

    def run(self, case: Case) -> list[Told]:
        """Runs a case, and leaves no names of it behind."""
        told = self.run_steps(case)
        self._kernel.run(self._first_line + RESET, store_history=False)
        return told

    def run_steps(self, case: Case) -> list[Told]:
        """Runs a case in what stands there from before."""
        cells: list[Running] = []
        told = [self._run(step, cells) for step in case.steps]
        for told_of_step, cell in zip(told, cells, strict=True):
            told_of_step["outputs"] = list(_settled(cell.messages))
        masked: list[Told] = _Masking(self._directory).masked(told)
        return masked

    def _run(self, step: Step, cells: list[Running]) -> Told:
        cell = self._tell(step, cells) if step.tell else self._begin(step)
        cells.append(cell)
        told: Told = {"asked": [self._answer(cell, text) for text in step.typed]}
        if step.interrupt:
            cell.wait_for(step.interrupt)
            self._kernel.interrupt()
        if step.tell:
            cell.wait_late(lambda told: told.is_idle)
        else:
            reply = cell.finish().reply
            told["reply"] = {key: reply.get(key) for key in TOLD}
        if step.until:
            line = f"{step.until}\n"
            cell.wait_late(lambda _: any(line in shown(each.outputs) for each in cells))
        return told

    def _begin(self, step: Step) -> Running:
        return self._kernel.begin(
            f"{self._first_line}{step.code}",
            store_history=step.store_history,
            silent=step.silent,
            allow_stdin=step.allow_stdin,
        )

    def _tell(self, step: Step, cells: list[Running]) -> Running:
        comm_id = next(_comm_ids(step.tell, cells))
        return self._kernel.watch(self._kernel.send_comm(comm_id, step.data).message_id)

    @staticmethod
    def _answer(cell: Running, text: str) -> dict[str, Any]:
        asked = cell.asked()
        cell.answer(text)
        return asked


def _comm_ids(name: str, cells: list[Running]) -> Iterator[str]:
    for cell in cells:
        for message in cell.messages:
            if message["msg_type"] == "comm_open":
                content = message["content"]
                model = content["data"].get("state", {}).get("_model_name")
                if name in (content["target_name"], model):
                    yield content["comm_id"]


def _settled(messages: list[Message]) -> Iterator[tuple[Any, ...]]:
    """Returns what is shown; between two other outputs each stream has all its text at once.

    How the texts of two streams lie to each other is the chance of ipykernel's flushing.
    """
    texts: dict[str, str] = {}
    for message in messages:
        kind, content = message["msg_type"], message["content"]
        if kind in ("status", "execute_input"):
            continue
        if kind == "stream":
            texts[content["name"]] = texts.get(content["name"], "") + content["text"]
            continue
        yield from sorted(texts.items())
        texts = {}
        if kind.startswith("comm_"):
            buffers = [bytes(buffer) for buffer in message["buffers"]]
            yield kind, content, message["metadata"], buffers
        else:
            yield kind, content
    yield from sorted(texts.items())


class _Masking:
    """Puts the same word in place of what is random, and numbers in place of ids."""

    def __init__(self, directory: Path) -> None:
        self._directory = str(directory)
        self._ids: dict[str, str] = {}

    def masked(self, value: Any) -> Any:  # noqa: ANN401 (what messages hold)
        match value:
            case str():
                value = value.replace(self._directory, "DIRECTORY")
                for pattern, word in MASKS:
                    value = re.sub(pattern, word, value)
                return re.sub(RANDOM, self._numbered, value)
            case dict():
                return {self.masked(key): self.masked(value[key]) for key in sorted(value)}
            case list() | tuple():
                return [self.masked(item) for item in value]
            case _:
                return value

    def _numbered(self, found: re.Match[str]) -> str:
        return self._ids.setdefault(found[0], f"ID-{len(self._ids) + 1}")

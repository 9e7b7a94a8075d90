"""How a pool's snapshot looks, as text and as a table."""

import html
from collections.abc import Sequence

from snakepit_nb.pool.snapshot import CallSnapshot, PoolSnapshot, WorkerStatus

HEADINGS = ("worker", "state", "load", "pid", "sessions", "runs")


class StatusView:
    """A pool's status, for the notebook to display."""

    def __init__(self, snapshot: PoolSnapshot) -> None:
        self.snapshot = snapshot

    def __repr__(self) -> str:
        rows = [HEADINGS, *map(_row, self.snapshot.workers)]
        widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        ]
        return "\n".join([_summary(self.snapshot), *lines, *_notes(self.snapshot)])

    def _repr_html_(self) -> str:
        head = "".join(f"<th style='text-align:left'>{heading}</th>" for heading in HEADINGS)
        body = "".join(
            "<tr>"
            + "".join(
                f"<td style='text-align:left'>{html.escape(cell)}</td>" for cell in _row(worker)
            )
            + "</tr>"
            for worker in self.snapshot.workers
        )
        notes = "".join(f"<div>{html.escape(note)}</div>" for note in _notes(self.snapshot))
        return (
            f"<div><b>{html.escape(_summary(self.snapshot))}</b>"
            f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{notes}</div>"
        )


def _summary(snapshot: PoolSnapshot) -> str:
    busy = sum(worker.load for worker in snapshot.workers)
    capacity = sum(worker.capacity for worker in snapshot.workers)
    workers = counted(len(snapshot.workers), "worker")
    return (
        f"Pool {snapshot.name!r}: {workers}, load {busy}/{capacity}, "
        f"{len(snapshot.queued)} queued, {snapshot.finished} finished"
    )


def counted(number: int, noun: str) -> str:
    """Says how many there are: `1 worker`, `2 workers`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _row(worker: WorkerStatus) -> Sequence[str]:
    return (
        worker.worker_id,
        worker.state,
        f"{worker.load}/{worker.capacity}",
        "" if worker.pid is None else str(worker.pid),
        ", ".join(worker.sessions),
        ", ".join(_call(call) for call in worker.calls),
    )


def _call(call: CallSnapshot) -> str:
    return f"{call.what} {call.seconds:.1f} s {call.correlation_id}"


def _notes(snapshot: PoolSnapshot) -> list[str]:
    notes = [f"waits: {_call(call)}" for call in snapshot.queued]
    if snapshot.last_correlation_id is not None:
        notes.append(f"last call: {snapshot.last_correlation_id}")
    notes += [f"problem: {problem}" for problem in snapshot.problems]
    return notes

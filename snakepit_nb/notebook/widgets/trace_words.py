"""The words of a waterfall, which its text and its HTML have in common. No clock, no widget."""

from collections.abc import Iterator

from snakepit_nb.blocking.short_text import fine_seconds, short_percent

from .timeline import Where
from .trace_model import Waterfall
from .trace_row import Row

DEEPEST = 8
"""Further in, rows are not indented more."""


def headline(shown: Waterfall) -> str:
    """Counts what a waterfall shows: `2.41 s · 3 calls, 1 failed`."""
    calls = f"{shown.calls:,} call{'' if shown.calls == 1 else 's'}"
    failed = f", {shown.failed:,} failed" if shown.failed else ""
    cells = f" in {shown.cells} cells" if shown.cells > 1 else ""
    return f"{fine_seconds(shown.seconds)} · {calls}{failed}{cells}"


def legend(shown: Waterfall) -> Iterator[tuple[Where | None, str]]:
    """Says what each look of a bar means; None is the look of what has rows of its own."""
    for share in shown.shares:
        percent = short_percent(share.fraction)
        yield share.where, f"{share.where} {fine_seconds(share.seconds)} ({percent})"
    yield None, "told by the rows beneath"


def notes(shown: Waterfall) -> Iterator[str]:
    """Says what stands below the rows."""
    if shown.more_rows:
        failed = f", {shown.more_failed:,} of them failed" if shown.more_failed else ""
        yield f"… and {shown.more_rows:,} more rows{failed}"
    if shown.untold:
        calls = f"{shown.untold:,} call{'' if shown.untold == 1 else 's'}"
        yield f"Of {calls} the worker told nothing: all of it counts as on the way."
    if shown.dropped:
        yield f"{shown.dropped:,} more spans were not kept; of those, this knows nothing."
    yield f"{shown.accounted:.1%} of the time lies within spans of calls · trace {shown.trace_id}"


def duration(row: Row) -> str:
    """Says how long a row's span lasted, or all of its spans together."""
    return f"Σ {fine_seconds(row.seconds)}" if row.alike else fine_seconds(row.seconds)


def remark(row: Row) -> str:
    """Says what stands beside a duration: the worker, or what one of several took."""
    return f"median {fine_seconds(row.median)}" if row.alike else row.worker_id

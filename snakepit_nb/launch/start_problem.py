"""Why a worker did not start, and the words in which its user is told."""

import re
from collections.abc import Sequence

from snakepit_nb.errors import WorkerStartError

from .launcher import LaunchSpec

LINES_SHOWN = 20

_MISSING_PACKAGE = re.compile(r"No module named '?(snakepit_nb|grpc|anyio)\b")


class StartProblem(Exception):  # noqa: N818 (a problem, not yet an error)
    """What went wrong, as the end of a sentence, and what to do about it."""

    def __init__(self, what: str, advice: str) -> None:
        super().__init__(what)
        self.what = what
        self.advice = advice


def start_error(
    spec: LaunchSpec, problem: StartProblem, last_lines: Sequence[str]
) -> WorkerStartError:
    """Tells which worker did not start, why, what to do, and what it wrote last."""
    advice = problem.advice
    if not spec.command and any(_MISSING_PACKAGE.search(line) for line in last_lines):
        advice = (
            "snakepit_nb must be installed for that interpreter: "
            f"`{spec.python} -m pip install snakepit-nb`."
        )
    parts = [f"Worker {spec.worker_id} did not start: {problem.what}. {advice}"]
    if last_lines:
        parts += ["What it wrote last:", *(f"  {line}" for line in last_lines[-LINES_SHOWN:])]
    return WorkerStartError("\n".join(parts))

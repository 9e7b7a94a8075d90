"""The subcommands of `%snakepit` that show what was seen of calls: traces and logs."""

import argparse

from snakepit_nb.blocking import face
from snakepit_nb.telemetry import log_ring

from .cell_options import OptionParser
from .subcommand import Subcommand, Surroundings
from .widgets.logs_view import LogsView
from .widgets.trace_view import TraceView


def trace_commands() -> dict[str, Subcommand]:
    """Makes them, by name."""
    trace = OptionParser("%snakepit trace", "Shows where the time of a cell went.")
    trace.add_argument(
        "id", nargs="?", default="last", metavar="ID|last", help="a correlation id; the last trace"
    )

    logs = OptionParser("%snakepit logs", "Shows what kernel and workers logged, by time.")
    logs.add_argument(
        "id", nargs="?", metavar="ID|WORKER", help="a correlation id, a worker or kernel; all"
    )
    logs.add_argument(
        "--level", default="notset", metavar="L", help="leave out what is below: info, warning, ..."
    )
    logs.add_argument(
        "-n", dest="number", type=int, default=50, metavar="N", help="how many lines; 50"
    )
    logs.add_argument(
        "--to", metavar="FILE|off", help="append each line from now on to a file, as JSON"
    )

    return {
        "trace": Subcommand(parser=trace, run=_trace),
        "logs": Subcommand(parser=logs, run=_logs),
    }


def _trace(found: argparse.Namespace, _: Surroundings) -> object:
    return TraceView(face.trace(found.id))


def _logs(found: argparse.Namespace, _: Surroundings) -> object:
    if found.to is not None:
        face.log_to(None if found.to == "off" else found.to)
        return None
    entries = face.logs(found.id, level=found.level, number=found.number)
    return LogsView(entries, wanted=found.id, dropped=log_ring.logs.dropped)

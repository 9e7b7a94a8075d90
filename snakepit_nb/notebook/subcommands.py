"""The subcommands of `%snakepit`: each parses its words, works, and returns what to show."""

import argparse
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from snakepit_nb.blocking import face
from snakepit_nb.blocking.handle import Pool
from snakepit_nb.calls import ToolSpec
from snakepit_nb.errors import UsageError, nearest

from .cell_options import (
    OptionParser,
    parse_arguments,
    parse_seconds,
    split_words,
    wants_help,
)
from .widgets.status_view import StatusView, counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a subcommand may use of the notebook."""

    namespace: Mapping[str, Any]
    default_workers: int


Run = Callable[[argparse.Namespace, Surroundings], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subcommand:
    """One subcommand. Where `takes_arguments`, `k=v` words follow the parsed ones, unsplit."""

    parser: OptionParser
    run: Run
    takes_arguments: bool = False


def run_line(line: str, surroundings: Surroundings) -> object:
    """Runs one `%snakepit` line and returns what the notebook shall show, or None.

    Raises:
        UsageError: the line does not fit; the message names the nearest words.
        SnakepitError: what it asks for failed.
    """
    name, _, rest = line.strip().partition(" ")
    if not name:
        return _status_or_hint()
    if name in ("?", "-h", "--help"):
        print_help()
        return None
    if name not in SUBCOMMANDS:
        raise UsageError(f"%snakepit has no subcommand {name!r}: {nearest(name, SUBCOMMANDS)}")
    subcommand = SUBCOMMANDS[name]
    if wants_help(rest.split()):
        print(subcommand.parser.format_help())
        return None
    if subcommand.takes_arguments:
        options, arguments = _leading_options(rest)
        found = subcommand.parser.parse(split_words(options, surroundings.namespace))
        found.arguments = parse_arguments(arguments, surroundings.namespace)
    else:
        found = subcommand.parser.parse(split_words(rest, surroundings.namespace))
    return subcommand.run(found, surroundings)


def print_help() -> None:
    """Prints the subcommands with a line each."""
    lines = [f"  {name:<8} {sub.parser.description}" for name, sub in SUBCOMMANDS.items()]
    print(
        "%snakepit SUBCOMMAND ... drives a pool of workers; %%snakepit_exec runs a cell in one.\n"
        + "\n".join(lines)
        + "\n%snakepit SUBCOMMAND --help tells its options."
    )


def _start(found: argparse.Namespace, surroundings: Surroundings) -> object:
    begun = time.monotonic()
    workers = surroundings.default_workers if found.workers is None else found.workers
    limits: dict[str, float] = {}
    if found.timeout is not None:
        limits["call_timeout"] = parse_seconds("--timeout", found.timeout)
    started = face.start(
        workers,
        name=found.name,
        adapters=[_adapter(adapter, surroundings.namespace) for adapter in found.adapter],
        python=found.python,
        cwd=found.cwd,
        env=dict(_setting(setting) for setting in found.env),
        **limits,
    )
    if not found.quiet:
        _tell_start(started, time.monotonic() - begun)
    return None


def _tell_start(started: Pool, seconds: float) -> None:
    snapshot = started.status()
    names = ", ".join(worker.worker_id for worker in snapshot.workers)
    print(
        f"Pool {started.name!r}: {counted(len(snapshot.workers), 'worker')} ready ({names}) "
        f"after {seconds:.1f} s."
    )
    for problem in snapshot.problems:
        print(problem)


def _stop(found: argparse.Namespace, _: Surroundings) -> object:
    if found.all:
        face.stop_all(now=found.now)
        stopped = True
    else:
        stopped = face.stop(found.pool, now=found.now)
    print("Stopped." if stopped else "No pool runs.")
    return None


def _status(found: argparse.Namespace, _: Surroundings) -> object:
    return StatusView(face.status(found.pool))


def _status_or_hint() -> object:
    try:
        return StatusView(face.status())
    finally:
        print("%snakepit --help tells what else there is.")


def _scale(found: argparse.Namespace, _: Surroundings) -> object:
    workers = face.scale(found.workers, name=found.pool)
    print(f"Pool {face.pool(found.pool).name!r}: {counted(workers, 'worker')}.")
    return None


def _tools(found: argparse.Namespace, _: Surroundings) -> object:
    specs = face.pool(found.pool).tools
    if not specs:
        print("The workers offer no tools: start them with --adapter.")
    for spec in specs.values():
        first_line = spec.description.partition("\n")[0]
        print(f"{_signature(spec)}  {first_line}".rstrip())
    return None


def _call(found: argparse.Namespace, _: Surroundings) -> object:
    chosen = face.pool(found.pool)
    _check_tool(chosen, found.tool)
    return chosen.call(found.tool, found.arguments, **_limits(found))


def _stream(found: argparse.Namespace, _: Surroundings) -> object:
    from .widgets.stream_view import open_stream_view  # noqa: PLC0415 (brings ipywidgets)

    chosen = face.pool(found.pool)
    _check_tool(chosen, found.tool)
    stream = chosen.open_stream(found.tool, found.arguments, **_limits(found))
    button_pressed = threading.Event()

    def cancel() -> None:
        button_pressed.set()
        stream.cancel()

    with open_stream_view(
        tool_name=found.tool, correlation_id=stream.correlation_id, cancel=cancel
    ) as view:
        try:
            for chunk in stream:
                view.show(chunk)
        except KeyboardInterrupt:
            if not button_pressed.is_set():
                raise
            view.end("cancelled")  # what was asked for: the cell does not fail by it
    return None


def _check_tool(chosen: Pool, name: str) -> None:
    if name not in chosen.tools:
        raise UsageError(f"There is no tool {name!r}: {nearest(name, chosen.tools)}")


def _limits(found: argparse.Namespace) -> dict[str, Any]:
    if found.timeout is None:
        return {}
    return {"timeout": parse_seconds("--timeout", found.timeout)}


def _signature(spec: ToolSpec) -> str:
    parameters = ", ".join(
        f"{parameter.name}: {parameter.type_name}"
        + ("" if parameter.required else f" = {parameter.default!r}")
        for parameter in spec.parameters
    )
    return f"{spec.name}({parameters})" + (" streams" if spec.supports_streaming else "")


def _adapter(text: str, namespace: Mapping[str, Any]) -> str | type:
    """Returns a class that the notebook defines under this name, else the name for the workers."""
    found = namespace.get(text)
    return found if isinstance(found, type) else text


def _setting(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise UsageError(f"--env {text}: write NAME=VALUE.")
    return name, value


def _leading_options(rest: str) -> tuple[str, str]:
    """Splits `TOOL --timeout 5s k=v ...` before its first `k=v`."""
    words = rest.split(" ")
    for position, word in enumerate(words):
        if not word.startswith("-") and "=" in word:
            return " ".join(words[:position]), " ".join(words[position:])
    return rest, ""


def _subcommands() -> dict[str, Subcommand]:
    start = OptionParser("%snakepit start", "Starts a pool and waits until its workers serve.")
    start.add_argument("-n", "--workers", type=int, metavar="N", help="how many worker processes")
    start.add_argument("--name", default="default", metavar="POOL", help="what to call the pool")
    start.add_argument(
        "--adapter",
        action="append",
        default=[],
        metavar="MOD:NAME",
        help="a class with tools: module:Class, or one that the notebook defines; may be repeated",
    )
    start.add_argument("--python", default="", metavar="EXE", help="the workers' interpreter")
    start.add_argument(
        "--env",
        action="append",
        default=[],
        metavar="K=V",
        help="sets a variable of the workers' environment; may be repeated",
    )
    start.add_argument("--cwd", default="", metavar="DIR", help="the workers' directory")
    start.add_argument("--timeout", metavar="30s", help="how long a tool's call may run")
    start.add_argument("-q", "--quiet", action="store_true", help="say nothing when it is ready")

    stop = OptionParser("%snakepit stop", "Stops a pool when its calls have finished.")
    stop.add_argument("pool", nargs="?", metavar="POOL", help="the pool; the one in use")
    stop.add_argument("--all", action="store_true", help="all pools")
    stop.add_argument("--now", action="store_true", help="end what runs")

    status = OptionParser("%snakepit status", "Shows workers, loads, sessions and the queue.")
    status.add_argument("pool", nargs="?", metavar="POOL", help="the pool; the one in use")

    scale = OptionParser("%snakepit scale", "Starts or stops workers until there are N.")
    scale.add_argument("workers", metavar="N|+K|-K", help="how many, or how many more or fewer")
    scale.add_argument("-p", "--pool", metavar="POOL", help="the pool; the one in use")

    tools = OptionParser("%snakepit tools", "Lists the tools that the workers offer.")
    tools.add_argument("pool", nargs="?", metavar="POOL", help="the pool; the one in use")

    return {
        "start": Subcommand(parser=start, run=_start),
        "stop": Subcommand(parser=stop, run=_stop),
        "status": Subcommand(parser=status, run=_status),
        "scale": Subcommand(parser=scale, run=_scale),
        "tools": Subcommand(parser=tools, run=_tools),
        "call": _tool_subcommand("call", "Calls a tool and shows its value.", _call),
        "stream": _tool_subcommand("stream", "Runs a streaming tool and shows it live.", _stream),
    }


def _tool_subcommand(name: str, description: str, run: Run) -> Subcommand:
    parser = OptionParser(f"%snakepit {name}", description)
    parser.add_argument("tool", metavar="TOOL", help="the tool's name; then its arguments, k=v ...")
    parser.add_argument("-p", "--pool", metavar="POOL", help="the pool; the one in use")
    parser.add_argument("--timeout", metavar="30s", help="how long it may run")
    return Subcommand(parser=parser, run=run, takes_arguments=True)


SUBCOMMANDS = _subcommands()

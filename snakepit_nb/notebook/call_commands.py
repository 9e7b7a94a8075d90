"""The subcommands of `%snakepit` that call tools, and watch and end what runs."""

import argparse
import threading
from typing import Any

from snakepit_nb.blocking import face
from snakepit_nb.blocking.handle import Pool
from snakepit_nb.blocking.stream_view import shown_chunks
from snakepit_nb.calls import ToolSpec
from snakepit_nb.errors import CallCancelledError, UsageError, nearest

from .cell_options import OptionParser, parse_seconds
from .subcommand import Run, Subcommand, Surroundings, add_pool
from .widgets.status_view import calls_view, counted


def call_commands() -> dict[str, Subcommand]:
    """Makes them, by name."""
    tools = OptionParser("%snakepit tools", "Lists the tools that the workers offer.")
    add_pool(tools)

    ps = OptionParser("%snakepit ps", "Shows what runs now, where, and what waits.")
    add_pool(ps)

    cancel = OptionParser("%snakepit cancel", "Ends calls: interrupts what runs.")
    cancel.add_argument("id", nargs="?", metavar="ID", help="a correlation id, as ps shows it")
    cancel.add_argument("--all", action="store_true", help="all calls of the pool")
    cancel.add_argument("--kill", action="store_true", help="kill the workers that run them")
    add_pool(cancel, is_option=True)

    result = OptionParser("%snakepit result", "Waits for what was submitted; shows its value.")
    result.add_argument("id", nargs="?", default="-1", metavar="ID|-1", help="which; the last one")
    add_pool(result, is_option=True)

    return {
        "tools": Subcommand(parser=tools, run=_tools),
        "call": _tool_subcommand("call", "Calls a tool and shows its value.", _call),
        "stream": _tool_subcommand("stream", "Runs a streaming tool and shows it live.", _stream),
        "ps": Subcommand(parser=ps, run=_ps),
        "cancel": Subcommand(parser=cancel, run=_cancel),
        "result": Subcommand(parser=result, run=_result),
    }


def _tool_subcommand(name: str, description: str, run: Run) -> Subcommand:
    parser = OptionParser(f"%snakepit {name}", description)
    parser.add_argument("tool", metavar="TOOL", help="the tool's name; then its arguments, k=v ...")
    add_pool(parser, is_option=True)
    parser.add_argument("--timeout", metavar="30s", help="how long it may take")
    return Subcommand(parser=parser, run=run, takes_arguments=True)


def _tools(found: argparse.Namespace, _: Surroundings) -> object:
    specs = face.pool(found.pool).tools
    if not specs:
        print("The workers offer no tools: start them with --adapter.")
    for spec in specs.values():
        first_line = spec.description.partition("\n")[0]
        twice = "  (may run twice)" if spec.is_idempotent else ""
        print(f"{_signature(spec)}  {first_line}{twice}".rstrip())
    return None


def _call(found: argparse.Namespace, _: Surroundings) -> object:
    chosen = face.pool(found.pool)
    _check_tool(chosen, found.tool)
    return chosen.call(found.tool, found.arguments, **_limits(found))


def _stream(found: argparse.Namespace, __: Surroundings) -> object:
    chosen = face.pool(found.pool)
    _check_tool(chosen, found.tool)
    stream = chosen.open_stream(found.tool, found.arguments, **_limits(found))
    button_pressed = threading.Event()
    try:
        for _ in shown_chunks(stream, button_pressed):
            pass
    except CallCancelledError:
        if not button_pressed.is_set():
            raise  # else it was asked for here, and the cell does not fail by it
    return None


def _ps(found: argparse.Namespace, _: Surroundings) -> object:
    return calls_view(face.status(found.pool))


def _cancel(found: argparse.Namespace, _: Surroundings) -> object:
    if (found.id is None) == (not found.all):
        raise UsageError("%snakepit cancel: give an ID, as %snakepit ps shows it, or --all.")
    number = face.pool(found.pool).cancel(found.id, kill=found.kill)
    if not number and not found.all:
        raise UsageError(f"%snakepit cancel: no call {found.id} runs or waits.")
    print(f"{counted(number, 'call')} cancelled.")
    return None


def _result(found: argparse.Namespace, _: Surroundings) -> object:
    return face.pool(found.pool).future(found.id).result()


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

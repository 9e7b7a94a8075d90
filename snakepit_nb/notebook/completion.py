"""Tab and Shift-Tab on the magics' lines, and in cells that run in a worker."""

from collections.abc import Callable
from typing import Any, NamedTuple

from IPython.core.interactiveshell import InteractiveShell

from snakepit_nb.blocking import face
from snakepit_nb.blocking.cell_plan import CellRequest
from snakepit_nb.blocking.handle import Pool
from snakepit_nb.calls import Completion, MimeBundle
from snakepit_nb.errors import SnakepitError

from .auto import auto
from .cell_options import CELL, cell_parser, parse_cell_options, split_words
from .line_completion import Known, complete_options, complete_subcommand
from .subcommands import SUBCOMMANDS

LINE = "%snakepit"


def install(shell: InteractiveShell) -> Callable[[], None]:
    """Lets the shell complete and inspect so; returns what takes that back.

    Where IPython or the kernel has no hook for it, the rest works all the same.
    """
    undo = [_install_matcher(shell), _install_inspection(shell)]

    def uninstall() -> None:
        for each in undo:
            each()

    return uninstall


def completions(shell: InteractiveShell, text: str, line: int, column: int) -> list[Completion]:
    """Completes a cell's text at a place, where one of our magics is concerned.

    The starts and ends are of the whole text.
    """
    lines = text.split("\n")
    here = sum(len(each) + 1 for each in lines[:line])
    cursor = here + column
    body = _body_in(shell, text)
    if body is not None and cursor >= body.begin:
        return _completed_body(shell, body, cursor)
    before = lines[line][:column]
    words = before.split()
    start = "" if not words or before.endswith(" ") else words.pop()
    if not words:
        return []
    if line == 0 and words[0] == CELL:
        found = complete_options(words[1:], start, cell_parser(), _known(shell))
    elif words[0] == LINE:
        parsers = {name: each.parser for name, each in SUBCOMMANDS.items()}
        found = complete_subcommand(words[1:], start, parsers, _known(shell))
    else:
        return []
    return [Completion(start=cursor - len(start), end=cursor, text=each) for each in found]


def inspection(
    shell: InteractiveShell, text: str, cursor: int, detail_level: int
) -> MimeBundle | None:
    """Tells what a name in a cell of ours means; None: its session does not know it."""
    body = _body_in(shell, text)
    where = None if body is None else _session_of(shell, body.first_line)
    if body is None or where is None or cursor < body.begin:
        return None
    pool, session = where
    return pool.inspect(session, body.code, cursor - body.begin, detail_level=detail_level)


class _Body(NamedTuple):
    """What a worker would run of a cell."""

    first_line: str
    code: str
    begin: int
    """Where the code begins in the cell's text; 0: the first line is not written there."""


def _body_in(shell: InteractiveShell, text: str) -> _Body | None:
    if not text.startswith(CELL):
        line = auto(shell).line_for(text)
        return None if line is None else _Body(line, text, 0)
    first_line, newline, code = text.partition("\n")
    return _Body(first_line, code, len(first_line) + 1) if newline else None


def _completed_body(shell: InteractiveShell, body: _Body, cursor: int) -> list[Completion]:
    where = _session_of(shell, body.first_line)
    if where is None:
        return []
    pool, session = where
    begin = body.begin
    return [
        Completion(start=each.start + begin, end=each.end + begin, text=each.text, type=each.type)
        for each in pool.complete(session, body.code, cursor - begin)
    ]


def _session_of(shell: InteractiveShell, first_line: str) -> tuple[Pool, str] | None:
    """Returns where the cell would run, if its first line says so and there is such a pool."""
    try:
        words = split_words(first_line.removeprefix(CELL), shell.user_ns)
        options = parse_cell_options(words)
        chosen = face.pool(options.pool)
        request = CellRequest(code="", session=options.session, targets=options.targets)
        cells = chosen.plan(request).cells
    except SnakepitError:
        return None
    session = cells[0].session_id
    return None if options.local or session is None else (chosen, session)


def _known(shell: InteractiveShell) -> Known:
    pools = tuple(pool.name for pool in face.pools())
    variables = tuple(name for name in shell.user_ns if name not in shell.user_ns_hidden)
    if not pools:
        return Known(variables=variables)
    status = face.status()
    return Known(
        pools=pools,
        sessions=tuple(session.session_id for session in status.sessions),
        workers=tuple(worker.worker_id for worker in status.workers),
        variables=variables,
        tools={
            tool.name: tuple(parameter.name for parameter in tool.parameters)
            for tool in status.tools
        },
    )


def _install_matcher(shell: InteractiveShell) -> Callable[[], None]:
    try:
        from IPython.core.completer import SimpleCompletion, context_matcher  # noqa: PLC0415
    except ImportError:  # before IPython 8.6
        return lambda: None

    @context_matcher(identifier="snakepit_nb")  # type: ignore[untyped-decorator, unused-ignore]
    def match(context: Any) -> Any:
        text, column = context.full_text, context.cursor_position
        line = context.cursor_line
        cursor = sum(len(each) + 1 for each in text.split("\n")[:line]) + column
        found = completions(shell, text, line, column)
        begin = min((each.start for each in found), default=cursor)
        return {
            "completions": [
                SimpleCompletion(text=text[begin : each.start] + each.text, type=each.type)
                for each in found
            ],
            "suppress": bool(found) or (line > 0 and text.startswith(CELL)),
            "matched_fragment": text[begin:cursor],
        }

    matchers: list[Any] = shell.Completer.custom_matchers
    matchers.append(match)
    return lambda: matchers.remove(match) if match in matchers else None


def _install_inspection(shell: InteractiveShell) -> Callable[[], None]:
    kernel: Any = getattr(shell, "kernel", None)
    inspect = getattr(kernel, "do_inspect", None)
    if inspect is None:
        return lambda: None

    def do_inspect(code: str, cursor_pos: int, detail_level: int = 0, *more: Any) -> Any:
        found = inspection(shell, code, cursor_pos, detail_level)
        if found is None:
            return inspect(code, cursor_pos, detail_level, *more)
        return {"status": "ok", "found": True, "data": dict(found), "metadata": {}}

    kernel.do_inspect = do_inspect

    def uninstall() -> None:
        if vars(kernel).get("do_inspect") is do_inspect:
            del kernel.do_inspect

    return uninstall

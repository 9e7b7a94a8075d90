"""The magics. Thin: what they do stands in `subcommands` and `run_cell`."""

from typing import Any

from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, line_cell_magic, line_magic, magics_class, no_var_expand
from traitlets import Enum, Float, Integer, observe

from snakepit_nb.blocking.face import configure
from snakepit_nb.settings import Affinity, CapacityStrategy, Profile

from .auto import auto
from .cell_options import CellOptions, cell_parser, parse_cell_options, split_words, wants_help
from .error_lines import one_line_errors
from .local_cells import run_local_cell
from .run_cell import run_notebook_cell
from .subcommand import Surroundings
from .subcommands import run_line


@magics_class
class SnakepitMagics(Magics):
    """Runs cells and tools in a pool of workers."""

    shell: InteractiveShell  # IPython says that it may be None; a registered one has its shell

    workers = Integer(2, min=1, help="How many workers %snakepit start gives a pool.").tag(
        config=True
    )
    profile = Enum(
        [*map(str, Profile)], "process", help="Whether a worker runs one call or several."
    ).tag(config=True)
    threads = Integer(None, allow_none=True, help="How many calls, with the thread profile.").tag(
        config=True
    )
    capacity_strategy = Enum([*map(str, CapacityStrategy)], "pool", help="Who places calls.").tag(
        config=True
    )
    affinity = Enum(
        [*map(str, Affinity)], "hint", help="What ties a session's tools to its worker."
    ).tag(config=True)
    call_timeout = Float(300.0, allow_none=True, help="Seconds that a tool's call may take.").tag(
        config=True
    )

    @observe("workers", "profile", "threads", "capacity_strategy", "affinity", "call_timeout")
    def _configure(self, change: Any) -> None:
        """Makes `%config SnakepitMagics.workers = 4` what `%snakepit config workers=4` is."""
        configure(**{change.name: change.new})

    @no_var_expand
    @line_magic
    def snakepit(self, line: str) -> object:
        """Drives pools of workers: start, stop, status, tools, call, stream, ps, cancel, ...

        `%snakepit --help` tells what each does, `%snakepit start --help` its options.
        """
        with one_line_errors():
            return run_line(line, Surroundings(namespace=self.shell.user_ns, auto=auto(self.shell)))

    @no_var_expand
    @line_cell_magic
    def snakepit_exec(self, line: str, cell: str | None = None) -> object:
        """Runs the cell in a worker, as the kernel itself would run it.

        `%%snakepit_exec --help` tells its options. `%snakepit_exec CODE` runs one line.
        """
        with one_line_errors(), auto(self.shell).hinting():
            if cell is None:
                return run_notebook_cell(self.shell, CellOptions(), line)
            words = split_words(line, self.shell.user_ns) if line else []
            if wants_help(words):
                print(cell_parser().format_help())
                return None
            options = parse_cell_options(words) if words else CellOptions()
            code = cell.removesuffix("\n")  # which IPython has put there
            if options.local:
                run_local_cell(self.shell, code)
                return None
            return run_notebook_cell(self.shell, options, code)

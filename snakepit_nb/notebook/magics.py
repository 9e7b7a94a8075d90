"""The magics. Thin: what they do stands in `subcommands` and `run_cell`."""

from collections.abc import Iterator
from contextlib import contextmanager

from IPython.core.error import UsageError as LineError
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, line_cell_magic, line_magic, magics_class, no_var_expand
from traitlets import Integer

from snakepit_nb.errors import SnakepitError, ToolError, UsageError

from .cell_options import CellOptions, cell_parser, parse_cell_options, split_words, wants_help
from .run_cell import run_notebook_cell
from .subcommands import Surroundings, run_line


@magics_class
class SnakepitMagics(Magics):
    """Runs cells and tools in a pool of workers."""

    shell: InteractiveShell  # IPython says that it may be None; a registered one has its shell

    workers = Integer(2, min=1, help="How many workers %snakepit start gives a pool.").tag(
        config=True
    )

    @no_var_expand
    @line_magic
    def snakepit(self, line: str) -> object:
        """Drives a pool of workers: start, stop, status, scale, tools, call, stream.

        `%snakepit --help` tells what each does, `%snakepit start --help` its options.
        """
        with _one_line_errors():
            return run_line(
                line,
                Surroundings(namespace=self.shell.user_ns, default_workers=self.workers),
            )

    @no_var_expand
    @line_cell_magic
    def snakepit_exec(self, line: str, cell: str | None = None) -> None:
        """Runs the cell in a worker, as the kernel itself would run it.

        `%%snakepit_exec --help` tells its options. `%snakepit_exec CODE` runs one line.
        """
        with _one_line_errors():
            if cell is None:
                run_notebook_cell(self.shell, CellOptions(), line)
                return
            words = split_words(line, self.shell.user_ns) if line else []
            if wants_help(words):
                print(cell_parser().format_help())
                return
            options = parse_cell_options(words) if words else CellOptions()
            run_notebook_cell(self.shell, options, cell)


@contextmanager
def _one_line_errors() -> Iterator[None]:
    """Shows errors that are not of the user's code as one line, without the way to them."""
    try:
        yield
    except UsageError as error:
        raise LineError(str(error)) from None
    except KeyboardInterrupt as interrupt:
        _show_as(interrupt, f"KeyboardInterrupt: {interrupt}".rstrip(": "))
        raise
    except ToolError:
        raise  # its own rendering is the worker's traceback
    except SnakepitError as error:
        _show_as(error, f"{type(error).__name__}: {error}")
        raise


def _show_as(error: BaseException, line: str) -> None:
    error._render_traceback_ = lambda: [line]  # type: ignore[attr-defined]  # IPython's hook

"""How an error shows in the notebook: the worker's traceback, or one line; never the way to it."""

from collections.abc import Iterator
from contextlib import contextmanager

from IPython.core.error import UsageError as LineError

from snakepit_nb.errors import SnakepitError, ToolError, UsageError


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Shows errors that are not of the user's code as one line."""
    try:
        yield
    except UsageError as error:
        raise LineError(str(error)) from None
    except (KeyboardInterrupt, SnakepitError) as error:
        lines = rendered(error)
        error._render_traceback_ = lambda: lines  # type: ignore[union-attr]  # IPython's hook
        raise


def rendered(error: BaseException) -> list[str]:
    """Returns the lines that show an error."""
    if isinstance(error, ToolError):
        return error._render_traceback_()
    return [f"{type(error).__name__}: {error}".rstrip(": ")]

"""This notebook cell, but isolated, killable, parallel, elsewhere and traceable.

`%load_ext snakepit_nb` in a notebook; `import snakepit_nb as snakepit` in a script. The names below
are imported on first use, so that importing this package, which each worker does, stays light.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from .blocking.async_pool import open_pool as open_pool
    from .blocking.exposing import expose as expose
    from .blocking.face import configure as configure
    from .blocking.face import pool as pool
    from .blocking.face import pools as pools
    from .blocking.face import scale as scale
    from .blocking.face import start as start
    from .blocking.face import status as status
    from .blocking.face import stop as stop
    from .blocking.face import use as use
    from .blocking.handle import Pool as Pool
    from .errors import SnakepitError as SnakepitError
    from .errors import ToolError as ToolError
    from .notebook.dashboard import dashboard as dashboard
    from .telemetry.bus import on as on
    from .telemetry.correlation import correlation as correlation

__version__ = "0.1.0"

_HOMES = {
    "Pool": "blocking.handle",
    "SnakepitError": "errors",
    "ToolError": "errors",
    "configure": "blocking.face",
    "correlation": "telemetry.correlation",
    "dashboard": "notebook.dashboard",
    "expose": "blocking.exposing",
    "on": "telemetry.bus",
    "open_pool": "blocking.async_pool",
    "pool": "blocking.face",
    "pools": "blocking.face",
    "scale": "blocking.face",
    "start": "blocking.face",
    "status": "blocking.face",
    "stop": "blocking.face",
    "use": "blocking.face",
}
__all__ = sorted(_HOMES)  # noqa: PLE0605 (sorted names)


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]


def load_ipython_extension(ipython: "InteractiveShell") -> None:
    """Registers the magics: what `%load_ext snakepit_nb` runs. Twice is harmless."""
    from .notebook.extension import load  # noqa: PLC0415 (workers shall not)

    load(ipython)


def unload_ipython_extension(ipython: "InteractiveShell") -> None:
    """Takes the magics away: what `%unload_ext snakepit_nb` runs. Pools run on."""
    from .notebook.extension import unload  # noqa: PLC0415

    unload(ipython)


class _Face(ModuleType):
    """Keeps `snakepit.pool` the function, where importing the room `pool` would overwrite it."""

    @property
    def pool(self) -> object:
        return __getattr__("pool")

    @pool.setter
    def pool(self, _room: ModuleType) -> None:
        """Leaves the room to `sys.modules`, where imports find it."""


sys.modules[__name__].__class__ = _Face

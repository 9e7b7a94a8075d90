"""`host`: the notebook's functions, as the code of tools and cells calls them.

`host.lookup(key)` waits for the value; `await host.lookup.aio(key)` leaves the loop to others
meanwhile. What the function raises is raised here, of its builtin type where it has one.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol


class HostLine(Protocol):
    """The way to the notebook."""

    def call(self, name: str, arguments: tuple[object, ...], keywords: Mapping[str, object]) -> Any:  # noqa: ANN401 (the function's)
        """Runs a function there, and waits for its value."""

    async def acall(
        self, name: str, arguments: tuple[object, ...], keywords: Mapping[str, object]
    ) -> Any:  # noqa: ANN401 (the function's)
        """As `call`, and awaits it."""

    def names(self) -> Iterable[str]:
        """Tells which functions there are."""


class HostTool:
    """One function of the notebook."""

    def __init__(self, name: str, line: HostLine) -> None:
        self._name = name
        self._line = line

    def __repr__(self) -> str:
        return f"<host tool {self._name!r}>"

    def __call__(self, *arguments: object, **keywords: object) -> Any:  # noqa: ANN401 (the function's)
        """Runs it and waits for its value. An interrupt gives it up."""
        return self._line.call(self._name, arguments, keywords)

    async def aio(self, *arguments: object, **keywords: object) -> Any:  # noqa: ANN401 (the function's)
        """Runs it and awaits its value. Cancelling gives it up."""
        return await self._line.acall(self._name, arguments, keywords)


class Host:
    """The functions that the notebook has marked by `@snakepit.expose`.

    `host.lookup`, or `host["lookup-2"]` where the name is none of Python's. `dir(host)` asks the
    notebook for their names.
    """

    def __init__(self) -> None:
        self._line: HostLine | None = None

    def __reduce__(self) -> str:
        return "host"  # wherever a function that names it is sent, it means the one there

    def connect(self, line: HostLine | None) -> None:
        """Makes a line the way to the notebook."""
        self._line = line

    def __getattr__(self, name: str) -> HostTool:
        if name.startswith("_"):  # no tool's name begins so, but what Python looks for does
            raise AttributeError(name)
        return self[name]

    def __getitem__(self, name: str) -> HostTool:
        return HostTool(name, self._here())

    def __dir__(self) -> list[str]:
        return sorted(self._here().names())

    def _here(self) -> HostLine:
        if self._line is None:
            raise LookupError("No notebook is here: `host` is for the code of tools and cells.")
        return self._line


host = Host()

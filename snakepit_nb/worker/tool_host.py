"""Runs one call on an adapter. It knows no transport and no thread."""

import importlib
import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

import cloudpickle

from snakepit_nb.calls import ToolSpec
from snakepit_nb.errors import UsageError, nearest
from snakepit_nb.settings import AdapterSource, Profile
from snakepit_nb.wire.function_calls import RESERVED_PREFIX
from snakepit_nb.wire.pictures import drawn

from .functions import run_functions
from .tools import BoundTool, bind_tools


class ToolHost:
    """The adapters of one worker and their tools.

    Raises:
        UsageError: two tools have one name, or the profile asks more of an adapter than it offers.
    """

    def __init__(self, adapters: Iterable[object], profile: Profile = Profile.PROCESS) -> None:
        self._adapters = tuple(adapters)
        if profile is Profile.THREAD:
            _require_thread_safe(self._adapters)
        self._tools: dict[str, BoundTool] = {}
        for adapter in self._adapters:
            for name, bound in bind_tools(adapter).items():
                if name.startswith(RESERVED_PREFIX):
                    raise UsageError(f"tool {name!r}: names that begin so are reserved: rename it.")
                if name in self._tools:
                    raise UsageError(f"Two adapters offer a tool {name!r}: rename one of them.")
                self._tools[name] = bound

    @property
    def specs(self) -> tuple[ToolSpec, ...]:
        """What the worker offers."""
        return tuple(bound.spec for bound in self._tools.values())

    def awaits(self, name: str) -> bool:
        """Tells whether a tool awaits, and so can share a loop with others."""
        bound = self._tools.get(name)
        return bound is not None and bound.awaits

    async def call(self, name: str, arguments: Mapping[str, object]) -> object:
        """Runs a tool, or the functions that a reserved one brings, and returns its value.

        Raises:
            UsageError: no such tool, it streams, or an argument does not fit.
        """
        if name.startswith(RESERVED_PREFIX):
            return await run_functions(name, arguments, _called)
        bound = self._find(name, arguments)
        if bound.spec.supports_streaming:
            raise UsageError(f"tool {name!r} streams: use `stream` in place of `call`.")
        return await _called(bound.method, **arguments)

    async def stream(
        self,
        name: str,
        arguments: Mapping[str, object],
        put: Callable[[Any], Awaitable[None] | None],
    ) -> None:
        """Runs a streaming tool and puts out each item that it yields.

        Raises:
            UsageError: no such tool, it does not stream, or an argument does not fit.
        """
        bound = self._find(name, arguments)
        if not bound.spec.supports_streaming:
            raise UsageError(f"tool {name!r} does not stream: use `call` in place of `stream`.")
        items = bound.method(**arguments)
        if inspect.isasyncgen(items):
            try:
                async for item in items:
                    await _put(put, item)
            finally:
                await items.aclose()
            return
        try:
            for item in items:
                await _put(put, item)
        finally:
            items.close()

    def close(self) -> None:
        """Closes the adapters."""
        for adapter in self._adapters:
            close = getattr(adapter, "close", None)
            if close is not None:
                close()

    def _find(self, name: str, arguments: Mapping[str, object]) -> BoundTool:
        bound = self._tools.get(name)
        if bound is None:
            raise UsageError(f"There is no tool {name!r}: {nearest(name, self._tools)}")
        bound.check(arguments)
        return bound


async def _called(
    function: Callable[..., Any], /, *arguments: object, **keywords: object
) -> object:
    value = function(*arguments, **keywords)
    return await value if inspect.isawaitable(value) else value


def _require_thread_safe(adapters: Iterable[object]) -> None:
    classes = {type(adapter): None for adapter in adapters}
    unsafe = [cls.__qualname__ for cls in classes if not getattr(cls, "thread_safe", False)]
    if unsafe:
        raise UsageError(
            f"adapters {', '.join(unsafe)}: a worker of the thread profile runs their tools at "
            "the same time. Where they can stand that, write `thread_safe = True` in the class; "
            "otherwise start the pool with --profile process."
        )


async def _put(put: Callable[[Any], Awaitable[None] | None], item: object) -> None:
    waits = put(drawn(item))  # now: the tool may go on with the same figure
    if waits is not None:
        await waits


def load_adapter(source: AdapterSource) -> object:
    """Imports or unpickles an adapter class and makes its one instance.

    Raises:
        UsageError: the name leads to no class.
    """
    if source.pickled is not None:
        return cloudpickle.loads(source.pickled)()
    module_name, _, class_name = source.name.partition(":")
    if not class_name:
        module_name, _, class_name = source.name.rpartition(".")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name != module_name:
            raise  # the adapter's own import fails: its traceback tells where
        raise UsageError(
            f"adapter {source.name!r}: there is no module {module_name!r} on the worker's path."
        ) from None
    found = getattr(module, class_name, None)
    if not isinstance(found, type):
        known = [name for name, value in vars(module).items() if isinstance(value, type)]
        raise UsageError(
            f"adapter {source.name!r}: module {module_name!r} has no class {class_name!r}: "
            f"{nearest(class_name, known)}"
        )
    return found()

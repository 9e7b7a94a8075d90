"""What a user subclasses to offer tools."""

from typing import ClassVar

from .context import CallContext, current_call


class Adapter:
    """A set of tools that live in a worker: methods marked by `@tool`.

    One instance serves all calls of its worker, so what it keeps in `self` stays between calls.
    `__init__` takes no arguments and runs when the worker starts.
    """

    thread_safe: ClassVar[bool] = False
    """Whether its tools may run at the same time, as they do in a worker of the thread profile:
    plain ones each in a thread, async ones side by side on one loop. Such a worker takes no adapter
    that does not say so."""

    @property
    def context(self) -> CallContext:
        """The call that a tool serves right now: its ids, its session, its request's metadata."""
        return current_call()

    def close(self) -> None:
        """Frees what the adapter holds; called when the worker stops in good order."""

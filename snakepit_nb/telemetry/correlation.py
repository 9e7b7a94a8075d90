"""One correlation id for each cell: which it is, and how the code that runs under it finds it."""

import os
import random
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

from snakepit_nb.errors import UsageError
from snakepit_nb.identifiers import CallId, CorrelationId, correlation_id_from, is_correlation_id


class Label(NamedTuple):
    """What the running code belongs to, for its log records."""

    correlation_id: CorrelationId
    worker_id: str = ""
    session_id: str = ""


_current: ContextVar[Label | None] = ContextVar("snakepit_label", default=None)

# Ids need not be secret, only different; asking the system for each would cost more than a call's
# other bookkeeping, because it lets go of the interpreter's lock.
_random = random.Random()  # noqa: S311
os.register_at_fork(after_in_child=_random.seed)


def new_call_id() -> CallId:
    """Makes an id that no other call has, of this process or another."""
    return CallId(_random.randbytes(8).hex())


def new_correlation_id() -> CorrelationId:
    """Makes a fresh id: `sp-` and 24 hexadecimal digits."""
    return correlation_id_from(_random.randbytes(12))


def checked_correlation_id(text: str) -> CorrelationId:
    """Returns the text as a correlation id.

    Raises:
        UsageError: it is not 1 to 128 printable ASCII characters.
    """
    if not is_correlation_id(text):
        raise UsageError(f"correlation id {text[:40]!r}: give 1 to 128 printable ASCII characters.")
    return CorrelationId(text)


def adopted_correlation_id(text: str) -> CorrelationId:
    """Returns the id that came with a request, or a fresh one where none came that can be one."""
    return CorrelationId(text) if is_correlation_id(text) else new_correlation_id()


def current_correlation_id() -> CorrelationId | None:
    """Returns the id that the running code belongs to, in a worker or under `correlation`."""
    label = _current.get()
    return None if label is None else label.correlation_id


@contextmanager
def correlation(text: str | None = None) -> Iterator[CorrelationId]:
    """Runs the calls within the `with` under one id: the given one, or a fresh one.

    Raises:
        UsageError: the text cannot be an id.
    """
    chosen = new_correlation_id() if text is None else checked_correlation_id(text)
    token = belong_to(Label(chosen))
    try:
        yield chosen
    finally:
        belong_no_more(token)


belong_to = _current.set
"""Makes the code that runs on belong to a label; returns what `belong_no_more` ends that with."""
belong_no_more = _current.reset


class RequestCorrelation:
    """Gives each execute request one id, so that all calls of one plain cell share it."""

    def __init__(self, *, remembered: int = 1000) -> None:
        self._ids: OrderedDict[str, CorrelationId] = OrderedDict()
        self._remembered = remembered
        self.request_key: Callable[[], str | None] = lambda: None
        """Tells the running request's message id; the notebook sets it, scripts have none."""

    def choose(self) -> CorrelationId:
        """Returns a call's id: the surrounding one, else the request's, else a new one."""
        surrounding = current_correlation_id()
        if surrounding is not None:
            return surrounding
        key = self.request_key()
        if key is None:
            return new_correlation_id()
        known = self._ids.get(key)
        if known is None:
            known = self._ids.setdefault(key, new_correlation_id())  # threads of a cell share it
            if len(self._ids) > self._remembered:
                self._ids.popitem(last=False)
        return known

    def known(self) -> CorrelationId | None:
        """Returns the id of the running request, if it has one already."""
        if not self._ids:
            return None
        key = self.request_key()
        return None if key is None else self._ids.get(key)


requests = RequestCorrelation()


def current_label() -> Label | None:
    """Returns what the running code belongs to: a call, else a request that has made one."""
    label = _current.get()
    if label is not None:
        return label
    known = requests.known()
    return None if known is None else Label(known)

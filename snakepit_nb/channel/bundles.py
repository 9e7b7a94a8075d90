"""Which calls of one worker share an RPC: it costs more than most calls."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TypeAlias

from snakepit_nb.calls import ToolCall
from snakepit_nb.identifiers import CORRELATION_HEADER, CallId, CorrelationId
from snakepit_nb.wire.generated import snakepit_bridge_pb2 as bridge

from .exchange import MOST_TOGETHER, Bundled, Exchange, Rpc

MANY_CALLS = 4
"""With so many under way, one waits for others that begin in the same turn of the loop.

Measured with 2 to 64 in flight: with fewer, what bundles save is less than what the turn costs.
"""
SMALL_BYTES = 16 * 1024
"""A larger request goes by itself."""

Headers: TypeAlias = Sequence[tuple[str, str]]


class Bundles:
    """The exchanges with one worker.

    `execute` begins an RPC, and adds to the headers what is the way's own. `leave` is told of calls
    that were sent and that nobody waits for any more.
    """

    def __init__(
        self, execute: Callable[[Headers], Rpc], leave: Callable[[CallId], object]
    ) -> None:
        self._execute = execute
        self._leave = leave
        self._waiting: list[Bundled] = []
        self._exchanges: set[Exchange] = set()
        self._kept: Exchange | None = None
        self._kept_for: CorrelationId | None = None
        """The correlation id of the last call; `_kept`, if there is one, is for its cell."""

    def close(self) -> None:
        """Ends what is under way; whoever waits for it is told."""
        for exchange in self._exchanges:
            exchange.cancel()

    def exchange_of(self, correlation_id: CorrelationId) -> Exchange | None:
        """Returns the exchange that is kept for a cell's calls, from its second one on."""
        if correlation_id != self._kept_for:
            self._kept_for = correlation_id
            if self._kept is not None:
                self._kept.finish()
                self._kept = None
        elif self._kept is None:
            self._kept = self._begin([correlation_id])
        return self._kept

    async def answer(
        self, call: ToolCall, request: bridge.ExecuteToolRequest, kept: Exchange | None
    ) -> bridge.ExecuteToolResponse | None:
        """Sends a call over an exchange and returns the response.

        That is the one that is kept, or else one for all that begin in this turn of the loop. None:
        there are no others, so it was not sent. Cancelling leaves the call.
        """
        one = Bundled(call, request, asyncio.get_running_loop().create_future())
        if kept is not None:
            kept.send(one)
        else:
            self._gather(one)
        try:
            outcome = await one.answered
        except asyncio.CancelledError:
            if one.is_sent and one.answered.cancelled():
                self._leave(call.call_id)
            raise
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def _gather(self, one: Bundled) -> None:
        self._waiting.append(one)
        if len(self._waiting) == 1:
            asyncio.get_running_loop().call_soon(self._send_waiting)

    def _send_waiting(self) -> None:
        waiting = [one for one in self._waiting if not one.answered.done()]
        self._waiting.clear()
        if len(waiting) == 1:
            waiting[0].settle(None)
            return
        for first in range(0, len(waiting), MOST_TOGETHER):
            bundled = waiting[first : first + MOST_TOGETHER]
            exchange = self._begin(dict.fromkeys(one.call.correlation_id for one in bundled))
            for one in bundled:
                exchange.send(one)
            exchange.finish()

    def _begin(self, correlation_ids: Iterable[CorrelationId]) -> Exchange:
        headers = [(CORRELATION_HEADER, name) for name in correlation_ids]
        exchange = Exchange(partial(self._execute, headers), self._ended)
        self._exchanges.add(exchange)
        return exchange

    def _ended(self, exchange: Exchange) -> None:
        self._exchanges.discard(exchange)
        if exchange is self._kept:
            self._kept = None


def small_bytes(message_bytes: int) -> int:
    """Returns how large a request may be with its headers; a bundle of such fits a message."""
    return min(SMALL_BYTES, message_bytes // (2 * MOST_TOGETHER))

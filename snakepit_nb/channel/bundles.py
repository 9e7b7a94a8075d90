"""Calls of one worker that begin together, sent together: an RPC costs more than most calls."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import grpc
import grpc.aio

from snakepit_nb.calls import ToolCall
from snakepit_nb.errors import SnakepitError, WorkerCrashedError
from snakepit_nb.identifiers import CORRELATION_HEADER, CallId, CorrelationId
from snakepit_nb.wire.failures import decode_status
from snakepit_nb.wire.generated import snakepit_bridge_pb2 as bridge
from snakepit_nb.wire.generated import snakepit_cells_pb2 as cells

MANY_CALLS = 4
"""With so many under way, one waits for others that begin in the same turn of the loop.

Measured with 2 to 64 in flight: with fewer, what bundles save is less than what the turn costs.
"""
MOST_TOGETHER = 32
"""So that a worker is busy with some of many calls while others are on their way."""
SMALL_BYTES = 16 * 1024
"""A larger request goes by itself."""

Headers: TypeAlias = Sequence[tuple[str, str]]

ExecuteTools: TypeAlias = (
    "Callable[[cells.ToolBundle, Headers], grpc.aio.UnaryStreamCall[Any, cells.ToolAnswers]]"
)
"""The RPC; it adds to the headers what is the way's own."""


@dataclass(slots=True)
class Bundled:
    """One call on its way there and back."""

    call: ToolCall
    request: bridge.ExecuteToolRequest
    answered: "asyncio.Future[bridge.ExecuteToolResponse | BaseException | None]"
    """The response, or why there is none; None: the call shall go by itself."""
    is_sent: bool = False


class Bundles:
    """The bundles on the way to one worker.

    `leave` is told of calls that were sent and that nobody waits for any more.
    """

    def __init__(self, execute: ExecuteTools, leave: Callable[[CallId], object]) -> None:
        self._execute = execute
        self._leave = leave
        self._waiting: list[Bundled] = []
        self._exchanges: set[asyncio.Task[None]] = set()  # held: the loop holds tasks weakly

    def close(self) -> None:
        """Ends what is under way; whoever waits for it is told."""
        for exchange in self._exchanges:
            exchange.cancel()

    async def answer(
        self, call: ToolCall, request: bridge.ExecuteToolRequest
    ) -> bridge.ExecuteToolResponse | None:
        """Sends a call with those that begin in this turn of the loop, and returns the response.

        None: there are no others, so it was not sent. Cancelling leaves the call.
        """
        loop = asyncio.get_running_loop()
        one = Bundled(call, request, loop.create_future())
        self._waiting.append(one)
        if len(self._waiting) == 1:
            loop.call_soon(self._send_waiting)
        try:
            answer = await one.answered
        except asyncio.CancelledError:
            if one.is_sent and one.answered.cancelled():
                self._leave(call.call_id)
            raise
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def _send_waiting(self) -> None:
        waiting = [one for one in self._waiting if not one.answered.done()]
        self._waiting.clear()
        if len(waiting) == 1:
            waiting[0].answered.set_result(None)
            return
        for first in range(0, len(waiting), MOST_TOGETHER):
            bundled = waiting[first : first + MOST_TOGETHER]
            exchange = asyncio.ensure_future(self._exchange(bundled))
            self._exchanges.add(exchange)
            # Not within it: one that is cancelled before it has begun does nothing more.
            exchange.add_done_callback(partial(self._ended, bundled))

    def _ended(self, bundled: Sequence[Bundled], exchange: "asyncio.Task[None]") -> None:
        """Lets those that have no answer know why."""
        self._exchanges.discard(exchange)
        failure = None if exchange.cancelled() else exchange.exception()
        for one in bundled:
            _settle(one, failure or _unanswered(one.call))

    async def _exchange(self, bundled: Sequence[Bundled]) -> None:
        for one in bundled:
            one.is_sent = True
        rpc = self._execute(
            cells.ToolBundle(calls=map(_written, bundled)),
            [(CORRELATION_HEADER, name) for name in _correlation_ids(bundled)],
        )
        try:
            # A plain read: this task is cancelled only when the way is closed, and the RPC with it.
            while isinstance(message := await rpc.read(), cells.ToolAnswers):
                for answer in message.answers:
                    one = bundled[answer.number]
                    _settle(one, _read(answer, one.call))
        finally:
            rpc.cancel()


def small_bytes(message_bytes: int) -> int:
    """Returns how large a request may be at most, so that a bundle of such fits a message."""
    return min(SMALL_BYTES, message_bytes // (2 * MOST_TOGETHER))


def _written(one: Bundled) -> cells.BundledCall:
    return cells.BundledCall(
        request=one.request.SerializeToString(), headers=dict(one.call.origin.headers)
    )


def _unanswered(call: ToolCall) -> WorkerCrashedError:
    return WorkerCrashedError(
        "The worker has ended the call without an answer.", correlation_id=call.correlation_id
    )


def _correlation_ids(bundled: Sequence[Bundled]) -> Iterable[CorrelationId]:
    """Returns each of them once: a cell's calls share theirs."""
    return dict.fromkeys(one.call.correlation_id for one in bundled)


def _settle(one: Bundled, outcome: bridge.ExecuteToolResponse | BaseException) -> None:
    if not one.answered.done():  # somebody waits for it
        one.answered.set_result(outcome)


def _read(answer: cells.ToolAnswer, call: ToolCall) -> bridge.ExecuteToolResponse | SnakepitError:
    if answer.too_large:
        status = grpc.StatusCode.RESOURCE_EXHAUSTED
        return decode_status(status, answer.too_large, correlation_id=call.correlation_id)
    return bridge.ExecuteToolResponse.FromString(answer.response)

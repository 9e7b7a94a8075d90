"""One RPC over which bundles of calls go to a worker and answers come back."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import TypeAlias

import grpc
import grpc.aio

from snakepit_nb.calls import ToolCall
from snakepit_nb.errors import WorkerCrashedError
from snakepit_nb.wire.failures import decode_status
from snakepit_nb.wire.generated import snakepit_bridge_pb2 as bridge
from snakepit_nb.wire.generated import snakepit_cells_pb2 as cells

MOST_TOGETHER = 32
"""So that a worker is busy with some of many calls while others are on their way.

Their correlation ids also fit an RPC's headers, which may have 8 KB.
"""

Rpc: TypeAlias = "grpc.aio.StreamStreamCall[cells.ToolBundle, cells.ToolAnswers]"
Outcome: TypeAlias = bridge.ExecuteToolResponse | BaseException | None


@dataclass(slots=True)
class Bundled:
    """One call on its way there and back."""

    call: ToolCall
    request: bridge.ExecuteToolRequest
    answered: asyncio.Future[Outcome]
    """The response, or why there is none; None: the call shall go by itself."""
    is_sent: bool = False

    def settle(self, outcome: Outcome) -> None:
        """Tells whoever waits for it still."""
        if not self.answered.done():
            self.answered.set_result(outcome)


class Exchange:
    """Takes calls until it is finished, and ends when they are answered.

    What comes while a bundle is being written goes together in the next one.
    """

    def __init__(self, begin: Callable[[], Rpc], at_end: Callable[["Exchange"], object]) -> None:
        self._begin = begin
        self._at_end = at_end
        self._waiting: deque[Bundled] = deque()
        self._sent: dict[int, Bundled] = {}
        self._numbers = count()
        self._is_finished = False
        self._more = asyncio.Event()
        self._reading = asyncio.ensure_future(self._read())
        # Not within it: one that is cancelled before it has begun does nothing more.
        self._reading.add_done_callback(self._ended)

    def send(self, one: Bundled) -> None:
        """Sends a call, soon."""
        self._waiting.append(one)
        self._more.set()

    def finish(self) -> None:
        """Takes no more calls; it ends behind the last answer."""
        self._is_finished = True
        self._more.set()

    def cancel(self) -> None:
        """Ends it now; whoever waits for an answer is told."""
        self._reading.cancel()

    async def _read(self) -> None:
        rpc = self._begin()
        writing = asyncio.ensure_future(self._write(rpc))
        try:
            # A plain read: around it is no cancel scope, of which gRPC would lose the message.
            while isinstance(message := await rpc.read(), cells.ToolAnswers):
                for answer in message.answers:
                    one = self._sent[answer.number]
                    one.settle(_outcome(answer, one.call))
                    del self._sent[answer.number]
        finally:
            writing.cancel()
            rpc.cancel()

    async def _write(self, rpc: Rpc) -> None:
        try:
            while (bundle := await self._next_bundle()) is not None:
                await rpc.write(bundle)
            await rpc.done_writing()
        except Exception:  # noqa: BLE001 (the RPC has ended, and who reads is told why)
            rpc.cancel()  # or it ends now: nothing more can be written

    async def _next_bundle(self) -> cells.ToolBundle | None:
        """Waits until there is something to send; None: nothing more will be."""
        while (bundle := self._bundle_waiting()) is None and not self._is_finished:
            self._more.clear()
            await self._more.wait()
        return bundle

    def _bundle_waiting(self) -> cells.ToolBundle | None:
        calls: list[cells.BundledCall] = []
        while self._waiting and len(calls) < MOST_TOGETHER:
            one = self._waiting.popleft()
            if one.answered.done():  # nobody waits for it any more
                continue
            one.is_sent = True
            number = next(self._numbers)
            self._sent[number] = one
            calls.append(_written(number, one))
        return cells.ToolBundle(calls=calls) if calls else None

    def _ended(self, reading: asyncio.Task[None]) -> None:
        """Lets those that have no answer know why."""
        self._at_end(self)
        failure = None if reading.cancelled() else reading.exception()
        for one in (*self._sent.values(), *self._waiting):
            one.settle(failure or _unanswered(one.call))


def _written(number: int, one: Bundled) -> cells.BundledCall:
    return cells.BundledCall(
        number=number,
        request=one.request.SerializeToString(),
        headers=dict(one.call.origin.headers),
    )


def _outcome(answer: cells.ToolAnswer, call: ToolCall) -> Outcome:
    if answer.too_large:
        status = grpc.StatusCode.RESOURCE_EXHAUSTED
        return decode_status(status, answer.too_large, correlation_id=call.correlation_id)
    return bridge.ExecuteToolResponse.FromString(answer.response)


def _unanswered(call: ToolCall) -> WorkerCrashedError:
    return WorkerCrashedError(
        "The worker has ended the call without an answer.", correlation_id=call.correlation_id
    )

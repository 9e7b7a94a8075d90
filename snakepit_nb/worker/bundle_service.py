"""The worker's end of `snakepit.cells.v1.BundleService`: tools of calls that came together."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import TypeAlias

from snakepit_nb.wire.generated import snakepit_bridge_pb2 as bridge
from snakepit_nb.wire.generated import snakepit_cells_pb2 as cells
from snakepit_nb.wire.generated import snakepit_cells_pb2_grpc

from .tool_service import ToolService
from .watch import Headers, ServicerContext

log = logging.getLogger(__name__)

Execute: TypeAlias = Callable[[cells.BundledCall], Awaitable[cells.ToolAnswer]]

ANSWERS_BYTES = 256 * 1024
"""So much goes together; a larger answer goes alone."""
FRAME_BYTES = 32
"""More than a message has around each answer."""


class BundleService(snakepit_cells_pb2_grpc.BundleServiceServicer):
    """Runs tools side by side, each as if its call had come by itself."""

    def __init__(self, tools: ToolService, message_bytes: int) -> None:
        self._tools = tools
        self._largest = message_bytes - FRAME_BYTES
        self._exchanges: set[_Exchange] = set()

    def close(self) -> None:
        """Takes no more calls; what runs is answered. Else the server would wait for more."""
        for exchange in self._exchanges:
            exchange.close()

    async def ExecuteTools(  # type: ignore[override]  # it reads and writes
        self, _: AsyncIterator[cells.ToolBundle], context: ServicerContext
    ) -> None:
        """Runs the tools and sends each answer when it is there."""
        exchange = _Exchange(context, self._execute, min(ANSWERS_BYTES, self._largest))
        self._exchanges.add(exchange)
        try:
            await exchange.run()
        finally:
            self._exchanges.discard(exchange)

    async def _execute(self, call: cells.BundledCall) -> cells.ToolAnswer:
        try:
            request = bridge.ExecuteToolRequest.FromString(call.request)
            response = await self._tools.execute(request, Headers(call.headers))
        except Exception as error:
            log.exception("a call has no answer")  # and the others shall not suffer
            response = bridge.ExecuteToolResponse(error_message=type(error).__name__)
        data = response.SerializeToString()
        if len(data) <= self._largest:
            return cells.ToolAnswer(number=call.number, response=data)
        return cells.ToolAnswer(number=call.number, too_large=f"it has {len(data)} bytes")


class _Exchange:
    """One RPC. Answers that come while some are being written go together then."""

    def __init__(self, context: ServicerContext, execute: Execute, together: int) -> None:
        self._context = context
        self._execute = execute
        self._together = together
        self._ready: list[cells.ToolAnswer] = []
        self._is_sending = False

    async def run(self) -> None:
        """Returns when no more calls come and all are answered."""
        async with asyncio.TaskGroup() as self._tasks:
            self._read_on()

    def close(self) -> None:
        """Reads no more."""
        self._reading.cancel()

    def _read_on(self) -> None:
        self._reading = self._tasks.create_task(self._serve())

    async def _serve(self) -> None:
        """Runs what comes next, while another task of this kind waits for more.

        So a call begins at once, and not when the loop comes to a new task.
        """
        bundle = await self._context.read()
        if not isinstance(bundle, cells.ToolBundle):
            return
        self._read_on()
        first, *others = bundle.calls
        for call in others:
            self._tasks.create_task(self._answer(call))
        await self._answer(first)

    async def _answer(self, call: cells.BundledCall) -> None:
        answer = await self._execute(call)
        self._ready.append(answer)
        if self._is_sending:
            return
        self._is_sending = True
        while self._ready:
            ready, self._ready = self._ready, []
            for message in _messages(ready, self._together):
                await self._context.write(message)
        self._is_sending = False


def _messages(answers: list[cells.ToolAnswer], limit: int) -> Iterator[cells.ToolAnswers]:
    """Puts answers together, in their order, as far as a message may be that large."""
    together: list[cells.ToolAnswer] = []
    size = 0
    for answer in answers:
        bytes_more = len(answer.response) + FRAME_BYTES
        if together and size + bytes_more > limit:
            yield cells.ToolAnswers(answers=together)
            together, size = [], 0
        together.append(answer)
        size += bytes_more
    yield cells.ToolAnswers(answers=together)

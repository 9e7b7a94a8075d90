"""The worker's end of `snakepit.cells.v1.BundleService`: tools of calls that came together."""

import asyncio
import logging
from collections.abc import Iterator

from snakepit_nb.wire.generated import snakepit_bridge_pb2 as bridge
from snakepit_nb.wire.generated import snakepit_cells_pb2 as cells
from snakepit_nb.wire.generated import snakepit_cells_pb2_grpc

from .tool_service import ToolService
from .watch import Headers, ServicerContext

log = logging.getLogger(__name__)

ANSWERS_BYTES = 256 * 1024
"""So much goes together; a larger answer goes alone."""
FRAME_BYTES = 32
"""More than a message has around each answer."""


class BundleService(snakepit_cells_pb2_grpc.BundleServiceServicer):
    """Runs tools side by side, each as if its call had come by itself."""

    def __init__(self, tools: ToolService, message_bytes: int) -> None:
        self._tools = tools
        self._largest = message_bytes - FRAME_BYTES
        self._together = min(ANSWERS_BYTES, self._largest)

    async def ExecuteTools(  # type: ignore[override]  # it writes
        self, request: cells.ToolBundle, context: ServicerContext
    ) -> None:
        """Runs the tools and sends each answer when it is there."""
        answers: asyncio.Queue[cells.ToolAnswer] = asyncio.Queue()
        async with asyncio.TaskGroup() as tasks:
            for number, call in enumerate(request.calls):
                tasks.create_task(self._execute(number, call, answers))
            left = len(request.calls)
            while left:
                ready = [await answers.get(), *_those_in(answers)]
                for message in _messages(ready, self._together):
                    await context.write(message)
                left -= len(ready)

    async def _execute(
        self, number: int, call: cells.BundledCall, answers: asyncio.Queue[cells.ToolAnswer]
    ) -> None:
        try:
            request = bridge.ExecuteToolRequest.FromString(call.request)
            response = await self._tools.execute(request, Headers(call.headers))
        except Exception as error:
            log.exception("a call has no answer")  # and the others shall not suffer
            response = bridge.ExecuteToolResponse(error_message=type(error).__name__)
        data = response.SerializeToString()
        if len(data) <= self._largest:
            answer = cells.ToolAnswer(number=number, response=data)
        else:
            answer = cells.ToolAnswer(number=number, too_large=f"it has {len(data)} bytes")
        answers.put_nowait(answer)


def _those_in(answers: asyncio.Queue[cells.ToolAnswer]) -> Iterator[cells.ToolAnswer]:
    while not answers.empty():
        yield answers.get_nowait()


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

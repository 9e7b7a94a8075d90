"""A streaming tool, for a thread that waits for its items."""

from collections.abc import Awaitable, Callable, Iterator

from snakepit_nb.calls import CallPlace, ToolCall, ToolChunk

from .delivery import Delivery


class ToolStream:
    """A streaming tool's chunks as they come, once it is iterated.

    Leaving it, or `cancel`, cancels the tool.
    """

    def __init__(
        self,
        call: ToolCall,
        work: Callable[[Callable[[ToolChunk], Awaitable[None]]], Awaitable[None]],
        place: Callable[[], CallPlace | None],
    ) -> None:
        self.tool_name = call.tool_name
        self.correlation_id = call.correlation_id
        self.place = place
        """Tells, in any thread, where the call is."""
        self._call_id = call.call_id
        self._delivery: Delivery[ToolChunk, None] = Delivery(work)

    def __iter__(self) -> Iterator[ToolChunk]:
        try:
            with self._delivery.receiving([self._call_id]):
                self._delivery.start()
                yield from self._delivery
        except BaseException:
            self.cancel()
            raise
        self._delivery.result  # noqa: B018 (it raises what ended the stream)

    def cancel(self) -> None:
        """Cancels the tool, from any thread; the iteration then ends with KeyboardInterrupt."""
        self._delivery.cancel()

"""What happens in the kernel's pools, told to another program."""

from collections.abc import AsyncIterator, Awaitable, Callable

import anyio

from snakepit_nb.mailbox import waking_here
from snakepit_nb.observations import EventControl, ToldEvent
from snakepit_nb.telemetry.bus import on
from snakepit_nb.telemetry.event_stream import EventStream
from snakepit_nb.telemetry.events import Event

TOGETHER_SECONDS = 0.05


async def feed_events(
    controls: AsyncIterator[Callable[[EventControl], EventControl]],
    write: Callable[[ToldEvent], Awaitable[None]],
) -> None:
    """Writes events until the reader goes; each control changes which ones come.

    When the reader is slow, the oldest are dropped, and counted.
    """
    stream = EventStream()

    def tell(event: Event) -> None:
        metadata = event.metadata
        correlation_id = metadata.get("correlation_id", "")
        stream.emit(event.name, event.measurements, metadata, correlation_id)

    async def take_controls() -> None:
        async for change in controls:
            stream.apply(change(stream.control))

    async with anyio.create_task_group() as tasks:
        with stream.attached(waking_here()) as reader:
            end = on("*", tell)
            try:
                tasks.start_soon(take_controls)
                while events := await reader.take():
                    for event in events:
                        await write(event)
                    await anyio.sleep(TOGETHER_SECONDS)
            finally:
                end()

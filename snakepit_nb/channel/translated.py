"""The errors and the reads of gRPC, made such as the pool can stand."""

import asyncio
from types import TracebackType
from typing import Any, Protocol, TypeVar

import grpc
import grpc.aio

from snakepit_nb.errors import WorkerCrashedError
from snakepit_nb.identifiers import CorrelationId
from snakepit_nb.wire.failures import decode_status

Response = TypeVar("Response")


class Closable(Protocol):
    """A way that may have been closed under a call."""

    is_closed: bool


class Translated:
    """Makes the errors of gRPC within a `with` ours."""

    __slots__ = ("_channel", "_correlation_id")

    def __init__(self, channel: Closable, correlation_id: CorrelationId | None) -> None:
        self._channel = channel
        self._correlation_id = correlation_id

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        frames: TracebackType | None,
    ) -> None:
        match error:
            case None:
                return
            case grpc.aio.AioRpcError():
                details = error.details() or ""
                raise decode_status(
                    error.code(), details, correlation_id=self._correlation_id
                ) from None
            # The channel was closed before the call, or a stream has ended before a message.
            case grpc.aio.UsageError() | asyncio.InvalidStateError():
                raise self._gone(str(error)) from None
            case asyncio.CancelledError() if self._channel.is_closed:
                # Under the call, which gRPC tells as if the caller had been cancelled.
                raise self._gone("The worker is gone.") from None

    def _gone(self, message: str) -> WorkerCrashedError:
        return WorkerCrashedError(message, correlation_id=self._correlation_id)


async def read_message(
    rpc: "grpc.aio.UnaryStreamCall[Any, Response] | grpc.aio.StreamStreamCall[Any, Response]",
) -> object:
    """Reads one message, or `grpc.aio.EOF`.

    The read itself is never cancelled, and ends when its call does: gRPC keeps some kilobytes for
    good of one that is abandoned, and may raise a cancellation of its own for that of a scope.
    """
    reading = asyncio.ensure_future(rpc.read())
    try:
        return await asyncio.shield(reading)
    except asyncio.CancelledError:
        reading.add_done_callback(_forget)
        raise


def _forget(reading: "asyncio.Future[object]") -> None:
    if not reading.cancelled():
        reading.exception()  # nobody else asks for it

"""What went wrong with a tool that another program wants, as gRPC's status."""

from typing import Any, NoReturn, TypeAlias

import grpc
import grpc.aio

from snakepit_nb.errors import SessionNotFoundError, UsageError, ValueEncodingError
from snakepit_nb.wire.failures import encode_failure

from .forwarding import NotStreamingError, ToolNotFoundError

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"  # no generic at run time


class UnsentError(Exception):
    """Who reads a stream does not take it any more."""


_STATUSES: tuple[tuple[type[Exception] | tuple[type[Exception], ...], grpc.StatusCode], ...] = (
    ((SessionNotFoundError, ToolNotFoundError), grpc.StatusCode.NOT_FOUND),
    (NotStreamingError, grpc.StatusCode.UNIMPLEMENTED),
    ((UsageError, ValueEncodingError), grpc.StatusCode.INVALID_ARGUMENT),
    (UnsentError, grpc.StatusCode.UNAVAILABLE),
)


async def abort(context: Context, error: Exception, tool_name: str) -> NoReturn:
    """Ends a request by the status of an error; what the tool raised travels in the details."""
    for kinds, status in _STATUSES:
        if isinstance(error, kinds):
            await context.abort(status, getattr(error, "message", str(error)))
    await context.abort(grpc.StatusCode.INTERNAL, failure(error, tool_name))


def failure(error: Exception, tool_name: str) -> str:
    """Writes an error for who waits, without the way through the kernel."""
    return encode_failure(error.with_traceback(None), tool_name=tool_name)

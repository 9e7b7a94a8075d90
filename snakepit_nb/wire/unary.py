"""The one way to wait for a unary call of gRPC."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

import grpc.aio

Request = TypeVar("Request")
Response = TypeVar("Response")


async def answer_of(
    rpc: "grpc.aio.UnaryUnaryCall[Request, Response]",
    *,
    leave: Callable[[], object] | None = None,
) -> Response:
    """Returns the response. Cancelling cancels the call, or does what `leave` does.

    A plain `await` of one breaks inside an anyio cancel scope: gRPC swallows the scope's message.
    So a future is awaited, and gRPC only when it has ended.
    """
    ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    rpc.add_done_callback(lambda _: _settle(ended))
    try:
        await ended
    except BaseException:
        (leave or rpc.cancel)()
        raise
    return await rpc


def _settle(ended: "asyncio.Future[None]") -> None:
    if not ended.done():  # nor cancelled
        ended.set_result(None)

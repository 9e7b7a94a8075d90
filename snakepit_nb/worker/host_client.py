"""A worker's way to the kernel's bridge, over gRPC.

Any thread asks and waits; the channel lives on the serving one. Values are written and read by who
asks, since that may run code of the user's.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from concurrent.futures import Future
from typing import Any, TypeVar

import grpc
import grpc.aio

from snakepit_nb.errors import CallCancelledError, SnakepitError, UsageError
from snakepit_nb.identifiers import CORRELATION_HEADER, SHOWN_HEADER, TOKEN_HEADER
from snakepit_nb.telemetry.correlation import current_correlation_id, new_correlation_id
from snakepit_nb.telemetry.ids import TRACE_HEADER
from snakepit_nb.wire.failures import decode_status
from snakepit_nb.wire.generated import snakepit_bridge_pb2 as bridge
from snakepit_nb.wire.generated import snakepit_bridge_pb2_grpc
from snakepit_nb.wire.host_messages import HostCall, read_host_result, write_host_call
from snakepit_nb.wire.unary import answer_of

from .context import CallContext, current_call

T = TypeVar("T")

NAMES_SECONDS = 5.0
NOBODY = (
    "The notebook offers no host tools: write @snakepit.expose above a function there, and call "
    "it again."
)


class HostClient:
    """Asks the kernel. The channel is opened by the first question; made on the serving thread."""

    def __init__(self, address: str, token: str, message_bytes: int) -> None:
        self.address = address
        self._token = (TOKEN_HEADER, token)
        self.message_bytes = message_bytes
        self._loop = asyncio.get_running_loop()
        self._channel: grpc.aio.Channel | None = None

    def call(self, name: str, arguments: tuple[object, ...], keywords: Mapping[str, object]) -> Any:  # noqa: ANN401 (the function's)
        """Runs a function of the notebook and waits for its value.

        Raises:
            KeyboardInterrupt: the call that asks was interrupted.
            UsageError: there is no such function, or the arguments do not fit it.
            ToolError: it raised; also of the builtin type that it raised.
        """
        call = _new_call(name, arguments, keywords)
        asked = self._ask(self._call(self.written(call), self._call_headers(call), _sent()))
        try:
            response = asked.result()
        except CallCancelledError as error:
            raise KeyboardInterrupt(error.message) from None
        except BaseException:
            asked.cancel()
            raise
        return read_host_result(response)

    async def acall(
        self, name: str, arguments: tuple[object, ...], keywords: Mapping[str, object]
    ) -> Any:  # noqa: ANN401 (the function's)
        """As `call`, and awaits it."""
        call = _new_call(name, arguments, keywords)
        asked = self._ask(self._call(self.written(call), self._call_headers(call), _sent()))
        return read_host_result(await asyncio.wrap_future(asked))

    def names(self) -> Iterable[str]:
        """Asks which functions there are."""
        context = _context()
        session = "" if context is None else context.session_id or ""
        request = bridge.GetExposedElixirToolsRequest(session_id=session)

        async def ask() -> list[str]:
            rpc = self._stub().GetExposedElixirTools(request, metadata=self.headers())
            return [tool.name for tool in (await answer_of(rpc)).tools]

        return self._ask(self._translated(ask)).result(NAMES_SECONDS)

    async def aclose(self) -> None:
        """Closes the channel."""
        channel, self._channel = self._channel, None
        if channel is not None:
            await channel.close()

    def _ask(self, question: Coroutine[Any, Any, T]) -> "Future[T]":
        return asyncio.run_coroutine_threadsafe(question, self._loop)

    async def _call(
        self,
        request: bridge.ExecuteElixirToolRequest,
        headers: grpc.aio.Metadata,
        sent: Awaitable[int] | None,
    ) -> bridge.ExecuteElixirToolResponse:
        if sent is not None:  # what the function shows comes behind that
            headers.add(SHOWN_HEADER, str(await sent))

        async def ask() -> bridge.ExecuteElixirToolResponse:
            return await answer_of(self._stub().ExecuteElixirTool(request, metadata=headers))

        return await self._translated(ask)

    def written(self, call: HostCall) -> bridge.ExecuteElixirToolRequest:
        """Writes a call in the form that this host takes.

        Raises:
            ValueEncodingError: an argument has a type that does not travel.
        """
        return write_host_call(call)

    def open_channel(self) -> grpc.aio.Channel:
        """Opens the channel to this host."""
        return grpc.aio.secure_channel(
            self.address,
            grpc.local_channel_credentials(grpc.LocalConnectionType.UDS),
            options=[
                ("grpc.max_receive_message_length", self.message_bytes),
                ("grpc.max_send_message_length", self.message_bytes),
                ("grpc.enable_retries", 0),
                # One that is shared would wait a while before it looks again.
                ("grpc.use_local_subchannel_pool", 1),
            ],
        )

    def _call_headers(self, call: HostCall) -> grpc.aio.Metadata:
        return self.headers((CORRELATION_HEADER, call.correlation_id), *_trace_header())

    def headers(self, *more: tuple[str, str]) -> grpc.aio.Metadata:
        """Makes the headers of a question."""
        return grpc.aio.Metadata(self._token, *more)

    async def _translated(self, ask: Callable[[], Coroutine[Any, Any, T]]) -> T:
        try:
            return await ask()
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.UNAVAILABLE:
                await self.aclose()  # another one looks anew whether somebody listens
            raise _meaning(error) from None

    def _stub(
        self,
    ) -> "snakepit_bridge_pb2_grpc.BridgeServiceAsyncStub":
        if self._channel is None:
            self._channel = self.open_channel()
        return snakepit_bridge_pb2_grpc.BridgeServiceStub(self._channel)


def _new_call(name: str, arguments: tuple[object, ...], keywords: Mapping[str, object]) -> HostCall:
    context = _context()
    if context is None:  # a thread that user code has started
        correlation_id = current_correlation_id() or new_correlation_id()
        return HostCall(
            tool_name=name, correlation_id=correlation_id, arguments=arguments, keywords=keywords
        )
    return HostCall(
        tool_name=name,
        correlation_id=context.correlation_id,
        call_id=context.call_id,
        session_id=context.session_id,
        arguments=arguments,
        keywords=keywords,
    )


def _sent() -> Awaitable[int] | None:
    context = _context()
    return None if context is None or context.sent is None else context.sent()


def _context() -> CallContext | None:
    try:
        return current_call()
    except LookupError:
        return None


def _trace_header() -> tuple[tuple[str, str], ...]:
    context = _context()
    known = "" if context is None else context.traceparent
    if "opentelemetry.trace" in sys.modules:
        from .users_spans import traceparent_here  # noqa: PLC0415 (only who uses it loads it)

        known = traceparent_here() or known
    return ((TRACE_HEADER, known),) if known else ()


def _meaning(error: grpc.aio.AioRpcError) -> SnakepitError:
    details = error.details() or ""
    match error.code():
        case grpc.StatusCode.UNAVAILABLE:
            return UsageError(NOBODY)
        case grpc.StatusCode.CANCELLED:
            return CallCancelledError(f"The kernel gave the host tool up: {details}")
        case grpc.StatusCode.RESOURCE_EXHAUSTED:
            return decode_status(error.code(), details)
        case _:
            return SnakepitError(f"The kernel answered {error.code().name}: {details}")

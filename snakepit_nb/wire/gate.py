"""The token before the door: who does not bring one is answered before any routing."""

import hmac
from collections.abc import Callable
from typing import Any, TypeAlias

import grpc
import grpc.aio

from snakepit_nb.identifiers import TOKEN_HEADER

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"  # no generic at run time


class Gate(grpc.GenericRpcHandler):
    """Answers UNAUTHENTICATED, before any routing, to whoever does not bring a token.

    An interceptor could do the same, and would cost each call a turn of the loop.
    """

    def __init__(self, admits: Callable[[str], bool], refusal: str) -> None:
        self._admits = admits
        self._methods: dict[str, Handler] = {}

        async def refuse(_requests: object, context: "grpc.aio.ServicerContext[Any, Any]") -> None:
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, refusal)

        self._refusal: Handler = grpc.stream_stream_rpc_method_handler(refuse)

    def add_registered_method_handlers(self, service: str, handlers: dict[str, Handler]) -> None:
        """Takes a service's methods; called by the generated code."""
        self._methods |= {f"/{service}/{name}": handler for name, handler in handlers.items()}

    def add_generic_rpc_handlers(self, handlers: object) -> None:
        """Does nothing: the generated code hands the same methods over in two ways."""

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "Handler | None":
        """Finds the method for a call with the token."""
        if self._admits(token_of(handler_call_details.invocation_metadata)):
            return self._methods.get(handler_call_details.method)
        return self._refusal


def token_of(metadata: Any) -> str:
    """Returns the token among the headers of a request; empty where there is none."""
    for key, value in metadata or ():
        if key == TOKEN_HEADER:
            return str(value)
    return ""


def is_same_token(one: str, other: str) -> bool:
    """Compares in a time that tells nothing."""
    return hmac.compare_digest(one.encode(), other.encode())

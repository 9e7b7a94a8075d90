"""A server of grpc.aio in a process of its own, of which the tests see what it is told.

`python -m tests.channel.grpc_peer SOCKET [interrupts]`. A line on its stdout for each thing that
happens: `serves`, `begun` when a call by itself runs, `ended` when gRPC has told it that nobody
wants it any more; of an exchange the correlation ids in its header, and `finished` when no more
calls come. It knows no interrupts, or else tells `interrupting`, and `asked` whether a call ended.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio

from snakepit_nb.identifiers import CORRELATION_HEADER
from snakepit_nb.wire.generated import snakepit_bridge_pb2 as bridge
from snakepit_nb.wire.generated import snakepit_bridge_pb2_grpc, snakepit_cells_pb2_grpc
from snakepit_nb.wire.generated import snakepit_cells_pb2 as cells

Context = grpc.aio.ServicerContext[Any, Any]


class Peer(snakepit_bridge_pb2_grpc.BridgeServiceServicer):
    async def Ping(self, request: bridge.PingRequest, context: Context) -> bridge.PingResponse:  # noqa: ARG002, N802
        return bridge.PingResponse()

    async def ExecuteTool(  # noqa: N802
        self, request: bridge.ExecuteToolRequest, context: Context
    ) -> bridge.ExecuteToolResponse:
        """Answers never."""
        del request, context
        await wait_until_unwanted()
        return bridge.ExecuteToolResponse()

    async def ExecuteStreamingTool(  # noqa: N802
        self, request: bridge.ExecuteToolRequest, context: Context
    ) -> AsyncIterator[bridge.ToolChunk]:
        """Sends one chunk, and then nothing."""
        del request, context
        yield bridge.ToolChunk(data=b"1")
        await wait_until_unwanted()


class PeerOfBundles(snakepit_cells_pb2_grpc.BundleServiceServicer):
    async def ExecuteTools(  # noqa: N802
        self, bundles: AsyncIterator[cells.ToolBundle], context: Context
    ) -> AsyncIterator[cells.ToolAnswers]:
        """Answers all but those of the tool `forget`; ends at one of `break`."""
        headers = context.invocation_metadata() or ()
        tell(" ".join(str(value) for key, value in headers if key == CORRELATION_HEADER))
        response = bridge.ExecuteToolResponse(success=True).SerializeToString()
        async for bundle in bundles:
            for call in bundle.calls:
                tool_name = bridge.ExecuteToolRequest.FromString(call.request).tool_name
                if tool_name == "break":
                    return
                if tool_name != "forget":
                    answer = cells.ToolAnswer(number=call.number, response=response)
                    yield cells.ToolAnswers(answers=[answer])
        tell("finished")


class PeerOfInterrupts(snakepit_cells_pb2_grpc.CellServiceServicer):
    async def Interrupt(  # noqa: N802
        self, request: cells.InterruptRequest, context: Context
    ) -> cells.InterruptResponse:
        """Answers never."""
        del request, context
        tell("interrupting")
        await asyncio.Event().wait()
        return cells.InterruptResponse()

    async def WaitStopped(  # noqa: N802
        self, request: cells.WaitStoppedRequest, context: Context
    ) -> cells.WaitStoppedResponse:
        """Answers at once, as for a call that has not come yet."""
        del request, context
        tell("asked")
        return cells.WaitStoppedResponse()


async def wait_until_unwanted() -> None:
    tell("begun")
    try:
        await asyncio.Event().wait()
    finally:
        tell("ended")


def tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def main(socket: str, *, interrupts: bool) -> None:
    server = grpc.aio.server()
    snakepit_bridge_pb2_grpc.add_BridgeServiceServicer_to_server(Peer(), server)  # type: ignore[abstract]  # the rest: UNIMPLEMENTED
    snakepit_cells_pb2_grpc.add_BundleServiceServicer_to_server(PeerOfBundles(), server)
    if interrupts:
        snakepit_cells_pb2_grpc.add_CellServiceServicer_to_server(PeerOfInterrupts(), server)  # type: ignore[abstract]  # as above
    server.add_insecure_port(f"unix:{socket}")
    await server.start()
    tell("serves")
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], interrupts="interrupts" in sys.argv))

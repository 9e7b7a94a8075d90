"""Three faults of grpcio that the channel works around, and whether this grpcio has them still.

Two kinds of tests. Those of our way must pass with every grpcio: they are what users need, and all
that another grpcio can break. Those of a fault tell what grpcio does. With a version of which that
is known (`SEEN_IN`), the fault must be seen: a probe that cannot see it proves nothing. With any
other, a fault that is there passes, and one that is not skips with words that say so: a release
of grpcio fails no build, and pytest's summary (`-ra`) names the workaround that may go.

Each kind runs against a real server of grpc.aio in another process.
"""

import asyncio
import gc
import os
import signal
import weakref
from collections.abc import Awaitable, Callable
from contextlib import aclosing

import anyio
import grpc
import grpc.aio
import pytest

from snakepit_nb.channel.grpc_channel import GrpcChannel
from snakepit_nb.wire.generated import snakepit_bridge_pb2 as bridge
from snakepit_nb.wire.generated import snakepit_bridge_pb2_grpc
from tests.channel.opened_peer import A_WHILE, BOUND, Peer, open_peer
from tests.making import a_call

pytestmark = pytest.mark.process

SWALLOWED_CANCELLATION, UNCOLLECTED_STREAM, DEAF_KEEPALIVE = range(3)

SEEN_IN = {
    SWALLOWED_CANCELLATION: {"1.80.0", "1.82.3", "1.84.2", "1.85.1"},
    UNCOLLECTED_STREAM: {"1.84.2", "1.85.1"},
    DEAF_KEEPALIVE: {"1.80.0", "1.82.3", "1.84.2", "1.85.1"},
}

MAY_GO = {
    SWALLOWED_CANCELLATION: "a plain `await` of a unary call obeys its cancel scope (grpc#43502): "
    "GrpcChannel._unary may become one",
    UNCOLLECTED_STREAM: "an abandoned stream is cancelled (grpc#43462): the `rpc.cancel()` in "
    "`finally` is a habit, no need",
    DEAF_KEEPALIVE: "grpc.keepalive_timeout_ms sees a frozen peer: where keepalive is set, "
    "grpc.http2.ping_timeout_ms may go",
}

ROUNDS = 20

KEEPALIVE = [
    ("grpc.keepalive_time_ms", 1000),
    ("grpc.keepalive_timeout_ms", 500),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
]
PING_TIMEOUT = ("grpc.http2.ping_timeout_ms", 500)

REQUEST = bridge.ExecuteToolRequest(tool_name="wait")
Call = grpc.aio.UnaryUnaryCall[bridge.ExecuteToolRequest, bridge.ExecuteToolResponse]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_a_plain_await_in_a_cancel_scope_swallows_its_cancellation() -> None:
    async with open_peer() as peer, peer.connect() as channel:
        method = stub(channel).ExecuteTool

        obeyed = await cancellations_obeyed(peer, lambda: method(REQUEST))

    judge(SWALLOWED_CANCELLATION, is_seen=obeyed < ROUNDS)


async def test_our_unary_call_obeys_each_cancellation() -> None:
    async with open_peer() as peer, peer.connect() as channel:
        ours = GrpcChannel(channel, "token")

        obeyed = await cancellations_obeyed(peer, lambda: ours.call(a_call("wait")))

    assert obeyed == ROUNDS


async def test_an_abandoned_stream_is_never_let_go() -> None:
    async with open_peer() as peer, peer.connect() as channel:
        stream = stub(channel).ExecuteStreamingTool(REQUEST)
        await stream.read()
        await peer.wait_for("begun")
        life = weakref.ref(stream)
        del stream

        await collect_garbage(channel)
        is_silent = await peer.is_silent()

        is_seen = is_silent and life() is not None
    judge(UNCOLLECTED_STREAM, is_seen=is_seen)


@pytest.mark.parametrize("is_closed", [True, False], ids=["closed", "abandoned"])
async def test_the_peer_is_told_of_the_end_of_our_streams(*, is_closed: bool) -> None:
    async with open_peer() as peer, peer.connect() as channel:
        stream = GrpcChannel(channel, "token").stream(a_call("wait"))
        await anext(stream)
        await peer.wait_for("begun")

        if is_closed:
            async with aclosing(stream):
                pass
        else:
            del stream
            await collect_garbage(channel)

        await peer.wait_for("ended")


async def test_keepalive_alone_does_not_see_a_frozen_peer_but_with_a_ping_timeout_does() -> None:
    async with (
        open_peer() as peer,
        peer.connect(KEEPALIVE) as deaf,
        peer.connect([*KEEPALIVE, PING_TIMEOUT]) as hearing,
    ):
        told, untold = (stub(channel).ExecuteTool(REQUEST) for channel in (hearing, deaf))
        for _ in range(2):
            await peer.wait_for("begun")
        os.kill(peer.pid, signal.SIGSTOP)

        with anyio.fail_after(BOUND):
            assert await ended(told) is grpc.StatusCode.UNAVAILABLE
        with anyio.move_on_after(2 * A_WHILE):
            await ended(untold)

        judge(DEAF_KEEPALIVE, is_seen=not untold.done())
        untold.cancel()


async def test_our_heartbeat_needs_no_keepalive_to_miss_a_frozen_peer() -> None:
    async with open_peer() as peer, peer.connect() as channel:
        ours = GrpcChannel(channel, "token")
        await ours.ping()
        os.kill(peer.pid, signal.SIGSTOP)

        with anyio.move_on_after(A_WHILE) as scope:
            await ours.ping()

    assert scope.cancelled_caught


def judge(fault: int, *, is_seen: bool) -> None:
    """Takes what a probe has seen; see the head of this file."""
    if grpc.__version__ in SEEN_IN[fault]:
        assert is_seen, "the probe sees a known fault no more: mend the probe"
    elif not is_seen:
        pytest.skip(f"not in grpcio {grpc.__version__}: {MAY_GO[fault]}")


async def cancellations_obeyed(peer: Peer, call: Callable[[], Awaitable[object]]) -> int:
    """Cancels a scope around a call that runs, again and again; counts how often that was all."""

    async def attempt(scope: anyio.CancelScope) -> bool:
        with scope:
            await call()
        return scope.cancelled_caught

    obeyed = 0
    for _ in range(ROUNDS):
        scope = anyio.CancelScope()
        attempted = asyncio.ensure_future(attempt(scope))  # what it lets out stays in its own task
        await peer.wait_for("begun")
        scope.cancel()
        await asyncio.wait([attempted], timeout=BOUND)
        obeyed += not attempted.cancelled() and attempted.exception() is None and attempted.result()
        await peer.wait_for("ended")
    return obeyed


async def collect_garbage(channel: grpc.aio.Channel) -> None:
    """Collects it, with whole round trips between, in which gRPC's own tasks can end."""
    for _ in range(3):
        gc.collect()
        await stub(channel).Ping(bridge.PingRequest())


async def ended(call: Call) -> object:
    """Waits for the end of a call as the channel does, and returns its status."""
    done = anyio.Event()
    call.add_done_callback(lambda _: done.set())
    await done.wait()
    return await call.code()


def stub(channel: grpc.aio.Channel) -> "snakepit_bridge_pb2_grpc.BridgeServiceAsyncStub":
    return snakepit_bridge_pb2_grpc.BridgeServiceStub(channel)

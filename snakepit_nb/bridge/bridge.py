"""What the kernel keeps for one pool beside it: sessions' metadata and tools, and host tools."""

import logging
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import anyio

from snakepit_nb.calls import ToolSpec
from snakepit_nb.identifiers import SessionId, WorkerId
from snakepit_nb.pool.pool import Pool

from .host_calls import HostCalls, Threads
from .host_tools import HostTools
from .sessions import KnownSession, SessionStore
from .tool_registry import ToolRegistry

log = logging.getLogger(__name__)

SWEEP_SECONDS = 60.0


@asynccontextmanager
async def open_bridge(pool: Pool, tools: HostTools, threads: Threads) -> AsyncIterator["Bridge"]:
    """Opens a pool's bridge, whose sessions expire while the `async with` lasts."""
    bridge = Bridge(pool, tools, threads)
    pool.watch_sessions(bridge)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(bridge.sweep)
        try:
            yield bridge
        finally:
            tasks.cancel_scope.cancel()


class Bridge:
    """Made by `open_bridge`; lives on the pool's loop."""

    def __init__(self, pool: Pool, tools: HostTools, threads: Threads) -> None:
        limits = pool.settings
        self.pool = pool
        self.tools = tools
        self.registry = ToolRegistry()
        self.sessions = SessionStore(ttl=limits.session_ttl, limit=limits.session_limit)
        self.host_calls = HostCalls(pool, self.registry, tools, threads)

    def open_session(self, session_id: SessionId, metadata: Mapping[str, str]) -> KnownSession:
        """Returns a session, which is made if it is not there.

        Raises:
            UsageError: the id is none.
            SessionQuotaError: there are as many as may be.
        """
        now, wall = time.monotonic(), datetime.now(UTC)
        return self.sessions.open(session_id, metadata, now=now, wall=wall)

    def use_session(self, session_id: SessionId) -> KnownSession | None:
        """Returns a session that was opened here, and lets it live on from now."""
        return self.sessions.use(session_id, now=time.monotonic())

    def knows_session(self, session_id: SessionId) -> bool:
        """Tells whether there is a session, here or in the pool; it lives on from now."""
        return self.use_session(session_id) is not None or self.pool.has_session(session_id)

    def tools_in(self, session_id: SessionId) -> tuple[ToolSpec, ...]:
        """Returns what a session can call: what the workers offer, and what was made known."""
        own = (tool.spec for tool in self.registry.tools_of(session_id))
        return tuple({spec.name: spec for spec in (*self.pool.tools, *own)}.values())

    async def end_session(self, session_id: SessionId) -> int:
        """Lets a session go; returns how many tools, and namespaces of workers, went with it."""
        tools = self.registry.cleanup_session(session_id)
        freed = await self.pool.end_session(session_id)
        self.sessions.remove(session_id)
        return tools + freed

    def session_gone(self, session_id: SessionId) -> None:
        """Lets go what is kept of a session that has ended, expired or lost its worker."""
        self.registry.cleanup_session(session_id)
        self.sessions.remove(session_id)

    def worker_gone(self, worker_id: WorkerId) -> None:
        """Lets go the tools that lived in a worker."""
        self.registry.cleanup_worker(worker_id)

    async def sweep(self) -> None:
        """Lets sessions expire, now and then."""
        while True:
            await anyio.sleep(SWEEP_SECONDS)
            self.expire(time.monotonic())

    def expire(self, now: float) -> None:
        """Lets go of the sessions that nobody has used for too long, here or in the pool."""
        for session_id in self.sessions.unused(now=now):
            if not self.pool.has_session(session_id):
                log.info("session %s expired", session_id)
                self.session_gone(session_id)

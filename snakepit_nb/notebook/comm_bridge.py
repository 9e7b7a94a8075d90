"""The comms of workers as comms of the kernel: so widgets made in a worker live in the notebook."""

import functools
import json
import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from IPython.core.interactiveshell import InteractiveShell
from jupyter_client.jsonutil import json_default

from snakepit_nb.blocking.handle import Pool
from snakepit_nb.calls import Beside, CellEvent, CommMessage

from .comm_proxy import CommProxy, Parent, content_of
from .control_target import CONTROL_TARGET, guard_control_target
from .display import show_event
from .event_messages import message_of
from .late_outputs import LateOutputs
from .requests import request_of
from .widgets.live_control import private_subshell

WIDGET_TARGET = "jupyter.widget"
_NOT_CARRIED = ("content", "buffers", "metadata")

log = logging.getLogger(__name__)


@functools.cache
def comm_bridge(shell: InteractiveShell) -> "CommBridge":
    """Returns the bridge of a shell."""
    return CommBridge(shell)


class CommBridge:
    """All comms of one kernel's workers. Where there is no kernel, nobody hears them."""

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell
        self._kernel: Any = getattr(shell, "kernel", None)
        self._manager: Any = getattr(self._kernel, "comm_manager", None)
        self.late = LateOutputs(self._send)
        self._lost: set[str] = set()
        self._proxies: dict[str, CommProxy] = {}
        self._early: dict[str, list[tuple[CommMessage, Parent | None]]] = {}
        self._changing = threading.RLock()
        self._targets: set[str] = set()
        self._running: _RunningCell | None = None
        self._subshell: str | None = None

    def listen(self, pool: Pool) -> None:
        """Hears from now on what comms of the pool's workers say while no cell runs."""
        if pool.comm_ear is None and self._manager is not None:
            pool.comm_ear = _Ear(self, pool)

    @contextmanager
    def running(self, pool: Pool, code: str) -> Iterator[None]:
        """Lets the front end reach comms while the code runs, if it could in the kernel's own."""
        self.listen(pool)
        self._running = _RunningCell(self._shell, code)
        try:
            if self._proxies:
                self._make_reachable()
            with self.late.behind(request_of(self._shell)):
                yield
        except BaseException:
            self._catch_up(pool)
            raise
        finally:
            self._running = None

    def show(self, event: CellEvent, pool: Pool) -> None:
        """Shows what code in a worker shows, as the answer to what the front end has asked here."""
        if isinstance(event, CommMessage):
            if self._manager is None:
                return
            self.say(event, pool, self._kernel.get_parent())
        else:
            show_event(self._shell, event)

    def say(self, message: CommMessage, pool: Pool, parent: Parent | None) -> None:
        """Publishes a comm's message; without a parent, as an answer to what the comm was."""
        if message.kind == "comm_target":
            self._offer(message.target_name, pool)
            return
        with self._changing:
            proxy = self._proxies.get(message.comm_id)
            if proxy is None and message.kind == "comm_open":
                proxy = self._open(message, pool, parent or self._kernel.get_parent())
            elif proxy is None:
                if message.comm_id in self._lost:
                    return
                self._early.setdefault(message.comm_id, []).append((message, parent))
                return
            proxy.say((message, parent or proxy.parent), self._publish)
            for early, its_parent in self._early.pop(message.comm_id, ()):
                proxy.say((early, its_parent or proxy.parent), self._publish)
        if message.kind == "comm_open" and self._running is not None:
            self._make_reachable()

    def lose(self, comm_ids: Sequence[str], because: str) -> None:
        """Closes comms whose code is gone, and says so once where each widget was shown."""
        told: dict[str, Parent] = {}
        for comm_id in comm_ids:
            proxy = self._proxies.get(comm_id)
            self._lost.add(comm_id)
            if proxy is None:
                continue
            self._publish(CommMessage(kind="comm_close", comm_id=comm_id), proxy.parent)
            if proxy.target_name == WIDGET_TARGET:
                told[proxy.parent.get("header", {}).get("msg_id", "")] = proxy.parent
        text = f"The widgets of this cell are closed, because {because}. Run the cell again.\n"
        for parent in told.values():
            self._send("stream", {"name": "stderr", "text": text}, parent)

    def _open(self, message: CommMessage, pool: Pool, parent: Parent) -> CommProxy:
        guard_control_target(self._manager, lambda: bool(self._proxies))
        proxy = self._proxies[message.comm_id] = CommProxy(
            comm_id=message.comm_id,
            target_name=message.target_name,
            parent=parent,
            tell_worker=self._tell_worker,
            route=self._route,
            pool=pool,
        )
        self._manager.register_comm(proxy)
        return proxy

    def _forget(self, comm_id: str) -> None:
        self._proxies.pop(comm_id, None)
        self._manager.comms.pop(comm_id, None)

    def _publish(self, message: CommMessage, parent: Parent) -> None:
        if message.kind == "comm_close":
            self._forget(message.comm_id)
        self._send(
            message.kind,
            content_of(message),
            parent,
            ident=f"comm-{message.comm_id}".encode("ascii"),
            metadata=json.loads(message.metadata),
            buffers=list(message.buffers),
        )

    def _send(self, kind: str, content: object, parent: Parent, **more: Any) -> None:
        kernel = self._kernel
        more.setdefault("ident", kernel._topic(kind))  # noqa: SLF001 (the kernel's only way)
        kernel.session.send(kernel.iopub_socket, kind, content, parent=parent, **more)

    def _tell_worker(self, proxy: CommProxy, kind: str, message: Mapping[str, Any]) -> None:
        """Hands over what the front end says, and shows what comes of it as the answer to it.

        It returns when that is over: the kernel then tells the front end that it is idle, which
        ends what an Output widget captures. But where the worker runs something for which the
        kernel does not wait, the kernel does not wait for this either.
        """
        if kind == "comm_close":
            self._proxies.pop(proxy.comm_id, None)
        content = message["content"]
        said = CommMessage(
            kind=kind,
            comm_id=proxy.comm_id,
            data=_json(content.get("data", {})),
            metadata=_json(message.get("metadata", {})),
            buffers=tuple(bytes(buffer) for buffer in message.get("buffers", ())),
            target_name=proxy.target_name,
        )
        parent = {key: value for key, value in message.items() if key not in _NOT_CARRIED}
        pool = proxy.pool
        assert isinstance(pool, Pool)  # noqa: S101 (our own mistake)
        try:
            if self._running is None and pool.is_comm_kept_waiting(proxy.comm_id):
                answered = functools.partial(self._answer, pool, self._kernel.get_parent())
                pool.send_comm(said, _json(parent), answered, waits=False)
            else:
                pool.send_comm(said, _json(parent), lambda event: self.show(event, pool))
        except Exception:
            log.exception("comm %s was not told what the front end said", proxy.comm_id)

    def _answer(self, pool: Pool, parent: Parent, event: CellEvent) -> None:
        """Shows, on any thread and at any time, what comes of what the front end said."""
        message = message_of(event)
        if isinstance(event, CommMessage):
            self.say(event, pool, parent)
        elif message is not None:
            self._send(*message, parent)

    def _offer(self, target: str, pool: Pool) -> None:
        """Lets the front end open comms for which code in a worker has registered a target."""
        if target == CONTROL_TARGET:
            return
        with self._changing:
            if target in self._manager.targets and target not in self._targets:
                return  # the kernel's own
            self._targets.add(target)
            opened = functools.partial(self._opened_by_front_end, pool)
            self._manager.register_target(target, opened)

    def _opened_by_front_end(self, pool: Pool, comm: Any, message: Mapping[str, Any]) -> None:
        comm._closed = True  # noqa: SLF001 (or it would close its other end when it is collected)
        opened = CommMessage(kind="comm_open", comm_id=comm.comm_id, target_name=comm.target_name)
        proxy = self._open(opened, pool, self._kernel.get_parent())
        self._tell_worker(proxy, "comm_open", message)

    def _route(self, default: str | None) -> str | None:
        running = self._running
        return self._subshell if running is not None and running.awaits else default

    def _make_reachable(self) -> None:
        """Prepares the thread that hears the front end while a cell awaits, as 7.4 and later do."""
        if self._subshell is None and self._running is not None and self._running.awaits:
            self._subshell = private_subshell(self._kernel)

    def _catch_up(self, pool: Pool) -> None:
        for proxy in tuple(self._proxies.values()):
            if proxy.pool is pool:
                proxy.catch_up(self._publish)


class _RunningCell:
    """The cell for which the kernel's main thread waits."""

    def __init__(self, shell: InteractiveShell, code: str) -> None:
        self._shell = shell
        self._code = code

    @functools.cached_property
    def awaits(self) -> bool:
        """Whether its code awaits: the kernel hears comms meanwhile."""
        try:
            shell: Any = self._shell
            transformed = shell.transform_cell(self._code)
            return bool(shell.should_run_async(self._code, transformed_cell=transformed))
        except Exception:  # noqa: BLE001 (the worker tells what is wrong with it)
            return False


class _Ear:
    """Hears on the pool's thread what workers say beside cells."""

    def __init__(self, bridge: CommBridge, pool: Pool) -> None:
        self._bridge = bridge
        self._pool = pool

    def hear(self, said: Beside) -> None:
        """Publishes what was said."""
        if isinstance(said, CommMessage):
            self._bridge.say(said, self._pool, None)
        else:
            self._bridge.late.show(said)

    def lose(self, comm_ids: Sequence[str], because: str) -> None:
        """Closes comms."""
        self._bridge.lose(comm_ids, because)


def _json(value: object) -> bytes:
    return json.dumps(value, default=json_default).encode()

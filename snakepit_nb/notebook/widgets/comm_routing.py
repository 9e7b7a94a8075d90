"""Lets single comms choose the subshell that hears them, as ipykernel does from 7.4 on.

In 7.0 to 7.3 the front end alone chooses: JupyterLab well, others not at all.
"""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from ipykernel.comm import Comm
from jupyter_client.session import DELIM

_CHOICE = "_reply_subshell_for"
"""What 7.4 calls the method of a comm by which it chooses."""
_OF_COMMS = ("comm_msg", "comm_close")


def let_comms_choose(kernel: Any) -> None:
    """Hands messages for comms that choose by themselves to their subshells. Twice is harmless."""
    if not hasattr(Comm, _CHOICE):
        _route_by_ourselves(kernel)


@functools.cache
def _route_by_ourselves(kernel: Any) -> None:
    route = _Routing(kernel).route
    # The stream may be touched in its own thread only.
    kernel.shell_channel_thread.io_loop.add_callback(kernel.shell_stream.on_recv, route, copy=False)


class _Routing:
    def __init__(self, kernel: Any) -> None:
        self._kernel = kernel

    async def route(self, message: Sequence[Any]) -> None:
        """Takes each message of the shell channel, on its thread."""
        session = self._kernel.session
        identities, frames = session.feed_identities(message, copy=False)
        subshell_id = self._chosen(frames)
        if subshell_id is not None:
            addressed = _addressed(session, [frame.bytes for frame in frames], subshell_id)
            message = [*map(type(message[0]), [*identities, DELIM, *addressed])]
        await self._kernel.shell_channel_thread_main(message)

    def _chosen(self, frames: Sequence[Any]) -> str | None:
        session = self._kernel.session
        try:
            found: Mapping[str, Any] = session.deserialize(frames, content=False, copy=False)
            if found["header"]["msg_type"] not in _OF_COMMS:
                return None
            comm_id = session.unpack(found["content"]).get("comm_id")
        except Exception:  # noqa: BLE001 (the kernel tells what is wrong with it)
            return None
        comm = self._kernel.comm_manager.comms.get(comm_id)
        choose = None if comm is None else vars(comm).get(_CHOICE)
        return None if choose is None else str(choose({}, None))


def _addressed(session: Any, frames: Sequence[bytes], subshell_id: str) -> list[bytes]:
    """Writes a message anew, with the subshell in its header, and signs it."""
    _, header, *rest = frames
    header = session.pack({**session.unpack(header), "subshell_id": subshell_id})
    return [session.sign([header, *rest[:3]]), header, *rest]

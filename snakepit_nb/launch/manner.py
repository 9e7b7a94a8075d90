"""The seam for what kind of program a worker is: how it is started, greeted, and asked to end.

Above: the launcher, which has the processes and the guardian. Below: our own worker, or another
program that speaks the same protocol.
"""

from collections.abc import Mapping
from typing import Protocol

from snakepit_nb.wire.handshake import Announcement, Introduction

from .first_contact import make_contact
from .launcher import LaunchSpec
from .subprocess_worker import SubprocessWorker

ANNOUNCE_DESCRIPTOR = 3
"""The guardian puts it there, right after stdin, stdout and stderr."""


class Manner(Protocol):
    """One kind of program."""

    ends_by_signal: bool
    """Whether SIGTERM asks it to end, where ours ends with its stdin."""

    async def command(
        self, spec: LaunchSpec, introduction: Introduction, run_id: str
    ) -> tuple[str, ...]:
        """Returns the words of its command line."""

    def variables(self, spec: LaunchSpec, introduction: Introduction) -> Mapping[str, str]:
        """Returns what its environment has besides; the user's own outdo them."""

    async def meet(
        self, worker: SubprocessWorker, announcement_end: int, spec: LaunchSpec
    ) -> Announcement:
        """Waits until it is ready.

        Raises:
            StartProblem: it did not get ready in time, or is not what it should be.
        """


class OurManner:
    """Our own worker."""

    ends_by_signal = False

    def __init__(self, module: tuple[str, ...]) -> None:
        self._module = module

    async def command(
        self, spec: LaunchSpec, _introduction: Introduction, _run_id: str
    ) -> tuple[str, ...]:
        """Runs our module by the pool's interpreter."""
        return (spec.python, *self._module, "--announce-fd", str(ANNOUNCE_DESCRIPTOR))

    def variables(self, _spec: LaunchSpec, _introduction: Introduction) -> Mapping[str, str]:
        """Adds nothing: what it is to know, the introduction tells."""
        return {}

    async def meet(
        self, worker: SubprocessWorker, announcement_end: int, spec: LaunchSpec
    ) -> Announcement:
        """Tells it who it is, and checks that it is the one that answers."""
        return await make_contact(worker, announcement_end, within=spec.ready_timeout)

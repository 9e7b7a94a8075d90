"""The pipes between the kernel and a new worker process."""

import os
import socket
from contextlib import ExitStack
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """Both ends of a worker's stdin, of its stdout and stderr together, and of its announcement."""

    stdin: socket.socket
    output: int
    announcement: int
    their_stdin: socket.socket
    their_output: int
    their_announcement: int

    @property
    def theirs(self) -> tuple[int, int, int]:
        """The descriptors to hand to the worker."""
        return self.their_stdin.fileno(), self.their_output, self.their_announcement

    def close_theirs(self) -> None:
        """Closes them here, so that their end in the worker is the end of all."""
        self.their_stdin.close()
        os.close(self.their_output)
        os.close(self.their_announcement)


def open_ends() -> Ends:
    """Opens them all or, on an OSError, none. No child of this process inherits any.

    The worker's stdin is a socket, because that can be ended for good: a pipe stays open while a
    forked child of the kernel holds a copy.
    """
    with ExitStack() as opened:
        stdin, their_stdin = map(opened.enter_context, socket.socketpair())
        output, their_output = _pipe(opened)
        announcement, their_announcement = _pipe(opened)
        stdin.settimeout(0)
        for descriptor in (output, announcement):
            os.set_blocking(descriptor, False)
        opened.pop_all()
        return Ends(
            stdin=stdin,
            output=output,
            announcement=announcement,
            their_stdin=their_stdin,
            their_output=their_output,
            their_announcement=their_announcement,
        )


def _pipe(opened: ExitStack) -> tuple[int, int]:
    ends = os.pipe()
    for end in ends:
        opened.callback(os.close, end)
    return ends

"""What a worker's cell asks, asked here by `input` and `getpass`.

In a notebook these are the kernel's own, which ask the front end; in a script the terminal's.
"""

import builtins
import getpass
import signal
import threading

from snakepit_nb.calls import InputReply, InputRequest


class Prompt:
    """The questions of one cell. An interrupt while one stands is its answer."""

    def __init__(self) -> None:
        self._is_open = False
        self._thread = 0

    def ask(self, request: InputRequest) -> InputReply:
        """Asks, on the thread of the caller, and returns what came of it."""
        try:
            try:
                self._thread = threading.get_ident()
                self._is_open = True
                text = _asked(request)
            finally:
                self._is_open = False  # from here on, an interrupt is the cell's
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 (it travels to the code that asked)
            return InputReply(
                number=request.number, error_name=type(error).__name__, error_value=str(error)
            )
        return InputReply(number=request.number, text=text)

    def interrupt(self) -> None:
        """Interrupts the question that stands, if one does; for the signal's handler.

        Raises:
            KeyboardInterrupt: it did, and this is what ends it.
        """
        if self._is_open:
            raise KeyboardInterrupt

    def withdraw(self) -> None:
        """Ends the question that stands: nobody waits for its answer any more. From any thread."""
        main = threading.main_thread().ident
        if self._is_open and self._thread == main:
            signal.pthread_kill(self._thread, signal.SIGINT)


def _asked(request: InputRequest) -> str:
    if request.is_password:
        return getpass.getpass(request.prompt)
    return builtins.input(request.prompt)

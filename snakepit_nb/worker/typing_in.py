"""What a cell asks whoever sits at the notebook, and the way of the answer back to it."""

from collections.abc import Callable
from itertools import count
from queue import Empty, SimpleQueue

from snakepit_nb.calls import InputReply, InputRequest

from .context import Cancellation

LOOK_SECONDS = 0.1  # at whether the cell was given up, where no signal can tell


class TypingIn:
    """The questions of one cell. Those of its threads may wait side by side."""

    def __init__(self, cancellation: Cancellation) -> None:
        self._cancellation = cancellation
        self._numbers = count()
        self._waiting: dict[int, SimpleQueue[InputReply]] = {}

    def ask(
        self, prompt: str, *, is_password: bool, put: Callable[[InputRequest], object]
    ) -> InputReply:
        """Puts a question out and waits for its answer.

        Raises:
            KeyboardInterrupt: the cell was interrupted.
        """
        number = next(self._numbers)
        answers = self._waiting[number] = SimpleQueue()
        try:
            put(InputRequest(prompt=prompt, is_password=is_password, number=number))
            while True:
                try:
                    return answers.get(timeout=LOOK_SECONDS)
                except Empty:
                    if self._cancellation.requested:
                        raise KeyboardInterrupt from None
        finally:
            del self._waiting[number]

    def answer(self, reply: InputReply) -> None:
        """Hands an answer to who waits for it, from any thread; too late, it is dropped."""
        answers = self._waiting.get(reply.number)
        if answers is not None:
            answers.put(reply)

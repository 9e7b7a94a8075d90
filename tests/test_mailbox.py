"""A loop that is woken once for many callbacks."""

from collections.abc import Callable
from functools import partial

import pytest

from snakepit_nb.mailbox import Mailbox


def test_what_is_posted_with_others_waits_for_them() -> None:
    wakes: list[Callable[[], None]] = []
    later: list[Callable[[], None]] = []
    heard: list[int] = []
    mailbox = Mailbox(wakes.append)

    for number in (1, 2):
        mailbox.post_with_others(partial(heard.append, number), later.append)
    mailbox.post(lambda: heard.append(3))
    assert (len(later), wakes) == (1, [])

    later.pop()()
    assert len(wakes) == 1
    mailbox.post(lambda: heard.append(4))
    wakes.pop()()
    assert heard == [1, 2, 3, 4]

    mailbox.post(lambda: heard.append(5))
    assert len(wakes) == 1


def test_a_wake_that_fails_keeps_no_other_from_waking() -> None:
    refusals = 1
    wakes: list[Callable[[], None]] = []
    later: list[Callable[[], None]] = []
    heard: list[int] = []

    def call_soon(deliver: Callable[[], None]) -> None:
        nonlocal refusals
        if refusals:
            refusals -= 1
            raise RuntimeError("closed")
        wakes.append(deliver)

    mailbox = Mailbox(call_soon)
    mailbox.post_with_others(lambda: heard.append(1), later.append)
    with pytest.raises(RuntimeError, match="closed"):
        later.pop()()

    mailbox.post(lambda: heard.append(2))
    wakes.pop()()
    assert heard == [1, 2]

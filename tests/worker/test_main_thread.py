"""Real signals to a real main thread: that of a process of its own."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.process


class Conversation:
    """One process, told what to do line by line."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def tell(self, *lines: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.writelines(f"{line}\n" for line in lines)
        self._process.stdin.flush()

    def hear(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().rstrip("\n")


@pytest.fixture
def served() -> Iterator[Conversation]:
    script = Path(__file__).with_name("serves_main_thread.py")
    with subprocess.Popen(
        [sys.executable, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        conversation = Conversation(process)
        yield conversation
        assert process.stdin is not None
        process.stdin.close()
        assert conversation.hear() == "served"
        assert process.wait(timeout=10) == 0


def test_a_call_runs_on_the_main_thread(served: Conversation) -> None:
    served.tell("run quick")

    assert served.hear() == "returned quick on MainThread"


@pytest.mark.parametrize("work", ["plain", "awaiting", "in_a_child", "hears_no_group"])
def test_an_interrupt_ends_the_code_that_runs(served: Conversation, work: str) -> None:
    served.tell(f"run {work}")
    assert served.hear() == "runs"
    served.tell(f"interrupt {work}")

    assert {served.hear(), served.hear()} == {"interrupted", "ended by KeyboardInterrupt"}
    served.tell("run quick")
    assert served.hear().startswith("returned quick")


@pytest.mark.parametrize("work", ["takes_signals", "lets_c_take_signals"])
def test_a_call_may_take_the_signal_from_nobody_but_itself(served: Conversation, work: str) -> None:
    served.tell(f"run {work}")
    assert served.hear() == "returned with the signal"

    served.tell("run plain")
    assert served.hear() == "runs"
    served.tell("interrupt plain")
    assert {served.hear(), served.hear()} == {"interrupted", "ended by KeyboardInterrupt"}


@pytest.mark.parametrize("work", ["plain", "awaiting"])
def test_cancelling_a_call_interrupts_it_and_waits_for_its_end(
    served: Conversation, work: str
) -> None:
    served.tell(f"run {work}")
    assert served.hear() == "runs"
    served.tell(f"cancel {work}")

    assert served.hear() == "cancelled"


def test_a_second_interrupt_hits_code_that_caught_the_first(served: Conversation) -> None:
    served.tell("run catches_the_first")
    assert served.hear() == "runs"
    served.tell("interrupt catches_the_first")
    assert {served.hear(), served.hear()} == {"interrupted", "caught one"}
    served.tell("interrupt catches_the_first")

    assert {served.hear(), served.hear()} == {"interrupted", "ended by KeyboardInterrupt"}


def test_a_signal_does_nothing_to_an_idle_worker(served: Conversation) -> None:
    served.tell("signal", "run quick")

    assert served.hear() == "signalled"
    assert served.hear().startswith("returned quick")


def test_an_interrupt_of_a_call_that_is_over_does_not_hit_the_next(served: Conversation) -> None:
    served.tell("run quick")
    assert served.hear().startswith("returned quick")
    served.tell("run awaiting")
    assert served.hear() == "runs"
    served.tell("interrupt quick")
    assert served.hear() == "interrupted"

    served.tell("cancel awaiting")
    assert served.hear() == "cancelled"


def test_a_call_that_is_interrupted_before_its_turn_never_runs(served: Conversation) -> None:
    served.tell("run awaiting")
    assert served.hear() == "runs"
    served.tell("run plain", "interrupt plain")
    assert served.hear() == "interrupted"
    served.tell("cancel awaiting")

    assert {served.hear(), served.hear()} == {"cancelled", "ended by KeyboardInterrupt"}


def test_a_call_that_is_interrupted_as_it_begins_ends(served: Conversation) -> None:
    for _ in range(20):
        served.tell("run-and-interrupt awaiting")
        while (heard := served.hear()) == "runs":
            pass
        assert heard == "ended by KeyboardInterrupt"


def test_a_shield_holds_an_interrupt_back_until_it_ends(served: Conversation) -> None:
    served.tell("run shielded")
    assert served.hear() == "runs"
    served.tell("interrupt shielded")

    assert {served.hear() for _ in range(3)} == {
        "interrupted",
        "kept on",
        "ended by KeyboardInterrupt",
    }


@pytest.mark.parametrize(
    ("work", "error"), [("exits", "SystemExit"), ("cancels_itself", "CancelledError")]
)
def test_what_is_no_exception_ends_its_call_only(
    served: Conversation, work: str, error: str
) -> None:
    served.tell(f"run {work}")
    assert served.hear() == f"ended by {error}"

    served.tell("run quick")
    assert served.hear().startswith("returned quick")

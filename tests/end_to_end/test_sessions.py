"""A session stays with its state, and what becomes of that is told."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import snakepit_nb as snakepit
from snakepit_nb.blocking.handle import Pool
from snakepit_nb.errors import SessionBusyError, SessionLostError, UsageError
from tests.waiting import until

from .holding import OPTIONS, Holding
from .kernel_driver import Kernel

pytestmark = [pytest.mark.process, pytest.mark.timeout(60)]

THREADS = 4
TTL = 0.3


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with snakepit.start(
        workers=2, profile="thread", threads=THREADS, name="sessions", **OPTIONS
    ) as started:
        started.wait_ready()
        yield started


@pytest.fixture
def holding(pool: Pool, tmp_path: Path) -> Iterator[Holding]:
    with Holding(pool, tmp_path) as opened:
        yield opened


def test_a_session_goes_back_to_its_worker_while_that_has_room(
    pool: Pool, holding: Holding
) -> None:
    home = pool.call("pid", session="hint")

    held = [holding.begin(session="hint") for _ in range(THREADS)]

    assert {one.pid for one in held} == {home}  # the other worker is idle all the while
    assert pool.call("pid", session="hint") != home  # it has no room now, and a hint does not wait


def test_a_strict_session_waits_for_its_worker(pool: Pool, holding: Holding) -> None:
    strict: dict[str, Any] = {"session": "queue", "affinity": "strict_queue"}
    home = pool.call("pid", **strict)
    held = [holding.begin(**strict) for _ in range(THREADS)]

    waiting = holding.submit(**strict)

    until(lambda: len(pool.status().queued) == 1)
    assert {one.pid for one in held} == {home}
    held[0].end()
    assert waiting.pid == home


def test_a_strict_session_that_shall_not_wait_is_refused(pool: Pool, holding: Holding) -> None:
    strict: dict[str, Any] = {"session": "fast", "affinity": "strict_fail_fast"}
    home = pool.call("pid", **strict)
    held = [holding.begin(**strict) for _ in range(THREADS)]

    with pytest.raises(SessionBusyError, match=r"its worker .* is busy"):
        pool.call("pid", **strict)

    held[0].end()
    assert pool.call("pid", **strict) == home


def test_a_session_is_strict_from_its_first_cell_on(pool: Pool, holding: Holding) -> None:
    pool.session("cells")["x"] = 1
    home = pool.call("pid", session="cells")
    held = [holding.begin(session="cells") for _ in range(THREADS)]

    waiting = holding.submit(session="cells")

    until(lambda: len(pool.status().queued) == 1)
    held[0].end()
    assert waiting.pid == home


def test_a_pool_may_tie_its_sessions_and_a_call_may_say_otherwise(tmp_path: Path) -> None:
    with (
        snakepit.start(workers=2, name="tied", affinity="strict_fail_fast", **OPTIONS) as pool,
        Holding(pool, tmp_path) as holding,
    ):
        pool.wait_ready()
        held = holding.begin(session="s")

        with pytest.raises(SessionBusyError):
            pool.call("pid", session="s")
        waiting = holding.submit(session="s", affinity="strict_queue")
        until(lambda: len(pool.status().queued) == 1)
        assert held.end() == waiting.pid
        with pytest.raises(UsageError, match="affinity 'strict': did you mean 'strict_queue'"):
            pool.call("pid", session="s", affinity="strict")


def kill_its_worker(pool: Pool, session: str) -> None:
    pool.session(session).exec("import os; pid = os.getpid()")
    pid = pool.session(session)["pid"]
    os.kill(pid, signal.SIGKILL)
    until(lambda: pid not in {worker.pid for worker in pool.status().workers})


def restart_its_worker(pool: Pool, session: str) -> None:
    (home,) = (one.worker_id for one in pool.status().sessions if one.session_id == session)
    pool.restart(home)


@pytest.mark.parametrize("lose", [kill_its_worker, restart_its_worker])
def test_a_session_whose_worker_is_gone_says_once_which_variables_went_with_it(
    lose: Callable[[Pool, str], None],
) -> None:
    with snakepit.start(workers=2, name="lost") as pool:
        pool.wait_ready()
        session = pool.session("mine")
        session.exec("table = [1, 2]; model = 'trained'")
        lose(pool, "mine")

        with pytest.raises(SessionLostError, match="Session 'mine'") as caught:
            session.exec("table")

        assert "model" in caught.value.message
        assert "table" in caught.value.message
        with pytest.raises(NameError):  # it has begun anew
            session.exec("table")


def test_a_session_that_is_not_used_ends_in_its_worker_and_says_so_once() -> None:
    with snakepit.start(workers=1, name="expiring", session_ttl=TTL) as pool:
        session = pool.session("mine")
        session.exec(
            "import sys, weakref\n"
            "class Big: pass\n"
            "big = Big()\n"
            "sys.modules['left_behind'] = weakref.ref(big)"
        )
        until(lambda: not pool.status().sessions)

        with pytest.raises(SessionLostError, match=r"was not used for 0\.3 s") as caught:
            session.exec("big")

        assert "big" in caught.value.message
        with pytest.raises(NameError):
            session.exec("big")
        session.exec(
            "import gc, sys; gc.collect(); assert sys.modules.pop('left_behind')() is None"
        )


def test_the_notebooks_own_session_does_not_expire(bridged: Kernel) -> None:
    bridged.check(f"import snakepit_nb\nsnakepit_nb.start(workers=1, session_ttl={TTL});")
    bridged.check("%%snakepit_exec\nkept = 'kept'")
    bridged.check("%%snakepit_exec -s other\ngone = 'gone'")

    bridged.check(
        "import time\n"
        "def sessions(): return {s.session_id for s in snakepit_nb.status().sessions}\n"
        "deadline = time.monotonic() + 15\n"
        "while 'other' in sessions() and time.monotonic() < deadline: time.sleep(0.01)"
    )

    assert bridged.check("sessions()").value == {"notebook"}
    assert bridged.check("%%snakepit_exec\nkept").value == "kept"
    lost = bridged.run("%%snakepit_exec -s other\ngone")
    assert lost.reply["ename"] == "SessionLostError"
    assert "gone" in lost.text
    assert "0.3 s" in lost.text
    bridged.check("%snakepit stop --now")

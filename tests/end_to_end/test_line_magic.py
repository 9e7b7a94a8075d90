"""What `%snakepit` does beyond starting and stopping one pool, in a real kernel."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .kernel_driver import Kernel, Ran

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]

ORIGINAL = Path(__file__).parents[1] / "interop/original_worker.py"
HOLD = """
import os, time, snakepit_nb
from pathlib import Path

def hold(note):
    Path(f'{note}.begun').touch()
    while not Path(note).exists():
        time.sleep(0.002)
    return note

def ignore(note):
    while True:
        try:
            hold(note)
        except KeyboardInterrupt:
            pass

def held(note, function=hold):
    "Returns the future of a call that runs, until the note is there."
    future = snakepit_nb.pool().submit(function, str(Path(note).absolute()))
    deadline = time.monotonic() + 15
    while not Path(f'{note}.begun').exists():
        assert time.monotonic() < deadline
        time.sleep(0.002)
    return future
"""


@pytest.fixture(scope="module", autouse=True)
def _kernel_can_hold_calls(bridged: Kernel) -> None:
    bridged.check(HOLD)


@pytest.fixture
def kernel(bridged: Kernel) -> Iterator[Kernel]:
    bridged.check("%snakepit start --workers 2")
    bridged.worker_pids()
    yield bridged
    bridged.check("%snakepit stop --all --now")
    bridged.check("from snakepit_nb.blocking import options\noptions.defaults.clear()")


def table(ran: Ran) -> str:
    text: str = ran.content("execute_result")["data"]["text/plain"]
    return text


def rows(ran: Ran) -> list[list[str]]:
    """The words of each line below a table's title and head."""
    return [line.split() for line in table(ran).splitlines()[2:]]


def test_several_pools_are_told_apart_by_name(kernel: Kernel) -> None:
    kernel.check("%snakepit start --name second --workers 1 --profile thread --threads 3 -q")

    assert rows(kernel.check("%snakepit list")) == [
        ["default", "2", "process", "0/2"],
        ["second", "*", "1", "thread", "0/3"],
    ]
    assert kernel.check("%snakepit use default").text == "Pool 'default' is in use.\n"
    assert [row[:2] for row in rows(kernel.check("%snakepit list"))] == [
        ["default", "*"],
        ["second", "1"],
    ]
    kernel.check("%%snakepit_exec\nmine = 'of default'")
    kernel.check("%%snakepit_exec -p second\nmine = 'of second'")
    assert kernel.check("%%snakepit_exec\nmine").value == "of default"
    assert "Pool 'second'" in table(kernel.check("%snakepit status second"))
    assert kernel.check("snakepit_nb.use('second').name").value == "second"
    assert kernel.check("%%snakepit_exec\nmine").value == "of second"
    assert kernel.check("%snakepit stop second --now").text == "Stopped.\n"
    assert kernel.check("%%snakepit_exec\nmine").value == "of default"


def test_ps_shows_what_runs_and_what_waits(kernel: Kernel) -> None:
    assert rows(kernel.check("%snakepit ps")) == []
    kernel.check("with snakepit_nb.correlation('sp-mine'): one = held('ps-1')")
    kernel.check("two, three = held('ps-2'), snakepit_nb.pool().submit(pow, 2, 10)")
    kernel.check("while not snakepit_nb.status().queued: pass")

    shown = kernel.check("%snakepit ps")

    assert table(shown).startswith("Pool 'default': 2 running, 1 queued")
    assert sorted(row[0] for row in rows(shown)) == ["w0", "w1", "waits"]
    assert "sp-mine" in table(shown)
    kernel.check("Path('ps-1').touch(), Path('ps-2').touch()")
    assert kernel.check("three.result()").value == 1024


def test_sessions_shows_where_they_are_and_what_they_hold(kernel: Kernel) -> None:
    kernel.check("%%snakepit_exec\ntable, model = 1, 2")
    kernel.check("%%snakepit_exec -s other\nx = 1")

    shown = kernel.check("%snakepit sessions")

    assert table(shown).startswith("Pool 'default': 2 sessions")
    found = {row[0]: row[1:] for row in rows(shown)}
    assert sorted(found) == ["notebook", "other"]
    assert sorted(worker for worker, *_ in found.values()) == ["w0", "w1"]
    assert found["notebook"][1:] == ["model,", "table"]


@pytest.mark.parametrize("option", ["", " --now"])
def test_restart_replaces_all_workers_and_says_which_sessions_went(
    kernel: Kernel, option: str
) -> None:
    kernel.check("%%snakepit_exec\nmine = 1")
    before = kernel.worker_pids()

    ran = kernel.check(f"%snakepit restart{option}")

    assert ran.text.startswith("Pool 'default': 2 workers (")
    assert "Session 'notebook' is gone with worker w" in ran.text
    assert not set(before.values()) & set(kernel.worker_pids().values())
    lost = kernel.run("%%snakepit_exec\nmine")
    assert lost.reply["ename"] == "SessionLostError"
    assert "mine" in lost.text


def test_restart_of_one_worker_leaves_the_others_and_what_they_run(kernel: Kernel) -> None:
    before = kernel.worker_pids()

    kernel.check("%snakepit restart w0 --now")

    after = kernel.worker_pids()
    assert after["w1"] == before["w1"]
    assert before["w0"] not in after.values()


def test_restart_lets_calls_finish_and_restart_now_does_not(kernel: Kernel) -> None:
    kernel.check("slow = held('restart-1')")
    kernel.check("%snakepit restart")
    assert "draining" in table(kernel.check("%snakepit status"))
    kernel.check("Path('restart-1').touch()")
    assert kernel.check("Path(slow.result()).name").value == "restart-1"

    kernel.check("killed = held('restart-2')")
    kernel.check("%snakepit restart --now")
    ran = kernel.run("killed.result()")
    assert ran.reply["ename"] == "WorkerCrashedError"
    assert "it was restarted" in ran.text


def test_cancel_ends_the_call_of_an_id_and_none_beside_it(kernel: Kernel) -> None:
    pids = kernel.worker_pids()
    kernel.check("with snakepit_nb.correlation('sp-mine'): one = held('cancel-1')")
    kernel.check("other = held('cancel-2')")

    assert kernel.check("%snakepit cancel sp-mine").text == "1 call cancelled.\n"

    assert kernel.run("one.result()").reply["ename"] in ("CallCancelledError", "CancelledError")
    kernel.check("Path('cancel-2').touch()")
    assert kernel.check("Path(other.result()).name").value == "cancel-2"
    assert kernel.worker_pids() == pids


def test_cancel_all_ends_what_runs_and_what_waits(kernel: Kernel) -> None:
    kernel.check("held('all-1'), held('all-2')")
    kernel.check("waiting = snakepit_nb.pool().submit(pow, 2, 10)")
    kernel.check("while not snakepit_nb.status().queued: pass")

    assert kernel.check("%snakepit cancel --all").text == "3 calls cancelled.\n"

    assert rows(kernel.check("%snakepit ps")) == []
    assert kernel.check("%snakepit cancel --all").text == "0 calls cancelled.\n"


def test_cancel_kill_ends_the_worker_of_a_call_at_once(kernel: Kernel) -> None:
    before = kernel.worker_pids()
    kernel.check("stubborn = held('kill-1', ignore)")

    assert kernel.check("%snakepit cancel --all --kill").text == "1 call cancelled.\n"

    ran = kernel.run("stubborn.result()")
    assert ran.reply["ename"] == "WorkerCrashedError"
    assert "its call was cancelled" in ran.text
    assert len(set(kernel.worker_pids().values()) & set(before.values())) == 1


def test_result_waits_for_what_was_submitted_and_shows_it(kernel: Kernel) -> None:
    kernel.check("first = snakepit_nb.pool().submit(pow, 2, 10)")
    kernel.check("second = snakepit_nb.pool().submit(divmod, 7, 2)")

    assert kernel.check("%snakepit result").value == (3, 1)
    assert kernel.check("%snakepit result -1").value == (3, 1)
    assert kernel.check("%snakepit result -2").value == 1024
    kernel.check("correlation_id = first.correlation_id")
    assert kernel.check("%snakepit result $correlation_id").value == 1024
    kernel.check("snakepit_nb.pool().submit(divmod, 1, 0);")
    assert kernel.run("%snakepit result").reply["ename"] == "RemoteZeroDivisionError"


def test_config_sets_what_later_starts_take(kernel: Kernel) -> None:
    shown = table(kernel.check("%snakepit config"))
    assert re.search(r"^capacity_strategy +pool *$", shown, re.MULTILINE)

    kernel.check("%snakepit config threads=2")  # before there is a profile for them
    changed = table(kernel.check("%snakepit config profile=thread capacity_strategy=profile"))

    assert re.search(r"^capacity_strategy +profile +set$", changed, re.MULTILINE)
    kernel.check("%snakepit start --name configured --workers 1")
    assert kernel.check(settings_of("configured")).value == ("thread", 2, "profile")
    kernel.check("%snakepit start --name told --workers 1 --profile process")
    assert kernel.check(settings_of("told")).value == ("process", 1, "profile")


def test_traitlets_set_the_same_defaults(kernel: Kernel) -> None:
    kernel.check("%config SnakepitMagics.capacity_strategy = 'profile'")
    kernel.check("%config SnakepitMagics.affinity = 'strict_queue'")
    kernel.check("%config SnakepitMagics.workers = 1")
    kernel.check("%snakepit start --name traits")

    assert kernel.check(settings_of("traits")).value == ("process", 1, "profile")
    assert kernel.check("len(snakepit_nb.status('traits').workers)").value == 1
    wrong = kernel.run("%config SnakepitMagics.capacity_strategy = 'pol'")
    assert "expected any of ['pool', 'profile', 'hybrid'], not the str 'pol'" in wrong.text
    for line in ("capacity_strategy = 'pool'", "affinity = 'hint'", "workers = 2"):
        kernel.check(f"%config SnakepitMagics.{line}")


def test_a_pool_of_threads_is_started_by_one_line(kernel: Kernel) -> None:
    ran = kernel.check("%snakepit start --name wide --workers 2 --profile thread --threads 4")

    assert re.fullmatch(
        r"Pool 'wide' serves after \d+\.\d s: 2 workers \(w0, w1\) x 4 threads\.\n", ran.text
    )
    kernel.worker_pids("wide")
    assert kernel.check(settings_of("wide")).value == ("thread", 4, "pool")
    assert rows(kernel.check("%snakepit list"))[1] == ["wide", "*", "2", "thread", "0/8"]


def test_an_adapter_that_is_not_thread_safe_is_named_at_the_start(kernel: Kernel) -> None:
    kernel.check("from snakepit_nb.worker import Adapter\nclass Careless(Adapter): pass")

    ran = kernel.run("%snakepit start --name unsafe --profile thread --adapter Careless")

    assert ran.reply["ename"] == "WorkerStartError"
    assert "Careless" in ran.text
    assert "thread_safe = True" in ran.text


def test_futures_can_be_awaited_in_a_cell(kernel: Kernel) -> None:
    assert kernel.check("await snakepit_nb.pool().submit(pow, 2, 10)").value == 1024
    kernel.check("import asyncio\nfutures = [snakepit_nb.pool().submit(abs, -n) for n in (1, 2)]")
    assert kernel.check("await asyncio.gather(*futures)").value == [1, 2]


def test_tqdm_counts_what_is_completed(kernel: Kernel) -> None:
    ran = kernel.check(
        "from concurrent.futures import as_completed\n"
        "from tqdm import tqdm\n"
        "futures = [snakepit_nb.pool().submit(pow, n, 2) for n in range(20)]\n"
        "sorted(f.result() for f in tqdm(as_completed(futures), total=len(futures)))"
    )

    assert ran.value == [n * n for n in range(20)]
    assert "20/20" in ran.text


def settings_of(name: str) -> str:
    return (
        f"s = snakepit_nb.pool({name!r}).settings\n"
        "str(s.profile), s.capacity, str(s.capacity_strategy)"
    )


def test_the_doctor_looks_beside_a_pool_that_runs(kernel: Kernel) -> None:
    before = kernel.worker_pids()

    shown = kernel.check("%snakepit doctor").content("execute_result")["data"]

    verdicts = {line.split("  ")[0]: line for line in shown["text/plain"].splitlines()[2:]}
    assert " ok " in verdicts["worker"]
    assert " ok " in verdicts["last exits"]
    assert "<th" in shown["text/html"]
    assert kernel.worker_pids() == before
    assert kernel.check("snakepit_nb.pool().name").value == "default"


def test_workers_of_the_original_are_started_by_one_line_and_named_as_open(kernel: Kernel) -> None:
    command = f"{sys.executable} {ORIGINAL}"
    ran = kernel.check(
        f'%snakepit start --name original --workers 1 --adapter a.B --worker-command "{command}"'
    )

    assert re.search(r"^Pool 'original' serves after", ran.text, re.MULTILINE)
    assert "without a token: whoever reaches it can run their tools" in ran.text
    kernel.check("%snakepit use original")
    assert kernel.check("%snakepit call echo value=[1,'a']").value == [1, "a"]
    refused = kernel.run("%%snakepit_exec\n1")
    assert "run tools only, neither cells nor functions" in refused.text


def test_serve_tells_where_the_token_is_but_not_the_token(kernel: Kernel) -> None:
    served = kernel.check("%snakepit serve")
    token = kernel.check("snakepit_nb.pool('default').serve().token").value

    assert "snakepit.pool('default').serve().token has it" in served.text
    assert token not in served.text
    kernel.check("%snakepit serve --stop")

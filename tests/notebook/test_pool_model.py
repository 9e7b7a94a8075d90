"""What a pool's panel shows, as a value, as text and as static HTML."""

import re

import pytest

from snakepit_nb.identifiers import CallId, SessionId, WorkerId
from snakepit_nb.notebook.widgets.pool_html import as_html
from snakepit_nb.notebook.widgets.pool_model import MOST_LISTED, pool_view
from snakepit_nb.notebook.widgets.pool_text import as_text
from snakepit_nb.notebook.widgets.pool_tile import MOST_LINES, State
from snakepit_nb.pool.recent import Recent
from snakepit_nb.pool.snapshot import Happening, SessionStatus

from .making_snapshots import a_call, a_pool, a_worker

MIB = 1 << 20


@pytest.mark.parametrize(
    ("name", "told", "state", "words"),
    [
        ("w0", "idle", State.READY, "ready"),
        ("w0", "busy", State.BUSY, "busy"),
        ("w0", "starting", State.STARTING, "starting"),
        ("w0.1", "starting", State.RESTARTING, "restarting"),
        ("w0", "draining", State.DRAINING, "draining"),
        ("w0", "lost", State.LOST, "lost"),
        ("w0", "tainted", State.TAINTED, "tainted"),
        ("w0", "frozen", State.UNRESPONSIVE, "frozen"),
        ("w0", "in native code", State.UNRESPONSIVE, "in native code"),
        ("w0", "stuck", State.UNRESPONSIVE, "stuck"),
    ],
)
def test_each_worker_has_a_state(name: str, told: str, state: State, words: str) -> None:
    (tile,) = pool_view(a_pool(a_worker(name, state=told))).tiles

    assert (tile.state, tile.words) == (state, words)
    assert tile.can_change == (state in {"ready", "busy", "tainted", "unresponsive"})


def test_a_worker_tells_what_it_runs_and_has_done() -> None:
    call = a_call("train", seconds=12.5, waited_seconds=2.0, session_id=SessionId("s"))
    worker = a_worker(
        capacity=2,
        load=1,
        counted_load=2,
        served=1234,
        memory=41 * MIB,
        calls=(call,),
        sessions=(SessionId("s"),),
    )
    (tile,) = pool_view(a_pool(worker)).tiles
    (line,) = tile.calls

    assert (tile.load, tile.capacity) == (1, 2)
    assert (line.text, line.aside, line.call_id) == ("train", "10 s", "call-1")
    assert line.hint == "train, session s, sp-1"
    assert tile.facts == "41 MiB · it counts 2 · 1,234 done · 1 session"


def test_each_tile_has_room_for_as_many_calls() -> None:
    calls = tuple(a_call(call_id=CallId(f"c{number}")) for number in range(9))
    view = pool_view(a_pool(a_worker(), a_worker("w1", capacity=9, load=9, calls=calls)))

    assert view.lines == MOST_LINES
    assert [(len(tile.calls), tile.more) for tile in view.tiles] == [(0, 0), (4, 5)]


def test_who_ends_stands_behind_who_has_taken_its_place() -> None:
    names = {"w0": "draining", "w0.1": "starting", "w1": "draining", "w2": "idle"}
    view = pool_view(a_pool(*(a_worker(name, state=state) for name, state in names.items())))

    assert [tile.worker_id for tile in view.tiles] == ["w0.1", "w1", "w2", "w0"]
    assert view.workers == 2


def test_a_place_that_was_given_up_is_shown() -> None:
    view = pool_view(a_pool(a_worker(), given_up=(WorkerId("w1.5"),)))

    assert [(tile.worker_id, tile.state) for tile in view.tiles] == [
        ("w0", State.READY),
        ("w1.5", State.GIVEN_UP),
    ]
    assert view.workers == 1


def test_the_pool_tells_of_its_queue_and_its_last_minute() -> None:
    view = pool_view(
        a_pool(
            a_worker(load=1, memory=30 * MIB),
            a_worker("w1", memory=30 * MIB),
            queued=(a_call(seconds=3.1), a_call(seconds=0.5)),
            finished=12345,
            recent=Recent(per_second=12.4, median=0.0031, slow=1.2),
        )
    )

    assert dict(view.facts) == {
        "load": "1/2",
        "waiting": "2",
        "longest wait": "3.1 s",
        "calls/s": "12",
        "p50": "3.10 ms",
        "p95": "1.20 s",
        "finished": "12,345",
        "memory": "60 MiB",
    }


def test_lists_show_the_first_and_count_the_others() -> None:
    session = SessionStatus(session_id=SessionId("s"), worker_id=WorkerId("w0"), names=())
    happenings = tuple(Happening(at=number, words=f"event {number}") for number in range(9))
    queued = tuple(a_call(call_id=CallId(f"c{number}")) for number in range(MOST_LISTED))
    view = pool_view(a_pool(queued=queued, sessions=(session,), happenings=happenings))
    waiting, sessions, events = view.lists

    assert (len(waiting.lines), waiting.more) == (MOST_LISTED, 0)
    assert [(line.text, line.aside) for line in sessions.lines] == [("s", "w0")]
    assert (events.lines[0].text, events.more) == ("event 8", 9 - MOST_LISTED)


def test_a_pool_that_was_stopped_is_shown_as_it_was_then() -> None:
    busy = a_worker(state="busy", load=1, served=7, calls=(a_call(),))
    view = pool_view(a_pool(busy, queued=(a_call(),)), is_running=False)
    (tile,) = view.tiles

    assert (tile.state, tile.load, tile.calls, tile.facts) == (State.STOPPED, 0, (), "7 done")
    assert dict(view.facts)["waiting"] == "0"
    assert "Pool &#x27;default&#x27; has stopped" in as_html(view)


def test_the_text_is_the_same_in_every_run() -> None:
    busy = a_worker(state="busy", load=1, memory=MIB, served=3, calls=(a_call(seconds=4.2),))
    view = pool_view(a_pool(busy, a_worker("w1", state="frozen"), finished=3))

    assert as_text(view) == (
        "Pool 'default': 2 workers, load 1/2, 0 waiting, 3 finished\n"
        "w0  busy    1/1  train\n"
        "w1  frozen  0/1"
    )


def test_the_html_needs_no_script_and_no_style_sheet() -> None:
    hostile = a_call("<script>alert(1)</script>", is_overdue=True)
    found = as_html(pool_view(a_pool(a_worker(state="busy", load=1, calls=(hostile,)))))

    assert set(re.findall(r"<(\w+)", found)) == {"div", "span", "b", "br"}
    assert "&lt;script&gt;" in found
    assert "url(" not in found


def test_names_that_would_turn_the_page_round_do_nothing() -> None:
    view = pool_view(a_pool(a_worker(state="busy", load=1, calls=(a_call("a\u202eb\nc"),))))

    assert view.tiles[0].calls[0].text == "ab c"

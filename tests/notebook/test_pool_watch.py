"""One look at a pool for all its panels, and only while somebody looks at one."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

import snakepit_nb as snakepit
from snakepit_nb.blocking.handle import Pool
from snakepit_nb.notebook.widgets.pool_actions import action_of
from snakepit_nb.notebook.widgets.pool_model import PoolView
from snakepit_nb.notebook.widgets.pool_watch import PoolWatch

pytestmark = [pytest.mark.process, pytest.mark.timeout(60)]

SECONDS = 10.0


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with snakepit.start(workers=2, name="watched") as started:
        started.wait_ready()
        yield started


@dataclass(eq=False)
class Seen:
    """A panel that keeps what it is shown."""

    is_looked_at: bool = True
    views: list[PoolView] = field(default_factory=list)
    last: list[PoolView | None] = field(default_factory=list)
    was_shown: threading.Event = field(default_factory=threading.Event)

    def show(self, view: PoolView) -> None:
        self.views.append(view)
        self.was_shown.set()

    def end(self, view: PoolView | None) -> None:
        self.last.append(view)

    def wait(self) -> PoolView:
        assert self.was_shown.wait(SECONDS)
        self.was_shown.clear()
        return self.views[-1]


def test_all_panels_of_a_pool_see_the_same(pool: Pool) -> None:
    watch = PoolWatch(pool, lambda: None)
    panels = [Seen(), Seen(), Seen(is_looked_at=False)]
    for panel in panels:
        watch.add(panel)
    watch.stir()
    first, second = (panel.wait() for panel in panels[:2])

    assert first is second
    assert [tile.words for tile in first.tiles] == ["ready", "ready"]
    assert dict(first.facts)["memory"].endswith("MiB")
    assert panels[2].views == []
    for panel in panels:
        panel.is_looked_at = False
    watch.stir()
    for thread in threads_that_look():
        thread.join(SECONDS)


def threads_that_look() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "snakepit panels"]


def test_nobody_looks_at_the_pool_where_nobody_looks_at_a_panel(pool: Pool) -> None:
    watch = PoolWatch(pool, lambda: None)
    panel = Seen(is_looked_at=False)
    watch.add(panel)
    watch.stir()
    assert not threads_that_look()

    panel.is_looked_at = True
    watch.stir()
    panel.wait()
    (looking,) = threads_that_look()
    panel.is_looked_at = False
    watch.stir()
    looking.join(SECONDS)

    assert not threads_that_look()


def test_a_watch_without_panels_is_forgotten(pool: Pool) -> None:
    forgotten = threading.Event()
    watch = PoolWatch(pool, forgotten.set)
    one, other = Seen(), Seen()
    for panel in (one, other):
        watch.add(panel)
    watch.discard(one)
    assert not forgotten.is_set()
    watch.discard(other)

    assert forgotten.is_set()
    assert watch.panels == ()


def test_the_last_picture_is_of_the_pool_as_it_was_stopped() -> None:
    with snakepit.start(workers=1, name="ends") as pool:
        watch = PoolWatch(pool, lambda: None)
        panel = Seen()
        watch.add(panel)
        assert pool.submit(abs, -1).result() == 1
    watch.end()
    (last,) = panel.last

    assert last is not None
    assert [(tile.words, tile.facts) for tile in last.tiles] == [("stopped", "1 done")]
    assert repr(watch.look()) == repr(last)


def test_without_a_notebook_the_dashboard_is_text(pool: Pool) -> None:
    shown = snakepit.dashboard("watched")

    assert repr(shown).startswith("Pool 'watched': 2 workers, load 0/2, 0 waiting")
    assert repr(shown) == repr(snakepit.dashboard(pool))
    with pytest.raises(NotImplementedError):
        shown._ipython_display_()


def test_what_the_panel_can_do_is_done(pool: Pool) -> None:
    def do(**wanted: object) -> str:
        action = action_of(pool, wanted)
        assert action is not None
        return action.run()

    running = pool.submit(time.sleep, 600)
    while not (calls := [call for worker in pool.status().workers for call in worker.calls]):
        pass
    assert do(action="cancel", call=calls[0].call_id) == "The call is cancelled."
    assert running.done()
    assert do(action="cancel", call=calls[0].call_id) == "The call had ended."
    assert do(action="restart", worker="w0") == "Another worker is in the place of w0."
    assert do(action="restart", worker="w1", now=True) == "Another worker is in the place of w1."
    assert do(action="scale", workers=3) == "The pool has 3 workers."
    assert do(action="drain", worker="w2").startswith("w2 takes no more calls")
    assert {w.worker_id for w in pool.status().workers if w.state != "draining"} == {
        "w0.1",
        "w1.1",
    }


@pytest.mark.parametrize(
    "wanted",
    [{}, {"action": "stop"}, {"action": "scale", "workers": "3"}, {"action": "drain", "worker": 1}],
)
def test_what_makes_no_sense_does_nothing(pool: Pool, wanted: dict[str, object]) -> None:
    assert action_of(pool, wanted) is None

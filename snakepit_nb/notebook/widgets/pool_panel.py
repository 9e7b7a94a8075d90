"""The live panel of a pool: what there is to see, and what can be done while cells run.

It begins and ends as static HTML. The widget takes its place when a front end has answered that it
can show it, so that whoever runs a notebook without one (nbclient, papermill) saves the HTML.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from anywidget import AnyWidget
from traitlets import Dict, Unicode

from snakepit_nb.blocking.handle import Pool
from snakepit_nb.calls import Display
from snakepit_nb.errors import SnakepitError

from .live_control import keep_reachable
from .pool_actions import Action, action_of
from .pool_html import as_html
from .pool_model import PoolView
from .pool_text import as_text
from .pool_watch import PoolWatch

HERE = Path(__file__).parent
SECONDS_OF_A_LOOK = 60.0
"""So long somebody looks who has said so; a page that was closed may have had no time for more."""
VIEW = "application/vnd.jupyter.widget-view+json"


class Drawn(AnyWidget):
    """The panel's end in the browser."""

    _esm = HERE / "pool_panel.js"
    _css = HERE / "pool_panel.css"
    view = Dict().tag(sync=True)
    message = Unicode().tag(sync=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where in a notebook a panel stands."""

    kernel: Any
    cell_id: str
    """The cell, where the front end says which; else empty."""
    show: Callable[[Display], None]
    """Shows something there, while the cell runs."""
    update: Callable[[Display], None]
    """Shows it in place of what was shown: later, from any thread."""


class PoolPanel:
    """A panel in the output of one cell.

    The kernel's threads bring messages of the front end, the watch's thread brings views, and
    whoever stops the pool ends it. The lock keeps all away from a widget that was closed.
    """

    def __init__(self, pool: Pool, place: Place, watch: PoolWatch) -> None:
        self.cell_id = place.cell_id
        self._pool = pool
        self._watch = watch
        self._place = place
        self._lock = threading.Lock()
        self._looks: dict[str, float] = {}  # until when, by view
        self._has_ended = False
        self._is_live = False
        self._is_loaded_again = False
        self._transient = {"display_id": uuid4().hex}
        view = watch.look()
        place.show(Display(data=_static(view), transient=self._transient))
        self._widget = Drawn(view=asdict(view))
        self._widget.on_msg(self._hear)
        self._is_reachable = keep_reachable(place.kernel, [self._widget, self._widget.layout])

    @property
    def is_looked_at(self) -> bool:
        """Whether somebody sees it."""
        now = time.monotonic()
        return any(until > now for until in tuple(self._looks.values()))

    def show(self, view: PoolView) -> None:
        """Shows the pool as it is now; what is shown already is not sent."""
        with self._lock:
            if not self._has_ended:
                self._widget.view = asdict(view)

    def end(self, view: PoolView | None) -> None:
        """Closes the widget, and leaves a picture in its place, if there is one.

        A page that was loaded since knows of no place for it: there the widget shows it itself.
        """
        with self._lock:
            if self._has_ended:
                return
            self._has_ended = True
            if view is not None:
                self._update(_static(view))
            if view is not None and self._is_loaded_again:
                self._widget.view = asdict(view)
            else:
                self._widget.layout.close()
                self._widget.close()
        self._watch.discard(self)

    def _hear(self, _widget: object, content: Mapping[str, Any], _buffers: object) -> None:
        match content:
            case {"kind": "here"}:
                self._go_live()
            case {"kind": "shown", "view": str(view)}:
                # Where a cell that runs keeps such messages waiting, nobody can be late with them.
                until = time.monotonic() + SECONDS_OF_A_LOOK
                self._looks[view] = until if self._is_reachable else float("inf")
                self._watch.stir()
            case {"kind": "hidden", "view": str(view)}:
                self._looks.pop(view, None)
            case {"kind": "closed"}:
                self.end(None)
            case {"kind": "act"}:
                self._act(action_of(self._pool, content))
            case _:
                pass

    def _go_live(self) -> None:
        with self._lock:
            if self._has_ended or self._is_live:
                self._is_loaded_again = True
                return
            self._is_live = True
            model = {"version_major": 2, "version_minor": 0, "model_id": self._widget.model_id}
            self._update({VIEW: model, **_static(self._watch.look())})

    def _update(self, data: dict[str, Any]) -> None:
        self._place.update(Display(data=data, transient=self._transient, update=True))

    def _act(self, action: Action | None) -> None:
        """Does something on a thread of its own: others want to be heard meanwhile."""
        if action is not None:
            threading.Thread(
                target=self._run, args=(action,), name="snakepit panel", daemon=True
            ).start()

    def _run(self, action: Action) -> None:
        self._say(action.words)
        self._watch.stir()
        try:
            self._say(action.run())
        except SnakepitError as error:
            self._say(error.message)
        self._watch.stir()

    def _say(self, words: str) -> None:
        with self._lock:
            if not self._has_ended:
                self._widget.message = words


def _static(view: PoolView) -> dict[str, Any]:
    return {"text/html": as_html(view), "text/plain": as_text(view)}

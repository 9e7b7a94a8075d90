"""The live panel of a stream: its state, and a Cancel button that works while the cell runs."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from IPython.display import display
from ipywidgets import HTML, Button, HBox, Layout

from snakepit_nb.calls import ToolChunk

from .live_control import keep_reachable
from .view_model import StreamState, advanced, as_html, as_summary, ended

SECONDS_BETWEEN_PAINTS = 0.1


class StreamPanel:
    """Shows a stream at a pace that suits eyes, and gives way to static HTML at its end.

    Three threads meet here: the cell's thread brings chunks and ends, the painter shows, and the
    button's thread cancels. The lock keeps the latter two away from widgets that were closed.
    """

    def __init__(
        self,
        state: StreamState,
        kernel: Any,
        cancel: Callable[[], None],
    ) -> None:
        self._state = state
        self._cancel = cancel
        self._started = time.monotonic()
        self._lock = threading.Lock()
        self._has_ended = threading.Event()
        self._picture = HTML(as_html(state), layout=Layout(flex="0 1 700px", margin="0"))
        self._button = _cancel_button()
        self._panel = HBox(
            [self._picture, self._button], layout=Layout(align_items="flex-start", margin="0")
        )
        self._button.on_click(self._on_cancel)
        if not keep_reachable(kernel, self._widgets()):
            self._button.disabled = True
            self._button.description = "Interrupt the kernel to cancel"
        self._display: Any = display(  # type: ignore[no-untyped-call]  # IPython's own
            self._live_bundle(), raw=True, display_id=True
        )
        self._painter = threading.Thread(target=self._keep_painting, daemon=True)
        self._painter.start()

    def show(self, chunk: ToolChunk) -> None:
        """Takes one more chunk in; the painter shows it within a tenth of a second."""
        self._state = advanced(self._state, chunk, self._elapsed())

    def end(self, outcome: str) -> None:
        """Puts static HTML in place of the widgets, which a saved notebook keeps."""
        last = ended(self._state, outcome, self._elapsed())
        self._give_way_to({"text/html": as_html(last), "text/plain": as_summary(last)})

    def withdraw(self) -> None:
        """Leaves nothing behind."""
        self._give_way_to({"text/plain": ""})

    def _give_way_to(self, bundle: dict[str, str]) -> None:
        with self._lock:
            if self._has_ended.is_set():
                return
            self._has_ended.set()
            self._display.update(bundle, raw=True)
            for widget in self._widgets():
                widget.close()
        self._painter.join()

    def _elapsed(self) -> float:
        return time.monotonic() - self._started

    def _keep_painting(self) -> None:
        while not self._has_ended.wait(SECONDS_BETWEEN_PAINTS):
            with self._lock:
                if not self._has_ended.is_set():
                    now = replace(self._state, elapsed=self._elapsed())
                    self._picture.value = as_html(now)  # not sent where it is what is shown

    def _on_cancel(self, _button: object) -> None:
        with self._lock:
            if self._has_ended.is_set() or self._button.disabled:
                return
            self._button.disabled = True
            self._button.description = "Cancelling…"
        self._cancel()

    def _live_bundle(self) -> dict[str, Any]:
        """The panel, with a text for front ends without widgets that says more than its `repr`."""
        widget_view = self._panel._repr_mimebundle_()
        return {**widget_view, "text/plain": f"{self._state.tool_name}: {self._state.outcome}"}

    def _widgets(self) -> list[Any]:
        """All that is composed here, the outermost first; layouts and styles are widgets too."""
        shown = [self._panel, self._picture, self._button]
        return [
            *shown,
            *(w.layout for w in shown),
            *(w.style for w in shown if w.has_trait("style")),
        ]


def _cancel_button() -> Button:
    return Button(
        description="Cancel",
        icon="stop",
        tooltip="Stop this stream (so does interrupting the kernel)",
        layout=Layout(width="auto", height="24px", margin="0 0 0 12px", flex="0 0 auto"),
    )

"""The live panel of a stream: its state, and a Cancel button that works while the cell runs."""

import threading
import time
from typing import Any
from uuid import uuid4

from IPython.display import display
from ipywidgets import HTML, Button, HBox, Layout, VBox

from snakepit_nb.blocking.stream_lines import as_summary
from snakepit_nb.blocking.stream_view import Shown
from snakepit_nb.calls import ToolChunk

from .live_control import keep_reachable
from .stream_glance import StreamGlance
from .stream_html import as_html, as_static_html, id_line
from .stream_record import StreamRecord
from .view_model import StreamState

SECONDS_BETWEEN_PAINTS = 0.1
SECONDS_BEFORE_SIGHT = 2.0
"""From then on a view that nobody can see is not painted."""
BUSY_SHARE = 0.1
"""Of the time, painting takes no more than this, however slow it is."""

_COPY = (
    "<button title='Copy the correlation id' aria-label='Copy the correlation id' style='cursor:"
    "pointer;border:0;background:none;font:inherit;color:inherit;padding:0 8px;"
    "text-decoration:underline' "
    'onclick="getSelection().selectAllChildren(this.previousElementSibling);'
    "document.execCommand('copy');this.textContent='Copied'\">Copy</button>"
)


class StreamPanel:
    """Shows a stream at a pace that suits eyes, and gives way to static HTML at its end.

    Three threads meet here: the cell's thread brings chunks and ends, the painter shows, and the
    button's thread cancels. One lock is for what was brought, one for widgets that may be closed.
    """

    def __init__(self, shown: Shown, kernel: Any) -> None:
        self._shown = shown
        self._kernel = kernel
        self._begun = time.monotonic()
        self._record = StreamRecord()
        self._glance = StreamGlance(shown, self._begun)
        self._taking = threading.Lock()
        self._closing = threading.Lock()
        self._has_ended = threading.Event()
        self._picture = HTML(as_html(self._state()), layout=Layout(flex="1 1 auto", margin="0"))
        self._button = _cancel_button()
        heading = HBox([self._picture, self._button], layout=Layout(margin="0", max_width="800px"))
        footer = HTML(id_line(shown.correlation_id, _COPY), layout=Layout(margin="0"))
        panel = VBox([heading, footer])
        self._name = f"snakepit-view-{uuid4().hex}"
        panel.add_class(self._name)
        self._widgets = _with_styles(panel, heading, footer, self._picture)
        self._widgets += _with_styles(self._button)
        self._button.on_click(self._on_cancel)
        if not keep_reachable(kernel, self._widgets):
            self._button.disabled = True
            self._button.description = "Interrupt the kernel to cancel"
        self._display: Any = display(  # type: ignore[no-untyped-call]  # IPython's own
            self._live_bundle(), raw=True, display_id=True
        )
        self._painter = threading.Thread(target=self._keep_painting, daemon=True)
        self._painter.start()

    def show(self, chunk: ToolChunk) -> None:
        """Takes one more chunk in; the painter shows it within a tenth of a second."""
        if not chunk.is_final:
            with self._taking:
                self._record.take(chunk.data)

    def end(self, outcome: str) -> None:
        """Puts static HTML in place of the widgets, which a saved notebook keeps."""
        last = self._state(outcome)
        words = as_summary(last.tool_name, last.chunks, last.outcome)
        self._give_way_to({"text/html": as_static_html(last), "text/plain": words})

    def withdraw(self) -> None:
        """Leaves nothing behind."""
        self._give_way_to({"text/plain": ""})

    def _give_way_to(self, bundle: dict[str, str]) -> None:
        with self._closing:
            if self._has_ended.is_set():
                return
            self._has_ended.set()
            self._display.update(bundle, raw=True)
            for widget in self._widgets:
                widget.close()
        self._painter.join()

    def _state(self, outcome: str = "") -> StreamState:
        with self._taking:
            record = self._record.copy()
        return self._glance.state(record, time.monotonic(), outcome)

    def _keep_painting(self) -> None:
        pause = SECONDS_BETWEEN_PAINTS
        sight = None
        while not self._has_ended.wait(pause):
            begun = time.monotonic()
            if sight is None and begun - self._begun > SECONDS_BEFORE_SIGHT:
                from .sight import Sight  # noqa: PLC0415 (brings anywidget, for what lasts)

                sight = Sight(self._kernel, self._name)
            if sight is None or sight.is_seen:
                self._paint()
            pause = max(SECONDS_BETWEEN_PAINTS, (time.monotonic() - begun) / BUSY_SHARE)
        if sight is not None:
            sight.close()

    def _paint(self) -> None:
        page = as_html(self._state())
        with self._closing:
            if not self._has_ended.is_set():
                self._picture.value = page  # not sent where it is what is shown

    def _on_cancel(self, _button: object) -> None:
        with self._closing:
            if self._has_ended.is_set() or self._button.disabled:
                return
            self._button.disabled = True
            self._button.description = "Cancelling…"
        self._shown.cancel()

    def _live_bundle(self) -> dict[str, Any]:
        """The panel, with a text for front ends without widgets that says more than its `repr`."""
        widget_view = self._widgets[0]._repr_mimebundle_()
        return {**widget_view, "text/plain": f"{self._shown.tool_name}: running"}


def _cancel_button() -> Button:
    return Button(
        description="Cancel",
        tooltip="Stop this stream (so does interrupting the kernel)",
        layout=Layout(width="auto", height="24px", margin="4px 0 0 12px", flex="0 0 auto"),
    )


def _with_styles(*shown: Any) -> list[Any]:
    """Widgets with their layouts and styles, which are widgets too."""
    styles = [widget.style for widget in shown if widget.has_trait("style")]
    return [*shown, *(widget.layout for widget in shown), *styles]

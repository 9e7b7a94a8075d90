"""A stream's view and a cell's status in JupyterLab: how they look, and that Cancel works."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from playwright.sync_api import Locator, expect

from .lab_page import Lab, Notebook

pytestmark = [pytest.mark.process, pytest.mark.timeout(240)]

expect.set_options(timeout=30_000)

WIDE, HIGH, NARROW = 1280, 1400, 600
CHUNKS = int(os.environ.get("SNAKEPIT_VIEW_CHUNKS", "20000"))
MOST_MEGABYTES = 50
HERE = Path(__file__).parent
KERNEL = "window.jupyterapp.shell.currentWidget.sessionContext.session.kernel"
START = f"""import sys, time; sys.path.insert(0, {str(HERE)!r})
%load_ext snakepit_nb
import stream_gallery as gallery
import snakepit_nb as snakepit
pool = snakepit.start(1, adapters=[gallery.Streams])"""
QUEUED = """busy = pool.submit(time.sleep, 60)
while not pool.status().workers[0].load: time.sleep(0.01)
try:
    for chunk in pool.stream("train", show=True): pass
except snakepit.SnakepitError as error:
    print(type(error).__name__)
pool.cancel()"""
LONG_CELL = """%%snakepit_exec
import time
try: time.sleep(60)
finally: print('stopped at', time.time())"""
CELLS = [
    START,
    "gallery.every_state()",
    "gallery.every_kind()",
    "%snakepit stream train epochs=60",
    "%snakepit stream kinds",
    QUEUED,
    "%snakepit stream endless note='first'",
    "%snakepit stream endless note='second'",
    LONG_CELL,
    f"""numbers = [chunk["number"] for chunk in pool.stream("count", to={CHUNKS}, show=True)]
print(numbers == list(range({CHUNKS})))""",
    "%snakepit trace",
    "%snakepit stop --now",
]
STARTED, STATES, KINDS, TRAIN, STREAM_KINDS, WAITS, FIRST, SECOND, CELL, LONG, TRACE, STOP = range(
    len(CELLS)
)


@pytest.fixture(scope="module")
def notebook(lab: Lab) -> Iterator[Notebook]:
    with lab.opened("streams", CELLS) as opened:
        opened.page.set_viewport_size({"width": WIDE, "height": HIGH})
        opened.run(STARTED)
        yield opened
        opened.run(STOP)


def view(notebook: Notebook, number: int) -> Locator:
    return notebook.outputs(number).get_by_role("group", name="Stream of")


def cancel(notebook: Notebook, number: int) -> Locator:
    return notebook.outputs(number).get_by_text("Cancel", exact=True)


# One after the other: they share a notebook and its only worker.


def test_each_state_is_told_in_words_and_each_kind_is_shown(
    notebook: Notebook, pictures: Path
) -> None:
    states = notebook.run(STATES)
    kinds = notebook.run(KINDS)

    for word in ("queued", "running", "done", "cancelled", "failed"):
        expect(states.get_by_text(word, exact=True)).to_be_visible()
    expect(kinds.get_by_role("img", name="PNG")).to_be_visible()
    expect(kinds.get_by_role("cell", name="Oslo")).to_be_visible()
    _keep_both_themes(notebook, STATES, pictures / "stream_states")
    _keep_both_themes(notebook, KINDS, pictures / "stream_kinds")


def test_a_narrow_page_does_not_scroll_sideways(notebook: Notebook, pictures: Path) -> None:
    room = notebook.outputs(STATES).locator(".jp-OutputArea-output")
    around = WIDE - room.evaluate("room => room.clientWidth")
    notebook.page.set_viewport_size({"width": around + NARROW, "height": HIGH})
    expect(room).to_have_js_property("clientWidth", NARROW)
    notebook.outputs(STATES).screenshot(path=pictures / "stream_narrow.png")

    assert room.evaluate("room => room.scrollWidth - room.clientWidth") <= 0
    notebook.page.set_viewport_size({"width": WIDE, "height": HIGH})


def test_a_stream_is_live_and_leaves_what_stays(notebook: Notebook, pictures: Path) -> None:
    notebook.begin(TRAIN)
    bar = notebook.outputs(TRAIN).get_by_role("progressbar")
    is_live = _is_live(notebook, bar)
    expect(notebook.outputs(TRAIN)).to_contain_text("the learning rate is high")
    notebook.outputs(TRAIN).screenshot(path=pictures / "stream_live.png")
    copy = notebook.outputs(TRAIN).get_by_role("button", name="Copy the correlation id")
    copy.click()
    copied = notebook.page.evaluate("getSelection().toString()")
    tall = notebook.outputs(TRAIN).evaluate("area => area.clientHeight")
    notebook.wait_done(TRAIN)
    expect(view(notebook, TRAIN)).to_contain_text("done")
    notebook.outputs(TRAIN).screenshot(path=pictures / "stream_done.png")

    assert is_live
    assert copied.startswith("sp-")
    expect(notebook.outputs(TRAIN)).to_contain_text("60 chunks")
    expect(notebook.outputs(TRAIN)).to_contain_text(copied)
    expect(notebook.outputs(TRAIN).get_by_role("button")).to_have_count(0)
    assert abs(notebook.outputs(TRAIN).evaluate("area => area.clientHeight") - tall) < 30


def test_pictures_and_tables_are_shown_while_they_come(notebook: Notebook, pictures: Path) -> None:
    notebook.begin(STREAM_KINDS)
    expect(view(notebook, STREAM_KINDS).get_by_role("img", name="PNG")).to_be_visible()
    notebook.outputs(STREAM_KINDS).screenshot(path=pictures / "stream_kinds_live.png")
    notebook.wait_done(STREAM_KINDS)

    expect(view(notebook, STREAM_KINDS).get_by_role("cell", name="Oslo")).to_be_visible()


def test_what_waits_says_behind_whom_and_can_be_cancelled(
    notebook: Notebook, pictures: Path
) -> None:
    notebook.begin(WAITS)
    expect(view(notebook, WAITS)).to_contain_text("next in the queue")
    notebook.outputs(WAITS).screenshot(path=pictures / "stream_queued.png")
    cancel(notebook, WAITS).click()
    notebook.wait_done(WAITS)

    expect(view(notebook, WAITS)).to_contain_text("cancelled")
    expect(notebook.outputs(WAITS)).to_contain_text("CallCancelledError")


@pytest.mark.parametrize(
    ("number", "subshells", "note"),
    [(FIRST, "perCommTarget", "first"), (SECOND, "disabled", "second")],
    ids=["with subshells", "without"],
)
def test_cancel_stops_the_tool_at_once_while_the_cell_blocks_the_kernel(
    notebook: Notebook, pictures: Path, number: int, subshells: str, note: str
) -> None:
    notebook.page.evaluate(f"{KERNEL}.commsOverSubshells = {subshells!r}")
    notebook.begin(number)
    expect(view(notebook, number)).to_contain_text("1 chunk")
    notebook.outputs(number).screenshot(path=pictures / "stream_silent.png")
    notebook.page.evaluate(
        "document.addEventListener('click', () => { window.clicked = Date.now() }, true)"
    )
    cancel(notebook, number).click()
    notebook.wait_done(number)

    expect(view(notebook, number)).to_contain_text("cancelled")
    written = notebook.path.with_name(note)
    deadline = time.monotonic() + 5
    while not (written.exists() and written.read_text()):
        assert time.monotonic() < deadline
    took = float(written.read_text()) - notebook.page.evaluate("window.clicked") / 1000
    assert took < 0.5, f"subshells {subshells}"


def test_a_long_cell_has_a_line_on_the_page_that_the_keyboard_reaches(
    notebook: Notebook, pictures: Path
) -> None:
    line = notebook.cell(CELL).locator(".snakepit-cell-status")
    notebook.begin(CELL)
    expect(line).to_contain_text("on worker w0 · session notebook")
    _keep_both_themes(notebook, CELL, pictures / "cell_status", whole=True)
    kept_meanwhile = notebook.saved()
    line.get_by_role("button").focus()
    notebook.page.keyboard.press("Enter")
    notebook.wait_done(CELL)

    expect(notebook.outputs(CELL)).to_contain_text("KeyboardInterrupt")
    expect(line).to_have_count(0)
    for saved in (kept_meanwhile, notebook.saved()):
        assert not _models(saved, "AnyModel")
        assert "session notebook" not in json.dumps(saved["cells"][CELL].get("outputs"))


def test_a_quick_stream_loses_nothing_stays_live_and_does_not_fill_the_page(
    notebook: Notebook,
) -> None:
    devtools = notebook.page.context.new_cdp_session(notebook.page)

    def megabytes() -> float:
        devtools.send("HeapProfiler.collectGarbage")
        return float(devtools.send("Runtime.getHeapUsage")["usedSize"]) / 1e6

    before = megabytes()
    notebook.begin(LONG)
    bar = notebook.outputs(LONG).get_by_role("progressbar")
    expect(bar).to_be_visible()
    is_live = _is_live(notebook, bar)
    notebook.wait_done(LONG)
    grown = megabytes() - before

    expect(notebook.outputs(LONG)).to_contain_text("True")
    expect(view(notebook, LONG)).to_contain_text(f"{CHUNKS:,} chunks")
    assert is_live
    assert grown < MOST_MEGABYTES, f"{grown:.1f} MB"


def test_a_trace_tells_more_of_what_the_mouse_is_on(notebook: Notebook, pictures: Path) -> None:
    shown = notebook.run(TRACE)
    row = shown.locator("tr", has_text="tool count")
    row.hover()
    room = shown.locator(".jp-OutputArea-output")
    _keep_both_themes(notebook, TRACE, pictures / "trace")

    assert "lasts: " in str(row.get_attribute("title"))
    assert room.evaluate("room => room.scrollWidth - room.clientWidth") <= 0


def test_what_nobody_watched_is_static_where_it_is_opened_again(lab: Lab, pictures: Path) -> None:
    path = lab.directory / "executed.ipynb"
    cells = [START, "%snakepit stream train", "%snakepit stop"]
    content = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])  # type: ignore[no-untyped-call]
    with pytest.MonkeyPatch.context() as patched:
        patched.delenv("SNAKEPIT_NONINTERACTIVE", raising=False)
        NotebookClient(content, timeout=60, kernel_name="python3").execute()
    path.write_text(nbformat.writes(content))  # type: ignore[no-untyped-call]
    with lab.reopened(path) as notebook:
        shown = notebook.outputs(1)
        expect(shown).to_contain_text("12 chunks")
        expect(shown).to_contain_text("100%")
        shown.screenshot(path=pictures / "stream_reopened.png")

        assert "not found" not in notebook.page.locator("body").inner_text()
        assert "widget-view" not in path.read_text()


def _is_live(notebook: Notebook, bar: Locator) -> bool:
    """Tells whether the bar has moved three times, as soon as it has."""
    seen: set[str | None] = set()
    deadline = time.monotonic() + 30
    while len(seen) < 4 and time.monotonic() < deadline:
        seen.add(bar.get_attribute("aria-valuenow"))
        notebook.page.wait_for_timeout(50)
    return len(seen) == 4


def _models(saved: dict[str, Any], name: str) -> list[Any]:
    widgets = saved["metadata"].get("widgets", {})
    states = widgets.get("application/vnd.jupyter.widget-state+json", {}).get("state", {})
    return [state for state in states.values() if state["model_name"] == name]


def _keep_both_themes(notebook: Notebook, number: int, path: Path, *, whole: bool = False) -> None:
    shown = notebook.cell(number) if whole else notebook.outputs(number)
    shown.screenshot(path=path.with_name(f"{path.name}_light.png"))
    notebook.choose_theme("Dark")
    shown.screenshot(path=path.with_name(f"{path.name}_dark.png"))
    notebook.choose_theme("Light")

"""A pool's panel in JupyterLab: how it looks in each state, and what can be done with it."""

import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from .lab_page import SECONDS, Lab, Notebook

pytestmark = [pytest.mark.process, pytest.mark.timeout(240)]

HERE = Path(__file__).parent
CONTENT = "window.jupyterapp.shell.currentWidget.content"
EXECUTE = "command => window.jupyterapp.commands.execute(command)"
WIDE, HIGH, NARROW = 1400, 1600, 600

GALLERY = f"""import sys; sys.path.insert(0, {str(HERE)!r})
import pool_gallery as gallery
gallery.drawn(gallery.SNAPSHOT)"""

START = """%load_ext snakepit_nb
import time, pathlib
import snakepit_nb as snakepit
from snakepit_nb.notebook import panels
pool = snakepit.start(workers=2, heartbeat_interval=0.2, heartbeat_misses=2, interrupt_grace=0.5)
pool.wait_ready()"""
BUSY = "futures = [pool.submit(time.sleep, 600) for _ in range(4)]"
BLOCKED = "while not pathlib.Path('go').exists(): time.sleep(0.05)"
ENDED = "pathlib.Path('go').unlink(missing_ok=True)\nsnakepit.stop(now=True)"
PID_OF_W2 = "print(*(worker.pid for worker in pool.status().workers if worker.worker_id == 'w2'))"
COUNT = """looking = [watch._thread for watch in panels._watches.values() if watch._thread]
print('panels', len(panels._panels()), 'looking', len(looking))"""

CELLS = [
    GALLERY,
    "gallery.drawn(gallery.EMPTY)",
    START,
    "%snakepit dashboard",
    "snakepit.dashboard()",
    BUSY,
    BLOCKED,
    PID_OF_W2,
    COUNT,
    ENDED,
]
EVERY_STATE, EMPTY, STARTED, FIRST, SECOND, SLEEPS, BLOCKS, PID, COUNTS, ENDS = range(len(CELLS))


@pytest.fixture(scope="module")
def notebook(lab: Lab) -> Iterator[Notebook]:
    expect.set_options(timeout=20_000)
    with lab.opened("panel", CELLS) as opened:
        opened.page.set_viewport_size({"width": WIDE, "height": HIGH})
        opened.run(EVERY_STATE)
        opened.run(STARTED)
        for number in (FIRST, SECOND):
            opened.run(number)
            expect(panel(opened, number)).to_be_visible()
        yield opened


def panel(notebook: Notebook, number: int) -> Locator:
    return notebook.outputs(number).locator(".snakepit-panel")


def tile(notebook: Notebook, worker: str, number: int = FIRST) -> Locator:
    return panel(notebook, number).locator(f'.snakepit-tile[data-key="{worker}"]')


def until_told(notebook: Notebook, words: str) -> None:
    """Waits until the kernel counts its panels, and the threads that look for them, so."""
    deadline = time.monotonic() + SECONDS
    while words not in (told := notebook.run(COUNTS).inner_text()):
        assert time.monotonic() < deadline, told


def answer(where: Locator, name: str) -> None:
    where.locator(".snakepit-question").get_by_role("button", name=name, exact=True).click()


# One after the other: each goes on where the one before it ended.


def test_every_state_is_told_in_words(notebook: Notebook, pictures: Path) -> None:
    notebook.run(EMPTY)
    words = panel(notebook, EVERY_STATE).locator(".snakepit-tile .snakepit-state")

    expect(words).to_have_text(
        [
            *("ready", "busy", "draining", "tainted", "in native code"),
            *("lost", "restarting", "starting", "given up"),
        ]
    )
    expect(panel(notebook, EMPTY)).to_contain_text("No worker is left.")
    panel(notebook, EVERY_STATE).screenshot(path=pictures / "panel_every_state_light.png")
    panel(notebook, EMPTY).screenshot(path=pictures / "panel_no_workers.png")


def test_it_is_dark_where_the_page_is(notebook: Notebook, pictures: Path) -> None:
    colour = "element => getComputedStyle(element).color"
    light = panel(notebook, EVERY_STATE).evaluate(colour)
    notebook.choose_theme("Dark")
    expect(panel(notebook, EVERY_STATE)).not_to_have_css("color", light)
    panel(notebook, EVERY_STATE).screenshot(path=pictures / "panel_every_state_dark.png")
    notebook.choose_theme("Light")

    expect(panel(notebook, EVERY_STATE)).to_have_css("color", light)


def test_a_narrow_page_does_not_scroll_sideways(notebook: Notebook, pictures: Path) -> None:
    shown = panel(notebook, EVERY_STATE)
    room = shown.locator("xpath=ancestor::*[contains(@class, 'jp-OutputArea-output')]")
    around = WIDE - room.evaluate("room => room.clientWidth")
    notebook.page.set_viewport_size({"width": around + NARROW, "height": HIGH})
    expect(room).to_have_js_property("clientWidth", NARROW)
    shown.screenshot(path=pictures / "panel_narrow.png")
    inside = shown.evaluate(
        "panel => Math.max(...[...panel.querySelectorAll('*')].map("
        "part => part.getBoundingClientRect().right)) - panel.getBoundingClientRect().right"
    )

    assert inside <= 0
    assert shown.evaluate("panel => panel.scrollWidth - panel.clientWidth") == 0
    notebook.page.set_viewport_size({"width": WIDE, "height": HIGH})


# These four while a cell blocks the kernel's main thread.


def test_panels_of_a_pool_agree(notebook: Notebook, pictures: Path) -> None:
    notebook.run(SLEEPS)
    notebook.begin(BLOCKS)
    for number in (FIRST, SECOND):
        expect(panel(notebook, number).get_by_text("busy", exact=True)).to_have_count(2)
        expect(panel(notebook, number)).to_contain_text("waiting2")
    panel(notebook, FIRST).screenshot(path=pictures / "panel_busy.png")


def test_a_call_is_cancelled(notebook: Notebook, pictures: Path) -> None:
    tile(notebook, "w0").get_by_role("button", name="Cancel sleep").click()
    expect(tile(notebook, "w0")).to_contain_text("Cancel sleep?")
    panel(notebook, FIRST).screenshot(path=pictures / "panel_question.png")
    answer(tile(notebook, "w0"), "Cancel")

    expect(panel(notebook, FIRST)).to_contain_text("The call is cancelled.")
    expect(panel(notebook, SECOND)).to_contain_text("waiting1")


def test_a_worker_is_restarted_and_the_pool_is_scaled(notebook: Notebook) -> None:
    tile(notebook, "w1").get_by_role("button", name="Restart w1").click()
    answer(tile(notebook, "w1"), "Now")
    expect(tile(notebook, "w1.1", SECOND)).to_contain_text("busy")
    expect(tile(notebook, "w1")).to_have_count(0)

    first = panel(notebook, FIRST)
    first.get_by_role("spinbutton").fill("3")
    first.get_by_role("button", name="Scale the pool").click()
    answer(first, "Scale")
    expect(tile(notebook, "w2", SECOND)).to_contain_text("ready")


def test_a_worker_is_drained(notebook: Notebook, pictures: Path) -> None:
    tile(notebook, "w1.1").get_by_role("button", name="Drain w1.1").click()
    answer(tile(notebook, "w1.1"), "Drain")
    for number in (FIRST, SECOND):
        expect(tile(notebook, "w1.1", number)).to_contain_text("draining")
    panel(notebook, FIRST).screenshot(path=pictures / "panel_draining.png")

    assert "[*]" in notebook.cell(BLOCKS).inner_text()
    (notebook.path.parent / "go").touch()
    notebook.wait_done(BLOCKS)


def test_a_worker_that_does_not_answer_is_told(notebook: Notebook, pictures: Path) -> None:
    pid = int(notebook.run(PID).inner_text())
    os.kill(pid, signal.SIGSTOP)
    try:
        expect(tile(notebook, "w2")).to_contain_text("frozen")
        panel(notebook, FIRST).screenshot(path=pictures / "panel_frozen.png")
    finally:
        os.kill(pid, signal.SIGCONT)

    expect(tile(notebook, "w2")).to_contain_text("ready")


def test_a_question_is_answered_by_keyboard_and_nothing_jumps(notebook: Notebook) -> None:
    asked = tile(notebook, "w0")
    restart = asked.get_by_role("button", name="Restart w0")
    before = [box.bounding_box() for box in panel(notebook, FIRST).locator("li").all()]
    restart.focus()
    notebook.page.keyboard.press("Enter")
    no = asked.get_by_role("button", name="No", exact=True)
    expect(no).to_be_focused()
    expect(no).to_have_css("outline-style", "solid")
    after = [box.bounding_box() for box in panel(notebook, FIRST).locator("li").all()]
    notebook.page.keyboard.press("Escape")

    expect(restart).to_be_focused()
    expect(asked.locator(".snakepit-question")).to_have_count(0)
    assert after == before


def test_a_panel_that_nobody_sees_is_sent_nothing(notebook: Notebook) -> None:
    until_told(notebook, "panels 2 looking 1")
    notebook.page.evaluate(EXECUTE, "notebook:hide-all-cell-outputs")
    expect(panel(notebook, FIRST)).not_to_be_visible()
    until_told(notebook, "panels 2 looking 0")
    notebook.page.evaluate(EXECUTE, "notebook:show-all-cell-outputs")
    expect(panel(notebook, FIRST)).to_be_visible()


def test_a_cell_that_runs_again_has_one_panel(notebook: Notebook) -> None:
    notebook.run(SECOND)
    expect(panel(notebook, SECOND)).to_have_count(1)
    expect(tile(notebook, "w0", SECOND)).to_be_visible()

    until_told(notebook, "panels 2 looking 1")


def test_a_cell_whose_output_is_cleared_has_none(notebook: Notebook) -> None:
    notebook.page.evaluate(f"{CONTENT}.activeCellIndex = {SECOND}")
    notebook.page.evaluate(EXECUTE, "notebook:clear-cell-output")
    until_told(notebook, "panels 1 looking 1")


def test_a_page_that_is_loaded_again_shows_it_live(notebook: Notebook) -> None:
    notebook.saved()
    notebook.page.reload()
    notebook.wait_kernel()
    tile(notebook, "w0").get_by_role("button", name="Cancel sleep").click()
    answer(tile(notebook, "w0"), "Cancel")

    expect(tile(notebook, "w0")).to_contain_text("ready")


def test_static_html_takes_its_place_when_the_pool_stops(
    notebook: Notebook, pictures: Path
) -> None:
    notebook.run(SECOND)  # the page knows where the first one stands no more
    expect(panel(notebook, SECOND)).to_be_visible()
    notebook.run(ENDS)
    for number in (FIRST, SECOND):
        expect(notebook.outputs(number)).to_contain_text("Pool 'default' has stopped")
        expect(notebook.outputs(number).locator("button:visible")).to_have_count(0)
    expect(panel(notebook, SECOND)).to_have_count(0)
    notebook.outputs(SECOND).screenshot(path=pictures / "panel_stopped.png")
    saved = notebook.saved()["cells"][SECOND]["outputs"]

    assert [set(output["data"]) for output in saved] == [{"text/html", "text/plain"}]
    assert re.search(r"w0 +stopped", "".join(saved[0]["data"]["text/plain"]))

"""What a user of JupyterLab does with widgets and prompts of a worker."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from .lab_page import Lab, Notebook

pytestmark = [pytest.mark.process, pytest.mark.timeout(240)]

expect.set_options(timeout=30_000)

START = "%load_ext snakepit_nb\n%snakepit start --workers 1"

SLIDER = """%%snakepit_exec
import ipywidgets as W
slider, label = W.IntSlider(value=5), W.Label('not moved')
slider.observe(lambda change: setattr(label, 'value', f'moved to {change.new}'), 'value')
W.VBox([slider, label])"""

BUTTON = """%%snakepit_exec
import os
out, button = W.Output(), W.Button(description='Press')
@button.on_click
@out.capture()
def _(button): print('pressed in', os.getpid())
print(os.getpid())
W.VBox([button, out])"""

BAR = """%%snakepit_exec
import time
from tqdm.auto import tqdm
for step in tqdm(range(20)): time.sleep(0.1)"""

NAME = "%%snakepit_exec\nname = input('Who? ')\nprint('Hello', name)"

COUNTER = """%%snakepit_exec
import anywidget, traitlets
class Counter(anywidget.AnyWidget):
    _esm = '''
    function render({ model, el }) {
      const button = document.createElement("button");
      const show = () => { button.textContent = `count is ${model.get("count")}`; };
      button.onclick = () => model.send({ add: 2 }, undefined, [new Uint8Array([3]).buffer]);
      model.on("change:count", show);
      show();
      el.appendChild(button);
    }
    export default { render };
    '''
    count = traitlets.Int(0).tag(sync=True)
counter = Counter()
def add(_, content, buffers): counter.count += content['add'] + buffers[0][0]
counter.on_msg(add)
counter"""


@pytest.fixture(scope="module")
def notebook(lab: Lab) -> Iterator[Notebook]:
    with lab.opened("widgets", [START, SLIDER, BUTTON, BAR, NAME, COUNTER]) as opened:
        opened.run(0)
        yield opened


# One after the other: each runs the next cell of the notebook.


def test_a_slider_moves_a_label(notebook: Notebook) -> None:
    shown = notebook.run(1)

    shown.locator(".noUi-handle").focus()
    notebook.page.keyboard.press("ArrowRight")

    expect(shown.get_by_text("moved to 6")).to_be_visible()


def test_what_a_button_prints_is_captured(notebook: Notebook) -> None:
    shown = notebook.run(2)
    pid = shown.locator("pre").first.inner_text().strip()

    for times in (1, 2):
        shown.get_by_role("button", name="Press", exact=True).click()
        expect(shown.get_by_text(f"pressed in {pid}")).to_have_text(
            f"pressed in {pid}\n" * times, use_inner_text=True
        )


def test_a_progress_bar_moves_while_its_cell_runs(notebook: Notebook) -> None:
    notebook.begin(3)
    bar = notebook.cell(3).locator(".progress-bar")
    expect(bar).to_be_visible()
    widths = set()
    while "100%" not in notebook.outputs(3).inner_text():
        widths.add(bar.evaluate("bar => bar.style.width"))
    notebook.wait_done(3)

    assert len(widths) > 5


def test_a_prompt_is_answered(notebook: Notebook) -> None:
    notebook.begin(4)
    prompt = notebook.cell(4).locator(".jp-Stdin-input")
    expect(prompt).to_be_visible()
    prompt.fill("you")
    prompt.press("Enter")
    notebook.wait_done(4)

    expect(notebook.outputs(4)).to_contain_text("Hello you")


def test_a_widget_of_ones_own_sends_buffers(notebook: Notebook) -> None:
    pytest.importorskip("anywidget")
    shown = notebook.run(5)

    shown.get_by_role("button", name="count is 0").click()
    shown.get_by_role("button", name="count is 5").click()

    expect(shown.get_by_role("button", name="count is 10")).to_be_visible()


def test_a_saved_notebook_holds_the_state_and_a_page_loaded_again_is_live(
    notebook: Notebook,
) -> None:
    saved = notebook.saved()
    states = saved["metadata"]["widgets"]["application/vnd.jupyter.widget-state+json"]["state"]
    assert {"IntSliderModel", "FloatProgressModel"} <= {
        state["model_name"] for state in states.values()
    }

    notebook.page.reload()
    notebook.wait_kernel()
    shown = notebook.outputs(1)
    expect(shown.get_by_text("moved to 6")).to_be_visible()
    shown.locator(".noUi-handle").focus()
    notebook.page.keyboard.press("ArrowRight")

    expect(shown.get_by_text("moved to 7")).to_be_visible()

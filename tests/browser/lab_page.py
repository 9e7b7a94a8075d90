"""A real JupyterLab in a real browser, with nobody before it."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, sync_playwright

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
SETTINGS = {
    "@jupyterlab/notebook-extension/tracker": {"autoStartDefaultKernel": True},
    "@jupyterlab/apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyter-widgets/jupyterlab-manager/plugin": {"saveState": True},
}
SECONDS = 60
SESSION = "window.jupyterapp.shell.currentWidget?.sessionContext"
DONE = re.compile(r"\[\d+\]")


@dataclass(frozen=True, slots=True)
class Lab:
    """A running server, and a browser."""

    url: str
    directory: Path
    browser: Browser

    @contextmanager
    def opened(self, name: str, cells: list[str]) -> Iterator["Notebook"]:
        """Opens a new notebook of these cells; its kernel runs when this returns."""
        path = self.directory / f"{name}.ipynb"
        path.write_text(json.dumps(_notebook(cells)))
        with self.reopened(path) as notebook:
            yield notebook

    @contextmanager
    def reopened(self, path: Path) -> Iterator["Notebook"]:
        """Opens a notebook that is there; its kernel runs when this returns."""
        context = self.browser.new_context()
        page = context.new_page()
        page.set_default_timeout(SECONDS * 1000)
        page.goto(f"{self.url}/lab/tree/{path.name}")
        notebook = Notebook(page, path)
        page.wait_for_function(  # others may come back first
            f"window.jupyterapp?.shell.currentWidget?.context?.path === {path.name!r}"
        )
        notebook.wait_kernel()
        yield notebook
        context.close()


@dataclass(frozen=True, slots=True)
class Notebook:
    """A notebook on the page."""

    page: Page
    path: Path

    def wait_kernel(self) -> None:
        self.page.wait_for_function("window.jupyterapp !== undefined")
        self.page.wait_for_function(
            f"{SESSION}?.isReady && {SESSION}.session?.kernel?.status === 'idle'"
        )

    def begin(self, number: int) -> None:
        """Begins to run a cell."""
        content = "window.jupyterapp.shell.currentWidget.content"
        self.page.evaluate(f"{content}.activeCellIndex = {number}")
        # Not awaited: the command ends with the cell.
        self.page.evaluate("void window.jupyterapp.commands.execute('notebook:run-cell')")

    def run(self, number: int) -> Locator:
        """Runs a cell to its end; returns where it shows."""
        self.begin(number)
        self.wait_done(number)
        return self.outputs(number)

    def wait_done(self, number: int) -> None:
        prompt = self.cell(number).locator(".jp-InputPrompt")
        deadline = time.monotonic() + SECONDS
        while not DONE.search(prompt.inner_text()):
            assert time.monotonic() < deadline, self.cell(number).inner_text()
            self.page.wait_for_timeout(50)

    def cell(self, number: int) -> Locator:
        shown = self.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)")  # others are open too
        return shown.locator(".jp-CodeCell").nth(number)

    def outputs(self, number: int) -> Locator:
        return self.cell(number).locator(".jp-OutputArea").first

    def choose_theme(self, theme: str) -> None:
        """Makes the page light or dark, and returns when its splash is gone too."""
        choose = "theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})"
        self.page.evaluate(choose, f"JupyterLab {theme}")
        is_light = str(theme == "Light").lower()
        chosen = f"body[data-jp-theme-light='{is_light}']"
        self.page.wait_for_selector(chosen, state="attached")
        self.page.wait_for_selector("#jupyterlab-splash", state="detached")

    def saved(self) -> dict[str, Any]:
        """Saves the notebook and returns what was saved."""
        self.page.evaluate("window.jupyterapp.commands.execute('docmanager:save')")
        found: dict[str, Any] = json.loads(self.path.read_text())
        return found


@contextmanager
def open_lab(directory: Path) -> Iterator[Lab]:
    """Starts a server and a browser; behind the `with` they are gone."""
    executable = next(filter(None, map(shutil.which, BROWSERS)), None)
    if executable is None:
        pytest.skip(f"there is no browser: none of {', '.join(BROWSERS)}")
    notebooks = directory / "notebooks"
    notebooks.mkdir()
    with (
        _server(directory, notebooks) as url,
        sync_playwright() as playwright,
        closing(
            playwright.chromium.launch(
                executable_path=executable, args=["--no-sandbox", "--disable-gpu"]
            )
        ) as browser,
    ):
        yield Lab(url, notebooks, browser)


@contextmanager
def _server(directory: Path, notebooks: Path) -> Iterator[str]:
    for name, settings in SETTINGS.items():
        path = directory / "settings" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(settings))
    environment = {
        **os.environ,
        "JUPYTERLAB_SETTINGS_DIR": str(directory / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(directory / "workspaces"),
        "JUPYTER_CONFIG_DIR": str(directory / "config"),
        "IPYTHONDIR": str(directory / "ipython"),
    }
    for name in ("SNAKEPIT_NONINTERACTIVE", "PYTEST_CURRENT_TEST"):
        environment.pop(name, None)
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = (directory / "server.log").open("wb")
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"),
            "--IdentityProvider.token=",
            "--ServerApp.password=",
            f"--ServerApp.port={port}",
            f"--ServerApp.root_dir={notebooks}",
            "--expose-app-in-browser",
        ],
        env=environment,
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    try:
        url = f"http://127.0.0.1:{port}"
        _await_answer(f"{url}/api", server)
        yield url
    finally:
        server.terminate()
        server.wait(SECONDS)
        log.close()


def _await_answer(url: str, server: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310 (our own server)
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            assert server.poll() is None, "the server has ended"
            assert time.monotonic() < deadline
            time.sleep(0.1)


def _notebook(cells: list[str]) -> dict[str, Any]:
    return {
        "cells": [
            {
                "cell_type": "code",
                "execution_count": None,
                "id": f"cell-{number}",
                "metadata": {},
                "outputs": [],
                "source": source,
            }
            for number, source in enumerate(cells)
        ],
        "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }

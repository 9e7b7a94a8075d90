"""The kernel "Python (snakepit)": it runs each cell in a worker, so no cell takes it down."""

import os
import shlex
from functools import partial
from typing import Any

from ipykernel.compiler import get_tmp_directory
from ipykernel.ipkernel import IPythonKernel
from traitlets import Type, Unicode

from snakepit_nb.blocking import face
from snakepit_nb.blocking.options import pool_settings
from snakepit_nb.calls import CELL_FILES_VARIABLE
from snakepit_nb.errors import SnakepitError

from .auto import auto
from .pool_commands import start_options, start_parser

SECONDS_FOR_VARIABLES = 2.0
"""How long a debugger waits for variables at most, while a cell runs for instance."""


class SnakepitKernel(IPythonKernel):
    """ipykernel's own, with `%snakepit auto` on from the start, and a pool."""

    debugger_class = Type("snakepit_nb.notebook.kernel_debugger.WorkerDebugger")
    start_options = Unicode("", help="Options of %snakepit start, for the kernel's pool.").tag(
        config=True
    )

    async def do_execute(self, *arguments: Any, **options: Any) -> dict[str, Any]:
        """Runs a cell. Where it says `exit`, the kernel ends, and not its worker alone."""
        execute: Any = super().do_execute
        reply: dict[str, Any] = await execute(*arguments, **options)
        for payload in reply["payload"]:
            if payload["source"] == "ask_exit" and not payload["keepkernel"]:
                shell: Any = self.shell
                shell.exit_now = True
        return reply

    def start(self) -> None:
        """Begins to serve; the pool's workers get ready meanwhile."""
        # Workers inherit it. (ipykernel is typed in part.)
        os.environ[CELL_FILES_VARIABLE] = get_tmp_directory()  # type: ignore[no-untyped-call]
        super().start()  # type: ignore[no-untyped-call]
        shell: Any = self.shell
        shell.extension_manager.load_extension("snakepit_nb")
        auto(shell).turn_on()
        if hasattr(self, "debugger"):
            self.debugger.evaluate = partial(auto(shell).values_of, timeout=SECONDS_FOR_VARIABLES)
        try:
            found = start_parser().parse(shlex.split(self.start_options))
            found.workers = found.workers or 1  # its cells are of one session, on one worker
            settings = pool_settings(**start_options(found, shell.user_ns))
            face.begin(settings).exec_async("")  # so that the session is there for the first cell
        except SnakepitError as error:
            self.log.warning("The pool cannot start, and cells will say so: %s", error)

"""Tools that wait for an order: to go on, or to have a fault."""

import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue

from snakepit_nb.worker import Adapter, tool

from .inflicted import inflict, orders

PLACE = "SNAKEPIT_FAULTS_PLACE"


class FaultyTools(Adapter):
    def __init__(self) -> None:
        self._place = Path(os.environ[PLACE])
        self._orders: SimpleQueue[str] = SimpleQueue()
        self._is_waiting = False
        threading.Thread(target=self._listen, daemon=True).start()
        if (self._place / "hold-handshake").exists():
            self._obey("starting")

    @tool
    def echo(self, value: object = None) -> object:
        return value

    @tool
    def work(self) -> str:
        self._obey("working")
        return "worked"

    @tool(idempotent=True)
    def again(self) -> str:
        self._obey("working")
        return "worked"

    @tool
    def stream(self) -> Iterator[int]:
        yield from range(3)
        self._obey("working")
        yield 3

    def close(self) -> None:
        if (self._place / "hold-closing").exists():
            self._obey("closing")

    def _obey(self, state: str) -> None:
        """Waits for an order, and tells so by a file."""
        self._is_waiting = True
        (self._place / f"{os.getpid()}.{state}").touch()
        try:
            inflict(self._orders.get())
        finally:
            self._is_waiting = False

    def _listen(self) -> None:
        for order in orders(self._place, "orders"):
            if self._is_waiting:
                self._orders.put(order)
            else:
                with suppress(Exception):
                    inflict(order)

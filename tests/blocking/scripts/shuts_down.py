"""A script that comes to its end before its pool."""

# ruff: noqa: T201 (what it prints is what is tested)

import sys
import time
from pathlib import Path

import snakepit_nb as snakepit

directory = Path(sys.argv[1])


def note(number: int) -> None:
    while not (directory / "end").exists():
        time.sleep(0.01)
    (directory / f"note{number}").touch()


pool = snakepit.start(workers=1)
for number in range(50):
    pool.submit(note, number)
pool.shutdown(wait=False)
print(pool.is_running)
(directory / "end").touch()

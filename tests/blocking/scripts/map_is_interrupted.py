"""A script whose map is interrupted while it waits, and which goes on with the same worker."""

# ruff: noqa: T201 (what it prints is what is tested)

import signal
import sys
import threading
import time
import traceback
from pathlib import Path

import snakepit_nb as snakepit

note = Path(sys.argv[1])


def run(number: int) -> int:
    if number == 1:
        note.with_suffix(".begun").touch()
        while True:
            time.sleep(0.01)
    if number > 1:
        note.with_suffix(f".{number}").touch()
    return number


heard = threading.Event()
main = threading.main_thread().ident or 0


def awaits_a_result() -> bool:
    calls = [frame.f_code.co_name for frame, _ in traceback.walk_stack(sys._current_frames()[main])]
    return calls[:2] == ["wait", "result"]


def press() -> None:
    while not (note.with_suffix(".begun").exists() and awaits_a_result()):
        pass
    while not heard.is_set():  # one that comes right before the wait begins is not
        signal.pthread_kill(main, signal.SIGINT)
        heard.wait(1)


pool = snakepit.start(workers=1)
results = pool.map(run, range(100))
print(next(results))
threading.Thread(target=press).start()
try:
    next(results)
except KeyboardInterrupt:
    heard.set()
    print("interrupted")
pool.submit(abs, 1).result()  # behind the rest, if that still ran
print(sum(note.with_suffix(f".{number}").exists() for number in range(2, 100)), "of the rest ran")
print("healthy", pool.status().workers[0].worker_id)

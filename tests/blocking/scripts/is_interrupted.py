"""A script whose call is interrupted, and which goes on with the same worker."""

# ruff: noqa: T201 (what it prints is what is tested)

import signal
import sys
import threading
from pathlib import Path

import snakepit_nb as snakepit

tool, note = sys.argv[1:]
pool = snakepit.start(workers=1, adapters=["script_tools:ScriptTools"])
main = threading.main_thread()


def press() -> None:
    while not Path(note).with_suffix(".begun").exists():
        pass
    assert main.ident is not None
    signal.pthread_kill(main.ident, signal.SIGINT)


threading.Thread(target=press).start()
try:
    pool.call(tool, note=note)
except KeyboardInterrupt:
    print("interrupted", Path(note).with_suffix(".ended").exists(), pool.status().workers[0].load)
print(pool.call("echo", value="same worker"), pool.status().workers[0].worker_id)

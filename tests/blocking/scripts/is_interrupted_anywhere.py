"""A script whose calls are interrupted at any moment of theirs, and which goes on."""

# ruff: noqa: T201 (what it prints is what is tested)

import random
import signal

import snakepit_nb as snakepit

ROUNDS = 400
LONGEST_SECONDS = 0.004  # a little longer than a call

signal.signal(signal.SIGALRM, signal.default_int_handler)
interrupted = 0
with snakepit.start(workers=1, adapters=["script_tools:ScriptTools"]) as pool:
    for number in range(ROUNDS):
        try:
            signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-6, LONGEST_SECONDS))  # noqa: S311
            while True:
                assert pool.call("echo", value=number) == number
                assert list(pool.stream("count", to=3)) == [0, 1, 2]
        except KeyboardInterrupt:
            interrupted += 1
        assert pool.call("echo", value="still there") == "still there"
    status = pool.status()
    print(interrupted, [worker.worker_id for worker in status.workers], len(status.queued))

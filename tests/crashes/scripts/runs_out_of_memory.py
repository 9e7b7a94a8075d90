"""Calls a tool that takes more memory than this process's control group has."""

import sys

import snakepit_nb as snakepit
from snakepit_nb.errors import WorkerCrashedError

with snakepit.start(
    workers=1, adapters=["failing_tools:FailingTools"], env={"PYTHONPATH": sys.argv[1]}
) as pool:
    try:
        pool.call("take_memory")
    except WorkerCrashedError as error:
        print(error.message)  # noqa: T201 (the test reads it)
    print(pool.call("echo", value="served again"))  # noqa: T201

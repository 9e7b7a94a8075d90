"""A script that leaves its pool to its end."""

# ruff: noqa: T201 (what it prints is what is tested)

import snakepit_nb as snakepit

pool = snakepit.start(workers=2)
print(*(worker.pid for worker in pool.status().workers))

"""A script without a kernel: start, status, scale, cells, stop; and it ends by itself."""

# ruff: noqa: T201 (what it prints is what is tested)

import snakepit_nb as snakepit

pool = snakepit.start(workers=1, name="script", adapters=["script_tools:ScriptTools"])
print(pool is snakepit.pool() is snakepit.pool("script"))
print(pool is snakepit.start(workers=1, name="script", adapters=["script_tools:ScriptTools"]))
print(repr(pool))
print(pool.call("echo", value=(1, b"two")))
print(sorted(pool.tools))
with pool.session("s") as session:
    session.exec("x = 20; print('in a worker')")
    session["y"] = 22
    session.exec("z = x + y")
    print(session["z"])
print(snakepit.scale("+1"), snakepit.scale(1))
status = snakepit.status()
print(status.name, "idle" in {worker.state for worker in status.workers}, status.finished)
print(*(worker.pid for worker in status.workers))
print(snakepit.stop(), snakepit.stop())
print(repr(pool))

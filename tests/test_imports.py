"""The face, and what it loads: each worker imports it."""

import subprocess
import sys

import snakepit_nb

HEAVY = {
    "IPython",
    "grpc",
    "anyio",
    "ipywidgets",
    "google.protobuf",
    "asyncio",
    "cloudpickle",
    "opentelemetry",
    "sqlite3",
}


def in_a_fresh_interpreter(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=30
    ).stdout.strip()


def test_importing_the_face_loads_nothing_heavy() -> None:
    loaded = in_a_fresh_interpreter(
        "import sys; before = set(sys.modules); import snakepit_nb; "
        "print(*set(sys.modules) - before)"
    ).split()

    assert set(loaded) & HEAVY == set()
    assert {name for name in loaded if name.startswith("snakepit_nb.")} == set()


def test_the_face_has_at_most_16_names_and_each_can_be_imported() -> None:
    assert len(snakepit_nb.__all__) <= 16
    assert set(snakepit_nb.__all__) | {"__version__"} == set(dir(snakepit_nb))
    for name in snakepit_nb.__all__:
        assert getattr(snakepit_nb, name) is not None
    assert not hasattr(snakepit_nb, "no_such_name")


def test_pool_stays_the_function_when_the_room_is_imported() -> None:
    told = in_a_fresh_interpreter(
        "import snakepit_nb.pool.pool, snakepit_nb, sys; from snakepit_nb import pool; "
        "from snakepit_nb.pool.pool import Pool; "
        "print(pool.__name__, snakepit_nb.pool is pool, sys.modules['snakepit_nb.pool'].__name__, "
        "Pool.__module__)"
    )

    assert told == "pool True snakepit_nb.pool snakepit_nb.pool.pool"


def test_a_users_adapter_loads_neither_ipython_nor_grpc() -> None:
    loaded = in_a_fresh_interpreter(
        "import sys; from snakepit_nb.worker import Adapter, tool; print(*sys.modules)"
    ).split()

    assert set(loaded) & {"IPython", "grpc", "ipywidgets", "google.protobuf"} == set()


def test_the_twins_are_public() -> None:
    told = in_a_fresh_interpreter(
        "import snakepit_nb.testing as t; print(all(hasattr(t, name) for name in t.__all__))"
    )

    assert told == "True"

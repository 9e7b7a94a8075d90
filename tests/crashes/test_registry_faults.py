"""Real kernels whose registry cannot be written: workers start, and the user is told once."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .disks import read_only, small_disk

pytestmark = [pytest.mark.process, pytest.mark.timeout(60)]

KERNEL = """
import json, resource, sys
import snakepit_nb as snakepit

if __name__ == "__main__":
    with snakepit.start(workers=1) as pool:
        before = len(pool.status().problems)
        {between}
        snakepit.scale(2)
        pool.wait_ready()
        done = list(pool.map(abs, range(-20, 0), chunksize=1))
        told = {{"before": before, "done": len(done), "problems": pool.status().problems}}
    print(json.dumps(told))
"""
LIMIT = "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))"
FILL = """
        with open({path!r}, "wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(1024))
            except OSError:
                pass
"""


def test_no_file_may_grow(tmp_path: Path) -> None:
    told = run_kernel(tmp_path, begins_with=LIMIT)

    check_told_once(told, before=1)


def test_a_disk_that_is_full_from_the_start(tmp_path: Path) -> None:
    with small_disk(tmp_path) as disk:
        (disk / "all of it").write_bytes(bytes(4096 * 15))

        check_told_once(run_kernel(disk), before=1)


def test_a_disk_that_fills_up_meanwhile(tmp_path: Path) -> None:
    with small_disk(tmp_path, "size=1m") as disk:
        told = run_kernel(disk, FILL.format(path=str(disk / "all of it")).strip())

        check_told_once(told, before=0)


def test_a_home_that_is_read_only(tmp_path: Path) -> None:
    with read_only(tmp_path) as home:
        check_told_once(run_kernel(home), before=1)


def test_a_registry_that_is_damaged_is_set_aside_and_told_of_once(tmp_path: Path) -> None:
    run_kernel(tmp_path)
    (tmp_path / "snakepit" / "registry.db").write_text("nonsense " * 1000)

    told = run_kernel(tmp_path)

    assert told["done"] == 20
    assert told["problems"] == []
    assert told["stderr"].count("was damaged") == 1
    assert "damaged" not in run_kernel(tmp_path)["stderr"]


def run_kernel(state: Path, between: str = "pass", *, begins_with: str = "") -> dict[str, Any]:
    code = begins_with and f"import resource; {begins_with}\n"
    ran = subprocess.run(
        [sys.executable, "-c", code + KERNEL.format(between=between)],
        env={**os.environ, "XDG_STATE_HOME": str(state)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return {**json.loads(ran.stdout), "stderr": ran.stderr}


def check_told_once(told: dict[str, Any], *, before: int) -> None:
    assert told["done"] == 20
    (problem,) = told["problems"]
    assert problem.startswith("Workers are not noted in ")
    assert told["before"] == before
    assert told["stderr"].count("Workers are not noted in ") == 1
    assert "Traceback" not in told["stderr"]

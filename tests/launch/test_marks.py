import os
import secrets
import signal
import subprocess
import sys

import pytest

from snakepit_nb.launch import marks
from snakepit_nb.launch.environment import RUN_ID_VARIABLE
from snakepit_nb.launch.marks import marked

from .sleepers import DAEMON, sleeper

pytestmark = pytest.mark.process


@pytest.fixture(params=[True, False], ids=["proc", "psutil"], autouse=True)
def has_proc(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    monkeypatch.setattr(marks, "HAS_PROC", request.param)
    return bool(request.param)


def test_processes_are_found_by_their_run_and_by_no_part_of_its_name() -> None:
    with (
        sleeper(environment={RUN_ID_VARIABLE: "one"}) as one,
        sleeper(environment={RUN_ID_VARIABLE: "one-more"}),
        sleeper(environment={f"X{RUN_ID_VARIABLE}": "one"}),
    ):
        assert marked("one") == [one]


def test_who_has_left_parent_session_and_group_is_found() -> None:
    told = subprocess.run(
        [sys.executable, "-c", DAEMON],
        env={**os.environ, RUN_ID_VARIABLE: "of-the-daemon"},
        stdout=subprocess.PIPE,
        check=True,
    )
    daemon = int(told.stdout)
    try:
        assert [process.pid for process in marked("of-the-daemon")] == [daemon]
    finally:
        os.kill(daemon, signal.SIGKILL)


def test_this_process_is_never_listed(has_proc: bool) -> None:  # noqa: FBT001
    run_id = secrets.token_hex(8)  # nobody else's, for all of the machine is looked at
    code = (
        "import snakepit_nb.launch.marks as marks\n"
        f"marks.HAS_PROC = {has_proc}\n"
        f"print(marks.marked({run_id!r}))"
    )
    told = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, RUN_ID_VARIABLE: run_id},
        capture_output=True,
        text=True,
        check=True,
    )

    assert told.stdout.strip() == "[]"

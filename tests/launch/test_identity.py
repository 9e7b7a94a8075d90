import os
import subprocess
import sys
from dataclasses import replace

import pytest

from snakepit_nb.launch import identity
from snakepit_nb.launch.identity import identity_of, is_running, own_identity

from .sleepers import sleeper

pytestmark = pytest.mark.process

NAMED_TO_MISLEAD = """
import pathlib, sys
pathlib.Path("/proc/self/comm").write_text(") Z 1 2 3")
print(flush=True)
sys.stdin.read()
"""


@pytest.fixture(params=["proc", "psutil"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways to learn of a process: that of Linux, and the one for all others."""
    monkeypatch.setattr(identity, "HAS_PROC", request.param == "proc")
    return str(request.param)


@pytest.mark.usefixtures("way")
def test_a_process_stays_the_same_until_it_ends() -> None:
    with sleeper() as process:
        assert identity_of(process.pid) == identity_of(process.pid)
        assert is_running(own_identity())


@pytest.mark.usefixtures("way")
def test_another_process_of_the_same_number_is_another() -> None:
    me = own_identity()

    assert not is_running(replace(me, start_ticks=me.start_ticks - 1))
    assert not is_running(replace(me, boot_id="another boot"))


@pytest.mark.usefixtures("way")
def test_a_process_that_has_ended_does_not_run_though_nobody_has_reaped_it() -> None:
    with subprocess.Popen(["/usr/bin/env", "true"]) as process:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)

        assert identity_of(process.pid) is None
    assert identity_of(process.pid) is None


def test_a_name_that_looks_like_a_state_misleads_nobody() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", NAMED_TO_MISLEAD], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        before = identity_of(process.pid)
        assert process.stdout is not None
        process.stdout.readline()

        assert before is not None
        assert identity_of(process.pid) == before

"""A guardian that is killed while its kernel lives: a pool of real workers gets over it."""

import os
import signal
from pathlib import Path

import psutil
import pytest

import snakepit_nb as snakepit
from snakepit_nb.errors import Progress, WorkerCrashedError
from snakepit_nb.launch.ending import wait_ended
from snakepit_nb.launch.identity import Identity, identity_of
from snakepit_nb.launch.registry import Registry
from snakepit_nb.launch.state_directory import runs_directory, state_directory

pytestmark = [pytest.mark.process, pytest.mark.timeout(60)]

SECONDS = 5.0


@pytest.mark.parametrize("kind", ["child", "daemon"])
def test_its_calls_end_as_crashes_and_its_workers_with_all_that_they_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with snakepit.start(
        workers=1, name="dying", adapters=["tests.crashes.troubles:Troubles"], cwd=str(tmp_path)
    ) as pool:
        guardian = guardian_of_this_process()
        doomed = identities(pool.call("pid"), pool.call("have", kind=kind))
        stream = pool.stream("stream")
        next(stream)

        os.kill(guardian, signal.SIGKILL)

        with pytest.raises(WorkerCrashedError) as caught:
            list(stream)
        assert caught.value.progress is Progress.STARTED  # its record outlives the guardian
        assert wait_ended(doomed, seconds=SECONDS) == set()
        assert pool.call("pid") not in {process.pid for process in doomed}
        assert guardian_of_this_process() != guardian
    registry = Registry(state_directory())
    assert registry.runs() == {}
    registry.close()
    assert list(runs_directory(registry.state).iterdir()) == []


def guardian_of_this_process() -> int:
    (guardian,) = [
        child.pid
        for child in psutil.Process().children()
        if any(word.endswith("guardian.py") for word in child.cmdline())
    ]
    return guardian


def identities(*pids: int) -> set[Identity]:
    found = {identity for pid in pids if (identity := identity_of(pid))}
    assert len(found) == len(pids)
    return found

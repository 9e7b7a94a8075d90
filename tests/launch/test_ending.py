import os
from dataclasses import replace

import pytest

from snakepit_nb.launch.ending import kill, wait_ended
from snakepit_nb.launch.identity import is_running

from .sleepers import sleeper

pytestmark = pytest.mark.process


@pytest.fixture(params=["pidfd", "numbers"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Also the way of systems that have no descriptors for processes."""
    if request.param == "numbers":
        monkeypatch.delattr(os, "pidfd_open")
    return str(request.param)


def test_a_process_is_killed_with_its_group() -> None:
    with sleeper() as leader, sleeper(group=leader.pid) as member, sleeper() as other:
        assert kill(leader)

        assert wait_ended([leader, member], seconds=5) == set()
        assert is_running(other)


def test_a_number_that_now_belongs_to_another_process_kills_nobody() -> None:
    with sleeper() as foreign:
        recorded = replace(foreign, start_ticks=foreign.start_ticks - 1)

        assert not kill(recorded)
        assert not kill(recorded, is_marked=True)
        assert is_running(foreign)


def test_a_group_that_another_leads_is_spared_unless_the_process_is_marked() -> None:
    with sleeper() as leader, sleeper(group=leader.pid) as one, sleeper(group=leader.pid) as two:
        kill(one)
        assert wait_ended([one], seconds=5) == set()
        assert is_running(leader)

        kill(two, is_marked=True)
        assert wait_ended([leader, two], seconds=5) == set()


def test_our_own_group_is_never_killed() -> None:
    with sleeper(own_group=False) as one, sleeper(own_group=False) as other:
        kill(one, is_marked=True)

        assert wait_ended([one], seconds=5) == set()
        assert is_running(other)


def test_what_does_not_end_in_time_is_told() -> None:
    with sleeper() as process:
        assert wait_ended([process], seconds=0.05) == {process}

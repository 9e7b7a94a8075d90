"""Where the system counts how often it killed for lack of memory."""

from pathlib import Path

import pytest

from snakepit_nb.launch.memory_kills import MemoryKills

SECOND = ("0::/user/kernel\n", "user/kernel/memory.events", "low 0\nmax 3\noom 1\noom_kill {}\n")
FIRST = (
    "9:name=systemd:/\n4:cpu,memory:/jobs/7\n0::/\n",
    "memory/jobs/7/memory.oom_control",
    "oom_kill_disable 0\nunder_oom 0\noom_kill {}\n",
)
IN_A_CONTAINER = ("0::/docker/abc\n", "memory.events", "oom_kill {}\n")


@pytest.mark.parametrize(("groups", "file", "content"), [SECOND, FIRST, IN_A_CONTAINER])
def test_a_rise_is_told_once(tmp_path: Path, groups: str, file: str, content: str) -> None:
    (tmp_path / "cgroup").write_text(groups)
    counter = tmp_path / "mount" / file
    counter.parent.mkdir(parents=True)
    counter.write_text(content.format(2))
    kills = MemoryKills(cgroups=tmp_path / "cgroup", mount=tmp_path / "mount")
    before = kills.has_risen()
    counter.write_text(content.format(3))

    assert [before, kills.has_risen(), kills.has_risen()] == [False, True, False]


def test_where_nothing_is_counted_nothing_is_guessed(tmp_path: Path) -> None:
    kills = MemoryKills(cgroups=tmp_path / "none", mount=tmp_path)

    assert not kills.has_risen()

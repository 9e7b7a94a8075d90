"""The record that a worker leaves behind."""

import resource
from pathlib import Path

import pytest

from snakepit_nb.errors import Progress
from snakepit_nb.identifiers import CallId
from snakepit_nb.wire.black_box import SLOT_BYTES, read_progress, slots_for
from snakepit_nb.worker.black_box import BlackBox

A, B = CallId("0123456789abcdef"), CallId("fedcba9876543210")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "1.box"


def test_it_tells_how_far_a_call_came(path: Path) -> None:
    box = BlackBox(str(path), capacity=1)
    seen = [read_progress(path.read_bytes(), A)]
    slot = box.begin(A)
    seen.append(read_progress(path.read_bytes(), A))
    box.end(slot)
    seen.append(read_progress(path.read_bytes(), A))

    assert seen == [Progress.NOT_STARTED, Progress.STARTED, Progress.FINISHED]
    assert read_progress(path.read_bytes(), B) is Progress.NOT_STARTED


def test_only_its_owner_may_read_it(path: Path) -> None:
    BlackBox(str(path), capacity=1)

    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("capacity", [1, 4, 100])
def test_a_call_whose_reply_is_underway_is_remembered_whatever_others_do(
    path: Path, capacity: int
) -> None:
    box = BlackBox(str(path), capacity=capacity)
    box.end(box.begin(A))
    for number in range(capacity - 1):
        box.begin(CallId(f"others {number}"))
    for number in range(capacity + 1):
        box.end(box.begin(CallId(f"later {number}")))

    assert read_progress(path.read_bytes(), A) is Progress.FINISHED


def test_it_does_not_grow(path: Path) -> None:
    box = BlackBox(str(path), capacity=2)
    for number in range(1000):
        box.end(box.begin(CallId(str(number))))

    assert path.stat().st_size == slots_for(2) * SLOT_BYTES


def test_a_long_foreign_id_is_found_again(path: Path) -> None:
    BlackBox(str(path), capacity=1).begin(CallId("x" * 200))

    assert read_progress(path.read_bytes(), CallId("x" * 200)) is Progress.STARTED


@pytest.mark.parametrize("room", [0, SLOT_BYTES])
def test_where_there_is_no_room_for_it_there_is_no_box(
    path: Path, room: int, caplog: pytest.LogCaptureFixture
) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
    try:
        box = BlackBox(str(path), capacity=1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    box.end(box.begin(A))

    assert not path.exists()
    assert "no record of calls is kept: File too large" in caplog.text

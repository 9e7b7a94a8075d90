import os
from pathlib import Path

import pytest

from snakepit_nb.launch.file_lock import lock, lock_existing, locked


def test_a_lock_is_held_until_its_descriptor_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    held = lock(path, seconds=0)

    with pytest.raises(BlockingIOError):
        lock_existing(path)
    os.close(held)

    os.close(lock_existing(path))


def test_a_file_that_is_not_there_is_not_made_to_be_locked(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        lock_existing(tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_whoever_waits_for_a_lock_gets_that_of_the_file_that_others_see(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    with locked(path, seconds=0):
        path.unlink()
        other = lock(path, seconds=0)

        with pytest.raises(BlockingIOError):
            lock_existing(path)
    os.close(other)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(OSError, match="symbolic link"):
        lock(tmp_path / "link", seconds=0)
    assert not (tmp_path / "elsewhere").exists()

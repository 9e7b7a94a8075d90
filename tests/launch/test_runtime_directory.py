import os
import shutil
import stat
from pathlib import Path

import pytest

from snakepit_nb.errors import WorkerStartError
from snakepit_nb.launch.runtime_directory import (
    LONGEST_SOCKET_PATH,
    create_buffer_directories,
    create_runtime_directory,
    remove_runtime_directory,
    restore_runtime_directory,
    socket_path,
)
from snakepit_nb.wire.private_directory import verify_private_directory


def test_it_is_made_for_this_user_alone_and_removed_with_its_files(short_path: Path) -> None:
    directory = create_runtime_directory(str(short_path))
    socket_path(directory, 1).touch()

    assert directory.parent == short_path / "snakepit"
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    remove_runtime_directory(directory)
    remove_runtime_directory(directory)
    assert not directory.exists()


def test_it_is_made_again_where_somebody_has_removed_it(short_path: Path) -> None:
    directory = create_runtime_directory(str(short_path))
    shutil.rmtree(short_path / "snakepit")

    restore_runtime_directory(directory)
    restore_runtime_directory(directory)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert stat.S_IMODE(directory.parent.stat().st_mode) == 0o700


def test_one_that_cannot_be_made_again_is_named(tmp_path: Path) -> None:
    directory = create_runtime_directory("", shared=tmp_path)
    shutil.rmtree(tmp_path)

    with pytest.raises(WorkerStartError, match="is gone and cannot be made"):
        restore_runtime_directory(directory)


@pytest.mark.parametrize("preferred", ["", "/no/where", "/dev/null", "x" * 200])
def test_it_is_made_in_the_shared_place_where_the_preferred_one_will_not_do(
    tmp_path: Path, preferred: str
) -> None:
    directory = create_runtime_directory(preferred, shared=tmp_path)

    assert directory.parent == tmp_path
    assert directory.name.startswith(f"snakepit-{os.geteuid()}-")


def test_a_path_that_is_too_long_for_a_socket_is_not_taken(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * LONGEST_SOCKET_PATH)
    deep.mkdir()

    assert create_runtime_directory(str(deep), shared=tmp_path).parent == tmp_path


def test_a_directory_that_is_open_to_others_is_refused(short_path: Path) -> None:
    (short_path / "snakepit").mkdir()
    (short_path / "snakepit").chmod(0o755)

    with pytest.raises(WorkerStartError, match="is open to other users; do `chmod 700"):
        create_runtime_directory(str(short_path))


def test_a_link_a_file_and_nothing_are_refused(tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(private)
    (tmp_path / "file").touch()

    verify_private_directory(private)
    for name in ("link", "file"):
        with pytest.raises(WorkerStartError, match="is not a directory"):
            verify_private_directory(tmp_path / name)
    with pytest.raises(WorkerStartError, match="cannot be checked: No such file"):
        verify_private_directory(tmp_path / "nothing")


def test_buffers_have_a_private_directory_in_shared_memory_and_then_the_runs_own(
    tmp_path: Path,
) -> None:
    directory = create_runtime_directory("", shared=tmp_path)

    shared_memory = tmp_path / "shm"
    shared_memory.mkdir()

    first, last = create_buffer_directories(directory, shared_memory=shared_memory)

    assert last == directory
    assert first.parent == shared_memory
    assert first.stat().st_mode & 0o777 == 0o700
    assert "snakepit" in first.name  # so that a sweep may remove it


@pytest.mark.parametrize("taken", [True, False])
def test_where_shared_memory_cannot_be_had_buffers_lie_in_the_runs_own(
    tmp_path: Path, *, taken: bool
) -> None:
    directory = create_runtime_directory("", shared=tmp_path)
    shared_memory = tmp_path / "shm"
    if taken:
        shared_memory.write_text("no directory")

    assert create_buffer_directories(directory, shared_memory=shared_memory) == (directory,)

"""Small disks in memory, which may be full or read-only. Only root can mount them."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .root import require_root


@contextmanager
def small_disk(place: Path, options: str = "size=64k") -> Iterator[Path]:
    """Mounts a small disk."""
    require_root("mount")
    disk = place / "disk"
    disk.mkdir()
    mount("-t", "tmpfs", "-o", options, "tmpfs", str(disk))
    try:
        yield disk
    finally:
        subprocess.run(["/usr/bin/env", "umount", "-l", str(disk)], check=True)


@contextmanager
def covered_read_only(directory: Path) -> Iterator[None]:
    """Puts an empty disk over a directory, on which nobody can write."""
    require_root("mount")
    mount("-t", "tmpfs", "-o", "size=64k,ro,mode=0700", "tmpfs", str(directory))
    try:
        yield
    finally:
        subprocess.run(["/usr/bin/env", "umount", "-l", str(directory)], check=True)


@contextmanager
def read_only(place: Path) -> Iterator[Path]:
    """Makes a directory in which nothing can be written, also not by root."""
    if os.geteuid() == 0:
        with small_disk(place, "size=64k,ro") as disk:
            yield disk
        return
    home = place / "home"
    home.mkdir(mode=0o500)
    yield home


def fill_up(disk: Path) -> None:
    with (disk / "all of it").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(1024))
        except OSError:
            return


def mount(*arguments: str) -> None:
    subprocess.run(["/usr/bin/env", "mount", *arguments], check=True, capture_output=True)

"""The kernel "Python (snakepit)" among those that Jupyter offers: put there, and taken away."""

import json
import re
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path

from ipykernel.kernelspec import write_kernel_spec
from jupyter_core.paths import jupyter_data_dir

from snakepit_nb.errors import UsageError

from .pool_commands import start_parser

NAME = "snakepit"
DISPLAY_NAME = "Python (snakepit)"

_KERNEL_CLASS = "snakepit_nb.notebook.kernel.SnakepitKernel"


def kernels_of(prefix: str) -> Path:
    """Returns where Jupyter finds the kernels of an environment."""
    return Path(prefix) / "share" / "jupyter" / "kernels"


def kernels_of_user() -> Path:
    """Returns where Jupyter finds the kernels of this user, in whatever environment."""
    return Path(jupyter_data_dir()) / "kernels"


def install_kernel(
    kernels: Path, *, name: str, display_name: str, start_options: Sequence[str]
) -> Path:
    """Writes the files of a kernel of this interpreter, and returns where.

    Args:
        kernels: The directory of kernels.
        name: By which Jupyter shall know it.
        display_name: What the launcher shall show.
        start_options: Those of `%snakepit start`, for the pool that the kernel starts.

    Raises:
        UsageError: the options or the name do not fit, or the files cannot be written.
    """
    start_parser().parse(start_options)
    arguments = [f"--IPKernelApp.kernel_class={_KERNEL_CLASS}"]
    if start_options:
        arguments.append(f"--SnakepitKernel.start_options={shlex.join(start_options)}")
    place = _checked_place(kernels, name)
    try:
        if place.exists():
            shutil.rmtree(place)
        write_kernel_spec(place, {"display_name": display_name}, extra_arguments=arguments)
    except OSError as error:
        raise UsageError(f"The kernel cannot be written: {error}. Perhaps --user.") from None
    return place


def remove_kernel(kernels: Path, *, name: str) -> Path:
    """Removes what `install_kernel` has written there, and returns where that was.

    Raises:
        UsageError: there is no such kernel, or its files cannot be removed.
    """
    place = _checked_place(kernels, name)
    if not place.exists():
        raise UsageError(f"There is no kernel {name!r} in {kernels}: see jupyter kernelspec list.")
    try:
        shutil.rmtree(place)
    except OSError as error:
        raise UsageError(f"The kernel cannot be removed: {error}.") from None
    return place


def _checked_place(kernels: Path, name: str) -> Path:
    """Returns a kernel's directory, which is ours where it is there."""
    if not re.fullmatch(r"[a-z0-9._-]*[a-z0-9_-][a-z0-9._-]*", name):
        raise UsageError(f"--name {name}: take small letters, digits, `-`, `_` and `.`.")
    place = kernels / name
    if place.exists() and _KERNEL_CLASS not in _written_arguments(place):
        raise UsageError(f"{place} is a kernel of another kind: it stays. Take another --name.")
    return place


def _written_arguments(place: Path) -> str:
    try:
        return " ".join(json.loads((place / "kernel.json").read_bytes())["argv"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""

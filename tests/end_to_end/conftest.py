"""The kernels that the end-to-end tests share: starting one takes a second."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from snakepit_nb.cli import main

from .kernel_driver import Kernel, open_kernel


@pytest.fixture(scope="module")
def bridged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """A kernel with the extension loaded and no pool."""
    with open_kernel(tmp_path_factory.mktemp("bridged")) as kernel:
        kernel.check("%load_ext snakepit_nb")
        yield kernel


@pytest.fixture(scope="module")
def installed_kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An environment in which Jupyter finds the kernel "Python (snakepit)"."""
    prefix = tmp_path_factory.mktemp("installed")
    assert main(["kernel", "install", "--prefix", str(prefix)]) == 0
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("JUPYTER_PATH", str(prefix / "share" / "jupyter"))
        patched.setenv("IPYTHONDIR", str(prefix))  # a history of its own
        patched.delenv("PYTEST_CURRENT_TEST", raising=False)  # with it, ipykernel behaves otherwise
        yield prefix

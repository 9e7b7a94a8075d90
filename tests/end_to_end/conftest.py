"""The kernels that the end-to-end tests share: starting one takes a second."""

from collections.abc import Iterator

import pytest

from .kernel_driver import Kernel, open_kernel


@pytest.fixture(scope="module")
def bridged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """A kernel with the extension loaded and no pool."""
    with open_kernel(tmp_path_factory.mktemp("bridged")) as kernel:
        kernel.check("%load_ext snakepit_nb")
        yield kernel

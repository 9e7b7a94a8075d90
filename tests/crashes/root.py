"""What only root can do is tried by root, as the continuous integration is."""

import os

import pytest

WITHOUT_ROOT = "SNAKEPIT_TESTS_WITHOUT_ROOT"


def require_root(why: str) -> None:
    """Fails without root, lest what is not tried looks well; skips where that was asked for."""
    if os.geteuid() == 0:
        return
    if os.environ.get(WITHOUT_ROOT) == "1":
        pytest.skip(f"only root may {why}")
    pytest.fail(f"only root may {why}: run this as root, or set {WITHOUT_ROOT}=1 to skip it")

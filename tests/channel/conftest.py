"""Puts the adapter that the contract is held over on the path of this process too."""

import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def _adapters_on_path() -> None:
    sys.path.append(str(Path(__file__).parent))

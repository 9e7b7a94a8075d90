"""What the launcher's tests share: the loop that it runs on."""

import pytest


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"

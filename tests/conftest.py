"""What every test has: asyncio as the event loop of async tests."""

import pytest


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"

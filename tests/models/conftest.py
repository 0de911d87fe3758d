"""A fake of the providers' wires for every test that wants one."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from support.providers import FakeProviders


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Generator[FakeProviders]:
    with FakeProviders() as providers:
        # The one address that LiteLLM takes from nowhere else.
        monkeypatch.setenv("WATSONX_IAM_URL", f"{providers.url}/identity/token")
        yield providers

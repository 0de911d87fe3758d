"""What every test has: asyncio as the event loop of async tests, and nothing of the developer's own environment."""

import os
from collections.abc import Generator

import pytest

from agent_bridge.config.providers import PROVIDERS

OWN_PREFIXES = ("AGENT_BRIDGE_", "LLMCHAT_", "LLM_", "REDIS_", "CACHE_TYPE", "FASTMCP_", "LITELLM_")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session", autouse=True)
def nothing_of_the_developers_environment(tmp_path_factory: pytest.TempPathFactory) -> Generator[None]:
    """A key or a setting in somebody's shell must not choose what the tests, or the programs they start, talk to.

    Nor may an earlier start of the bridge choose what they are answered.
    """
    providers = {name for provider in PROVIDERS for names in provider.parameters.values() for name in names}
    providers.update(name for provider in PROVIDERS for name in (*provider.chosen_by, provider.model_variable))
    with pytest.MonkeyPatch.context() as environment:
        for name in [name for name in os.environ if name in providers or name.startswith(OWN_PREFIXES)]:
            environment.delenv(name)
        environment.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield

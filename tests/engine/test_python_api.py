"""The bridge as a library."""

import pytest

import agent_bridge
from agent_bridge import LOCAL, ChatRequest, load, open_bridge

pytestmark = pytest.mark.anyio


async def test_a_program_can_ask_the_bridge() -> None:
    config = load(None, {"AGENT_BRIDGE_STORE": "sqlite://:memory:", "LLM_PROVIDER": "demo"})
    async with open_bridge(config) as bridge:
        run = await bridge.chat(LOCAL, ChatRequest(message="what is 6*7?"))
        assert (await bridge.wait(LOCAL, run.run_id, 20)).response == "6*7 = 42."


def test_every_public_name_can_be_had() -> None:
    assert all(getattr(agent_bridge, name) is not None for name in agent_bridge.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = agent_bridge.Nothing  # pyright: ignore[reportAttributeAccessIssue] - that is what is tested

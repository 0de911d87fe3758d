"""How long a call may block, by host."""

from __future__ import annotations

import pytest

from agent_bridge.api.mcp.hosts import safe_wait


@pytest.mark.parametrize(
    ("client", "expected"),
    [
        ("", 45),
        ("somebody", 45),
        ("claude-ai", 45),
        ("claude-code", None),
        ("Visual Studio Code", None),
        ("Visual Studio Code - Insiders", None),
        ("inspector-client", None),
        ("agent-bridge", None),
        ("langchain-mcp-adapters", 25),
    ],
)
def test_a_host_gets_the_longest_wait_that_is_safe_in_it(client: str, expected: float | None) -> None:
    assert safe_wait(client, {}, hears_progress=True) == expected


def test_no_host_waits_for_ever_for_a_call_that_it_hears_nothing_of() -> None:
    assert safe_wait("claude-code", {}, hears_progress=False) == 45


def test_the_configuration_has_the_last_word_by_a_part_of_the_name() -> None:
    overrides = {"claude-code": 100.0, "Some": None}
    assert safe_wait("claude-code", overrides, hears_progress=True) == 100
    assert safe_wait("somebody", overrides, hears_progress=False) is None
    assert safe_wait("claude-ai", overrides, hears_progress=True) == 45

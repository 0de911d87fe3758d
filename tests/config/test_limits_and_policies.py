"""The rules that servers carry: limits that a caller may tighten, and who is asked before a tool runs."""

from __future__ import annotations

import pytest

from agent_bridge.config.schema import Approvals, Limits, Server, matches
from agent_bridge.errors import InvalidInput

LIMITS = Limits(max_steps=20, max_tool_calls=None, max_cost_usd=0.5, timeout_s=1800)


def test_a_caller_s_limits_only_tighten() -> None:
    tightened = LIMITS.tightened(
        {"max_steps": 30, "max_tool_calls": 7, "max_cost_usd": 0.25, "timeout_s": 60, "max_tokens": None}
    )

    assert tightened == Limits(max_steps=20, max_tool_calls=7, max_cost_usd=0.25, timeout_s=60)


def test_no_limit_is_never_tighter() -> None:
    assert LIMITS.tightened({"max_steps": None, "timeout_s": None}) == LIMITS
    assert LIMITS.tightened({}) == LIMITS


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"max_step": 3}, "Unknown limit 'max_step'. The limits are max_steps, max_tool_calls, max_tokens, "
         "max_cost_usd, timeout_s, model_timeout_s, tool_timeout_s."),
        ({"max_step": None}, "Unknown limit 'max_step'. The limits are max_steps, max_tool_calls, max_tokens, "
         "max_cost_usd, timeout_s, model_timeout_s, tool_timeout_s."),
        ({"max_steps": 0}, "The limit 'max_steps' must be a whole number greater than 0."),
        ({"max_steps": 2.5}, "The limit 'max_steps' must be a whole number greater than 0."),
        ({"max_tokens": True}, "The limit 'max_tokens' must be a whole number greater than 0."),
        ({"timeout_s": "60"}, "The limit 'timeout_s' must be a number greater than 0."),
        ({"timeout_s": float("nan")}, "The limit 'timeout_s' must be a number greater than 0."),
        ({"max_cost_usd": [1]}, "The limit 'max_cost_usd' must be a number greater than 0."),
    ],
)  # fmt: skip
def test_a_limit_that_is_none_is_refused(overrides: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        LIMITS.tightened(overrides)

    assert caught.value.message == message


def test_one_policy_is_for_every_tool() -> None:
    assert Server().policy_for("files__write") == "annotated"
    assert Server(approvals="always").policy_for("files__write") == "always"


def test_the_first_glob_that_names_the_tool_decides() -> None:
    tools = {"files__read_*": "never", "read_secret": "always", "*__write": "unless_read_only", "delete_*": "always"}
    server = Server(approvals=Approvals.model_validate({"default": "annotated", "tools": tools}))

    assert {
        name: server.policy_for(name)
        for name in ("files__read_secret", "web__read_secret", "files__write", "files__delete_all", "web__search")
    } == {
        "files__read_secret": "never",
        "web__read_secret": "always",
        "files__write": "unless_read_only",
        "files__delete_all": "always",
        "web__search": "annotated",
    }


@pytest.mark.parametrize(
    ("name", "glob", "upstream", "matched"),
    [
        ("write", "files__write", "files", True),
        ("files__write", "write", "files", True),
        ("files__write", "files__*", "", True),
        ("write", "files__write", "", False),
        ("do__it", "it", "files", False),
        ("Write", "write", "", False),
    ],
)
def test_a_glob_names_a_tool_with_or_without_its_upstream(name: str, glob: str, upstream: str, matched: bool) -> None:
    assert matches(name, glob, upstream) is matched

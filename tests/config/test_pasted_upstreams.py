"""Entries as Claude Desktop, Claude Code, Cursor and VS Code write them work when they are pasted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agent_bridge.config.load import load
from agent_bridge.config.secrets import resolve
from agent_bridge.config.upstreams import Upstream
from agent_bridge.errors import ConfigInvalid

pytestmark = pytest.mark.usefixtures("folder")


def loaded(entry: dict[str, object]) -> Upstream:
    Path("servers.yaml").write_text(json.dumps({"upstreams": {"pasted": entry}}))
    return load(None, {}).upstreams["pasted"]


@pytest.mark.parametrize(
    ("entry", "upstream"),
    [
        (
            {"command": "npx", "args": ["-y", "server"], "env": {"KEY": "${KEY}"}},
            Upstream(command="npx", args=("-y", "server"), env={"KEY": "${KEY}"}),
        ),
        ({"type": "stdio", "command": "uvx", "args": [], "env": {}}, Upstream(command="uvx")),
        ({"type": "http", "url": "https://x/sse"}, Upstream(url="https://x/sse", transport="http")),
        ({"type": "streamableHttp", "url": "https://x"}, Upstream(url="https://x", transport="http")),
        ({"type": "sse", "url": "https://x"}, Upstream(url="https://x", transport="sse")),
        ({"type": "sse", "transport": "http", "url": "https://x"}, Upstream(url="https://x", transport="http")),
        ({"url": "https://x"}, Upstream(url="https://x")),
        (
            {"command": "x", "disabled": False, "autoApprove": ["read"], "alwaysAllow": [], "description": "d"},
            Upstream(command="x"),
        ),
        ({"url": "https://x", "headers": {"A": "b"}, "gallery": True}, Upstream(url="https://x", headers={"A": "b"})),
        ({"url": "https://x", "gallery": "https://y", "version": "1.0"}, Upstream(url="https://x")),
    ],
)
def test_a_host_s_entry_becomes_an_upstream(entry: dict[str, object], upstream: Upstream) -> None:
    pasted = loaded(entry)

    assert pasted == upstream
    assert type(pasted) is Upstream


def test_an_entry_that_is_disabled_is_as_if_it_were_not_there() -> None:
    Path("servers.yaml").write_text(
        "upstreams: {a: {command: x, disabled: true}, b: {command: y}}\nservers: {s: {upstreams: [a, b]}}"
    )
    config = load(None, {})

    assert list(config.upstreams) == ["b"]
    assert config.servers["s"].upstreams == ("b",)


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ({"type": "http", "command": "x"}, "has type 'http', which does not fit; stdio goes with `command`, the others "
         "with `url`; `type` may be left out"),
        ({"type": "stdio", "url": "http://x"}, "has type 'stdio', which does not fit; stdio goes with `command`, the "
         "others with `url`; `type` may be left out"),
    ],
)  # fmt: skip
def test_a_type_that_contradicts_the_entry_is_refused(entry: dict[str, object], problem: str) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        loaded(entry)

    assert caught.value.problems == [f"servers.yaml:1: upstreams.pasted {problem}"]


@pytest.mark.parametrize(
    ("key", "advice"),
    [
        ("timeout", "write `timeout_s`, in seconds"),
        ("envFile", "name the variables under `env`, as in `KEY: ${KEY}`"),
        ("serverUrl", "here it is called `url`"),
    ],
)
def test_a_key_that_means_something_else_elsewhere_is_refused_with_its_name_here(key: str, advice: str) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        loaded({"url": "http://x", key: "y"})

    assert caught.value.problems == [f"servers.yaml:1: unknown key '{key}' in upstreams.pasted; {advice}"]


def test_references_may_be_written_as_editors_write_them() -> None:
    assert resolve("Bearer ${env:TOKEN}", {"TOKEN": "t"}) == "Bearer t"

"""The configuration as callers see it: no secret is in it, wherever it was written, and every reference is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agent_bridge.config.load import load
from agent_bridge.config.redaction import clean_arguments, clean_url, masked
from agent_bridge.config.sanitised import sanitised

SECRETS = """
upstreams:
  docs:
    url: https://canary:canary@example.com/mcp?key=canary#canary
    auth_token: canary
    headers: {Authorization: Bearer canary, X-Key: "${KEY:-canary}"}
  files:
    command: npx
    args: ["--token", canary, "--api-key=canary", "-e", "SECRET=canary", "-H", "X: canary", "https://a:canary@b?c=canary"]
    env: {TOKEN: canary}
  people: {url: "https://example.com", auth: {principals: {local: canary}}}
  own: {url: "https://example.com", auth: {oauth: {client_id: me, client_secret: canary}}}
  bridge:
    url: https://example.com
    auth: {client_credentials: {issuer: "https://example.com", client_id: me, client_secret: canary}}
models:
  fast:
    model: openai/gpt-4o-mini
    api_key: canary
    api_base: "https://canary@example.com/v1"
    deployments: [{api_key: canary, api_base: "https://canary@example.com/v2"}]
store: redis://user:canary@cache:6379/0
auth:
  jwt: {secret: canary}
  tokens: {ci: {sha256: CANARY, scopes: [chat]}}
request_state_keys: [canary]
"""
DIGEST = "ca9a59" + "0" * 58


@pytest.mark.usefixtures("folder")
def test_no_secret_of_the_file_or_the_environment_is_shown() -> None:
    Path("servers.yaml").write_text(SECRETS.replace("CANARY", DIGEST))

    shown = json.dumps(sanitised(load(None, {"KEY": "canary", "LLM_PROVIDER": "openai", "OPENAI_API_KEY": "canary"})))

    assert "canary" not in shown
    assert DIGEST not in shown


@pytest.mark.usefixtures("folder")
def test_what_is_no_secret_is_shown_as_it_was_written() -> None:
    Path("servers.yaml").write_text(
        """
upstreams:
  clock: {builtin: clock}
  docs: {url: "https://${HOST}/mcp?team=${TEAM}", auth_token: "${TOKEN}", headers: {Authorization: "Bearer ${TOKEN}"}}
  files: {command: npx, args: ["-y", "@modelcontextprotocol/server-filesystem", "."], env: {KEY: os.environ/KEY}}
models:
  fast: {model: openai/gpt-4o-mini, temperature: 0.2, api_key: "${OPENAI_API_KEY}"}
servers:
  assistant: {upstreams: [clock, docs], model: fast}
default_model: fast
auth:
  jwt: {jwks_url: "https://id.example.com/jwks", issuer: "https://id.example.com"}
  tokens: {ci: {sha256: DIGEST, scopes: [read]}}
request_state_keys: ["${STATE_KEY}"]
""".replace("DIGEST", DIGEST)
    )

    shown = sanitised(load(None, {"TOKEN": "canary"}))

    servers = shown.pop("servers")
    assert shown == {
        "upstreams": {
            "clock": {"builtin": "clock"},
            "docs": {
                "url": "https://${HOST}/mcp?team=${TEAM}",
                "auth_token": "${TOKEN}",
                "headers": {"Authorization": "Bearer ${TOKEN}"},
            },
            "files": {
                "command": "npx",
                "args": ["-y", "@modelcontextprotocol/server-filesystem", "."],
                "env": {"KEY": "os.environ/KEY"},
            },
        },
        "models": {"fast": {"model": "openai/gpt-4o-mini", "temperature": 0.2, "api_key": "${OPENAI_API_KEY}"}},
        "default_server": "assistant",
        "default_model": "fast",
        "store": "sqlite",
        "store_fallback": None,
        "auth": {
            "jwt": {"jwks_url": "https://id.example.com/jwks", "issuer": "https://id.example.com"},
            "tokens": {"ci": {"sha256": "[removed]", "scopes": ["read"]}},
        },
        "adhoc": {"allow": []},
        "request_state_keys": ["${STATE_KEY}"],
        "settings": {
            "session_ttl_s": 2_592_000,
            "history_ttl_s": 2_592_000,
            "history_max_messages": 50,
            "turn_lease_s": 30,
            "turn_wait_s": 2,
            "turn_retry_s": 0.2,
            "runs_per_worker": 400,
            "drain_s": 3,
            "on_disconnect": "cancel",
            "disconnect_grace_s": 0,
            "host_wait_s": {},
        },
    }
    assert servers == {
        "assistant": {
            "title": None,
            "description": "",
            "upstreams": ["clock", "docs"],
            "tools": {"include": ["*"], "exclude": [], "pinned": [], "find_above": 40},
            "model": "fast",
            "system_prompt": "You are a helpful assistant.",
            "approvals": "annotated",
            "limits": {
                "max_steps": 20,
                "max_tool_calls": 100,
                "max_tokens": None,
                "max_cost_usd": None,
                "timeout_s": 1800,
                "model_timeout_s": 120,
                "tool_timeout_s": 120,
            },
            "history": "trim",
            "active": True,
            "as_tool": False,
        }
    }


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://example.com:8080/mcp", "https://example.com:8080/mcp"),
        ("https://u:p@example.com/", "https://[removed]@example.com/"),
        ("https://x/?a=1&b=${B}&c", "https://x/?a=[removed]&b=${B}&[removed]"),
        ("https://x/#part", "https://x/#[removed]"),
        ("https://hooks.example.com/s/YWJjZGVmZ2hpamtsbW5vcA1234/mcp", "https://hooks.example.com/s/[removed]/mcp"),
        ("https://x/${TOKEN}/mcp", "https://x/${TOKEN}/mcp"),
        ("redis://:p@h/0", "redis://[removed]@h/0"),
        ("rediss://${U}:${P}@h/0", "rediss://${U}:${P}@h/0"),
        ("${URL:-redis://:p@h/0}", "${URL:-redis://[removed]@h/0}"),
        ("${SCHEME}://u:p@h", "${SCHEME}://[removed]@h"),
        ("u:p@h", "[removed]"),
        ("sqlite://:memory:", "sqlite://:memory:"),
        ("sqlite", "sqlite"),
    ],
)
def test_an_address_is_shown_without_what_opens_it(url: str, shown: str) -> None:
    assert clean_url(url) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("secret", "[removed]"),
        ("", ""),
        ("${A}", "${A}"),
        ("${A:-secret}", "${A:-[removed]}"),
        ("Bearer ${A}", "Bearer ${A}"),
        ("${A}:${B}", "${A}:${B}"),
        ("sk-${A}", "[removed]${A}"),
        ("os.environ/A", "os.environ/A"),
        ("os.environ/not a name", "[removed]"),
        ("\ue000", "[removed]"),
    ],
)
def test_of_a_secret_only_the_references_are_shown(text: str, shown: str) -> None:
    assert masked(text) == shown


def test_arguments_are_shown_without_those_that_by_name_or_looks_are_secret() -> None:
    args = [
        "-y",
        "--port",
        "80",
        "--password",
        "x",
        "--password",
        "--quiet",
        "--url=https://u:p@h",
        "GITHUB_TOKEN=${T}",
    ]
    args += ["sk-proj-abcdefghijkl1234567890", "C:\\files", "Authorization: Bearer x"]

    assert clean_arguments(args) == [
        *("-y", "--port", "80", "--password", "[removed]", "--password", "--quiet", "--url=https://[removed]@h"),
        *("GITHUB_TOKEN=${T}", "[removed]", "C:\\files", "Authorization:[removed]"),
    ]

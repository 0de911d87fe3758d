"""The JSON Schema of `servers.yaml` takes what the loader takes, and refuses what the loader refuses."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import cast

import pytest
import yaml
from jsonschema import Draft202012Validator

from agent_bridge.config.json_schema import JsonObject, json_schema
from agent_bridge.config.load import load
from agent_bridge.errors import ConfigInvalid

PROJECT = Path(__file__).parents[2]
SHIPPED = PROJECT / "src/agent_bridge/config/servers.schema.json"
EXAMPLE = PROJECT / "servers.yaml"
DOCUMENT = (PROJECT / "docs/configuration.md").read_text()
SNIPPETS = cast(list[str], re.findall(r"^```yaml\n(.*?)^```", DOCUMENT, re.DOTALL | re.MULTILINE))
EVERYTHING = """
version: 1
upstreams:
  clock: {builtin: clock}
  files: {command: npx, args: ["-y", "@modelcontextprotocol/server-filesystem", "."], env: {A: "${A}"}, cwd: .}
  docs:
    url: "https://example.com/mcp"
    transport: http
    auth_token: "${DOCS_TOKEN}"
    headers: {}
    timeout_s: 30
    protocol: auto
models:
  fast:
    model: openai/gpt-4o-mini
    temperature: 0.2
    max_tokens: 4096
    top_p: 1
    api_base: null
    api_key: "${OPENAI_API_KEY}"
    api_version: null
    fallbacks: [claude]
    backend: auto
  claude: {model: anthropic/claude-haiku-4-5, api_key: os.environ/ANTHROPIC_API_KEY}
servers:
  assistant:
    title: null
    description: Answers with the clock and the files.
    upstreams: [clock, files]
    tools: {include: ["*"], exclude: ["files__write_*"]}
    model: fast
    system_prompt: You are a helpful assistant.
    approvals: annotated
    limits:
      max_steps: 20
      max_tool_calls: 100
      max_tokens: null
      max_cost_usd: null
      timeout_s: 1800
      model_timeout_s: 120
      tool_timeout_s: 120
    active: true
    as_tool: true
  careful:
    approvals: {default: always, tools: {"clock__*": never}, by_model: false, expire_s: 900}
    limits: {max_steps: null, max_tool_calls: null, max_cost_usd: 0.5}
default_server: assistant
default_model: null
store: sqlite
store_fallback: sqlite
runs_per_worker: 200
drain_s: 3
auth:
  jwt: {jwks_url: "https://id.example.com/jwks", issuer: "https://id.example.com", audience: agent-bridge}
  tokens: {ci: {sha256: "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", scopes: [chat]}}
session_ttl_s: null
on_disconnect: detach
disconnect_grace_s: 0
host_wait_s: {cursor: 50, claude-code: null}
"""
UNCOMMENTED = re.sub(r"^(\s*)#(?! \S)", r"\1", EXAMPLE.read_text(), flags=re.MULTILINE)


def complaints(text: str) -> list[str]:
    validator = Draft202012Validator(json_schema())
    return [error.message for error in validator.iter_errors(yaml.safe_load(text))]  # pyright: ignore[reportUnknownMemberType] - its stub


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(json_schema())


def test_the_shipped_schema_is_up_to_date() -> None:
    assert SHIPPED.read_text() == json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n", (
        "Run: agent-bridge check --schema > src/agent_bridge/config/servers.schema.json"
    )


@pytest.mark.parametrize("text", [EXAMPLE.read_text(), UNCOMMENTED, EVERYTHING, *SNIPPETS])
def test_every_example_is_right_for_the_schema_and_for_the_loader(text: str, tmp_path: Path) -> None:
    file = tmp_path / "servers.yaml"
    file.write_text(text)

    assert complaints(text) == []
    assert load(file, {}).servers


def test_the_example_works_with_no_key_and_no_network_and_shows_more() -> None:
    config = load(EXAMPLE, {})

    assert [upstream.builtin for upstream in config.upstreams.values()] == ["clock", "calculator"]
    assert config.default_model == "demo/rules"
    assert config.servers[config.default_server].as_tool
    assert set(cast(dict[str, object], yaml.safe_load(UNCOMMENTED))) > set(
        cast(JsonObject, yaml.safe_load(EXAMPLE.read_text()))
    )


@pytest.mark.parametrize(
    "text",
    [
        "severs: {}",
        "version: 2",
        "servers: {a: {modle: x}}",
        "servers: {a b: {}}",
        "servers: {a: {active: 'yes'}}",
        "servers: {a: {upstreams: clock}}",
        "servers: {a: {approvals: sometimes}}",
        "servers: {a: {approvals: {default: sometimes}}}",
        "servers: {a: {limits: {max_steps: '3'}}}",
        "servers: {a: {limits: {max_steps: 0}}}",
        "servers: {a: {limits: {max_steps: true}}}",
        "servers: {a: {limits: {timeout_s: null}}}",
        "servers: {a: null}",
        "upstreams: {u: {}}",
        "upstreams: {u: {builtin: clok}}",
        "upstreams: {u: {command: x, url: 'http://x'}}",
        "upstreams: {u: {url: 'ftp://x'}}",
        "upstreams: {u: {url: 'http://x', protocol: new}}",
        "upstreams: {u: {url: 'http://x', type: ws}}",
        "upstreams: {u: {url: 'http://x', headers: {a b: c}}}",
        "upstreams: {u: {command: x, args: -y}}",
        "upstreams: {u: {url: 'http://x', auth: basic}}",
        "upstreams: {u: {url: 'http://x', auth: {}}}",
        "upstreams: {u: {url: 'http://x', auth: {principals: {}}}}",
        "upstreams: {u: {url: 'http://x', auth: {oauth: {}, caller: {}}}}",
        "upstreams: {u: {url: 'http://x', auth: {client_credentials: {client_id: a, client_secret: b}}}}",
        "upstreams: {u: {url: 'http://x', auth: {oauth: {client_metadata_url: 'http://x/y'}}}}",
        "upstreams: {u: {command: x, env: {PORT: 80}}}",
        "models: {m: {}}",
        "models: {m: {model: openai/x, temperature: 3}}",
        "store: mysql://host",
        "auth: {jwt: {}}",
        "auth: {tokens: {ci: {sha256: abc}}}",
        "host_wait_s: {cursor: -1}",
    ],
)  # fmt: skip
def test_what_the_loader_refuses_the_schema_refuses(text: str, tmp_path: Path) -> None:
    file = tmp_path / "servers.yaml"
    file.write_text(text)

    assert complaints(text)
    with pytest.raises(ConfigInvalid):
        load(file, {})


def test_every_key_has_help() -> None:
    schema = json_schema()
    tables = {"File": schema, **cast(dict[str, JsonObject], schema["$defs"])}
    silent = [
        f"{name}.{key}"
        for name, table in tables.items()
        for key, entry in cast(dict[str, JsonObject], table["properties"]).items()
        if not entry.get("description")
    ]

    assert silent == []

"""Which file is read, what wins over what, and what the configuration is where nothing is said."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from agent_bridge.config import Config, Settings
from agent_bridge.config.load import load
from agent_bridge.config.models import ModelAlias
from agent_bridge.config.schema import Server
from agent_bridge.config.upstreams import Upstream
from agent_bridge.errors import ConfigInvalid

DAY_S = 86_400


def write(path: str, text: str) -> Path:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text)
    return Path(path)


@pytest.mark.usefixtures("folder")
def test_without_a_file_there_is_an_assistant_with_clock_and_calculator_and_a_stand_in() -> None:
    environ = {"PATH": "/bin"}

    assert load(None, environ) == Config(
        upstreams={"clock": Upstream(builtin="clock"), "calculator": Upstream(builtin="calculator")},
        models={},
        servers={
            "assistant": Server(description="Answers with clock and calculator.", upstreams=("clock", "calculator"))
        },
        default_server="assistant",
        default_model="demo/rules",
        store="sqlite",
        settings=Settings(),
        environ=environ,
        path=None,
    )


def test_the_built_in_default_needs_neither_yaml_nor_a_json_schema_library(folder: Path) -> None:
    program = """
import sys
from agent_bridge.config.load import load
load(None, {})
print(sorted({"yaml", "jsonschema", "litellm", "fastmcp"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"


@pytest.mark.usefixtures("folder")
def test_a_named_file_comes_before_the_environment_s_and_that_before_the_usual_one() -> None:
    write("servers.yaml", "servers: {usual: {}}")
    write("environment.yaml", "servers: {environment: {}}")
    write("flag.yaml", "servers: {flag: {}}")
    environ = {"AGENT_BRIDGE_CONFIG": "environment.yaml"}

    assert list(load(Path("flag.yaml"), environ).servers) == ["flag"]
    assert list(load(None, environ).servers) == ["environment"]
    assert list(load(None, {"AGENT_BRIDGE_CONFIG": ""}).servers) == ["usual"]
    assert load(None, {}).path == Path("servers.yaml")


@pytest.mark.usefixtures("folder")
def test_the_store_is_the_flag_s_else_the_environment_s_else_the_file_s_else_sqlite() -> None:
    file = write("servers.yaml", "store: 'sqlite:///file.db'")
    bare = write("bare.yaml", "version: 1")
    redis = {"CACHE_TYPE": "redis", "REDIS_URL": "redis://cache:6379/2"}
    twin = {"AGENT_BRIDGE_STORE": "sqlite:///twin.db"}

    assert load(file, {**redis, **twin}, store="sqlite:///flag.db").store_url() == "sqlite:///flag.db"
    assert load(file, {**redis, **twin}).store_url() == "sqlite:///twin.db"
    assert load(file, redis).store_url() == "redis://cache:6379/2"
    assert load(file, {"CACHE_TYPE": "redis"}).store_url() == "redis://localhost:6379/0"
    assert load(file, {"CACHE_TYPE": "memory", "REDIS_URL": "redis://cache"}).store_url() == "sqlite:///file.db"
    assert load(bare, {}).store_url() == "sqlite"


@pytest.mark.usefixtures("folder")
def test_a_store_that_is_none_is_refused_without_repeating_it() -> None:
    with pytest.raises(ConfigInvalid) as flag:
        load(None, {}, store="mysql://user:canary@host")
    with pytest.raises(ConfigInvalid) as twin:
        load(None, {"AGENT_BRIDGE_STORE": "canary"})

    words = "must be sqlite, sqlite:///path, sqlite://:memory: or redis://host:6379/0"
    assert flag.value.problems == [f"--store {words}"]
    assert twin.value.problems == [f"environment: AGENT_BRIDGE_STORE {words}"]


@pytest.mark.usefixtures("folder")
def test_a_store_with_a_missing_password_is_missed_when_it_is_opened() -> None:
    config = load(write("servers.yaml", "store: 'redis://:${CACHE_PASSWORD}@cache'"), {})

    with pytest.raises(ConfigInvalid, match="the store needs CACHE_PASSWORD, which is not set"):
        config.store_url()


@pytest.mark.usefixtures("folder")
def test_a_missing_secret_never_fails_loading() -> None:
    file = write(
        "servers.yaml",
        """
upstreams:
  docs: {url: "https://${HOST}/mcp", auth_token: "${TOKEN}"}
  files: {command: "${PROGRAM}", cwd: "${HOME_OF}"}
models: {fast: {model: "${MODEL}", api_key: "${KEY}"}}
servers: {assistant: {upstreams: [docs], model: "${CHOSEN}"}}
default_model: ${OTHER:-fast}
auth: {jwt: {secret: "${SIGNING}"}}
""",
    )
    config = load(file, {"LLM_PROVIDER": "openai"})

    assert config.upstreams["docs"].auth_token == "${TOKEN}"
    assert config.upstreams["files"].cwd == "${HOME_OF}"
    assert config.models == {"fast": ModelAlias(model="${MODEL}", api_key="${KEY}")}
    assert config.servers["assistant"].model == "${CHOSEN}"
    assert config.default_model == "fast"


@pytest.mark.usefixtures("folder")
def test_a_model_may_be_chosen_by_a_variable() -> None:
    file = write(
        "servers.yaml", 'servers: {a: {model: "${CHOSEN:-openai/gpt-4o-mini}"}}\ndefault_model: os.environ/OTHER'
    )
    environ = {"OTHER": "anthropic/claude-haiku-4-5"}

    assert load(file, environ).servers["a"].model == "openai/gpt-4o-mini"
    assert load(file, {**environ, "CHOSEN": "gemini/gemini-2.5-flash"}).servers["a"].model == "gemini/gemini-2.5-flash"
    assert load(file, environ).default_model == "anthropic/claude-haiku-4-5"


@pytest.mark.usefixtures("folder")
def test_the_default_server_is_the_one_named_else_the_first_that_is_active() -> None:
    servers = "servers: {a: {active: false}, b: {}, c: {}}\n"

    assert load(write("servers.yaml", servers), {}).default_server == "b"
    assert load(write("servers.yaml", servers + "default_server: c"), {}).default_server == "c"
    assert load(write("servers.yaml", "servers: {a: {active: false}}"), {}).default_server == "a"


@pytest.mark.usefixtures("folder")
def test_upstreams_without_a_server_become_the_assistant_s() -> None:
    config = load(write("servers.yaml", "upstreams: {time: {builtin: clock}, docs: {url: 'http://x/mcp'}}"), {})

    assert config.servers == {
        "assistant": Server(description="Answers with time and docs.", upstreams=("time", "docs"))
    }
    assert list(load(write("servers.yaml", "version: 1"), {}).upstreams) == ["clock", "calculator"]


@pytest.mark.usefixtures("folder")
def test_a_relative_directory_starts_at_the_file() -> None:
    text = "upstreams: {a: {command: x, cwd: data}, b: {command: x, cwd: /data}, c: {command: x}}"

    config = load(write("etc/servers.yaml", text), {})

    assert [upstream.cwd for upstream in config.upstreams.values()] == [str(Path("etc/data")), "/data", None]


@pytest.mark.usefixtures("folder")
def test_settings_are_the_environment_s_else_the_file_s_else_the_defaults() -> None:
    file = write(
        "servers.yaml",
        """
session_ttl_s: 60
runs_per_worker: 50
drain_s: 0
on_disconnect: detach
disconnect_grace_s: 5
host_wait_s: {cursor: 50, claude-code: null}
""",
    )
    environ = {
        "LLMCHAT_SESSION_TTL": "300",
        "LLMCHAT_SESSION_LOCK_TTL": "45",
        "LLMCHAT_SESSION_LOCK_RETRIES": "4",
        "LLMCHAT_SESSION_LOCK_WAIT": "0.5",
        "LLMCHAT_CHAT_HISTORY_TTL": "3600",
        "LLMCHAT_CHAT_HISTORY_MAX_MESSAGES": "20",
    }

    assert load(file, environ).settings == Settings(
        session_ttl_s=300,
        history_ttl_s=3600,
        history_max_messages=20,
        turn_lease_s=45,
        turn_wait_s=2.0,
        turn_retry_s=0.5,
        runs_per_worker=50,
        drain_s=0,
        on_disconnect="detach",
        disconnect_grace_s=5,
        host_wait_s={"cursor": 50, "claude-code": None},
    )
    assert (load(file, {}).settings.session_ttl_s, load(file, {}).settings.history_ttl_s) == (60, 60)
    assert load(None, {"AGENT_BRIDGE_CONFIG": "", "LLMCHAT_SESSION_LOCK_RETRIES": "0"}).settings.turn_wait_s == 0


@pytest.mark.usefixtures("folder")
def test_sessions_are_kept_for_an_hour_on_redis_and_for_thirty_days_on_sqlite() -> None:
    assert load(None, {"CACHE_TYPE": "redis"}).settings.session_ttl_s == 3600
    assert load(None, {}, store="rediss://cache").settings.history_ttl_s == 3600
    assert load(None, {}).settings.session_ttl_s == 30 * DAY_S


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("LLMCHAT_SESSION_TTL", "0", "a number greater than 0"),
        ("LLMCHAT_SESSION_LOCK_TTL", "-3", "a number greater than 0"),
        ("LLMCHAT_SESSION_LOCK_RETRIES", "2.5", "a whole number of at least 0"),
        ("LLMCHAT_SESSION_LOCK_WAIT", "nan", "a number of at least 0"),
        ("LLMCHAT_CHAT_HISTORY_TTL", "1h", "a number greater than 0"),
        ("LLMCHAT_CHAT_HISTORY_MAX_MESSAGES", "0", "a whole number of at least 1"),
    ],
)
def test_a_bad_number_in_the_environment_is_refused_by_its_name(name: str, value: str, wanted: str) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        load(None, {name: value})

    assert caught.value.problems == [f"environment: {name} is '{value}'; it must be {wanted}"]


@pytest.mark.usefixtures("folder")
def test_a_secret_is_not_in_what_the_configuration_looks_like_in_a_log() -> None:
    text = """
upstreams:
  a: {url: "https://user:canary@host/?key=canary", auth_token: canary, headers: {X: canary}}
  b: {command: x, args: [canary], env: {KEY: canary}}
models: {m: {model: openai/x, api_key: canary, api_base: "https://canary"}}
store: redis://:canary@host
auth: {jwt: {secret: canary}}
request_state_keys: [canary]
"""
    assert "canary" not in repr(load(write("servers.yaml", text), {"KEY": "canary"}))


@pytest.mark.usefixtures("folder")
def test_states_are_sealed_with_the_key_of_the_environment_else_with_those_of_the_file() -> None:
    file = write("servers.yaml", f"request_state_keys: ['${{NEW}}', {'b' * 32}]")
    own = {"AGENT_BRIDGE_REQUEST_STATE_KEY": "c" * 32}

    assert load(None, {"NEW": "a" * 32}).sealing_keys() == ["a" * 32, "b" * 32]
    assert load(None, own).sealing_keys() == ["c" * 32]
    assert load(write("empty.yaml", "version: 1"), {}).sealing_keys() == []
    for environ, problem in (
        ({}, "environment: request_state_keys needs NEW, which is not set"),
        ({"NEW": "short"}, "request_state_keys: must be 32 bytes or more each"),
        ({"NEW": "b" * 32}, "request_state_keys: must be 32 bytes or more each, and no two the same"),
    ):
        with pytest.raises(ConfigInvalid, match=problem):
            load(file, environ).sealing_keys()


@pytest.mark.usefixtures("folder")
def test_yaml_does_not_surprise() -> None:
    file = write(
        "servers.yaml",
        """\
upstreams:
  a: &a {command: x, env: {NO: "1", on: yes please}, protocol: 2026-07-28}
  b: {<<: *a, timeout_s: 5}
""",
    )
    upstreams = load(file, {}).upstreams

    assert upstreams["a"] == Upstream(command="x", env={"NO": "1", "on": "yes please"}, protocol="2026-07-28")
    assert upstreams["b"] == upstreams["a"].model_copy(update={"timeout_s": 5})


@pytest.mark.usefixtures("folder")
def test_json_and_a_byte_order_mark_are_read_too() -> None:
    Path("servers.json").write_text(json.dumps({"servers": {"a": {}}}), encoding="utf-8-sig")

    assert list(load(Path("servers.json"), {}).servers) == ["a"]

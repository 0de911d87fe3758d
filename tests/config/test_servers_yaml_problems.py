"""Whatever is wrong with `servers.yaml` is said with its file, its line and what would be right, all at once."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from agent_bridge.config.load import load
from agent_bridge.errors import ConfigInvalid

FILE = Path("servers.yaml")


def problems_of(text: str | bytes, environ: dict[str, str] | None = None) -> list[str]:
    FILE.write_bytes(text if isinstance(text, bytes) else dedent(text).encode())
    with pytest.raises(ConfigInvalid) as caught:
        load(FILE, environ or {})
    return caught.value.problems


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("store: [1\nversion: 1\n", "2: this is not YAML: expected ',' or ']', but got ':'; check the indentation, "),
        ("store:\n\ta: 1\n", "2: this is not YAML: found character '\\t' that cannot start any token; indent with sp"),
        ("store: a: b\n", "1: this is not YAML: mapping values are not allowed here; put text that holds ': ' in quo"),
        ('store: "a\\qb"\n', "1: this is not YAML: found unknown escape character 'q'; use single quotes around text"),
        ("store: *nowhere\n", "1: this is not YAML: found undefined alias 'nowhere'; check the indentation, brackets"),
        ('store: "sqlite\n', "2: this is not YAML: found unexpected end of stream; check the indentation, brackets an"),
        ("version: 1\n---\nversion: 1\n", "2: this is not YAML: but found another document; remove the '---' between"),
        ("store: !!python/name:os.system\n", "1: this is not YAML: could not determine a constructor for the tag 'ta"),
        (
            "store: !!binary aGk=\n",
            "1: 'tag:yaml.org,2002:binary' is not for configuration; write plain text, numbers ",
        ),
        ("version: !!int one\n", "1: this is not what 'tag:yaml.org,2002:int' says it is; leave the tag out"),
        ("? [a]\n: b\n", "1: a key must be a word"),
        ("store: &itself [*itself]\n", "1: the values are nested too deeply, or in themselves; write them out flat"),
        ("store: " + "[" * 5000, "1: the values are nested too deeply, or in themselves; write them out flat"),
        ("version: 1\nstore: \x01\n", "2: this is not text: there is a control character; remove it"),
        (b"version: 1\n# \xff\n", "2: this is not UTF-8; save the file in that encoding"),
        ("", "1: the file is empty; write `servers:` and what goes under it, or remove the file"),
        ("# nothing\n", "1: the file is empty; write `servers:` and what goes under it, or remove the file"),
        ("- servers\n", "1: the file must be a table of keys such as `servers:`, and is a list"),
        ("servers\n", "1: the file must be a table of keys such as `servers:`, and is text"),
    ],
)
def test_what_is_no_table_of_keys_is_said_to_be_none(text: str | bytes, problem: str) -> None:
    (found,) = problems_of(text)

    assert found.startswith(f"servers.yaml:{problem}")


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("mcpServers: {}", "unknown key 'mcpServers' in the file; here they are called `upstreams`"),
        ("severs: {}", "unknown key 'severs' in the file; did you mean 'servers'?"),
        ("auth: {users: {}}", "unknown key 'users' in auth; write one of: jwt, tokens"),
        ("upstreams: {u: {url: 'http://x', auth: {oath: {}}}}", "unknown key 'oath' in upstreams.u.auth; did you mean "
         "'oauth'?"),
        ("upstreams: {u: {url: 'http://x', auth: oauth, auth_token: x}}", "upstreams.u has auth_token and auth; write "
         "one of them"),
        ("upstreams: {u: {url: 'http://x', auth: {oauth: {}, caller: {}}}}", "upstreams.u.auth has oauth and caller; "
         "write exactly one of them"),
        ("upstreams: {u: {command: x, auth: oauth}}", "upstreams.u has `auth`, which goes with `url` and not with "
         "`command`; remove it"),
        ("servers: {a: {approvals: {by_modl: true}}}", "unknown key 'by_modl' in servers.a.approvals; did you mean "
         "'by_model'?"),
        ("servers: {a: {limits: {timeout: 3}}}", "unknown key 'timeout' in servers.a.limits; write `timeout_s`, in "
         "seconds"),
        ("auth: {jwt: {secret: x, issue: y}}", "unknown key 'issue' in auth.jwt; did you mean 'issuer'?"),
        ("version: 2", "version must be 1, and is 2"),
        ("servers: {a: {active: 'no'}}", "servers.a.active must be true or false, and is text; leave the quotes out"),
        ("servers: {a: {limits: {max_steps: '20'}}}", "servers.a.limits.max_steps must be a whole number, and is text; "
         "leave out the quotes and the unit"),
        ("servers: {a: {limits: {timeout_s: 30s}}}", "servers.a.limits.timeout_s must be a number, and is text; leave "
         "out the quotes and the unit"),
        ("servers: {a: {limits: {max_steps: true}}}", "servers.a.limits.max_steps must be a whole number, and is true "
         "or false"),
        ("servers: {a: {limits: {max_steps: 0}}}", "servers.a.limits.max_steps must be greater than 0"),
        ("models: {m: {model: openai/x, temperature: 2.5}}", "models.m.temperature must be at most 2"),
        ("disconnect_grace_s: -1", "disconnect_grace_s must be at least 0"),
        ("session_ttl_s: .inf", "session_ttl_s must be a number with an end"),
        ("session_ttl_s: .nan", "session_ttl_s must be a number with an end"),
        ("on_disconnect: Detach", "on_disconnect must be 'cancel' or 'detach', and is 'Detach'; did you mean "
         "'detach'?"),
        ("servers: {a: {upstreams: clock}}", "servers.a.upstreams must be a list, as in [a, b], and is text; put it in "
         "brackets"),
        ("servers: {a: {upstreams: [7]}}", "servers.a.upstreams[0] must be text, and is a number; put it in quotes"),
        ("servers: [a]", "servers must be a table of keys, and is a list"),
        ("models:", "models must be a table of keys, and is empty; give it a value, or remove the line"),
        ("models: {m: {temperature: 1}}", "models.m needs the key 'model'"),
        (
            "models: {m: {model: anthropic/x, backend: native}}",
            "models.m has `backend: native`, which speaks OpenAI's chat completions, and 'anthropic' does not; "
            "remove it",
        ),
        ("models: {m: {model: ' '}}", "models.m.model must not be empty"),
        ("models: {m: {model: openai/x, api_base: localhost}}", "models.m.api_base must begin with http:// or https://,"
         " or be a reference such as ${DOCS_URL}"),
        ("servers: {my server: {}}", "the name 'my server' in servers must begin with a letter or digit and hold only "
         "letters, digits, '-' and '_', at most 64"),
        ("store: mysql://host", "store must be sqlite, sqlite:///path, sqlite://:memory: or redis://host:6379/0"),
        ("auth: {jwt: {issuer: x}}", "auth.jwt has none of jwks_url, public_key and secret; write exactly one of them"),
        ("auth: {tokens: {ci: {sha256: ABC}}}", "auth.tokens.ci.sha256 must be the SHA-256 digest of the token: 64 "
         "digits and letters a to f"),
        ("upstreams: {u: {timeout_s: 3}}", "upstreams.u has none of builtin, command and url; write exactly one of "
         "them"),
        ("upstreams: {u: {command: x, url: 'http://x'}}", "upstreams.u has command and url; write exactly one of them"),
        ("upstreams: {u: {url: 'http://x', args: [a]}}", "upstreams.u has `args`, which goes with `command` and not "
         "with `url`; remove it"),
        ("upstreams: {u: {command: x, auth_token: y}}", "upstreams.u has `auth_token`, which goes with `url` and not "
         "with `command`; remove it"),
        ("upstreams: {u: {command: npx -y server}}", "upstreams.u.command must be the program alone ('npx'); write "
         "what follows it under `args`"),
        ("upstreams: {u: {url: 'ftp://x'}}", "upstreams.u.url must begin with http:// or https://, or be a reference "
         "such as ${DOCS_URL}"),
        ("upstreams: {u: {url: 'http://x', headers: {a b: c}}}", "the name 'a b' in upstreams.u.headers must be the "
         "name of an HTTP header"),
        ("upstreams: {u: {url: 'http://x', headers: {a: \"b\\nc\"}}}", "upstreams.u.headers.a must be a single line"),
        ("upstreams: {u: {command: x, env: {PORT: 80}}}", "upstreams.u.env.PORT must be text, and is a number; put it "
         "in quotes"),
        ("upstreams: {u: {command: x, env: {'A=B': c}}}", "the name 'A=B' in upstreams.u.env must be the name of an "
         "environment variable"),
        ("upstreams: {u: {command: x, gallery: [a]}}", "upstreams.u.gallery must be true or false, and is a list"),
        ("upstreams: {u: {builtin: clok}}", "upstreams.u.builtin is 'clok'; did you mean 'clock'?"),
        ("servers: {a: {upstreams: [clock]}}", "servers.a.upstreams[0] is 'clock', which is not under upstreams; add "
         "`clock: {builtin: clock}` there"),
        ("{upstreams: {time: {builtin: clock}}, servers: {a: {upstreams: [tim]}}}", "servers.a.upstreams[0] is 'tim', "
         "which is not under upstreams; did you mean 'time'?"),
        ("servers: {a: {model: fast}}", "servers.a.model is 'fast', which is neither an alias under models nor a model "
         "id such as openai/gpt-4o-mini"),
        ("{models: {fast: {model: openai/x}}, default_model: fats}", "default_model is 'fats', which is neither an "
         "alias under models nor a model id such as openai/gpt-4o-mini; did you mean 'fast'?"),
        ("models: {m: {model: openai/x, fallbacks: [anthropic/y, z]}}", "models.m.fallbacks[1] is 'z', which is neither"
         " an alias under models nor a model id such as openai/gpt-4o-mini; write one of: m"),
        ("{servers: {a: {}}, default_server: b}", "default_server is 'b'; write one of: a"),
        ("{servers: {a: {active: false}}, default_server: a}", "default_server is 'a', which has `active: false`; name "
         "an active server"),
        ("servers: {" + "a" * 61 + ": {as_tool: true}}", "servers." + "a" * 61 + ".as_tool makes a tool name of over "
         "64 characters; give the server a shorter name"),
        ("{store: sqlite, store: sqlite}", "'store' is given twice, first in line 1; keep one of them"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_what_would_be_right(text: str, problem: str) -> None:
    assert problems_of(text) == [f"servers.yaml:1: {problem}"]


@pytest.mark.usefixtures("folder")
def test_all_mistakes_are_told_at_once_in_the_order_of_their_lines() -> None:
    text = """\
        servers:
          assistant:
            upstreams: [clock]
            modle: fast
            limits:
              max_steps: 0
          assistant:
            active: maybe
        store: none
        """

    assert problems_of(text, {"LLMCHAT_SESSION_TTL": "soon"}) == [
        "servers.yaml:7: 'assistant' is given twice, first in line 2; keep one of them",
        "servers.yaml:8: servers.assistant.active must be true or false, and is text; leave the quotes out",
        "servers.yaml:9: store must be sqlite, sqlite:///path, sqlite://:memory: or redis://host:6379/0",
        "environment: LLMCHAT_SESSION_TTL is 'soon'; it must be a number greater than 0",
    ]


def test_a_file_is_called_what_the_caller_called_it(folder: Path) -> None:
    elsewhere = folder / "etc" / "bridge.yaml"
    elsewhere.parent.mkdir()
    elsewhere.write_text("store: none\n")

    for name in (elsewhere, Path("etc/bridge.yaml")):
        with pytest.raises(ConfigInvalid) as caught:
            load(name, {})
        assert caught.value.problems == [
            f"{name}:1: store must be sqlite, sqlite:///path, sqlite://:memory: or redis://host:6379/0"
        ]


def test_a_file_that_was_named_and_is_not_there_is_missed(folder: Path) -> None:
    with pytest.raises(ConfigInvalid) as missing:
        load(Path("nowhere.yaml"), {})
    with pytest.raises(ConfigInvalid) as in_the_environment:
        load(None, {"AGENT_BRIDGE_CONFIG": "nowhere.yaml"})
    with pytest.raises(ConfigInvalid) as directory:
        load(folder, {})

    assert missing.value.problems == [
        "nowhere.yaml: there is no such file; --config or AGENT_BRIDGE_CONFIG names it",
    ]
    assert in_the_environment.value.problems == missing.value.problems
    assert directory.value.problems[0].endswith("; --config or AGENT_BRIDGE_CONFIG names it")


@pytest.mark.usefixtures("folder")
def test_no_problem_repeats_a_value_that_may_be_secret() -> None:
    text = """\
        upstreams:
          a: {url: "ftp://user:canary@host/?key=canary"}
          b: {url: "http://x", auth_token: [canary], headers: {X: {y: canary}}}
          c: {command: x, env: {KEY: [canary]}}
        models:
          m: {model: openai/x, api_key: {canary: canary}, api_base: "canary"}
        store: mysql://user:canary@host
        auth:
          jwt: {secret: [canary]}
          tokens: {ci: {sha256: canary}}
        """

    assert "canary" not in "\n".join(problems_of(text))

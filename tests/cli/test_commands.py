"""The real commands with the stand-in model: no key, no network, a home of their own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from support.commands import DEADLINE_S, Done, clean_environment, command_line, run_command

MEMORY = {"AGENT_BRIDGE_STORE": "sqlite://:memory:"}
RunHere = Callable[..., Done]
HEAVY = ("asyncio", "pydantic", "yaml", "rich", "mcp", "fastmcp", "litellm", "uvicorn", "agent_bridge.app")


def test_a_question_that_needs_two_tools_is_answered_and_the_session_goes_on(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path / 'runs.db'}"

    first = run_command("ask", "--store", store, "what is 17*23, and what time is it in Tokyo?", home=tmp_path)
    session = first.err.split("--session ")[1].split()[0]
    second = run_command("ask", "--store", store, "--session", session, "--json", "what is 2+2?", home=tmp_path)

    assert (first.code, second.code) == (0, 0)
    assert "391" in first.out
    assert "Asia/Tokyo" in first.out
    assert first.err.startswith("connecting…\nassistant · demo/rules · ")
    run = json.loads(second.out)
    assert (run["session_id"], run["status"], second.err) == (session, "completed", "")
    assert "4" in run["response"]


def test_a_message_can_come_from_stdin_with_words_before_it(run_here: RunHere) -> None:
    done = run_here("ask", "--no-stream", "calculate", "-", stdin=b"6*7\n")

    assert done.code == 0
    assert "42" in done.out


@pytest.mark.parametrize(
    ("arguments", "stdin", "code", "complaint"),
    [
        (["ask", "--server", "nowhere", "hi"], b"", 2, "There is no server 'nowhere'."),
        (["ask", "--model", "nothing", "hi"], b"", 2, "There is no model 'nothing'."),
        (["ask", "--session", "ses_0", "hi"], b"", 2, "There is no session 'ses_0'"),
        (["ask", " "], b"", 2, "message is empty"),
        (["ask", "-"], b"x" * 2_000_000, 2, "message has 2,000,000 bytes"),
        (["ask", "--model", "openai/gpt-4o-mini", "hi"], b"", 1, "OPENAI_API_KEY"),
        (["ask", "--config", "none.yaml", "hi"], b"", 2, "none.yaml: there is no such file"),
        (["chat", "--server", "nowhere"], b"hi\n", 2, "There is no server 'nowhere'."),
    ],
)
def test_what_cannot_be_asked_is_told_in_one_line(
    run_here: RunHere, arguments: list[str], stdin: bytes, code: int, complaint: str
) -> None:
    done = run_here(*arguments, stdin=stdin)

    told = [line for line in done.err.splitlines() if line.startswith("agent-bridge: ")]
    assert (done.code, done.out, len(told)) == (code, "", 1)
    assert complaint in told[0]
    assert "Traceback" not in done.err


def test_without_a_run_json_is_the_error(run_here: RunHere) -> None:
    done = run_here("ask", "--json", "--server", "nowhere", "hi")

    assert done.code == 2
    error = json.loads(done.out)["error"]
    assert (error["code"], error["recoverable"]) == ("server_not_found", True)


def test_servers_and_models_are_the_results_of_the_tools(run_here: RunHere) -> None:
    servers = run_here("servers", "--json")
    models = run_here("models", "--json", "--query", "rules")

    listed = json.loads(servers.out)
    assert (servers.code, listed["count"], listed["servers"][0]["name"]) == (0, 1, "assistant")
    found = json.loads(models.out)
    assert (models.code, found["count"], found["models"][0]["id"]) == (0, 1, "demo/rules")
    assert servers.err == models.err == ""


def test_a_table_in_a_pipe_is_plain_and_not_cut(run_here: RunHere) -> None:
    done = run_here("servers")

    assert (done.code, done.err) == (0, "")
    assert "assistant" in done.out
    assert "Answers with clock and calculator." in done.out
    assert "\x1b" not in done.out


def test_check_says_what_works_and_what_is_broken(tmp_path: Path, run_here: RunHere) -> None:
    (tmp_path / "servers.yaml").write_text(
        "version: 1\n"
        "upstreams:\n"
        "  clock: {builtin: clock}\n"
        "  gone: {command: agent-bridge-no-such-program}\n"
        "models:\n"
        "  fast: {model: openai/gpt-4o-mini}\n"
        "servers:\n"
        "  assistant: {upstreams: [clock, gone], model: fast}\n"
    )

    done = run_here("check", "--json")

    assert (done.code, done.err) == (1, "")
    view = json.loads(done.out)
    found = {(row["kind"], row["name"]): row for row in view["checks"]}
    assert view["ok"] is False
    assert found["upstream", "clock"]["ok"] is True
    assert found["upstream", "gone"]["ok"] is False
    assert found["model", "fast"]["ok"] is False
    assert "OPENAI_API_KEY" in found["model", "fast"]["detail"]


def test_check_exits_with_0_where_everything_works(run_here: RunHere) -> None:
    done = run_here("check")

    assert (done.code, done.err) == (0, "")
    assert "✗" not in done.out
    assert done.out.count("✓") >= 4


def test_check_tells_every_problem_of_a_broken_file(tmp_path: Path, run_here: RunHere) -> None:
    (tmp_path / "servers.yaml").write_text("version: 1\nupstream: {}\nservers: {a: {upstreams: [x]}}\n")

    table = run_here("check")
    as_json = run_here("check", "--json")

    assert (table.code, table.err) == (1, "")
    assert "servers.yaml:2:" in table.out
    view = json.loads(as_json.out)
    assert (as_json.code, view["ok"]) == (1, False)
    assert [row["detail"].split(" ")[0] for row in view["checks"]] == ["servers.yaml:2:", "servers.yaml:3:"]
    assert {(row["kind"], row["ok"]) for row in view["checks"]} == {("configuration", False)}


def test_the_schema_is_printed(run_here: RunHere) -> None:
    done = run_here("check", "--schema")

    assert (done.code, done.err) == (0, "")
    assert json.loads(done.out)["title"] == "agent-bridge servers.yaml"


def test_serve_with_a_broken_file_says_so_and_leaves_stdout_alone(tmp_path: Path) -> None:
    (tmp_path / "servers.yaml").write_text("servers: [")

    done = run_command("serve", home=tmp_path)

    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("agent-bridge: servers.yaml:")


@pytest.mark.skipif(sys.platform == "win32", reason="it takes a POSIX shell")
def test_closed_streams_do_not_matter(tmp_path: Path) -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *command_line("servers")],
        env=clean_environment(tmp_path, MEMORY),
        cwd=tmp_path,
        timeout=DEADLINE_S,
        check=False,
    )

    assert done.returncode == 0


def test_serve_ends_when_the_host_leaves_and_says_nothing(tmp_path: Path) -> None:
    done = run_command("serve", home=tmp_path, environ=MEMORY)

    assert (done.code, done.out, done.err) == (0, "", "")


def test_help_imports_nothing_heavy(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *command_line("ask", "--help")[1:]],
        env=clean_environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=True,
    )

    imported = {line.rsplit("|", 1)[1].strip() for line in done.stderr.splitlines() if "|" in line}
    assert "agent_bridge.cli" in imported
    assert imported.isdisjoint(HEAVY)

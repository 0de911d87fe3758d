"""Flags, their twins in the environment, and what is said about wrong ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent_bridge import __version__
from agent_bridge.cli import COMMANDS, parse


def test_a_flag_beats_its_twin_in_the_environment_which_beats_the_default() -> None:
    environ = {"AGENT_BRIDGE_PORT": "9001", "AGENT_BRIDGE_HOST": "::1", "AGENT_BRIDGE_TRANSPORT": ""}

    options = parse(["serve", "--port", "9002"], environ)

    assert (options.port, options.host, options.transport) == (9002, "::1", "stdio")


def test_a_common_flag_may_stand_before_or_behind_the_command() -> None:
    before = parse(["--config", "a.yaml", "--log-level", "info", "ask", "hello"], {})
    behind = parse(["ask", "--config", "a.yaml", "hello", "--log-level", "info"], {})

    assert before.config == behind.config == Path("a.yaml")
    assert before.log_level == behind.log_level == "info"
    assert before.words == behind.words == ["hello"]


def test_every_flag_of_every_command_names_its_twin_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    for command in COMMANDS:
        with pytest.raises(SystemExit) as left:
            parse([command.name, "--help"], {})
        assert left.value.code == 0
        text = " ".join(capsys.readouterr().out.split())
        flags = [word for word in text.split("options:")[1].split("example")[0].split() if word.startswith("--")]
        twins = ["AGENT_BRIDGE_" + flag.removeprefix("--").replace("-", "_").upper() for flag in flags]
        assert all(twin in text for twin in twins if twin != "AGENT_BRIDGE_HELP"), command.name
        assert "example" in text


@pytest.mark.parametrize(("text", "value"), [("1", True), ("true", True), ("0", False), ("off", False), ("", False)])
def test_a_switch_can_be_set_in_the_environment(text: str, value: bool) -> None:
    assert parse(["check"], {"AGENT_BRIDGE_JSON": text}).json is value


@pytest.mark.parametrize(
    ("arguments", "environ", "complaint"),
    [
        (["serve", "--port", "x"], {}, "agent-bridge serve: argument --port: 'x' is not a port"),
        (["serve"], {"AGENT_BRIDGE_PORT": "70000"}, "environment variable AGENT_BRIDGE_PORT: '70000' is not a port"),
        (["serve", "--transport", "tcp"], {}, "'tcp' is not one of stdio, http"),
        (["check"], {"AGENT_BRIDGE_JSON": "perhaps"}, "AGENT_BRIDGE_JSON: 'perhaps' is neither 1 nor 0"),
        (["ask"], {}, "agent-bridge ask: the following arguments are required: MESSAGE"),
        (["ask", "--ses", "ses_1", "hi"], {}, "unrecognized arguments: --ses"),
        (["instal", "cursor"], {}, "invalid choice: 'instal'"),
        (["install", "emacs"], {}, "invalid choice: 'emacs'"),
        (["servers", "--log-level", "loud"], {}, "'loud' is not one of debug, info, warning, error"),
    ],
)
def test_what_is_wrong_is_said_in_two_lines_with_exit_code_2(
    arguments: list[str], environ: dict[str, str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        parse(arguments, environ)

    said = capsys.readouterr()
    assert left.value.code == 2
    assert complaint in said.err
    assert said.err.count("\n") == 2
    assert "--help" in said.err
    assert said.out == ""


def test_a_wrong_twin_of_another_command_does_not_matter() -> None:
    assert parse(["servers"], {"AGENT_BRIDGE_PORT": "x"}).json is False


def test_without_a_command_the_help_is_shown_and_the_exit_code_is_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        parse([], {})

    assert left.value.code == 2
    assert "agent-bridge ask" in capsys.readouterr().err


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        parse(["--version"], {})

    assert left.value.code == 0
    assert capsys.readouterr().out == f"agent-bridge {__version__}\n"


def test_a_home_directory_in_a_path_is_found() -> None:
    assert parse(["check"], {"AGENT_BRIDGE_CONFIG": "~/servers.yaml"}).config == Path.home() / "servers.yaml"

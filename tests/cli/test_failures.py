"""What is told when a command cannot do its work, and with which exit code."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from agent_bridge.errors import (
    BridgeError,
    ConfigInvalid,
    Internal,
    InvalidInput,
    ModelNotFound,
    ModelRateLimited,
    ServerNotFound,
    SessionBusy,
    SessionNotFound,
    StoreUnavailable,
    TooLarge,
    UpstreamUnavailable,
)
from agent_bridge.terminal.exits import of_error, of_run
from agent_bridge.terminal.failures import guarded
from support.views import a_run


def failing(error: BaseException) -> Callable[[], int]:
    def command() -> int:
        raise error

    return command


def test_an_error_of_the_bridge_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    code = guarded(failing(ServerNotFound("There is no server 'x'. Call list_servers.")), as_json=False)

    said = capsys.readouterr()
    assert (code, said.out) == (2, "")
    assert said.err == "agent-bridge: There is no server 'x'. Call list_servers.\n"


def test_for_a_program_it_is_an_object_on_stdout_too(capsys: pytest.CaptureFixture[str]) -> None:
    code = guarded(failing(SessionBusy("It is busy. Try again.")), as_json=True)

    said = capsys.readouterr()
    assert code == 1
    assert json.loads(said.out) == {
        "error": {"code": "session_busy", "message": "It is busy. Try again.", "recoverable": True}
    }
    assert said.err == "agent-bridge: It is busy. Try again.\n"


def test_every_problem_of_a_configuration_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(failing(ConfigInvalid(["a.yaml:1: one", "a.yaml:2: two"])), as_json=False) == 2

    assert capsys.readouterr().err == "agent-bridge: a.yaml:1: one\nagent-bridge: a.yaml:2: two\n"


def test_an_error_in_a_group_is_found(capsys: pytest.CaptureFixture[str]) -> None:
    inner = ExceptionGroup("inner", [ValueError("x"), StoreUnavailable("The store is gone. Start it.")])

    assert guarded(failing(ExceptionGroup("outer", [RuntimeError("y"), inner])), as_json=False) == 1

    assert capsys.readouterr().err == "agent-bridge: The store is gone. Start it.\n"


def test_the_unforeseen_is_told_without_a_traceback_and_without_its_text(capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(failing(RuntimeError("canary")), as_json=False) == 1

    said = capsys.readouterr().err
    assert said.startswith("agent-bridge: Something went wrong inside (RuntimeError).")
    assert "canary" not in said
    assert said.count("\n") == 1


def test_an_interrupt_is_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(failing(KeyboardInterrupt()), as_json=False) == 130

    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("error", [InvalidInput(), ServerNotFound(), ModelNotFound(), SessionNotFound(), TooLarge()])
def test_what_another_command_line_would_put_right_is_a_usage_error(error: BridgeError) -> None:
    assert of_error(error) == 2


@pytest.mark.parametrize("error", [Internal(), ModelRateLimited(), UpstreamUnavailable(), StoreUnavailable()])
def test_what_may_go_better_next_time_is_a_failure(error: BridgeError) -> None:
    assert of_error(error) == 1


@pytest.mark.parametrize(
    ("status", "code"), [("completed", 0), ("stopped", 0), ("failed", 1), ("input_required", 3), ("cancelled", 130)]
)
def test_the_end_of_a_run_decides_the_exit_code(status: str, code: int) -> None:
    assert of_run(a_run(status=status)) == code

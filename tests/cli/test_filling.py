"""Questions of a tool's server on a terminal: what is asked, what can be typed, and what comes of it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from agent_bridge.calls import Answer
from agent_bridge.terminal.asking import Asking
from agent_bridge.terminal.filling import fill_in
from agent_bridge.tools import JsonObject
from agent_bridge.views import PendingView
from support.plays import play, play_in_terminal
from support.screens import Typed, page_on, shown_on, window
from support.scripts import NAME_FORM
from support.terminals import CTRL_D


async def filled(field: JsonObject, *lines: str | None, needed: bool = True) -> tuple[JsonObject | None, list[str]]:
    """What comes of typing these lines into a form of one field, `it`, and what was asked and told."""
    said: list[str] = []
    left = list(lines)

    async def typed(question: str) -> str | None:
        said.append(question)
        return left.pop(0)

    schema: JsonObject = {"type": "object", "properties": {"it": field}, "required": ["it"] if needed else []}
    values = await fill_in(schema, typed, said.append)
    assert not left
    return values, said


COLOURS: JsonObject = {"type": "string", "enum": ["red", "green"], "enumNames": ["Rot", "Grün"], "default": "red"}
SIZES: JsonObject = {"type": "string", "oneOf": [{"const": "s", "title": "Small"}, {"const": "l", "title": "Large"}]}
DAYS: JsonObject = {"type": "array", "items": {"type": "string", "enum": ["mon", "tue", "wed"]}, "minItems": 1}
MANY: JsonObject = {"type": "array", "items": {"anyOf": [{"const": "a", "title": "An A"}, {"const": "b"}]}}


@pytest.mark.parametrize(
    ("field", "line", "value"),
    [
        ({"type": "string"}, "Ada ", "Ada"),
        ({"type": "integer"}, "42", 42),
        ({"type": "number"}, "4.5", 4.5),
        ({"type": "boolean"}, "Y", True),
        ({"type": "boolean"}, "no", False),
        ({"type": "boolean", "default": True}, "", True),
        ({"type": "string", "default": "x"}, "", "x"),
        (COLOURS, "green", "green"),
        (COLOURS, "Grün", "green"),
        (COLOURS, "2", "green"),
        (COLOURS, "", "red"),
        ({"type": "string", "enum": ["2", "1"]}, "1", "1"),
        (SIZES, "Large", "l"),
        (DAYS, "mon, 3", ["mon", "wed"]),
        (MANY, "An A,b", ["a", "b"]),
    ],
)
@pytest.mark.anyio
async def test_what_is_typed_becomes_a_value_of_the_field(field: JsonObject, line: str, value: object) -> None:
    values, said = await filled(field, line)
    assert (values, len(said)) == ({"it": value}, 1)


@pytest.mark.parametrize(
    ("field", "line", "complaint"),
    [
        ({"type": "string"}, "", "This is needed. Ctrl-D leaves the question open."),
        ({"type": "integer"}, "four", "Type a whole number."),
        ({"type": "number"}, "much", "Type a number."),
        ({"type": "boolean"}, "perhaps", "Type y or n."),
        ({"type": "string", "minLength": 3}, "ab", "That does not fit: `it`: 'ab' is too short."),
        (COLOURS, "blue", "That does not fit: `it`: 'blue' is not one of ['red', 'green']."),
        (DAYS, ",", "That does not fit: `it`: [] should be non-empty."),
    ],
)
@pytest.mark.anyio
async def test_what_does_not_fit_is_told_and_asked_again(field: JsonObject, line: str, complaint: str) -> None:
    values, said = await filled(field, line, None)
    assert (values, said[1]) == (None, complaint)
    assert said[0] == said[2]


@pytest.mark.anyio
async def test_a_field_that_is_not_needed_can_be_left_out() -> None:
    assert (await filled({"type": "string"}, "", needed=False))[0] == {}


@pytest.mark.parametrize(
    ("field", "question"),
    [
        ({"type": "string"}, "it: "),
        ({"type": "string", "title": "Name", "description": "As on the card"}, "Name: As on the card: "),
        (COLOURS, "it (1 Rot, 2 Grün, Enter for red): "),
        (DAYS, "it (1 mon, 2 tue, 3 wed, several with commas): "),
        ({"type": "boolean", "default": False}, "it (y/n, Enter for n): "),
        ({**DAYS, "default": ["mon", "tue"]}, "it (1 mon, 2 tue, 3 wed, several with commas, Enter for mon, tue): "),
    ],
)
@pytest.mark.anyio
async def test_a_person_reads_what_can_be_typed(field: JsonObject, question: str) -> None:
    assert (await filled(field, None))[1] == [question]


@pytest.mark.anyio
async def test_an_optional_field_says_so() -> None:
    assert (await filled({"type": "string"}, None, needed=False))[1] == ["it (Enter for nothing): "]


FORM: JsonObject = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}


async def answered(
    *lines: str | None, reason: str = "shop asks: For whom?", form: JsonObject = FORM
) -> tuple[Answer | None, str]:
    typed, err = Typed(lines), window()
    pending = PendingView(
        approval_id="apr_1", call_id="call_1", tool="order", arguments={}, reason=reason, expires_at=0, schema=form
    )
    answer = await Asking(page_on(window(), err), typed).decide(pending)
    assert (typed.left, typed.forgot) == ([], 1)
    return answer, shown_on(err)


@pytest.mark.parametrize(
    ("lines", "answer"),
    [
        (["y\n", "Ada\n"], Answer(decision="approve", by="the user", arguments={"name": "Ada"})),
        (["what?\n", "yes\n", "\n", "Ada\n"], Answer(decision="approve", by="the user", arguments={"name": "Ada"})),
        (["n\n"], Answer(decision="deny", by="the user")),
        (["\n"], Answer(decision="deny", by="the user")),
        (["y\n", None], None),
        ([None], None),
    ],
)
@pytest.mark.anyio
async def test_a_question_is_answered_declined_or_left_open(lines: Sequence[str | None], answer: Answer | None) -> None:
    assert (await answered(*lines))[0] == answer


@pytest.mark.anyio
async def test_a_question_without_fields_is_answered_with_yes() -> None:
    answer, _ = await answered("y\n", form={"type": "object", "properties": {}})
    assert answer == Answer(decision="approve", by="the user", arguments={})


@pytest.mark.anyio
async def test_a_short_question_is_in_its_line_and_a_long_one_before_it() -> None:
    _, short = await answered("n\n")
    _, long = await answered("n\n", reason="shop asks: For whom?\n\nIt is \x1b[31mneeded.")
    assert short == "shop asks: For whom? [y/N, ? helps] "
    assert long == "shop asks: For whom?\n\nIt is [31mneeded.\nAnswer that? [y/N, ? helps] "


QUESTION = "local asks: What is your name?"


def test_ask_in_a_terminal_puts_the_question_and_goes_on(tmp_path: Path) -> None:
    with play_in_terminal("asking tool", "ask", "hello", home=tmp_path, environ={"NO_COLOR": "1"}) as terminal:
        terminal.see(f"! {QUESTION}")
        terminal.see(f"{QUESTION} [y/N, ? helps]")
        terminal.type("y\n")
        terminal.see("Name: ")
        terminal.type("A\n")
        terminal.see("That does not fit: `name`: 'A' is too short.")
        terminal.type("Ada\n")
        code = terminal.leave()

    assert code == 0
    assert "approve by the user" in terminal.screen
    assert 'told: {"action": "accept", "content": {"name": "Ada"}}' in terminal.screen
    assert "Hello." in terminal.screen


def test_a_question_that_is_left_open_is_put_again_when_the_session_is_gone_on_with(tmp_path: Path) -> None:
    store = f"--store=sqlite:///{tmp_path}/runs.db"
    done = play("asking tool", "ask", "hello", store, home=tmp_path)
    [session_id] = re.findall(r"to decide: agent-bridge chat --session (\w+)", done.err)
    assert done.code == 3

    with play_in_terminal("after the approval", "chat", store, "--session", session_id, home=tmp_path) as terminal:
        terminal.see(f"{QUESTION} [y/N, ? helps]")
        terminal.type("n\n")
        terminal.see('told: {"action": "decline"}')
        terminal.see("Gone.")
        terminal.see("> ")
        terminal.type(CTRL_D)
        assert terminal.leave() == 0


def test_for_programs_the_run_says_what_is_asked(tmp_path: Path) -> None:
    done = play("asking tool", "ask", "--json", "hello", f"--store=sqlite:///{tmp_path}/runs.db", home=tmp_path)
    [pending] = json.loads(done.out)["pending"]
    assert (done.code, pending["reason"], pending["schema"]) == (3, QUESTION, NAME_FORM)

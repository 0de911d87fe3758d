"""Approvals on a terminal: what is asked, what an answer does, and what becomes of a question that is left open."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from agent_bridge.bridge import Bridge, ChatRequest
from agent_bridge.calls import Answer
from agent_bridge.records import LOCAL
from agent_bridge.terminal.asking import Asking
from agent_bridge.terminal.turn import take_turn
from agent_bridge.tools import JsonObject, Tool
from agent_bridge.views import PendingView, RunView
from support.bridges import scripted_bridge
from support.plays import play, play_in_terminal
from support.screens import Typed, page_on, shown_on, window
from support.scripted import LocalTools, Says, ScriptedModel
from support.terminals import CTRL_C, CTRL_D

ASKS = "[y/N/e, ? helps]"


def pending(arguments: JsonObject) -> PendingView:
    return PendingView(
        approval_id="apr_1", call_id="call_1", tool="write", arguments=arguments, reason="It writes.", expires_at=0
    )


async def decided(lines: Sequence[str | None], arguments: JsonObject | None = None) -> tuple[Answer | None, str]:
    """What the lines decide, and what was shown."""
    typed, err = Typed(lines), window()
    answer = await Asking(page_on(window(), err), typed).decide(pending(arguments or {"text": "a"}))
    assert (typed.left, typed.forgot) == ([], 1)
    return answer, shown_on(err)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("lines", "answer"),
    [
        (["y\n"], Answer(decision="approve", by="the user")),
        (["YES\n"], Answer(decision="approve", by="the user")),
        (["n\n", "Not now. \n"], Answer(decision="deny", by="the user", note="Not now.")),
        (["\n", "\n"], Answer(decision="deny", by="the user")),
        (["\n", None], Answer(decision="deny", by="the user")),
        (["what?\n", "y\n"], Answer(decision="approve", by="the user")),
        (["e\n", '{"text": "b"}\n'], Answer(decision="approve", by="the user", arguments={"text": "b"})),
        (["e\n", "[]\n", "e\n", "{\n", "n\n", "\n"], Answer(decision="deny", by="the user")),
        ([None], None),
    ],
)
async def test_what_is_typed_is_a_decision(lines: Sequence[str | None], answer: Answer | None) -> None:
    assert (await decided(lines))[0] == answer


@pytest.mark.anyio
async def test_short_arguments_are_in_the_question_and_long_ones_before_it() -> None:
    _, short = await decided(["y\n"])
    _, long = await decided(["y\n"], {"text": "a" * 70, "lines": ["\x1b[31m"] * 100})

    assert short == f'Approve write {{"text": "a"}}? {ASKS} '
    assert long.startswith(f'{{\n  "text": "{"a" * 70}",\n  "lines": [\n    "\\u001b[31m",\n')
    assert long.endswith(f"(45 more lines; agent-bridge keeps them in the run's record.)\nApprove write? {ASKS} ")


@pytest.mark.anyio
async def test_nothing_in_the_arguments_is_hidden() -> None:
    _, short = await decided(["y\n"], {"to": "\u202emoc\u202c\x9b8m"})
    _, long = await decided(["y\n"], {"to": "\U000e0041" + "a" * 70})

    assert short == f'Approve write {{"to": "\\u202emoc\\u202c\\u009b8m"}}? {ASKS} '
    assert f'"to": "\\udb40\\udc41{"a" * 70}"' in long


class Scripted:
    """A person who gives these answers; the last one, when `None`, never comes."""

    def __init__(self, *answers: Answer | None) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []
        self.told: list[str] = []
        self.waiting = asyncio.Event()

    async def decide(self, pending: PendingView) -> Answer | None:
        self.asked.append(str(pending.arguments["word"]))
        if self._answers:
            return self._answers.pop(0)
        self.waiting.set()
        await asyncio.Event().wait()
        return None

    def tell(self, text: str) -> None:
        self.told.append(text)


class Deaf:
    def show(self, recorded: object) -> None:
        pass

    def end(self, run: RunView) -> None:
        pass


async def delete(word: str) -> str:
    await asyncio.sleep(0)
    return f"deleted {word}"


def tools() -> LocalTools:
    parameters: JsonObject = {"type": "object", "properties": {"word": {"type": "string"}}}
    tool = Tool(name="delete", upstream="local", remote_name="delete", destructive=True, parameters=parameters)
    return LocalTools({"delete": delete}, tools=[tool])


def model() -> ScriptedModel:
    return ScriptedModel(
        Says(calls=[("delete", {"word": "one"}), ("delete", {"word": "two"})]), Says(text=["Both are gone."])
    )


async def turn(bridge: Bridge, person: Scripted) -> RunView:
    request = ChatRequest(message="Go.", can_ask=True)
    return await take_turn(bridge, request, Deaf(), asyncio.Event(), person)


@pytest.mark.anyio
async def test_arguments_that_the_tool_does_not_take_are_told_and_the_question_is_put_again() -> None:
    yes = Answer(decision="approve", by="ada")
    person = Scripted(Answer(decision="approve", by="ada", arguments={"word": 1}), yes, yes)
    async with scripted_bridge(model(), tools()) as bridge:
        run = await turn(bridge, person)

    assert (run.status, person.asked) == ("completed", ["one", "one", "two"])
    assert person.told == [
        "The arguments are not what 'delete' takes: `word`: 1 is not of type 'string'. Correct them."
    ]


@pytest.mark.anyio
async def test_what_is_decided_elsewhere_is_asked_no_longer() -> None:
    person = Scripted()
    async with scripted_bridge(model(), tools()) as bridge, asyncio.timeout(10):
        going = asyncio.create_task(turn(bridge, person))
        for count in (2, 1):
            await person.waiting.wait()
            person.waiting.clear()
            [session] = await bridge.sessions(LOCAL)
            run = await bridge.latest(LOCAL, session.session_id)
            assert run is not None
            assert len(run.pending) == count
            no = Answer(decision="deny", by="the other door")
            await bridge.respond(LOCAL, run.run_id, run.pending[0].approval_id, no)
        ended = await going

    assert (ended.status, person.asked) == ("completed", ["one", "two"])


def test_ask_in_a_terminal_asks_and_goes_on(tmp_path: Path) -> None:
    with play_in_terminal("two denied tools", "ask", "hello", home=tmp_path, environ={"NO_COLOR": "1"}) as terminal:
        terminal.see(f'Approve delete {{"word": "one"}}? {ASKS}')
        terminal.type("y\n")
        terminal.see(f"Approve delete? {ASKS}")
        terminal.type("n\n")
        terminal.see("Why? The agent reads it (Enter for no reason): ")
        terminal.type("Too long.\n")
        code = terminal.leave()

    assert code == 0
    assert "one is a word" in terminal.screen
    assert "deny by the user" in terminal.screen
    assert "Gone." in terminal.screen


def test_what_was_typed_before_the_question_does_not_answer_it(tmp_path: Path) -> None:
    with play_in_terminal("typed ahead", "ask", "hello", home=tmp_path) as terminal:
        terminal.type("y\ny\n")
        terminal.see(ASKS)
        terminal.type("n\n")
        terminal.see("Why?")
        terminal.type("\n")

        assert terminal.leave() == 0
    assert "deny by the user" in terminal.screen


def test_ctrl_c_at_the_question_cancels_the_run(tmp_path: Path) -> None:
    with play_in_terminal("denied tool", "ask", "hello", home=tmp_path) as terminal:
        terminal.see(ASKS)
        terminal.type(CTRL_C)
        code = terminal.leave()

    assert code == 130
    assert "The run was cancelled." in terminal.screen


def test_chat_asks_and_the_conversation_goes_on(tmp_path: Path) -> None:
    with play_in_terminal("denied tool", "chat", home=tmp_path) as terminal:
        terminal.see("> ")
        terminal.type("hello\n")
        terminal.see(ASKS)
        terminal.type(CTRL_C)
        terminal.see("The run was cancelled.")
        terminal.see("> ", times=2)
        terminal.type("again\n")
        terminal.see("I may not.")
        terminal.see("> ", times=3)
        terminal.type(CTRL_D)

        assert terminal.leave() == 0


def test_a_question_that_is_left_open_is_asked_when_the_session_is_gone_on_with(tmp_path: Path) -> None:
    store = f"--store=sqlite:///{tmp_path}/runs.db"
    with play_in_terminal("two denied tools", "chat", store, home=tmp_path) as terminal:
        terminal.see("> ")
        terminal.type("hello\n")
        terminal.see(ASKS)
        terminal.type("y\n")
        terminal.see(ASKS, times=2)
        terminal.type(CTRL_D)
        assert terminal.leave() == 0
    assert "The run waits for your approval." in terminal.screen
    session_id = re.findall(r"chat --session (\w+)", terminal.screen)[0]

    with play_in_terminal("after the approval", "chat", store, "--session", session_id, home=tmp_path) as terminal:
        terminal.see("The answer to the last message waits for approval")
        terminal.see(f"Approve delete? {ASKS}")
        terminal.type("y\n")
        terminal.see("Gone.")
        terminal.see("> ")
        terminal.type("again\n")
        terminal.see("Still here.")
        terminal.type("/quit\n")
        assert terminal.leave() == 0


def test_without_a_terminal_the_run_is_left_to_be_approved_later(tmp_path: Path) -> None:
    store = f"--store=sqlite:///{tmp_path}/runs.db"
    done = play("denied tool", "ask", "hello", store, home=tmp_path)
    session_id = done.err.partition("to decide: agent-bridge chat --session ")[2].split()[0]

    assert done.code == 3
    assert session_id.startswith("ses_")
    assert "waits for approval until " in done.err

    with play_in_terminal("after the approval", "chat", store, "--session", session_id, home=tmp_path) as terminal:
        terminal.see(ASKS)
        terminal.type("y\n")
        terminal.see("Gone.")
        terminal.see("> ")
        terminal.type(CTRL_D)
        assert terminal.leave() == 0


def test_for_programs_the_run_says_what_it_waits_for(tmp_path: Path) -> None:
    store = f"--store=sqlite:///{tmp_path}/runs.db"
    done = play("denied tool", "ask", "--json", "hello", store, home=tmp_path)
    run = json.loads(done.out)

    assert (done.code, run["status"]) == (3, "input_required")
    assert [one["tool"] for one in run["pending"]] == ["delete"]

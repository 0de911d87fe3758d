"""Events, results and errors in words, and what is left out so that a host takes a result whole."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import cast

import mcp_types
import pytest
from fastmcp.tools.base import ToolResult

from agent_bridge.api.mcp import notification, results, wording
from agent_bridge.api.mcp.narration import SENTENCE, Narrator
from agent_bridge.api.mcp.notification import EVENT_KEY
from agent_bridge.events import (
    ApprovalRequired,
    ApprovalResolved,
    Event,
    Failed,
    Recorded,
    Retry,
    StepEnd,
    Thinking,
    Token,
    ToolEnd,
    ToolFailed,
    ToolProgress,
    ToolStart,
    Warned,
)
from agent_bridge.tools import JsonObject
from agent_bridge.views import (
    ConnectionView,
    DisconnectView,
    ErrorView,
    InvocationView,
    ModelsView,
    ModelView,
    NoticeView,
    PendingView,
    RunView,
    ServersView,
    ServerView,
    UsageView,
)

RUN = RunView(
    session_id="ses_1",
    run_id="run_1",
    status="completed",
    response="Sunny.",
    model="fast",
    server="assistant",
    tool_used=True,
    tools=["look"],
    tool_invocations=[
        InvocationView(
            call_id="call_1",
            tool="look",
            upstream="sky",
            arguments={"at": "sky"},
            status="ok",
            duration_ms=12,
            preview="It is sunny.",
        )
    ],
    tool_invocation_count=1,
    steps=2,
    usage=UsageView(input_tokens=10, output_tokens=5, cached_tokens=3, reasoning_tokens=2, cost_usd=0.0015),
    elapsed_ms=2100,
    stop_reason="end",
    pending=[],
    error=None,
    warnings=[],
    last_seq=9,
    next="Go on.",
)


def text_of(result: ToolResult) -> str:
    block = result.content[0]
    assert isinstance(block, mcp_types.TextContent)
    return block.text


def size_of(result: ToolResult) -> int:
    return len(text_of(result)) + len(json.dumps(result.structured_content, ensure_ascii=False))


@pytest.mark.parametrize(
    ("event", "sentence"),
    [
        (
            ToolStart(call_id="c", tool="look", upstream="sky", arguments={"at": "Zürich", "n": [1]}),
            'Calling look(at="Zürich", n=[1])',
        ),
        (ToolProgress(call_id="c", progress=1), "A tool: working (1)"),
        (ToolProgress(call_id="c", progress=1.5, total=3, message="half"), "A tool: half (1.5 of 3)"),
        (
            ToolProgress(call_id="c", progress=4, message="Step 1 is done.", event={"type": "step_end"}),
            "A tool: Step 1 is done.",
        ),
        (
            ToolEnd(call_id="c", tool="look", preview="a\n b", duration_ms=7, truncated=False),
            "look answered in 7 ms: a b",
        ),
        (ToolFailed(call_id="c", tool="look", error="dark", duration_ms=7), "look failed after 7 ms: dark"),
        (
            ApprovalRequired(approval_id="a", call_id="c", tool="rm", arguments={}, reason="it deletes", expires_at=0),
            "A person must approve rm(): it deletes",
        ),
        (ApprovalResolved(approval_id="a", decision="denied", by="bob"), "The approval was answered: denied."),
        (StepEnd(step=2, usage={}), "Step 2 is done."),
        (
            Retry(attempt=2, reason="busy", wait_s=1.5, model="fast", void_from_seq=3),
            "Asking fast again (attempt 2) in 1.5 s: busy",
        ),
        (Warned(code="x", message="Mind this."), "Mind this."),
        (Failed(code="internal", error="broken", recoverable=False), "The run failed: broken"),
        (Thinking(content="hm"), "Thinking: hm"),
    ],
)
def test_every_event_has_its_sentence(event: Event, sentence: str) -> None:
    assert Narrator().tell(event) == sentence


def test_a_sentence_is_one_line_that_a_host_shows_whole() -> None:
    narrator = Narrator()
    long = "word \n" * 100
    said = [
        narrator.tell(event)
        for event in (
            Token(content=long),
            Thinking(content=long),
            ToolStart(call_id="c", tool="look", upstream="sky", arguments={"text": long}),
            Warned(code="x", message=long),
        )
    ]
    assert all(len(sentence) <= SENTENCE and "\n" not in sentence for sentence in said)
    assert said[0].startswith("…")
    assert said[3].endswith("…")


def test_a_heartbeat_can_say_what_the_run_is_at() -> None:
    narrator = Narrator()
    doing = [narrator.doing]
    for event in (
        Token(content="a"),
        ToolStart(call_id="1", tool="look", upstream="sky", arguments={}),
        ToolStart(call_id="2", tool="hear", upstream="sky", arguments={}),
        ToolEnd(call_id="1", tool="look", preview="", duration_ms=1, truncated=False),
        ToolFailed(call_id="2", tool="hear", error="x", duration_ms=1),
        Thinking(content="a"),
        ApprovalRequired(approval_id="a", call_id="c", tool="rm", arguments={}, reason="", expires_at=0),
    ):
        narrator.tell(event)
        doing.append(narrator.doing)
    assert doing == [
        "waiting for the model",
        "writing the answer",
        "calling look",
        "calling hear, look",
        "calling hear",
        "waiting for the model",
        "thinking",
        "waiting for a person",
    ]


def test_a_run_in_words() -> None:
    assert wording.of_run(RUN) == (
        "Sunny.\n"
        'Run completed: run_id="run_1", session_id="ses_1", server assistant, model fast, 2 steps, 2.1 s, '
        "10 tokens in, 5 out, 3 cached, 2 reasoning, $0.0015, last_seq 9.\n"
        "Tools at hand: look.\n"
        "Tool calls (1):\n"
        '- look(at="sky") ok in 12 ms [call_1]: It is sunny.\n'
        "Go on."
    )


def test_what_is_odd_about_a_run_is_said() -> None:
    odd = replace(
        RUN,
        status="stopped",
        stop_reason="max_steps",
        response="",
        tool_used=False,
        tools=[],
        steps=1,
        usage=UsageView(),
        error=ErrorView(code="model_error", message="It broke. Try again.", recoverable=True),
        pending=[
            PendingView(
                approval_id="apr_1", call_id="c", tool="rm", arguments={"x": 1}, reason="it deletes", expires_at=1
            )
        ],
        warnings=[NoticeView(code="upstream_unavailable", message="The upstream sky is away.")],
    )
    assert wording.of_run(odd) == (
        'Run stopped (max_steps): run_id="run_1", session_id="ses_1", server assistant, model fast, 1 step, 2.1 s, '
        "tokens unknown, last_seq 9.\n"
        "Error model_error (recoverable): It broke. Try again.\n"
        'Approval pending: approval_id="apr_1", rm(x=1), because it deletes\n'
        "Warning (upstream_unavailable): The upstream sky is away.\n"
        "Go on."
    )


def test_models_servers_and_endings_in_words() -> None:
    model = ModelView(
        id="fast",
        model_id="openai/gpt-4o-mini",
        model_name="GPT-4o mini",
        provider_id="openai",
        provider_name="OpenAI",
        provider_type="openai",
        supports_function_calling=True,
        supports_vision=False,
        max_input_tokens=128_000,
        max_output_tokens=16_384,
        input_cost_per_token=1.5e-7,
        output_cost_per_token=6e-7,
        available=False,
        reason="set OPENAI_API_KEY",
    )
    server = ServerView(
        name="a",
        title="A",
        description="Answers.",
        model="fast",
        upstreams=[],
        tool_count=None,
        state="unknown",
        requires_token=True,
    )
    broken = replace(server, state="unavailable", tool_count=0, requires_token=False, reason="It is down.")
    gone = DisconnectView(status="disconnected_with_errors", session_id="ses_1", message="Gone.", warning="Not quite.")
    assert wording.of_models(ModelsView(models=[model], count=1)) == (
        "1 model. Name one in connect or chat.\n"
        "- fast (GPT-4o mini), OpenAI, not available: set OPENAI_API_KEY "
        "[tools, 128000 tokens in, 16384 out, $0.15 in, $0.6 out per million]"
    )
    assert wording.of_servers(ServersView(servers=[server], count=1)) == (
        "1 server. Name one in connect or chat.\n"
        "- a (A): Answers. [unknown, tools not counted yet of none, model fast, needs a token]"
    )
    assert wording.of_servers(ServersView(servers=[broken], count=1)).endswith(
        "[unavailable, 0 tools of none, model fast] It is down."
    )
    assert wording.of_disconnection(gone) == 'disconnected_with_errors: session_id="ses_1". Gone.\nNot quite.'


def test_a_result_that_is_small_is_left_alone() -> None:
    result = results.of_answer(RUN, [])
    assert result.structured_content == asdict(RUN)
    assert [block.type for block in result.content] == ["text"]


def test_a_run_that_is_long_everywhere_is_cut_everywhere_and_leads_to_its_record() -> None:
    call = replace(RUN.tool_invocations[0], arguments={"text": "x" * 5000, "deep": [{"more": "y" * 5000}] * 50})
    notice = NoticeView(code="x", message="m" * 5000)
    long = replace(
        RUN,
        response="z" * 100_000,
        tools=[f"tool_{number}" for number in range(5000)],
        tool_invocations=[call] * 100,
        tool_invocation_count=100,
        warnings=[notice] * 20,
        error=ErrorView(code="internal", message="e" * 50_000, recoverable=False),
    )
    result = results.of_answer(long, [])

    assert size_of(result) < 45_000
    fields = result.structured_content or {}
    assert (fields["tool_invocation_count"], len(fields["tool_invocations"])) == (100, 20)
    assert fields["warnings"][-1]["code"] == "result_cut"
    assert [block.type for block in result.content] == ["text", "resource_link"]
    assert cast(mcp_types.ResourceLink, result.content[1]).uri == "agent-bridge://runs/run_1"


def test_catalogues_are_cut_to_what_fits_and_say_how_many_there_are() -> None:
    row = ModelView(
        id="m" * 40,
        model_id="m" * 40,
        model_name="m" * 40,
        provider_id="p",
        provider_name="P",
        provider_type="p",
        available=True,
    )
    models = results.of_models(ModelsView(models=[row] * 2000, count=2000))
    connection = results.of_connection(
        ConnectionView(
            session_id="ses_1",
            server="a",
            model="m",
            provider="P",
            tool_count=3000,
            tools=["t" * 60] * 3000,
            expires_at=1.5,
        )
    )

    shown = len((models.structured_content or {})["models"])
    assert 20 < shown < 200
    assert text_of(models).startswith(f"2000 models, {shown} of them here.")
    assert cast(mcp_types.ResourceLink, models.content[1]).uri == "agent-bridge://models"
    assert size_of(models) < 45_000
    assert size_of(connection) < 45_000
    assert (connection.structured_content or {})["tool_count"] == 3000


def test_events_of_a_status_are_cut_singly_and_together() -> None:
    big = Recorded(1, "run_1", 0.0, Warned(code="x", message="m" * 50_000))
    small = [Recorded(number, "run_1", 0.0, Warned(code="x", message="small")) for number in range(2, 500)]
    result = results.of_status(replace(RUN, status="running", response=""), [big, *small], [])

    fields = result.structured_content or {}
    last = fields["events"][-1]["seq"]
    assert len(fields["events"][0]["message"]) < 400
    assert 10 < last < 499
    assert f"after={last} and wait_s=30" in fields["next"]
    assert size_of(result) < 45_000


def test_pictures_are_carried_as_far_as_a_message_can_and_what_is_not_content_is_left_out() -> None:
    small: JsonObject = {"type": "image", "data": "aGk=", "mimeType": "image/png"}
    large: JsonObject = {"type": "image", "data": "a" * 800_000, "mimeType": "image/png"}
    strange: JsonObject = {"type": "hologram"}
    result = results.of_answer(RUN, [small, strange, large, small])
    assert [block.type for block in result.content] == ["text", "image", "resource_link"]


def test_an_event_that_clients_take_is_left_alone_and_a_longer_one_is_cut_and_says_so() -> None:
    short: JsonObject = {"type": "token", "content": "x" * 1000}
    long: JsonObject = {"type": "token", "content": "ä" * 1_000_000}

    assert notification.of_event(short).params is short
    assert notification.of_event(long).params == {"type": "token", "content": "ä" * 22_500 + "…", "cut": True}


def test_progress_carries_its_event_as_far_as_hosts_take_it() -> None:
    short: JsonObject = {"type": "token", "content": "x"}
    long: JsonObject = {"type": "token", "content": "x" * 50_000}
    said: JsonObject = {"progressToken": "p1", "progress": 2.0, "message": "x"}

    assert notification.of_progress("p1", 2.0, "x").params == said
    assert notification.of_progress("p1", 2.0, "x", short).params == {**said, "_meta": {EVENT_KEY: short}}
    cut = {"type": "token", "content": "x" * 1125 + "…", "cut": True}
    assert notification.of_progress("p1", 2.0, "x", long).params == {**said, "_meta": {EVENT_KEY: cut}}

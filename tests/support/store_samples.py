"""Records to store, with as much in them as a test asks for."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from typing import cast

from agent_bridge.config.schema import Limits
from agent_bridge.config.upstreams import Upstream
from agent_bridge.events import Event, Recorded
from agent_bridge.messages import AssistantMessage, NestedRun, Turn, Usage
from agent_bridge.nesting import Nesting
from agent_bridge.records import Approval, Call, Notice, Run, RunError, Session, Step, Summary
from agent_bridge.store import Store, TurnTaken
from agent_bridge.tools import Inquiry

EARLY = 1_700_000_000.0


@dataclass
class Clock:
    """Stands still until it is moved."""

    now: float = EARLY

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


def a_session(principal: str = "ada", *, created_at: float = EARLY) -> Session:
    return Session(
        session_id=f"ses_{uuid.uuid4().hex}",
        principal=principal,
        server="assistant",
        model="fast",
        system_prompt="You are a helpful assistant.",
        created_at=created_at,
        expires_at=0,
    )


def a_full_session() -> Session:
    """A session whose every field differs from its default."""
    return replace(
        a_session(),
        system_prompt="Réponds en français. 日本語も。",
        temperature=0.2,
        max_tokens=4096,
        tools=("clock__*", "files__read"),
        upstream=Upstream(
            url="https://example.com/mcp", transport="sse", headers={"X-Team": "a"}, auth_token="${TOKEN}", timeout_s=5
        ),
    )


def a_run(session: Session, *, created_at: float = EARLY) -> Run:
    return Run(
        run_id=f"run_{uuid.uuid4().hex}",
        session_id=session.session_id,
        principal=session.principal,
        server=session.server,
        model=session.model,
        message="What time is it in Tokyo?",
        limits=Limits(),
        created_at=created_at,
    )


def a_reply(text: str = "It is ten past ten.") -> AssistantMessage:
    return {"role": "assistant", "content": text}


def a_step(text: str = "It is ten past ten.") -> Step:
    return Step(reply=a_reply(text), usage=Usage(input_tokens=10, output_tokens=5), whole=True)


def a_full_run(session: Session) -> Run:
    """A run whose every field differs from its default, with extras of providers, images and odd text."""
    reply: AssistantMessage = {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {
                "id": "call_" + "x" * 300,
                "type": "function",
                "function": {"name": "clock__now", "arguments": '{"zone": "Asia/Tōkyō"}'},
                "provider_specific_fields": {"thought_signature": "AbC+/=="},
            }
        ],
        "thinking_blocks": [{"type": "thinking", "thinking": "hm\u2028", "signature": "c2ln"}],
        "reasoning_content": "half an emoji: \ud83d",
    }
    extras: dict[str, object] = {"annotations": [{"url": None}], "audio": {"id": 1.5}}
    call = Call(
        call_id="call_1",
        model_call_id="call_" + "x" * 300,
        tool="clock__now",
        upstream="clock",
        arguments={"zone": "Asia/Tōkyō", "nested": {"empty": [], "none": None, "big": 2**70}},
        status="ok",
        started_at=EARLY + 1.25,
        duration_ms=12,
        preview="22:10 🕙",
        content=[
            {"type": "text", "text": "22:10\x00"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
        ],
        truncated=True,
        inquiry=Inquiry(
            questions={"who": {"message": "Wer?", "schema": {"type": "object", "properties": {"name": {}}}}},
            answers={"why": {"action": "accept", "content": {"reason": "☂"}}},
            names={"wer": "who"},
            state="v1.x",
            attempts=2,
        ),
        sampled=(Usage(input_tokens=3, output_tokens=4), Usage(cost_usd=0.5)),
        nested=NestedRun(run_id="run_2", usage=Usage(input_tokens=7, cost_usd=0.25)),
    )
    usage = Usage(input_tokens=1, output_tokens=2, cached_tokens=3, reasoning_tokens=4, cost_usd=0.5)
    return replace(
        a_run(session),
        message=[{"type": "text", "text": "¿Qué hora es?"}, {"type": "image_url", "image_url": {"url": "https://x.y"}}],
        limits=Limits(max_steps=None, max_cost_usd=0.25, timeout_s=60),
        nesting=Nesting(
            chain=("a1/assistant", "b2/où"), limits={"max_tokens": 10, "timeout_s": 1.5}, trace={"traceparent": "00-x"}
        ),
        response_schema={"type": "object", "properties": {"hour": {"type": "integer"}}},
        status="failed",
        response="On ne sait pas.",
        output={"hour": 22, "où": None},
        summary=Summary(earlier={"summary": "Avant: ¡olé!", "kept": 2, "tools": ["clock__now"]}, usage=usage, steps=1),
        steps=(
            Step(
                reply=cast("AssistantMessage", {**reply, **extras}),
                usage=usage,
                prompt="Réponds.",
                calls={"call_1": call},
                whole=True,
            ),
            Step(reply=a_reply(), usage=Usage(), calls={"b": call, "a": replace(call, status="running")}),
        ),
        stop_reason="error",
        error=RunError(code="model_error", message="The provider failed.", recoverable=True),
        can_ask=True,
        approvals=(
            Approval(
                approval_id="apr_1",
                call_id="call_1",
                tool="files__rm",
                arguments={"a": [1]},
                digest="d",
                reason="destructive",
                expires_at=EARLY,
                decision="deny",
                by="ada",
                schema={"type": "object", "properties": {"name": {"type": "string"}}},
                key="who",
            ),
            Approval(
                approval_id="apr_2", call_id="b", tool="files__rm", arguments={}, digest="e", reason="", expires_at=2
            ),
        ),
        warnings=(Notice(code="upstream_unavailable", message="files is down."),),
        tool_names=("clock__now", "files__read"),
        ended_at=EARLY + 2.5,
        active_s=1.5,
        last_seq=7,
        fence=1,
    )


def recorded(run: Run, *events: Event, after: int = 0) -> list[Recorded]:
    return [Recorded(seq, run.run_id, EARLY, event) for seq, event in enumerate(events, start=after + 1)]


def a_turn(question: str = "What time is it?", answer: str = "Ten past ten.") -> Turn:
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


async def begun(store: Store, session: Session, run: Run | None = None, *, lease_s: float = 30) -> Run:
    """A run that has the session's turn."""
    taken = await store.begin(run or a_run(session), lease_s=lease_s)
    assert not isinstance(taken, TurnTaken)
    return taken


@dataclass
class Opened:
    """A session in a store, with a run that has its turn."""

    session: Session
    run: Run


async def at_work(store: Store, *, lease_s: float = 30) -> Opened:
    session = a_session()
    await store.add_session(session)
    return Opened(session, await begun(store, session, lease_s=lease_s))

"""A server that speaks chat completions, asked by each of the two backends: both send and understand the same."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from agent_bridge.config.models import ModelAlias
from agent_bridge.errors import BridgeError
from agent_bridge.events import Event
from agent_bridge.messages import Message, ModelRequest, Reply
from agent_bridge.models import Model
from agent_bridge.tools import JsonObject, Tool, ToolDefinitions
from support.providers import FakeProviders, Scripted, Verbatim
from support.providers.opening import open_model
from support.providers.rows import KEY

pytestmark = pytest.mark.anyio

ASKED = ModelRequest(messages=[{"role": "user", "content": "hi"}])
BACKENDS = ("litellm", "native")
USAGE: JsonObject = {
    "prompt_tokens": 100,
    "completion_tokens": 20,
    "total_tokens": 120,
    "prompt_tokens_details": {"cached_tokens": 64},
    "completion_tokens_details": {"reasoning_tokens": 5},
}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """All that a caller sees of one call."""

    events: list[Event]
    reply: Reply | None = None
    error: tuple[type[BridgeError], str] | None = None


def alias_of(model: str, url: str, backend: str, **settings: float) -> ModelAlias:
    base = url if model.startswith("azure/") else f"{url}/v1"
    return ModelAlias.model_validate({"model": model, "api_base": base, "api_key": KEY, "backend": backend, **settings})


async def outcomes(alias: ModelAlias, answers: Mapping[str, Verbatim], fake: FakeProviders) -> dict[str, Outcome]:
    """What a model makes of each answer, which it gets as often as it asks for it."""
    async with open_model(alias, {}) as model:
        return {name: await outcome(model, answer, fake) for name, answer in answers.items()}


async def outcome(model: Model, answer: Verbatim, fake: FakeProviders) -> Outcome:
    fake.script(*[answer] * 3)
    events: list[Event] = []
    try:
        return Outcome(reply=await model.complete(ASKED, events.append), events=events)
    except BridgeError as error:
        return Outcome(error=(type(error), error.message), events=events)
    finally:
        fake.forget()


def chunk(delta: Mapping[str, object] | None = None, finish: str | None = None) -> JsonObject:
    return envelope(choices=[{"index": 0, "delta": delta or {}, "finish_reason": finish}])


def envelope(**fields: object) -> JsonObject:
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "scripted", **fields}


def call(**fields: object) -> JsonObject:
    return chunk({"tool_calls": [fields]})


def stream(*chunks: object, done: bool = True) -> Verbatim:
    lines = [json.dumps(one).encode() for one in chunks] + [b"[DONE]"] * done
    return Verbatim(body=b"".join(b"data: %b\n\n" % line for line in lines))


def named(name: str, arguments: object) -> JsonObject:
    return {"name": name, "arguments": arguments}


STREAMS: Mapping[str, Verbatim] = {
    "words and their count": stream(
        chunk({"role": "assistant", "content": ""}),
        chunk({"content": "x"}),
        chunk(finish="stop"),
        envelope(usage=USAGE),
    ),
    "thinking under its other name": stream(chunk({"reasoning": "hm"}), chunk({"content": "x"}), chunk(finish="stop")),
    "thinking under both names": stream(chunk({"reasoning": "hm", "reasoning_content": "hm"}), chunk(finish="stop")),
    "two calls under one index": stream(
        call(index=0, id="a", type="function", function=named("f", "{}")),
        call(index=0, id="b", type="function", function=named("g", '{"x": 1}')),
        chunk(finish="tool_calls"),
    ),
    "calls without an index": stream(
        call(id="a", function=named("f", "{}")), call(id="b", function=named("g", "{}")), chunk(finish="stop")
    ),
    "no arguments": stream(call(index=0, id="a", function=named("f", "")), chunk(finish="stop")),
    "arguments that are no json": stream(call(index=0, id="a", function=named("f", "{oops")), chunk(finish="stop")),
    "a name that is repeated": stream(
        call(index=0, id="a", function=named("f", "")),
        call(index=0, id="a", function=named("f", "{}")),
        chunk(finish="stop"),
    ),
    "a name that comes late": stream(
        call(index=0, id="a", function={"name": None, "arguments": None}),
        call(index=0, function=named("f", "{}")),
        chunk(finish="stop"),
    ),
    "calls that end with stop": stream(call(index=0, id="a", function=named("f", "{}")), chunk(finish="stop")),
    "two calls in one chunk": stream(
        chunk(
            {
                "tool_calls": [
                    {"index": 0, "id": "a", "function": named("f", "{}")},
                    {"index": 1, "id": "b", "function": named("g", "{}")},
                ]
            }
        ),
        chunk(finish="stop"),
    ),
    "a count with the finish": stream(chunk({"content": "x"}), {**chunk(finish="stop"), "usage": USAGE}),
    "a count with every chunk": stream(
        {**chunk({"content": "x"}), "usage": {**USAGE, "completion_tokens": 1}},
        {**chunk({"content": "y"}), "usage": USAGE},
        chunk(finish="stop"),
    ),
    "a cost of the provider's own": stream(
        chunk({"content": "x"}), chunk(finish="stop"), envelope(usage={**USAGE, "cost": 0.5})
    ),
    "a finish with the last words": stream(chunk({"content": "x"}, finish="stop")),
    "a length that was reached": stream(chunk({"content": "x"}), chunk(finish="length")),
    "a filter that stepped in": stream(chunk({"content": "x"}), chunk(finish="content_filter")),
    "a finish that nobody knows": stream(chunk({"content": "x"}), chunk(finish="eos")),
    "no end but a finish": stream(chunk({"content": "x"}), chunk(finish="stop"), done=False),
    "neither a finish nor an end": stream(chunk({"content": "x"}), done=False),
    "nothing to say": stream(chunk(finish="stop")),
    "chunks without choices": stream(envelope(), chunk({"content": "x"}), chunk(finish="stop")),
    "content in parts": stream(chunk({"content": [{"type": "text", "text": "x"}]}), chunk(finish="stop")),
    "an error in the stream": stream(
        chunk({"content": "x"}), {"error": {"message": "It broke.", "type": "server_error", "code": 500}}
    ),
    "a context that is too long, told in the stream": stream(
        {"error": {"message": "maximum context length is 5", "code": "context_length_exceeded"}}
    ),
    "comments and other fields": Verbatim(
        body=b": OPENROUTER PROCESSING\n\nevent: message\nid: 1\n"
        + stream(chunk({"content": "x"}), chunk(finish="stop")).body
    ),
    "lines that end as in old times": Verbatim(
        body=stream(chunk({"content": "x"}), chunk(finish="stop")).body.replace(b"\n", b"\r\n")
    ),
}


def refusal(status: int, message: str, code: str | None = None, **fields: object) -> Verbatim:
    return json_refusal(status, {"error": {"message": message, "type": "x", "code": code, "param": None, **fields}})


def json_refusal(status: int, body: object, *headers: str) -> Verbatim:
    return Verbatim(status=status, content_type="application/json", headers=headers, body=json.dumps(body).encode())


def page(status: int, title: str) -> Verbatim:
    body = f"<html><head><title>{title}</title></head><body><center><h1>{title}</h1></center><hr>nginx</body></html>"
    return Verbatim(status=status, content_type="text/html", body=body.encode())


REFUSALS: Mapping[str, Verbatim] = {
    "401": refusal(401, f"Incorrect API key provided: {KEY}. Find yours at https://example.com/keys."),
    "401 of Azure": json_refusal(
        401, {"error": {"code": "401", "message": "Access denied: invalid subscription key."}}
    ),
    "401 page": page(401, "401 Authorization Required"),
    "402": refusal(402, "Add credit."),
    "403": refusal(403, "You do not have access."),
    "403 page": page(403, "403 Forbidden"),
    "404": refusal(404, "The model does not exist.", "model_not_found"),
    "404 of Azure": json_refusal(404, {"error": {"code": "DeploymentNotFound", "message": "It does not exist."}}),
    "404 in detail": json_refusal(404, {"detail": "Not Found"}),
    "404 in words": Verbatim(status=404, content_type="text/plain", body=b"404 page not found"),
    "408": refusal(408, "Too slow."),
    "409": refusal(409, "Conflict."),
    "413 page": page(413, "413 Request Entity Too Large"),
    "429": json_refusal(429, {"error": {"message": "Rate limit reached."}}, "retry-after: 3600"),
    "429 until a date": json_refusal(
        429, {"error": {"message": "Slow."}}, "retry-after: Fri, 31 Dec 2999 23:59:59 GMT"
    ),
    "429 in milliseconds": json_refusal(
        429, {"error": {"message": "Slow."}}, "retry-after-ms: 3600500", "retry-after: 3601"
    ),
    "429 without a quota": refusal(429, "You exceeded your current quota.", "insufficient_quota"),
    "500": refusal(500, "The server had an error."),
    "500 in words": Verbatim(status=500, content_type="text/plain", body=b"Internal Server Error"),
    "502 page": page(502, "502 Bad Gateway"),
    "503": json_refusal(503, {"message": "Busy."}, "retry-after: 0"),
    "503 until yesterday": json_refusal(503, {"message": "Busy."}, "Retry-After: Wed, 21 Oct 2015 07:28:00 GMT"),
    "503 in a word": json_refusal(503, {"error": "Busy."}),
    "529": refusal(529, "Overloaded."),
    "a context that is too long": refusal(
        400, "This model's maximum context length is 8192 tokens.", "context_length_exceeded"
    ),
    "a context that is too long for vLLM": json_refusal(
        400, {"object": "error", "message": "This model's maximum context length is 4096 tokens.", "code": 400}
    ),
    "a context that is too long for a model of its own": refusal(
        400, "The prompt (total length 5000) is longer than the model's context length of 4096."
    ),
    "a filter": refusal(
        400,
        "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
        "content_filter",
        innererror={"code": "ResponsibleAIPolicyViolation"},
    ),
    "a parameter": refusal(400, "Unsupported parameter: 'x'."),
    "a list of errors": json_refusal(400, [{"error": {"code": 400, "message": "API key not valid."}}]),
}
MODELS = ("openai/scripted", "azure/scripted", "hosted_vllm/scripted")


@pytest.mark.parametrize("model", ["openai/scripted", "azure/scripted"])
async def test_both_make_the_same_of_a_stream(model: str, fake: FakeProviders) -> None:
    by_litellm, directly = [await outcomes(alias_of(model, fake.url, by), STREAMS, fake) for by in BACKENDS]

    assert directly == by_litellm


@pytest.mark.parametrize("model", MODELS)
async def test_both_say_the_same_of_a_refusal(model: str, fake: FakeProviders) -> None:
    by_litellm, directly = [await outcomes(alias_of(model, fake.url, by), REFUSALS, fake) for by in BACKENDS]

    assert directly == by_litellm
    assert KEY not in str(directly)


PIXEL = "data:image/png;base64,iVBORw0KGgo="
CONVERSATION: list[Message] = [
    {"role": "system", "content": "Be brief."},
    {
        "role": "user",
        "content": [{"type": "text", "text": "Größe?\n"}, {"type": "image_url", "image_url": {"url": PIXEL}}],
    },
    {
        "role": "assistant",
        "content": None,
        "reasoning_content": "hm",
        "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "shoot", "arguments": ""}},
            {"id": "b", "type": "function", "function": {"name": "read it", "arguments": '{"x": 1}'}},
            {"id": "c", "type": "function", "function": {"name": "read", "arguments": "{}"}},
        ],
    },
    {"role": "tool", "tool_call_id": "a", "content": [{"type": "image_url", "image_url": {"url": PIXEL}}]},
    {
        "role": "tool",
        "tool_call_id": "b",
        "content": [{"type": "text", "text": "seen"}, {"type": "image_url", "image_url": {"url": PIXEL}}],
    },
    {"role": "user", "content": "And now?"},
    {"role": "assistant", "content": ""},
    {"role": "user", "content": "Well?"},
]
TOOLS = ToolDefinitions(
    (
        Tool(
            name="read",
            upstream="up",
            remote_name="read",
            description="Reads.",
            parameters={
                "type": "object",
                "properties": {"x": {"type": ["integer", "null"]}, "y": {"pattern": r"\p{L}"}},
            },
        ),
        Tool(name="tell", upstream="up", remote_name="tell", description="Tells a lot. " * 100),
    )
)
SCHEMA: JsonObject = {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]}


async def sent(alias: ModelAlias, fake: FakeProviders, request: ModelRequest = ASKED) -> tuple[str, str, JsonObject]:
    fake.script(Scripted(text=("ok",)))
    async with open_model(alias, {}) as model:
        await model.complete(request, lambda _: None)
    latest = fake.requests[-1]
    return latest.path, latest.query, latest.body


@pytest.mark.parametrize("model", MODELS)
async def test_both_send_the_same_conversation(model: str, fake: FakeProviders) -> None:
    request = ModelRequest(messages=CONVERSATION, tools=TOOLS)

    by_litellm, directly = [await sent(alias_of(model, fake.url, by), fake, request) for by in BACKENDS]

    assert directly == by_litellm


@pytest.mark.parametrize("model", MODELS)
async def test_both_ask_for_the_same_form_of_an_answer(model: str, fake: FakeProviders) -> None:
    request = ModelRequest(messages=ASKED.messages, response_schema=SCHEMA, max_tokens=50)

    by_litellm, directly = [await sent(alias_of(model, fake.url, by, max_tokens=80), fake, request) for by in BACKENDS]

    assert directly == by_litellm


@pytest.mark.parametrize("temperature", [0.2, 1])
@pytest.mark.parametrize(
    "model",
    [
        "openai/gpt-4o-mini",
        "openai/o3-mini",
        "openai/gpt-5-mini",
        "openai/gpt-5.1",
        "openai/gpt-5.2",
        "openai/gpt-5-chat-latest",
        "openai/somebody/else-9b",
        "azure/gpt-5",
        "azure/gpt-5-chat",
        "azure/my-own",
        "hosted_vllm/openai/gpt-oss-20b",
        "openrouter/openai/gpt-5",
        "lm_studio/qwen3",
        "litellm_proxy/claude",
    ],
)
async def test_both_word_the_settings_as_the_model_takes_them(
    model: str, temperature: float, fake: FakeProviders
) -> None:
    settings = {"temperature": temperature, "max_tokens": 64, "top_p": 0.5}

    by_litellm, directly = [await sent(alias_of(model, fake.url, by, **settings), fake) for by in BACKENDS]

    assert directly == by_litellm


@pytest.mark.parametrize("model", ["openai/gpt-4o-mini", "openai/nobody-knows", "azure/gpt-4o", "azure/my-own"])
async def test_both_come_to_the_same_cost(model: str, fake: FakeProviders) -> None:
    answers = {
        f"{answered_as}, {tier}": stream(
            *(
                one | {"model": answered_as, "service_tier": tier}
                for one in (chunk({"content": "x"}), chunk(finish="stop"), envelope(usage=USAGE, choices=[]))
            )
        )
        for answered_as in ("scripted", "gpt-4o-2024-08-06")
        for tier in ("default", "flex", "priority")
    }

    by_litellm, directly = [await outcomes(alias_of(model, fake.url, by), answers, fake) for by in BACKENDS]

    assert costs(directly) == pytest.approx(costs(by_litellm))


def costs(found: Mapping[str, Outcome]) -> dict[str, float | None]:
    return {name: one.reply.usage.cost_usd if one.reply else None for name, one in found.items()}

"""What the native lane does with servers that the provider table has no words for, and what it leaves alone."""

from __future__ import annotations

import json
import subprocess
import sys
from textwrap import dedent

import pytest

from agent_bridge.config.models import ModelAlias
from agent_bridge.errors import ModelError, ModelRefused
from agent_bridge.events import Event, Retry, Thinking, Token
from agent_bridge.messages import ModelRequest, Reply, Usage
from agent_bridge.models import Models
from agent_bridge.models.openai import model as native_model
from support.providers import FakeProviders, Refused, Scripted, Verbatim
from support.providers.opening import config_of, open_model
from support.providers.rows import KEY

pytestmark = pytest.mark.anyio

ASKED = ModelRequest(messages=[{"role": "user", "content": "hi"}])
JSON = "application/json"


def alias_at(url: str) -> ModelAlias:
    return ModelAlias(model="openai/scripted", api_base=f"{url}/v1", api_key=KEY, backend="native")


async def ask(fake: FakeProviders, *answers: Scripted | Verbatim | Refused) -> tuple[Reply, list[Event]]:
    fake.script(*answers)
    events: list[Event] = []
    async with open_model(alias_at(fake.url), {}) as model:
        return await model.complete(ASKED, events.append), events


async def fail(fake: FakeProviders, answer: Verbatim) -> tuple[type[Exception], str]:
    """Given three times, for what is worth repeating."""
    with pytest.raises(ModelError) as caught:
        await ask(fake, answer, answer, answer)
    return type(caught.value), caught.value.message


def stream(*lines: str) -> Verbatim:
    return Verbatim(body="".join(f"data: {line}\n\n" for line in lines).encode())


def chunk(delta: dict[str, object], finish: str | None = None) -> str:
    return json.dumps({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})


async def test_arguments_may_come_as_an_object(fake: FakeProviders) -> None:
    call = {"index": 0, "id": "a", "function": {"name": "f", "arguments": {"x": 1}}}

    reply, _ = await ask(fake, stream(chunk({"tool_calls": [call]}), chunk({}, "stop"), "[DONE]"))

    [made] = reply.message.get("tool_calls", [])
    assert made["function"] == {"name": "f", "arguments": '{"x": 1}'}


async def test_an_end_without_a_finish_is_an_end(fake: FakeProviders) -> None:
    reply, _ = await ask(fake, stream(chunk({"content": "Hello"}), "[DONE]"))

    assert reply == Reply(message={"role": "assistant", "content": "Hello"}, finish="stop")


async def test_the_last_line_may_have_no_end(fake: FakeProviders) -> None:
    body = f"data: {chunk({'content': 'Hello'})}\n\ndata: {chunk({}, 'stop')}".encode()

    reply, _ = await ask(fake, Verbatim(body=body))

    assert (reply.message["content"], reply.finish) == ("Hello", "stop")


async def test_a_stream_may_arrive_in_any_pieces(fake: FakeProviders) -> None:
    """Every byte in a chunk of its own, and words that are more than one byte a letter."""
    body = stream(chunk({"content": "Grüße, 世界"}), chunk({}, "stop"), "[DONE]").body
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
    raw = Verbatim(body=chunks, headers=("transfer-encoding: chunked",))

    reply, _ = await ask(fake, raw)

    assert reply.message["content"] == "Grüße, 世界"


async def test_usage_that_is_told_in_part_is_known_in_part(fake: FakeProviders) -> None:
    usage = '{"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 2, "prompt_tokens_details": null}}'

    reply, _ = await ask(fake, stream(chunk({"content": "x"}, "stop"), usage, "[DONE]"))

    assert reply.usage == Usage(input_tokens=5, output_tokens=2)


@pytest.mark.parametrize(
    "line",
    [
        '{"choices": [{"delta": {"tool_calls": [{"index": "first"}]}}]}',
        '{"choices": [{"delta": {"tool_calls": [{"function": {"name": "f", "arguments": 5}}]}}]}',
        "{oops",
        "[1]",
        '"text"',
        "17",
        '{"choices": 1}',
        '{"choices": ["x"]}',
        '{"choices": [{"delta": "x"}]}',
        '{"choices": [{"delta": {"tool_calls": [7]}}]}',
        '{"choices": [{"delta": {"tool_calls": [{"function": {"name": 7, "arguments": "{}"}}]}}]}',
        '{"usage": "much"}',
    ],
)
async def test_a_chunk_that_makes_no_sense_is_a_failure_of_the_provider(line: str, fake: FakeProviders) -> None:
    kind, message = await fail(fake, stream(chunk({"content": "x"}), line, "[DONE]"))

    assert kind is ModelError
    assert message.startswith("The provider of the model 'm' failed while it was answering.")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"error": "It broke."}', "It broke"),
        ('{"error": {"message": "It broke.", "code": 500}}', "It broke"),
        ('{"object": "error", "message": "It broke.", "code": 400}', "It broke"),
    ],
)
async def test_an_error_in_the_stream_is_told_in_the_providers_words(line: str, said: str, fake: FakeProviders) -> None:
    _, message = await fail(fake, stream(chunk({"content": "x"}), line))

    assert f'The provider said: "{said}"' in message


async def test_an_error_that_comes_with_a_good_status_is_an_error(fake: FakeProviders) -> None:
    _, message = await fail(fake, Verbatim(content_type=JSON, body=b'{"error": {"message": "It broke."}}'))

    assert 'The provider said: "It broke"' in message


async def test_a_code_in_an_error_counts_as_much_as_its_words(fake: FakeProviders) -> None:
    refused = Verbatim(
        status=400, content_type=JSON, body=b'{"error": {"message": "No.", "code": "content_policy_violation"}}'
    )

    with pytest.raises(ModelRefused):
        await ask(fake, refused)


async def test_a_page_that_is_no_stream_is_no_answer(fake: FakeProviders) -> None:
    _, message = await fail(fake, Verbatim(content_type="text/html", body=b"<html>Please log in.</html>"))

    assert "before it was complete" in message


async def test_a_redirect_is_not_followed(fake: FakeProviders) -> None:
    moved = Verbatim(status=307, content_type="text/plain", body=b"", headers=(f"location: {fake.url}/v1/elsewhere",))

    _, message = await fail(fake, moved)

    assert "HTTP 307, which points to another address" in message
    assert len(fake.requests) == 1


async def test_an_answer_without_an_end_is_broken_off(fake: FakeProviders, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native_model, "MOST_REPLY_BYTES", 1000)
    endless = stream(*[chunk({"content": "word "})] * 100)

    kind, message = await fail(fake, endless)

    assert (kind, len(fake.requests)) == (ModelError, 1)
    assert "did not end, and was broken off" in message


async def test_an_error_of_any_length_is_read_in_part(fake: FakeProviders) -> None:
    long = Verbatim(status=500, content_type="text/plain", body=b"Too much. " * 100_000)

    _, message = await fail(fake, long)

    assert "Too much. Too much." in message
    assert len(message) < 1000


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:99999", "http://", "http://nobody.invalid", "http://[::1", "http://xn--"]
)
async def test_an_address_that_leads_nowhere_is_unreachable(url: str) -> None:
    async with open_model(alias_at("http://x").model_copy(update={"api_base": url}), {}) as model:
        with pytest.raises(ModelError, match="could not be reached"):
            await model.complete(ASKED, lambda _: None)


async def test_connections_are_kept_and_shared(fake: FakeProviders) -> None:
    fake.script(*[Scripted(text=("ok",))] * 6, Refused(trouble="unauthenticated"), Scripted(text=("ok",)))
    models = Models(config_of({"m": alias_at(fake.url), "n": alias_at(fake.url)}, {}))

    for name in "mnmnmn":
        await models.open(name).complete(ASKED, lambda _: None)
    with pytest.raises(Exception, match="credentials"):
        await models.open("m").complete(ASKED, lambda _: None)
    await models.open("m").complete(ASKED, lambda _: None)
    await models.aclose()

    assert fake.connections == 1


async def test_thinking_and_words_are_told_as_they_come(fake: FakeProviders) -> None:
    lines = [chunk({"reasoning": "hm", "content": "Hel"}), chunk({"content": "lo"}, "stop"), "[DONE]"]

    reply, events = await ask(fake, stream(*lines))

    assert events == [Thinking(content="hm"), Token(content="Hel"), Token(content="lo")]
    assert (reply.message["content"], reply.message.get("reasoning_content")) == ("Hello", "hm")


async def test_a_broken_stream_begins_again_and_what_it_said_is_void(fake: FakeProviders) -> None:
    reply, events = await ask(fake, Scripted(text=("Hel",), ending="cut"), Scripted(text=("Hello",)))

    assert reply.message["content"] == "Hello"
    assert [type(event) for event in events] == [Token, Retry, Token]


def test_a_model_that_cannot_be_asked_directly_says_why() -> None:
    alias = ModelAlias(model="hosted_vllm/m", backend="native")

    with pytest.raises(ModelError, match="needs a server that speaks OpenAI's chat completions, and its address"):
        Models(config_of({"m": alias}, {})).open("m")


NATIVE_ONLY = dedent("""
    import asyncio, sys, threading
    from agent_bridge.config import Config
    from agent_bridge.config.models import ModelAlias
    from agent_bridge.messages import ModelRequest
    from agent_bridge.models import Models

    aliases = {
        "m": ModelAlias(model="openai/gpt-4o-mini", api_base=sys.argv[1] + "/v1", api_key="key"),
        "n": ModelAlias(model="azure/own", api_base=sys.argv[1], api_key="key", fallbacks=("m",)),
    }
    config = Config(upstreams={}, models=aliases, servers={}, default_server="", default_model="m", environ={})

    async def main():
        models = Models(config)
        for name in aliases:
            models.warm(name)
            request = ModelRequest(messages=[{"role": "user", "content": "hi"}])
            reply = await models.open(name).complete(request, lambda event: None)
            print(reply.message["content"], reply.usage.input_tokens, reply.usage.cost_usd)
        for thread in threading.enumerate():
            if thread.name == "prepare-native-models":
                thread.join()
        models.rows()
        await models.aclose()

    asyncio.run(main())
    print(sorted({"litellm", "openai", "httpx", "aiohttp", "tiktoken"} & set(sys.modules)))
""")


def test_a_server_whose_models_are_all_native_never_imports_litellm(fake: FakeProviders) -> None:
    fake.script(Scripted(text=("one",)), Scripted(text=("two",)))

    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", NATIVE_ONLY, fake.url],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert (done.stdout.splitlines(), done.stderr) == (["one 100 2.22e-05", "two 100 None", "[]"], "")

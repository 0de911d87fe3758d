"""What the native lane sends, to whom, and what it does not write out twice."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator, Mapping
from typing import Any, cast

import pytest

from agent_bridge.config.providers import NATIVE_PREFIXES
from agent_bridge.messages import Message
from agent_bridge.models.catalogue import Catalogue
from agent_bridge.models.history import mended
from agent_bridge.models.litellm import Library
from agent_bridge.models.openai.endpoints import endpoint_of
from agent_bridge.models.openai.message_json import MessageJson, images_after_results
from agent_bridge.models.openai.sameness import is_the_same
from agent_bridge.models.openai.sending import Sending
from agent_bridge.models.openai.tool_json import ToolJson
from agent_bridge.models.prices import Prices, Tokens
from agent_bridge.tools import JsonObject, Tool, ToolDefinitions

OPENAI = "https://api.openai.com/v1/chat/completions"
BEARER = {"authorization": "Bearer key"}


@pytest.mark.parametrize(
    ("model_id", "address", "environ", "url", "headers"),
    [
        ("openai/m", {"api_key": "key"}, {}, OPENAI, BEARER),
        ("openai/m", {"api_base": "http://x/v1/"}, {}, "http://x/v1/chat/completions", {}),
        ("openai/m", {"api_base": "http://x/v1/chat/completions"}, {}, "http://x/v1/chat/completions", {}),
        ("hosted_vllm/m", {"api_base": "http://x"}, {}, "http://x/chat/completions", {}),
        (
            "hosted_vllm/m",
            {},
            {"HOSTED_VLLM_API_BASE": "http://x", "HOSTED_VLLM_API_KEY": "key"},
            "http://x/chat/completions",
            BEARER,
        ),
        ("openrouter/a/m", {}, {"OPENROUTER_API_KEY": "key"}, "https://openrouter.ai/api/v1/chat/completions", BEARER),
        ("ollama_chat/m:1b", {}, {}, "http://localhost:11434/v1/chat/completions", {}),
        ("ollama/m", {"api_base": "http://x/v1"}, {}, "http://x/v1/chat/completions", {}),
        (
            "gemini/m",
            {"api_key": "key"},
            {},
            "https://generativelanguage.googleapis.com/v1beta/openai/chat/completions",
            BEARER,
        ),
        (
            "azure/my own",
            {"api_base": "https://a.openai.azure.com/", "api_key": "key", "api_version": "2024-10-21"},
            {},
            "https://a.openai.azure.com/openai/deployments/my%20own/chat/completions?api-version=2024-10-21",
            {"api-key": "key"},
        ),
        (
            "azure/m",
            {"api_base": "https://a/openai/deployments/other", "api_key": "key"},
            {},
            "https://a/openai/deployments/other/chat/completions?api-version=2025-02-01-preview",
            {"api-key": "key"},
        ),
        (
            "azure/m",
            {"api_base": "https://a", "api_key": "key", "api_version": "preview"},
            {},
            "https://a/openai/v1/chat/completions",
            {"api-key": "key"},
        ),
    ],
)
def test_every_provider_is_asked_where_it_listens(
    model_id: str, address: Mapping[str, str], environ: Mapping[str, str], url: str, headers: Mapping[str, str]
) -> None:
    endpoint = endpoint_of(model_id, address, environ)

    assert endpoint is not None
    assert (endpoint.url, dict(endpoint.headers), endpoint.model) == (url, headers, model_id.partition("/")[2])


@pytest.mark.parametrize(
    ("model_id", "address"),
    [
        ("anthropic/m", {"api_key": "key"}),
        ("hosted_vllm/m", {}),
        ("azure/m", {"api_base": "https://a"}),
        ("azure/m", {"api_key": "key"}),
    ],
)
def test_who_speaks_another_language_or_has_no_address_is_not_asked(model_id: str, address: Mapping[str, str]) -> None:
    assert endpoint_of(model_id, address, {}) is None


def test_every_provider_that_may_be_asked_directly_can_be() -> None:
    address = {"api_base": "http://x", "api_key": "key"}

    assert all(endpoint_of(f"{prefix}/m", address, {}) for prefix in NATIVE_PREFIXES)


def test_a_key_is_in_no_representation_of_an_endpoint() -> None:
    assert "canary" not in repr(endpoint_of("openai/m", {"api_key": "canary"}, {}))


@pytest.mark.parametrize(
    ("url", "host", "target"),
    [
        ("http://user:secret@example.com:8080/v1", b"example.com:8080", b"/v1/chat/completions"),
        ("https://example.com/a b?c=ü", b"example.com", b"/a%20b?c=%C3%BC/chat/completions"),
        ("http://bücher.example/v1", b"xn--bcher-kva.example", b"/v1/chat/completions"),
        ("http://[::1]:8000/v1", b"[::1]:8000", b"/v1/chat/completions"),
    ],
)
def test_an_address_is_sent_as_the_wire_wants_it(url: str, host: bytes, target: bytes) -> None:
    endpoint = endpoint_of("openai/m", {"api_base": url, "api_key": "schlüssel"}, {})
    assert endpoint is not None

    request = Sending(endpoint, connect_timeout_s=1).request(b"{}")

    headers = dict(request.headers)
    assert (headers[b"host"], request.url.target) == (host, target)
    assert (headers[b"content-length"], headers[b"authorization"]) == (b"2", "Bearer schlüssel".encode())


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return Catalogue()


@pytest.mark.parametrize(
    ("model_id", "base", "same"),
    [
        ("openai/gpt-4o-mini", None, True),
        ("openai/o3-mini", None, True),
        ("openai/gpt-5", None, True),
        ("openai/gpt-5.4", None, False),
        ("openai/gpt-5.10-mini", None, False),
        ("openai/gpt-6", "https://eu.api.openai.com/v1", False),
        ("openai/gpt-6", "http://localhost:1234/v1", True),
        ("openai/gpt-5-codex", None, False),
        ("openai/o1-pro", None, False),
        ("openai/responses/gpt-4o", None, False),
        ("openai/gpt-5-search-api", None, False),
        ("openai/anything", "http://localhost:1234/v1", True),
        ("hosted_vllm/gpt-5.4", "http://x", True),
        ("openrouter/openai/gpt-5.4", None, True),
        ("lm_studio/m", "http://x", True),
        ("litellm_proxy/m", "http://x", True),
        ("azure/my-deployment", "https://a", True),
        ("azure/gpt-5.4", "https://a", False),
        ("azure/o1", "https://a", False),
        ("azure/o_series/mine", "https://a", False),
        ("ollama_chat/llama3.2", None, False),
        ("gemini/gemini-2.5-flash", None, False),
    ],
)
def test_a_model_is_asked_directly_where_that_is_the_same(
    model_id: str, base: str | None, same: bool, catalogue: Catalogue
) -> None:
    address = {"api_key": "key"} | ({"api_base": base} if base else {})
    endpoint = endpoint_of(model_id, address, {})

    assert endpoint is not None
    assert is_the_same(model_id, endpoint, catalogue) is same


def test_what_was_written_out_is_not_written_out_again() -> None:
    messages = MessageJson()
    content = "a long text"
    first = messages.of({"role": "user", "content": content})

    assert messages.of({"role": "user", "content": content}) is first
    assert json.loads(first) == {"role": "user", "content": content}
    assert len(messages) == 1


def test_what_is_read_from_the_store_again_is_not_written_out_again() -> None:
    messages = MessageJson()
    stored = json.dumps({"role": "tool", "tool_call_id": "a", "content": "a long text"})

    first = messages.of(json.loads(stored))

    assert messages.of(json.loads(stored)) is first


def test_another_text_is_another_message_even_where_the_first_is_gone() -> None:
    messages = MessageJson()

    texts = [json.loads(messages.of({"role": "user", "content": f"number {number}"})) for number in range(100)]

    assert [text["content"] for text in texts] == [f"number {number}" for number in range(100)]


def test_an_image_is_written_out_once_wherever_it_is() -> None:
    messages = MessageJson()
    image: JsonObject = {"type": "image_url", "image_url": {"url": "data:image/png;base64,"}}
    messages.of({"role": "tool", "tool_call_id": "a", "content": [image]})
    known = len(messages)

    written = messages.of({"role": "user", "content": [image]})

    assert json.loads(written) == {"role": "user", "content": [image]}
    assert len(messages) == known + 1


@pytest.mark.parametrize("length", [1, 100])
def test_no_more_is_remembered_than_there_is_room_for(length: int) -> None:
    """Short messages too: what remembering takes is more than their texts."""
    messages = MessageJson(most_bytes=10_000)
    texts = [f"{number}" * length for number in range(50)]

    for text in texts:
        messages.of({"role": "user", "content": text})

    assert 0 < len(messages) < 10
    assert json.loads(messages.of({"role": "user", "content": texts[0]}))["content"] == texts[0]


def test_what_is_used_again_is_remembered_longest() -> None:
    messages = MessageJson(most_bytes=10_000)
    often: JsonObject = {"role": "user", "content": "often"}
    first = messages.of(often)

    for number in range(50):
        messages.of({"role": "user", "content": f"{number}" * 100})
        assert messages.of(often) is first


def test_what_no_utf_8_can_say_does_not_stop_a_request() -> None:
    assert MessageJson().of({"role": "user", "content": "half \ud83d"}) == b'{"role":"user","content":"half ?"}'


def test_the_same_history_is_sent_as_the_same_objects() -> None:
    """Otherwise each would be written out again."""
    messages: list[Message] = [
        {"role": "system", "content": "s"},
        {"role": "user", "content": [{"type": "text", "text": "u"}]},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "a", "content": "r"},
    ]

    assert all(one is given for one, given in zip(mended(messages, "openai"), messages, strict=True))


def test_images_follow_the_results_that_they_belong_to() -> None:
    image: JsonObject = {"type": "image_url", "image_url": {"url": "data:"}}
    text: JsonObject = {"type": "text", "text": "seen"}
    messages: list[JsonObject] = [
        {"role": "assistant", "tool_calls": []},
        {"role": "tool", "tool_call_id": "a", "content": [text, image]},
        {"role": "tool", "tool_call_id": "b", "content": [image]},
        {"role": "tool", "tool_call_id": "c", "content": "words"},
        {"role": "assistant", "content": "So."},
    ]

    roles = [message["role"] for message in images_after_results(messages)]
    *_, moved, _ = images_after_results(messages)

    assert roles == ["assistant", "tool", "tool", "tool", "user", "assistant"]
    assert cast(list[JsonObject], moved["content"])[1:] == [image, image]


def tools() -> ToolDefinitions:
    schema: JsonObject = {"properties": {"x": {"$ref": "#/$defs/n"}}, "$defs": {"n": {"pattern": r"\p{L}"}}}
    return ToolDefinitions((Tool(name="f", upstream="up", remote_name="f", description="F.", parameters=schema),))


def test_tools_are_written_out_once_for_each_set() -> None:
    written = ToolJson()
    first = tools()

    assert written.of(first) is written.of(first)
    assert json.loads(written.of(tools())) == [
        {
            "type": "function",
            "function": {
                "name": "f",
                "description": "F.",
                "parameters": {"type": "object", "properties": {"x": {}}},
            },
        }
    ]


USAGES = [
    Tokens(input=1000, output=200, cached=400, reasoning=50),
    Tokens(input=1000, output=200, cached=400, written=100),
    Tokens(input=130_000, output=10),
    Tokens(input=300_000, output=10, cached=100_000, written=50_000),
    Tokens(input=10, output=0),
]


def cases(catalogue: Catalogue) -> Iterator[tuple[str, str, Tokens, str, str]]:
    for prefix in ("openai", "azure"):
        for entry in catalogue.offered_by(prefix) or [catalogue.entry(f"azure/{name}") for name in ("gpt-4o", "gpt-5")]:
            assert entry is not None
            for tokens in USAGES:
                for tier in ("", "flex", "priority", "default"):
                    for region in ("", "eu") if prefix == "openai" else ("",):
                        yield prefix, entry.model_id.partition("/")[2], tokens, tier, region


@pytest.mark.anyio
async def test_a_reply_costs_what_litellm_says_it_costs(catalogue: Catalogue) -> None:
    """For every model of OpenAI in the list, in every class of service."""
    litellm: Any = await Library().ready("openai/any")
    their_costs = {
        "azure": importlib.import_module("litellm.llms.azure.cost_calculation").cost_per_token,
        "openai": importlib.import_module("litellm.llms.openai.cost_calculation").cost_per_token,
    }
    prices = Prices(catalogue)

    for prefix, name, tokens, tier, region in cases(catalogue):
        usage = litellm.Usage(
            prompt_tokens=tokens.input,
            completion_tokens=tokens.output,
            prompt_tokens_details={"cached_tokens": tokens.cached, "cache_creation_tokens": tokens.written},
            completion_tokens_details={"reasoning_tokens": tokens.reasoning},
        )
        where = {"data_residency": region} if region else {}
        theirs = sum(their_costs[prefix](model=name, usage=usage, service_tier=tier or None, **where))
        ours = prices.cost(prefix, (name,), tokens, tier=tier, region=region)
        assert ours == (pytest.approx(theirs) if theirs else None), (name, tokens, tier, region)


def test_a_price_that_is_not_known_is_not_guessed(catalogue: Catalogue) -> None:
    prices = Prices(catalogue)
    tokens = Tokens(input=10, output=10)

    assert prices.cost("openai", ("nobody-knows", ""), tokens) is None
    assert prices.cost("openai", ("nobody-knows", "gpt-4o"), tokens) == prices.cost("openai", ("gpt-4o",), tokens)

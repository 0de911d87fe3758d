"""Servers that no catalogue knows, asked what they offer: in time, not too often, and not trusted."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping

import pytest

from agent_bridge.models import Models
from agent_bridge.models.openai import offers
from agent_bridge.models.openai.connections import Connections
from agent_bridge.models.openai.offers import FRESH_S, Offer, Offers, places
from support.providers import FakeProviders, Silent, Verbatim
from support.providers.opening import config_of

pytestmark = pytest.mark.anyio

LISTED = {
    "object": "list",
    "data": [
        {"id": "qwen3:8b", "object": "model"},
        {"id": "wide", "max_model_len": 32768},
        {"id": "text-embedding-3-small"},
    ],
}


def listing(body: object = LISTED, status: int = 200) -> Verbatim:
    return Verbatim(status=status, content_type="application/json", body=json.dumps(body).encode())


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_the_models_of_a_server_are_listed_by_the_ids_that_reach_them(fake: FakeProviders) -> None:
    fake.script(listing())
    models = Models(config_of({}, {"OLLAMA_BASE_URL": fake.url, "OLLAMA_API_KEY": "key"}, "demo/rules"))

    before = [row.id for row in models.rows()]
    await models.look()
    rows = {row.id: row for row in models.rows()}
    await models.aclose()

    assert before == ["demo/rules"]
    assert list(rows) == ["demo/rules", "ollama_chat/qwen3:8b", "ollama_chat/wide"]
    assert (rows["ollama_chat/wide"].max_input_tokens, rows["ollama_chat/wide"].available) == (32768, True)
    assert (fake.requests[0].path, fake.requests[0].headers["authorization"]) == ("/v1/models", "Bearer key")


async def test_a_server_is_asked_again_only_after_a_while(fake: FakeProviders) -> None:
    fake.script(listing(), listing({"data": [{"id": "new"}]}))
    clock, connections = Clock(), Connections({})
    found = Offers(connections, now=clock)
    there = places({"HOSTED_VLLM_API_BASE": f"{fake.url}/v1"})

    await found.look(there)
    await found.look(there)
    first, asked = found.known(), len(fake.requests)
    clock.now += FRESH_S + 1
    await found.look(there)
    await connections.aclose()

    assert (first, asked) == ([Offer("hosted_vllm/qwen3:8b"), Offer("hosted_vllm/wide", 32768)], 1)
    assert found.known() == [Offer("hosted_vllm/new")]


@pytest.mark.parametrize(
    "answer",
    [
        listing(status=401),
        listing(status=404),
        listing([]),
        listing({}),
        listing({"data": 7}),
        listing({"data": ["name"]}),
        listing({"data": [{"name": "x"}]}),
        Verbatim(body=b"{oops", content_type="application/json"),
        Verbatim(body=b"<html>", content_type="text/html"),
    ],
)
async def test_what_a_server_says_in_its_own_way_is_no_offer(answer: Verbatim, fake: FakeProviders) -> None:
    fake.script(answer)
    models = Models(config_of({}, {"OPENAI_API_KEY": "key", "OPENAI_BASE_URL": f"{fake.url}/v1"}, "demo/rules"))

    await models.look()
    ids = [row.id for row in models.rows(query="qwen")]
    await models.aclose()

    assert ids == []


async def test_a_server_that_says_nothing_is_not_waited_for(
    fake: FakeProviders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(offers, "DEADLINE_S", 0.05)
    fake.script(Silent())
    models = Models(config_of({}, {"LM_STUDIO_API_BASE": f"{fake.url}/v1"}, "demo/rules"))

    began = time.monotonic()
    await models.look()
    took = time.monotonic() - began
    await models.aclose()

    assert took < 2
    assert [row.id for row in models.rows()] == ["demo/rules"]


async def test_more_than_a_list_can_be_is_not_read(fake: FakeProviders, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offers, "MOST_BYTES", 1000)
    fake.script(listing({"data": [{"id": f"model-{number}"} for number in range(1000)]}))
    models = Models(config_of({}, {"LM_STUDIO_API_BASE": f"{fake.url}/v1"}, "demo/rules"))

    await models.look()
    await models.aclose()

    assert [row.id for row in models.rows()] == ["demo/rules"]


@pytest.mark.parametrize(
    ("environ", "found"),
    [
        ({}, {}),
        ({"OPENAI_API_KEY": "key"}, {}),
        ({"OPENAI_API_KEY": "key", "OPENAI_BASE_URL": "https://eu.api.openai.com/v1"}, {}),
        ({"OPENAI_API_KEY": "key", "OPENAI_BASE_URL": "http://x/v1"}, {"openai": "http://x/v1/models"}),
        ({"OLLAMA_MODEL": "m"}, {"ollama_chat": "http://localhost:11434/v1/models"}),
        ({"OPENROUTER_API_BASE": "http://x"}, {}),
        ({"OPENROUTER_API_KEY": "key"}, {"openrouter": "https://openrouter.ai/api/v1/models"}),
        ({"LITELLM_PROXY_API_BASE": "http://x"}, {"litellm_proxy": "http://x/models"}),
    ],
)
def test_only_servers_that_the_environment_names_are_asked(
    environ: Mapping[str, str], found: Mapping[str, str]
) -> None:
    assert {prefix: endpoint.listing.url for prefix, endpoint in places(environ).items()} == found

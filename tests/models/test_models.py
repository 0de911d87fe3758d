"""Picking a model: by name, from the list, and being told why not."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from agent_bridge.config.models import ModelAlias
from agent_bridge.config.providers import PROVIDERS
from agent_bridge.config.schema import Server
from agent_bridge.errors import ModelCredentials, ModelNotFound
from agent_bridge.messages import ModelFacts
from agent_bridge.models import Models
from agent_bridge.models.catalogue import Catalogue
from agent_bridge.models.choices import PREFIXES
from agent_bridge.models.demo import DEMO_REASON, DemoModel
from agent_bridge.models.failover import FailoverModel
from agent_bridge.records import Notice
from agent_bridge.views import ModelView
from support.providers.opening import config_of

FAST = ModelAlias(model="openai/gpt-4o-mini", temperature=0.2, api_key="${OPENAI_API_KEY}")
OPENAI = {"OPENAI_API_KEY": "sk-canary-0123456789"}
STAND_IN = ModelView(
    id="demo/rules",
    model_id="demo/rules",
    model_name="rules",
    provider_id="demo",
    provider_name="Demo",
    provider_type="demo",
    supports_streaming=True,
    supports_function_calling=True,
    supports_vision=False,
    supports_reasoning=False,
    available=True,
    reason=DEMO_REASON,
)


def models_of(
    aliases: Mapping[str, ModelAlias] | None = None,
    environ: Mapping[str, str] | None = None,
    default: str = "demo/rules",
) -> Models:
    return Models(config_of(aliases or {}, environ or {}, default))


@pytest.mark.parametrize(
    ("name", "model_id", "provider_id", "provider_name"),
    [
        ("fast", "openai/gpt-4o-mini", "openai", "OpenAI"),
        ("", "demo/rules", "demo", "Demo"),
        ("  fast ", "openai/gpt-4o-mini", "openai", "OpenAI"),
        ("azure/my-deployment", "azure/my-deployment", "azure_openai", "Azure OpenAI"),
        ("bedrock/converse/anthropic.x", "bedrock/converse/anthropic.x", "aws_bedrock", "AWS Bedrock"),
        ("ollama_chat/llama3.2:1b", "ollama_chat/llama3.2:1b", "ollama", "Ollama"),
        ("groq/openai/gpt-oss-20b", "groq/openai/gpt-oss-20b", "groq", "Groq"),
        ("hosted_vllm/anything", "hosted_vllm/anything", "hosted_vllm", "Hosted Vllm"),
        ("gpt-4o", "openai/gpt-4o", "openai", "OpenAI"),
        ("claude-haiku-4-5", "anthropic/claude-haiku-4-5", "anthropic", "Anthropic"),
    ],
)
def test_a_name_is_an_alias_or_a_model_id(name: str, model_id: str, provider_id: str, provider_name: str) -> None:
    choice = models_of({"fast": FAST}).resolve(name)

    assert (choice.name, choice.model_id) == (name.strip() or "demo/rules", model_id)
    assert (choice.provider_id, choice.provider_name) == (provider_id, provider_name)


@pytest.mark.parametrize(
    ("name", "near"), [("fasst", "fast"), ("openay/gpt-4o-mini", "openai/gpt-4o-mini"), ("demo/rule", "demo/rules")]
)
def test_an_unknown_name_gets_the_nearest_ones(name: str, near: str) -> None:
    with pytest.raises(ModelNotFound) as caught:
        models_of({"fast": FAST}).resolve(name)

    assert f"no model '{name}'" in caught.value.message
    assert f"Did you mean {near}" in caught.value.message
    assert caught.value.message.endswith("Call list_models.")


def test_an_alias_for_nothing_says_what_it_stands_for() -> None:
    with pytest.raises(ModelNotFound, match="alias 'fast' stands for 'nobody/knows', which is no model id"):
        models_of({"fast": ModelAlias(model="nobody/knows")}).resolve("fast")


def test_a_model_of_an_alias_may_come_from_the_environment() -> None:
    models = models_of({"own": ModelAlias(model="openai/${MODEL}")}, {"MODEL": "tuned", **OPENAI})

    assert models.resolve("own").model_id == "openai/tuned"


def test_a_name_from_a_caller_is_never_filled_in_from_the_environment() -> None:
    models = models_of(environ={"SECRET": "canary", **OPENAI})

    assert models.resolve("openai/${SECRET}").model_id == "openai/${SECRET}"
    assert models.check("openai/${SECRET}") == models.check("openai/${NOT_SET}") is None


def test_a_model_with_its_credentials_is_opened() -> None:
    models = models_of({"fast": FAST}, OPENAI)

    assert isinstance(models.open("fast"), FailoverModel)
    assert isinstance(models.open(""), DemoModel)
    assert models.check("fast") is models.check("demo/rules") is None


@pytest.mark.parametrize(
    ("alias", "environ", "named"),
    [
        (FAST, {}, ["OPENAI_API_KEY"]),
        (ModelAlias(model="openai/${WHICH}"), OPENAI, ["WHICH"]),
        (ModelAlias(model="anthropic/x"), {}, ["ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"]),
        (ModelAlias(model="gemini/x"), {}, ["GEMINI_API_KEY", "GOOGLE_API_KEY"]),
        (ModelAlias(model="azure/x"), {"AZURE_OPENAI_API_KEY": "key"}, ["AZURE_OPENAI_ENDPOINT", "AZURE_API_BASE"]),
        (ModelAlias(model="azure/x"), {}, ["AZURE_OPENAI_API_KEY", "AZURE_CLIENT_SECRET", "AZURE_OPENAI_ENDPOINT"]),
        (ModelAlias(model="watsonx/x"), {"WATSONX_APIKEY": "key", "WATSONX_URL": "u"}, ["WATSONX_PROJECT_ID"]),
    ],
)
def test_missing_credentials_are_named(alias: ModelAlias, environ: Mapping[str, str], named: list[str]) -> None:
    models = models_of({"m": alias}, environ)

    with pytest.raises(ModelCredentials) as caught:
        models.open("m")

    assert all(name in caught.value.message for name in named)
    assert models.check("m") == Notice(code="model_credentials", message=caught.value.message)


@pytest.mark.parametrize(
    "alias",
    [
        ModelAlias(model="anthropic/x", api_key="key"),
        ModelAlias(model="azure/x", api_key="key", api_base="https://example.com"),
        ModelAlias(model="openai/local", api_base="http://localhost:1234/v1"),
        ModelAlias(model="ollama_chat/llama3.2"),
        ModelAlias(model="bedrock/anthropic.x"),
        ModelAlias(model="groq/x"),
    ],
)
def test_what_is_given_or_not_needed_is_not_missed(alias: ModelAlias) -> None:
    assert models_of({"m": alias}).check("m") is None


def test_a_model_that_does_not_exist_cannot_be_used() -> None:
    problem = models_of().check("nonsense")

    assert problem is not None
    assert (problem.code, "no model 'nonsense'" in problem.message) == ("model_not_found", True)


def test_without_credentials_there_are_the_aliases_and_the_stand_in() -> None:
    fast, stand_in = models_of({"fast": FAST}).rows()

    assert (fast.id, fast.model_id, fast.available) == ("fast", "openai/gpt-4o-mini", False)
    assert "OPENAI_API_KEY" in (fast.reason or "")
    assert stand_in == STAND_IN


def test_a_row_says_what_the_catalogue_knows() -> None:
    row = models_of({"fast": FAST}, OPENAI).rows()[0]

    assert row == ModelView(
        id="fast",
        model_id="openai/gpt-4o-mini",
        model_name="gpt-4o-mini",
        provider_id="openai",
        provider_name="OpenAI",
        provider_type="openai",
        supports_streaming=True,
        supports_function_calling=True,
        supports_vision=True,
        supports_reasoning=None,
        max_input_tokens=128000,
        max_output_tokens=16384,
        input_cost_per_token=1.5e-07,
        output_cost_per_token=6e-07,
        available=True,
        reason=None,
    )


def test_what_an_alias_says_of_its_model_comes_before_the_catalogue() -> None:
    said = FAST.model_copy(
        update={
            "max_input_tokens": 1000,
            "supports_vision": False,
            "input_cost_per_token": 0.0,
            "output_cost_per_token": 2.0,
        }
    )
    models = models_of({"fast": said}, OPENAI)
    row = models.rows()[0]

    assert (row.max_input_tokens, row.supports_vision) == (1000, False)
    assert (row.input_cost_per_token, row.output_cost_per_token) == (0.0, 2.0)


def test_a_model_with_fallbacks_is_known_by_the_worst_of_them() -> None:
    cheap = ModelAlias(model="openai/gpt-4o-mini", max_tokens=100, fallbacks=("dear",))
    dear = ModelAlias(model="openai/gpt-4o", output_cost_per_token=1.0)
    own = ModelAlias(model="openai/own", fallbacks=("dear",))
    models = models_of({"cheap": cheap, "dear": dear, "own": own}, OPENAI)

    assert models.open("cheap").facts == ModelFacts(
        max_input_tokens=128000, max_output_tokens=16384, input_cost_per_token=2.5e-06, output_cost_per_token=1.0
    )
    assert models.open("cheap", max_tokens=50).facts.max_output_tokens == 50
    assert models.open("own").facts == ModelFacts()


def test_what_is_unknown_is_null() -> None:
    row = models_of({"own": ModelAlias(model="azure/my-deployment")}).rows()[0]

    assert (row.supports_vision, row.max_input_tokens, row.input_cost_per_token) == (None, None, None)


def test_the_models_of_providers_with_credentials_are_offered() -> None:
    rows = models_of({"fast": FAST}, OPENAI, default="fast").rows()

    ids = [row.id for row in rows]
    assert ids[0] == "fast"
    assert ids[-1] == "demo/rules"
    assert {"openai/gpt-4o", "openai/gpt-4o-mini"} < set(ids)
    assert {row.provider_id for row in rows} == {"openai", "demo"}
    assert len(set(ids)) == len(ids)
    assert not [name for name in ids if "2024-08-06" in name or "ft:" in name or "embedding" in name]


def test_a_provider_outside_the_table_is_offered_for_its_usual_variable() -> None:
    ids = [row.id for row in models_of(environ={"GROQ_API_KEY": "key"}).rows()]

    assert "groq/openai/gpt-oss-120b" in ids


def test_deployments_are_named_by_their_owner_and_not_guessed() -> None:
    environ = {"AZURE_OPENAI_API_KEY": "key", "AZURE_OPENAI_ENDPOINT": "https://example.com"}

    assert models_of(environ=environ).rows() == [STAND_IN]


def test_a_model_that_only_a_server_names_is_listed_too() -> None:
    config = replace(config_of({}, OPENAI, "demo/rules"), servers={"one": Server(model="azure/my-deployment")})

    ids = [row.id for row in Models(config).rows(query="deployment")]

    assert ids == ["azure/my-deployment"]


def test_an_alias_for_nothing_is_listed_with_the_reason() -> None:
    row = models_of({"odd": ModelAlias(model="nobody/knows")}).rows()[0]

    assert (row.id, row.model_id, row.provider_id, row.available) == ("odd", "nobody/knows", "nobody", False)
    assert "no model id" in (row.reason or "")


@pytest.mark.parametrize(
    ("provider", "query", "ids"),
    [
        ("OpenAI", "", ["fast"]),
        ("azure_openai", "", ["own"]),
        ("azure", "", ["own"]),
        ("AZURE OPENAI", "", ["own"]),
        ("demo", "", ["demo/rules"]),
        ("", "4O-MINI", ["fast"]),
        ("", "fas", ["fast"]),
        ("openai", "deploy", []),
        ("nobody", "", []),
        (" ", " ", ["fast", "own", "demo/rules"]),
    ],
)
def test_rows_are_filtered_by_provider_and_words(provider: str, query: str, ids: list[str]) -> None:
    models = models_of({"fast": FAST, "own": ModelAlias(model="azure/my-deployment")})

    assert [row.id for row in models.rows(provider, query)] == ids


def test_listing_answers_in_milliseconds_once_the_catalogue_is_read() -> None:
    models = models_of({"fast": FAST}, OPENAI)
    models.rows()

    def seconds() -> float:
        started = time.perf_counter()
        models.rows()
        return time.perf_counter() - started

    assert min(seconds() for _ in range(5)) < 0.05


def test_without_the_catalogue_nothing_is_known_and_nothing_breaks(tmp_path: Path) -> None:
    nowhere = Catalogue(path=tmp_path / "missing.json")

    assert nowhere.entry("openai/gpt-4o") is None
    assert nowhere.offered_by("openai") == []


@pytest.mark.anyio
async def test_warming_up_changes_nothing_and_may_be_repeated() -> None:
    models = models_of({"fast": FAST}, OPENAI, default="fast")

    models.warm("fast")
    models.warm("fast")
    models.warm("nobody/knows-it")

    await models.aclose()


def test_every_provider_that_litellm_knows_can_be_named() -> None:
    makes_images_only = {"fal_ai"}

    assert set(Catalogue().prefixes) - PREFIXES == makes_images_only
    assert {prefix for provider in PROVIDERS for prefix in (provider.prefix, *provider.other_prefixes)} <= PREFIXES

"""The model that the environment offers, by the names that each provider is known by."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent_bridge.config.load import load
from agent_bridge.config.models import ModelAlias
from agent_bridge.config.providers import PROVIDERS, provider_named, provider_of
from agent_bridge.errors import ConfigInvalid

pytestmark = pytest.mark.usefixtures("folder")


@pytest.mark.parametrize(
    ("environ", "name", "alias"),
    [
        (
            {
                "LLM_PROVIDER": "azure_openai",
                "AZURE_OPENAI_API_KEY": "k",
                "AZURE_OPENAI_ENDPOINT": "https://x.openai.azure.com",
                "AZURE_OPENAI_DEPLOYMENT": "mine",
                "AZURE_OPENAI_API_VERSION": "2024-10-21",
                "AZURE_OPENAI_TEMPERATURE": "0.7",
            },
            "azure_openai",
            ModelAlias(
                model="azure/mine",
                temperature=0.7,
                api_base="${AZURE_OPENAI_ENDPOINT}",
                api_version="${AZURE_OPENAI_API_VERSION}",
            ),
        ),
        (
            {
                "LLM_PROVIDER": "openai",
                "OPENAI_API_KEY": "k",
                "OPENAI_MODEL": "meta-llama/Llama-3",
                "OPENAI_TEMPERATURE": "0",
                "OPENAI_BASE_URL": "http://localhost:8080/v1",
            },
            "openai",
            ModelAlias(model="openai/meta-llama/Llama-3", temperature=0, api_base="${OPENAI_BASE_URL}"),
        ),
        (
            {
                "LLM_PROVIDER": "anthropic",
                "ANTHROPIC_API_KEY": "k",
                "ANTHROPIC_MODEL": "claude-sonnet-5",
                "ANTHROPIC_TEMPERATURE": "1",
                "ANTHROPIC_MAX_TOKENS": "4096",
            },
            "anthropic",
            ModelAlias(model="anthropic/claude-sonnet-5", temperature=1, max_tokens=4096),
        ),
        (
            {
                "LLM_PROVIDER": "aws_bedrock",
                "AWS_BEDROCK_MODEL_ID": "amazon.nova-lite-v1:0",
                "AWS_BEDROCK_REGION": "us-east-1",
                "AWS_BEDROCK_TEMPERATURE": "0.5",
                "AWS_BEDROCK_MAX_TOKENS": "512",
            },
            "aws_bedrock",
            ModelAlias(model="bedrock/amazon.nova-lite-v1:0", temperature=0.5, max_tokens=512),
        ),
        (
            {
                "LLM_PROVIDER": "watsonx",
                "WATSONX_APIKEY": "k",
                "WATSONX_URL": "https://us-south.ml.cloud.ibm.com",
                "WATSONX_PROJECT_ID": "p",
                "WATSONX_MODEL_ID": "ibm/granite-4-h-small",
                "WATSONX_TEMPERATURE": "0.1",
            },
            "watsonx",
            ModelAlias(model="watsonx/ibm/granite-4-h-small", temperature=0.1, api_base="${WATSONX_URL}"),
        ),
        (
            {
                "LLM_PROVIDER": "ollama",
                "OLLAMA_MODEL": "qwen3:8b",
                "OLLAMA_BASE_URL": "http://localhost:11434",
                "OLLAMA_TEMPERATURE": "2",
            },
            "ollama",
            ModelAlias(model="ollama_chat/qwen3:8b", temperature=2, api_base="${OLLAMA_BASE_URL}"),
        ),
        (
            {"LLM_PROVIDER": "gemini", "GOOGLE_API_KEY": "k", "GEMINI_MODEL": "gemini/gemini-3.5-flash"},
            "gemini",
            ModelAlias(model="gemini/gemini-3.5-flash"),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_provider_is_configured_by_its_own_names(environ: dict[str, str], name: str, alias: ModelAlias) -> None:
    config = load(None, environ)

    assert (config.default_model, config.models) == (name, {name: alias})


@pytest.mark.parametrize(
    ("environ", "name"),
    [
        ({"OPENAI_API_KEY": "k"}, "openai"),
        ({"ANTHROPIC_API_KEY": "k", "OPENAI_API_KEY": ""}, "anthropic"),
        ({"AZURE_OPENAI_API_KEY": "k", "OPENAI_API_KEY": "k"}, "azure_openai"),
        ({"GEMINI_API_KEY": "k", "OLLAMA_MODEL": "m"}, "gemini"),
        ({"AWS_BEARER_TOKEN_BEDROCK": "k"}, "aws_bedrock"),
        ({"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "k"}, "demo/rules"),
        ({"WATSONX_APIKEY": "k"}, "watsonx"),
        ({"OLLAMA_BASE_URL": "http://localhost:11434"}, "ollama"),
        ({"LLM_PROVIDER": " Anthropic ", "OPENAI_API_KEY": "k"}, "anthropic"),
        ({"LLM_PROVIDER": "demo", "OPENAI_API_KEY": "k"}, "demo/rules"),
        ({}, "demo/rules"),
    ],
)
def test_the_provider_is_the_one_named_else_the_first_with_a_key_else_the_stand_in(
    environ: dict[str, str], name: str
) -> None:
    assert load(None, environ).default_model == name


def test_a_provider_that_is_named_without_its_key_still_loads() -> None:
    assert load(None, {"LLM_PROVIDER": "openai"}).models == {"openai": ModelAlias(model="openai/gpt-4o-mini")}


def test_a_deployment_that_only_the_user_can_know_is_missed_when_it_is_used() -> None:
    config = load(None, {"AZURE_OPENAI_API_KEY": "k"})

    assert config.models["azure_openai"].model == "azure/${AZURE_OPENAI_DEPLOYMENT}"


def test_an_unknown_provider_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(ConfigInvalid) as caught:
        load(None, {"LLM_PROVIDER": "openia"})

    assert caught.value.problems == [
        "environment: LLM_PROVIDER is 'openia'; it must be one of: azure_openai, openai, anthropic, gemini, "
        "aws_bedrock, watsonx, ollama, demo"
    ]


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("ANTHROPIC_TEMPERATURE", "hot", "is 'hot'; it must be a number from 0 to 2"),
        ("ANTHROPIC_TEMPERATURE", "2.1", "is '2.1'; it must be a number from 0 to 2"),
        ("ANTHROPIC_MAX_TOKENS", "-1", "is '-1'; it must be a whole number of at least 1"),
        ("ANTHROPIC_BASE_URL", "localhost", "must begin with http:// or https://"),
    ],
)
def test_a_bad_setting_of_the_chosen_provider_is_refused_by_its_name(name: str, value: str, problem: str) -> None:
    environ = {"LLM_PROVIDER": "anthropic", name: value}

    with pytest.raises(ConfigInvalid) as caught:
        load(None, environ)

    assert caught.value.problems == [f"environment: {name} {problem}"]
    assert load(None, {**environ, "LLM_PROVIDER": "openai"}).default_model == "openai"


def test_what_the_file_says_about_models_comes_first() -> None:
    file = Path("servers.yaml")
    aliases = "models: {fast: {model: openai/gpt-4o-mini}, anthropic: {model: bedrock/claude}}\n"
    environ = {"LLM_PROVIDER": "anthropic"}

    file.write_text(aliases + "default_model: fast")
    assert load(file, environ).default_model == "fast"
    file.write_text(aliases)
    assert load(file, environ).models["anthropic"].model == "bedrock/claude"
    assert load(file, {}).default_model == "fast"
    assert load(file, {"LLM_PROVIDER": "demo"}).default_model == "demo/rules"


def test_a_provider_says_what_it_lacks_and_what_the_environment_gives() -> None:
    azure = provider_named("azure_openai")
    assert azure is not None
    environ = {"AZURE_TENANT_ID": "t", "AZURE_CLIENT_ID": "c", "AZURE_API_BASE": "https://a", "AZURE_API_VERSION": "v"}

    assert [need.wording for need in azure.missing(environ)] == [
        "AZURE_OPENAI_API_KEY, or AZURE_API_KEY, or AZURE_AD_TOKEN, "
        "or AZURE_TENANT_ID and AZURE_CLIENT_ID and AZURE_CLIENT_SECRET"
    ]
    assert azure.missing({**environ, "AZURE_CLIENT_SECRET": "s"}) == []
    assert azure.missing({}, frozenset({"api_key", "api_base"})) == []
    assert azure.values(environ) == {"api_base": "https://a", "api_version": "v"}


def test_a_model_id_belongs_to_the_provider_of_its_prefix() -> None:
    owners = {model: provider_of(model) for model in ("azure/x", "ollama/x", "ollama_chat/x", "groq/x", "openai", "x")}

    assert {model: owner and owner.id for model, owner in owners.items()} == {
        "azure/x": "azure_openai",
        "ollama/x": "ollama",
        "ollama_chat/x": "ollama",
        "groq/x": None,
        "openai": None,
        "x": None,
    }
    assert len({provider.id for provider in PROVIDERS}) == len(PROVIDERS)

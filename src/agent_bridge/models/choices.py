"""How a name becomes a model: an alias of the configuration, or a LiteLLM model id."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from difflib import get_close_matches

from agent_bridge.config import Config
from agent_bridge.config.models import Deployment, ModelAlias
from agent_bridge.config.providers import STAND_IN, provider_of
from agent_bridge.config.secrets import MissingVariable, resolve
from agent_bridge.errors import ModelNotFound
from agent_bridge.models.catalogue import Catalogue

# LiteLLM's providers, as far as they offer chat models.
_PREFIXES = """
abliteration ai21 ai21_chat aihubmix aiml aiohttp_openai amazon_nova anthropic anthropic_text anyscale apertis
assemblyai azure azure_ai azure_text baseten bedrock bedrock_mantle bytez cerebras charity_engine chatgpt chutes
clarifai cloudflare codestral cognition cohere cohere_chat cometapi compactifai coralbricks cortecs crusoe
custom_openai darkbloom dashscope databricks datarobot deepinfra deepseek docker_model_runner edenai empiriolabs
empower featherless_ai fireworks_ai friendliai galadriel gemini gigachat github github_copilot gmi gradient_ai groq
helicone heroku hosted_vllm huggingface hyperbolic inception inferenceapis lambda_ai langgraph lemonade libertai
litellm_proxy llamafile llamagate lm_studio maritalk meta meta_llama microsoft_365_copilot minimax mistral modelscope
moonshot morph nano-gpt nebius neosantara nlp_cloud novita nscale nvidia_nim oci ollama ollama_chat oobabooga openai
openinfer openrouter ovhcloud parasail perplexity petals pinstripes poe predibase prism publicai qwen_ai_platform
qwencloud ragflow reka replicate sagemaker sagemaker_chat sagemaker_nova sail sambanova sap sarvam scaledown scaleway
scx-ai snowflake synthetic tencent tensormesh together_ai triton v0 venice veniceai vercel_ai_gateway vertex_ai
vertex_ai_beta vllm volcengine wandb watsonx watsonx_text xai xiaomi_mimo xinference zai
"""
PREFIXES = frozenset(_PREFIXES.split())


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelChoice:
    """A model that was asked for by name. Whether it can be used is another question."""

    name: str
    """The name as it was chosen: an alias, or a model id."""
    settings: ModelAlias
    model_id: str
    """`provider/model`, as LiteLLM calls it."""
    provider_id: str
    """What `LLM_PROVIDER` calls the provider, or LiteLLM where the bridge has no name of its own."""
    provider_name: str

    @property
    def is_alias(self) -> bool:
        return self.settings.model != self.name

    @property
    def prefix(self) -> str:
        return self.model_id.partition("/")[0]

    @property
    def is_stand_in(self) -> bool:
        return self.model_id == STAND_IN


def choose(name: str, config: Config, catalogue: Catalogue) -> ModelChoice:
    """Raises `ModelNotFound`. An empty name is the default model."""
    chosen = name.strip() or config.default_model
    alias = config.models.get(chosen)
    settings = alias or ModelAlias(model=chosen)
    # What a caller wrote is never resolved: it could name any variable.
    model = _written(alias.model, config) if alias else chosen
    model_id = _full_id(model, catalogue)
    if model_id is None:
        raise _not_found(chosen, model, config, catalogue)
    provider_id, provider_name = provider_named_in(model_id)
    return ModelChoice(
        name=chosen, settings=settings, model_id=model_id, provider_id=provider_id, provider_name=provider_name
    )


def deployments_of(choice: ModelChoice, config: Config) -> list[ModelChoice]:
    """The same choice at each of its deployments; one that names no model id of its own keeps the alias's."""
    return [_at(choice, deployment, config) for deployment in choice.settings.deployments] or [choice]


def _at(choice: ModelChoice, deployment: Deployment, config: Config) -> ModelChoice:
    own = deployment.model_dump(exclude_none=True)
    settings = choice.settings.model_copy(update={**own, "deployments": ()})
    if deployment.model is None:
        return replace(choice, settings=settings)
    model_id = _written(deployment.model, config)
    provider_id, provider_name = provider_named_in(model_id)
    return replace(choice, settings=settings, model_id=model_id, provider_id=provider_id, provider_name=provider_name)


def provider_named_in(model_id: str) -> tuple[str, str]:
    """The id and the name of the provider."""
    if model_id == STAND_IN:
        return "demo", "Demo"
    provider = provider_of(model_id)
    prefix = model_id.partition("/")[0]
    return (provider.id, provider.name) if provider else (prefix, prefix.replace("_", " ").replace("-", " ").title())


def _written(model: str, config: Config) -> str:
    """With its references resolved; one to a variable that is not set stays, and is an error when the model is used."""
    try:
        return resolve(model, config.environ)
    except MissingVariable:
        return model


def _full_id(model: str, catalogue: Catalogue) -> str | None:
    prefix, slash, rest = model.partition("/")
    if model == STAND_IN or (slash and rest and prefix in PREFIXES):
        return model
    return catalogue.full_id(model)


def _not_found(chosen: str, model: str, config: Config, catalogue: Catalogue) -> ModelNotFound:
    what = f"There is no model '{chosen}'."
    if model != chosen:
        what = f"The model alias '{chosen}' stands for '{model}', which is no model id."
    return ModelNotFound(f"{what} {_advice(model, _names(config, catalogue))}")


def _advice(name: str, names: Iterable[str]) -> str:
    near = get_close_matches(name, list(names), n=3)
    nearest = f"Did you mean {' or '.join(near)}? " if near else ""
    return f"{nearest}Name an alias of servers.yaml or a LiteLLM id such as openai/gpt-4o-mini. Call list_models."


def _names(config: Config, catalogue: Catalogue) -> Iterable[str]:
    yield from config.models
    yield STAND_IN
    for prefix in catalogue.prefixes:
        if provider_of(f"{prefix}/"):
            yield from (entry.model_id for entry in catalogue.offered_by(prefix))

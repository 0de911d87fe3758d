"""The providers that the bridge promises to work with, by each backend, and how each is pointed at the fake."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from agent_bridge.config.models import ModelAlias
from agent_bridge.messages import Usage
from support.providers.script import CACHED_TOKENS, INPUT_TOKENS, OUTPUT_TOKENS, REASONING_TOKENS

KEY = "canary-6c1f0e9a-never-shown"
"""The secret of every provider; it must never come back."""


@dataclass(frozen=True, kw_only=True)
class ProviderRow:
    """What differs between providers. Everything else must be the same for all of them."""

    name: str
    backend: Literal["native", "litellm"] = "litellm"
    environ: Callable[[str], Mapping[str, str]]
    """The environment that reaches the fake at this address."""
    alias: Callable[[str], ModelAlias]
    """Its entry under `models`, for the fake at this address."""
    usage: Usage
    has_thinking: bool = True
    signs_thinking: bool = False
    signs_calls: bool = False
    has_call_ids: bool = True
    writes_arguments: bool = True
    """Arguments are text that may be malformed, not objects."""
    headers: Mapping[str, str]
    """What the request must be authorised with."""

    @property
    def id(self) -> str:
        return f"{self.name}-{self.backend}"


_EVERYTHING = Usage(
    input_tokens=INPUT_TOKENS,
    output_tokens=OUTPUT_TOKENS,
    cached_tokens=CACHED_TOKENS,
    reasoning_tokens=REASONING_TOKENS,
)
_NO_REASONING = replace(_EVERYTHING, reasoning_tokens=None)
"""What is left where the wire does not count reasoning."""
_TOKENS_ONLY = Usage(input_tokens=INPUT_TOKENS, output_tokens=OUTPUT_TOKENS)
_BEARER = {"authorization": f"Bearer {KEY}"}

_BY_LITELLM = (
    ProviderRow(
        name="openai",
        alias=lambda _: ModelAlias(model="openai/scripted"),
        environ=lambda url: {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": f"{url}/v1"},
        usage=_EVERYTHING,
        headers=_BEARER,
    ),
    ProviderRow(
        name="compatible",
        alias=lambda url: ModelAlias(model="hosted_vllm/scripted", api_base=f"{url}/v1", api_key="${VLLM_KEY}"),
        environ=lambda _: {"VLLM_KEY": KEY},
        usage=_EVERYTHING,
        headers=_BEARER,
    ),
    ProviderRow(
        name="azure",
        alias=lambda _: ModelAlias(model="azure/scripted"),
        environ=lambda url: {
            "AZURE_OPENAI_API_KEY": KEY,
            "AZURE_OPENAI_ENDPOINT": url,
            "AZURE_OPENAI_API_VERSION": "2024-10-21",
        },
        usage=_EVERYTHING,
        headers={"api-key": KEY},
    ),
    ProviderRow(
        name="anthropic",
        alias=lambda _: ModelAlias(model="anthropic/scripted"),
        environ=lambda url: {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": url},
        usage=_NO_REASONING,
        signs_thinking=True,
        headers={"x-api-key": KEY},
    ),
    ProviderRow(
        name="bedrock",
        alias=lambda _: ModelAlias(model="bedrock/converse/anthropic.scripted", api_key=KEY),
        environ=lambda url: {"AWS_BEDROCK_REGION": "us-east-1", "AWS_BEDROCK_RUNTIME_ENDPOINT": url},
        usage=_NO_REASONING,
        signs_thinking=True,
        headers=_BEARER,
    ),
    ProviderRow(
        name="watsonx",
        alias=lambda _: ModelAlias(model="watsonx/scripted/model"),
        environ=lambda url: {"WATSONX_APIKEY": KEY, "WATSONX_URL": url, "WATSONX_PROJECT_ID": "project"},
        usage=_TOKENS_ONLY,
        has_thinking=False,
        headers={"authorization": "Bearer exchanged-token"},
    ),
    ProviderRow(
        name="ollama",
        alias=lambda _: ModelAlias(model="ollama_chat/scripted"),
        environ=lambda url: {"OLLAMA_API_KEY": KEY, "OLLAMA_BASE_URL": url},
        usage=_TOKENS_ONLY,
        has_call_ids=False,
        writes_arguments=False,
        headers=_BEARER,
    ),
    ProviderRow(
        name="gemini",
        alias=lambda _: ModelAlias(model="gemini/scripted"),
        environ=lambda url: {"GEMINI_API_KEY": KEY, "GEMINI_API_BASE": url},
        usage=_EVERYTHING,
        has_call_ids=False,
        writes_arguments=False,
        signs_calls=True,
        headers={"x-goog-api-key": KEY},
    ),
)


def _compatible(name: str, prefix: str) -> ProviderRow:
    """A server that speaks as OpenAI does."""
    return ProviderRow(
        name=name,
        backend="native",
        alias=lambda url: ModelAlias(model=f"{prefix}/scripted", api_base=f"{url}/v1", api_key="${THE_KEY}"),
        environ=lambda _: {"THE_KEY": KEY},
        usage=_EVERYTHING,
        headers=_BEARER,
    )


_NATIVE = (
    *(replace(row, backend="native") for row in _BY_LITELLM if row.name in ("openai", "azure")),
    _compatible("vllm", "hosted_vllm"),
    _compatible("lm-studio", "lm_studio"),
    _compatible("openrouter", "openrouter"),
    _compatible("litellm-proxy", "litellm_proxy"),
    ProviderRow(
        name="ollama",
        backend="native",
        alias=lambda _: ModelAlias(model="ollama_chat/scripted"),
        environ=lambda url: {"OLLAMA_API_KEY": KEY, "OLLAMA_BASE_URL": url},
        usage=_EVERYTHING,
        headers=_BEARER,
    ),
    ProviderRow(
        name="gemini",
        backend="native",
        alias=lambda _: ModelAlias(model="gemini/scripted"),
        environ=lambda url: {"GEMINI_API_KEY": KEY, "GEMINI_API_BASE": f"{url}/gemini"},
        usage=_EVERYTHING,
        has_thinking=False,
        has_call_ids=False,
        signs_calls=True,
        headers=_BEARER,
    ),
)
ROWS = (*_BY_LITELLM, *_NATIVE)

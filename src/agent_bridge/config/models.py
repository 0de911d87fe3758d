"""What `servers.yaml` may say of a model: a name for it, and the settings that go with that name."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from agent_bridge.config.fields import Closed, Count, ModelId, MoneyOrZero, OneLine, Seconds, Something, Url
from agent_bridge.config.providers import NATIVE_PREFIXES


class Deployment(Closed):
    """One of several places where a model can be reached. What it does not say is as the model says."""

    model: ModelId | None = None
    """Its LiteLLM model id there, where it has another."""
    api_base: Annotated[Url | None, Field(repr=False)] = None
    """The address."""
    api_key: OneLine | None = Field(default=None, repr=False)
    """The key."""
    api_version: str | None = None
    """The version of the API, where there are several (Azure)."""


class ModelAlias(Closed):
    """A name for a model and the settings that go with it."""

    model: Something
    """A LiteLLM model id, for example `openai/gpt-4o-mini`."""
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    """From 0, the most predictable, to 2; without it, the provider's default."""
    max_tokens: Count | None = None
    """The longest reply, in tokens; without it, the provider's default."""
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    """The share of likely words to choose from; without it, the provider's default."""
    api_base: Annotated[Url | None, Field(repr=False)] = None
    """The address of the provider, where it is not the usual one."""
    api_key: OneLine | None = Field(default=None, repr=False)
    """The provider's key; without it, the variable that the provider usually reads."""
    api_version: str | None = None
    """The version of the provider's API, where it has several (Azure)."""
    fallbacks: tuple[str, ...] = ()
    """Aliases or model ids to try, in order, when this one cannot answer."""
    deployments: tuple[Deployment, ...] = ()
    """Several places where the model can be reached, which share the load; without any, there is one."""
    connect_timeout_s: Seconds = 10
    """How long connecting to the provider may take."""
    first_token_timeout_s: Seconds | None = None
    """How long the answer may take to begin; without it, 60 s where there is a fallback or another deployment to turn
    to, else as long as the whole call."""
    idle_timeout_s: Seconds = 90
    """How long the provider may be silent while it answers."""
    timeout_s: Seconds | None = None
    """How long one attempt may take in all; without it, as long as the server's `limits` let the call take."""
    cache_s: Seconds | None = None
    """How long a reply is given again to the same request of the same caller; without it, every request is sent."""
    max_input_tokens: Count | None = None
    """How long a conversation the model takes, in tokens; without it, as LiteLLM's catalogue says."""
    input_cost_per_token: MoneyOrZero | None = None
    """Its price in USD; without it, as the provider or LiteLLM's catalogue says."""
    output_cost_per_token: MoneyOrZero | None = None
    """Its price in USD; without it, as the provider or LiteLLM's catalogue says."""
    supports_vision: bool | None = None
    """Whether it sees images; without it, as LiteLLM's catalogue says, and where that does not know, it is tried."""
    backend: Literal["auto", "native", "litellm"] = "auto"
    """What speaks to the provider: LiteLLM, or the bridge itself (`native`) where it speaks chat completions; `auto` is
    `native` where both do the same."""

    @model_validator(mode="after")
    def _can_be_asked_so(self) -> Self:
        prefix, slash, _ = self.model.partition("/")
        if self.backend == "native" and slash and "$" not in prefix and prefix not in NATIVE_PREFIXES:
            fit = "speaks OpenAI's chat completions"
            raise ValueError(f"has `backend: native`, which {fit}, and '{prefix}' does not; remove it")
        return self

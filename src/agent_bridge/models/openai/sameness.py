"""Where asking a model directly is the same as asking it through LiteLLM, which also has ways around some models."""

from __future__ import annotations

from agent_bridge.models.catalogue import Catalogue
from agent_bridge.models.openai.endpoints import Endpoint
from agent_bridge.models.openai.parameters import family_of, needs_responses

_SAME = frozenset({"azure", "hosted_vllm", "litellm_proxy", "lm_studio", "openai", "openrouter"})
"""Not Ollama and Gemini: their compatible endpoints do other things than their own, for example with what is not set,
and with thinking."""
_ROUTES = ("gpt5_series/", "o_series/", "responses/")
"""What LiteLLM reads in front of a model's name."""


def is_the_same(model_id: str, endpoint: Endpoint, catalogue: Catalogue) -> bool:
    prefix, _, model = model_id.partition("/")
    if prefix not in _SAME or model.startswith(_ROUTES):
        return False
    return prefix not in ("azure", "openai") or _is_plain(prefix, model_id, endpoint, catalogue)


def _is_plain(prefix: str, model_id: str, endpoint: Endpoint, catalogue: Catalogue) -> bool:
    """Whether chat completions serve the model, in a stream and with everything that may be said in a request."""
    entry = catalogue.entry(model_id)
    model = endpoint.model
    if catalogue.is_of_another_kind(model_id) or (prefix == "azure" and family_of(prefix, model) == "o_series"):
        return False
    if entry and False in (entry.flag("supports_system_messages"), entry.flag("supports_native_streaming")):
        return False
    at_openai = prefix == "azure" or endpoint.host.endswith("openai.com")
    return not (at_openai and needs_responses(model)) and "search" not in model

"""Where chat completions are asked for at each provider, and how the request is authorised."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import quote, urlsplit

AZURE_VERSION = "2025-02-01-preview"
"""The version of Azure's API where none is configured."""
_AZURE_WITHOUT_DEPLOYMENTS = frozenset({"latest", "preview", "v1"})
"""Versions of Azure's API that take the deployment as a model, like OpenAI's own."""
_PATH = "/chat/completions"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    url: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    """What authorises a request."""
    model: str
    """As the provider calls it."""
    key: str = field(default="", repr=False)

    @property
    def listing(self) -> Endpoint:
        """Where the same server says which models it has."""
        return replace(self, url=f"{self.url.partition('?')[0].removesuffix(_PATH)}/models")

    @property
    def host(self) -> str:
        """Empty where the address is none."""
        try:
            return urlsplit(self.url).hostname or ""
        except ValueError:
            return ""


Address = Mapping[str, str]
"""`api_base`, `api_key` and `api_version`, as far as they are known."""


def endpoint_of(model_id: str, address: Address, environ: Mapping[str, str]) -> Endpoint | None:
    """Where the model is asked; `None` where that is not known, or not spoken there."""
    prefix, _, model = model_id.partition("/")
    find = _ENDPOINTS.get(prefix)
    return find(model, _completed(prefix, address, environ)) if find else None


def _completed(prefix: str, address: Address, environ: Mapping[str, str]) -> Address:
    """With what LiteLLM would find in the environment for a provider that the bridge has no name for."""
    start = _VARIABLES.get(prefix)
    found = {name: environ.get(f"{start}_{name.upper()}", "") for name in ("api_base", "api_key")} if start else {}
    return {name: value for name, value in (found | dict(address)).items() if value}


def _openai(model: str, address: Address) -> Endpoint:
    return _plain(model, address, address.get("api_base") or "https://api.openai.com/v1")


def _compatible(model: str, address: Address) -> Endpoint | None:
    base = address.get("api_base")
    return _plain(model, address, base) if base else None


def _openrouter(model: str, address: Address) -> Endpoint:
    return _plain(model, address, address.get("api_base") or "https://openrouter.ai/api/v1")


def _ollama(model: str, address: Address) -> Endpoint:
    base = (address.get("api_base") or "http://localhost:11434").rstrip("/")
    return _plain(model, address, f"{base.removesuffix('/v1')}/v1")


def _gemini(model: str, address: Address) -> Endpoint:
    base = (address.get("api_base") or "https://generativelanguage.googleapis.com/v1beta").rstrip("/")
    return _plain(model, address, f"{base.removesuffix('/openai')}/openai")


def _azure(deployment: str, address: Address) -> Endpoint | None:
    base, key = address.get("api_base", "").rstrip("/"), address.get("api_key")
    if not base or not key:
        return None
    version = address.get("api_version") or AZURE_VERSION
    headers = {"api-key": key}
    if version in _AZURE_WITHOUT_DEPLOYMENTS:
        return Endpoint(url=f"{base}/openai/v1{_PATH}", headers=headers, model=deployment, key=key)
    place = base if "/openai/deployments" in base else f"{base}/openai/deployments/{quote(deployment, safe='')}"
    url = f"{place}{_PATH}?api-version={quote(version, safe='')}"
    return Endpoint(url=url, headers=headers, model=deployment, key=key)


def _plain(model: str, address: Address, base: str) -> Endpoint:
    key = address.get("api_key", "")
    url = base.rstrip("/")
    return Endpoint(
        url=url if url.endswith(_PATH) else f"{url}{_PATH}",
        headers={"authorization": f"Bearer {key}"} if key else {},
        model=model,
        key=key,
    )


_ENDPOINTS: Mapping[str, Callable[[str, Address], Endpoint | None]] = {
    "azure": _azure,
    "gemini": _gemini,
    "hosted_vllm": _compatible,
    "litellm_proxy": _compatible,
    "lm_studio": _compatible,
    "ollama": _ollama,
    "ollama_chat": _ollama,
    "openai": _openai,
    "openrouter": _openrouter,
}
_VARIABLES: Mapping[str, str] = {
    "hosted_vllm": "HOSTED_VLLM",
    "litellm_proxy": "LITELLM_PROXY",
    "lm_studio": "LM_STUDIO",
    "openrouter": "OPENROUTER",
}
"""What the names of their variables begin with: `HOSTED_VLLM_API_BASE`, `HOSTED_VLLM_API_KEY`."""

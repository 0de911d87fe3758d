"""Which model providers the bridge knows, and the environment variables that each of them reads.

Data, and the questions that can be answered from it. Other providers work too: by any LiteLLM model id, with the
variables that LiteLLM reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

STAND_IN = "demo/rules"
"""The model that answers where nothing else is configured. It needs no key and no network, and is not an LLM."""

NATIVE_PREFIXES = frozenset(
    {
        "azure",
        "gemini",
        "hosted_vllm",
        "litellm_proxy",
        "lm_studio",
        "ollama",
        "ollama_chat",
        "openai",
        "openrouter",
    }
)
"""What the ids of those models begin with that the bridge can ask itself: they speak OpenAI's chat completions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """Something that a provider cannot do without, and the variables that give it."""

    parameter: str
    """The setting that does as well, where it is given explicitly: `api_key`, `api_base`."""
    any_of: tuple[tuple[str, ...], ...]
    """Alternatives, each of which is variables that are needed together."""

    def met(self, environ: Mapping[str, str]) -> bool:
        return any(all(environ.get(name) for name in names) for names in self.any_of)

    @property
    def wording(self) -> str:
        """`A, or B and C`."""
        return ", or ".join(" and ".join(names) for names in self.any_of)


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    id: str
    """What `LLM_PROVIDER` calls it."""
    name: str
    prefix: str
    """What its LiteLLM model ids begin with, without the slash."""
    other_prefixes: tuple[str, ...] = ()
    needs: tuple[Need, ...] = ()
    ambient: bool = False
    """Credentials may also come from outside the environment: a profile file, an instance role."""
    chosen_by: tuple[str, ...] = ()
    """Without `LLM_PROVIDER`, the provider is chosen where one of these is set."""
    parameters: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """LiteLLM parameters and the variables that fill them; the first that is set wins."""
    model_variable: str
    default_model: str | None
    """The model where `model_variable` is not set; `None` where only the user can know."""
    temperature_variable: str | None = None
    max_tokens_variable: str | None = None

    def values(self, environ: Mapping[str, str]) -> dict[str, str]:
        """The LiteLLM parameters that the environment gives."""
        found = {name: first_set(variables, environ) for name, variables in self.parameters.items()}
        return {name: environ[variable] for name, variable in found.items() if variable}

    def missing(self, environ: Mapping[str, str], given: frozenset[str] = frozenset()) -> list[Need]:
        """What is still needed when the parameters in `given` are set explicitly."""
        return [need for need in self.needs if need.parameter not in given and not need.met(environ)]

    def model_id(self, model: str) -> str:
        """The LiteLLM id of a model that is named as the provider names it, or by its LiteLLM id."""
        head, slash, rest = model.partition("/")
        bare = rest if slash and head in (self.prefix, *self.other_prefixes) else model
        return f"{self.prefix}/{bare}"


def first_set(variables: tuple[str, ...], environ: Mapping[str, str]) -> str | None:
    return next((name for name in variables if environ.get(name)), None)


def _key(*names: str) -> Need:
    return Need(parameter="api_key", any_of=tuple((name,) for name in names))


PROVIDERS: tuple[Provider, ...] = (
    Provider(
        id="azure_openai",
        name="Azure OpenAI",
        prefix="azure",
        needs=(
            Need(
                parameter="api_key",
                any_of=(
                    ("AZURE_OPENAI_API_KEY",),
                    ("AZURE_API_KEY",),
                    ("AZURE_AD_TOKEN",),
                    ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET"),
                ),
            ),
            Need(parameter="api_base", any_of=(("AZURE_OPENAI_ENDPOINT",), ("AZURE_API_BASE",))),
        ),
        chosen_by=("AZURE_OPENAI_API_KEY", "AZURE_API_KEY"),
        parameters={
            "api_key": ("AZURE_OPENAI_API_KEY", "AZURE_API_KEY"),
            "api_base": ("AZURE_OPENAI_ENDPOINT", "AZURE_API_BASE"),
            "api_version": ("AZURE_OPENAI_API_VERSION", "AZURE_API_VERSION"),
        },
        model_variable="AZURE_OPENAI_DEPLOYMENT",
        default_model=None,
        temperature_variable="AZURE_OPENAI_TEMPERATURE",
    ),
    Provider(
        id="openai",
        name="OpenAI",
        prefix="openai",
        needs=(_key("OPENAI_API_KEY"),),
        chosen_by=("OPENAI_API_KEY",),
        parameters={"api_key": ("OPENAI_API_KEY",), "api_base": ("OPENAI_BASE_URL", "OPENAI_API_BASE")},
        model_variable="OPENAI_MODEL",
        default_model="gpt-4o-mini",
        temperature_variable="OPENAI_TEMPERATURE",
    ),
    Provider(
        id="anthropic",
        name="Anthropic",
        prefix="anthropic",
        needs=(_key("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"),),
        chosen_by=("ANTHROPIC_API_KEY",),
        parameters={
            "api_key": ("ANTHROPIC_API_KEY",),
            "api_base": ("ANTHROPIC_BASE_URL", "ANTHROPIC_API_BASE"),
        },
        model_variable="ANTHROPIC_MODEL",
        default_model="claude-haiku-4-5",
        temperature_variable="ANTHROPIC_TEMPERATURE",
        max_tokens_variable="ANTHROPIC_MAX_TOKENS",
    ),
    Provider(
        id="gemini",
        name="Google Gemini",
        prefix="gemini",
        needs=(_key("GEMINI_API_KEY", "GOOGLE_API_KEY"),),
        chosen_by=("GEMINI_API_KEY", "GOOGLE_API_KEY"),
        parameters={"api_key": ("GEMINI_API_KEY", "GOOGLE_API_KEY"), "api_base": ("GEMINI_API_BASE",)},
        model_variable="GEMINI_MODEL",
        default_model="gemini-2.5-flash",
        temperature_variable="GEMINI_TEMPERATURE",
        max_tokens_variable="GEMINI_MAX_TOKENS",
    ),
    Provider(
        id="aws_bedrock",
        name="AWS Bedrock",
        prefix="bedrock",
        needs=(
            Need(
                parameter="api_key",
                any_of=(
                    ("AWS_BEARER_TOKEN_BEDROCK",),
                    ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
                    ("AWS_PROFILE",),
                    ("AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"),
                ),
            ),
        ),
        ambient=True,
        # General AWS credentials are on many machines for other reasons, so they alone do not choose Bedrock.
        chosen_by=("AWS_BEARER_TOKEN_BEDROCK", "AWS_BEDROCK_MODEL_ID"),
        parameters={
            "aws_region_name": ("AWS_BEDROCK_REGION", "AWS_REGION_NAME", "AWS_REGION", "AWS_DEFAULT_REGION"),
            "aws_bedrock_runtime_endpoint": ("AWS_BEDROCK_RUNTIME_ENDPOINT",),
        },
        model_variable="AWS_BEDROCK_MODEL_ID",
        default_model="global.anthropic.claude-haiku-4-5-20251001-v1:0",
        temperature_variable="AWS_BEDROCK_TEMPERATURE",
        max_tokens_variable="AWS_BEDROCK_MAX_TOKENS",
    ),
    Provider(
        id="watsonx",
        name="IBM watsonx.ai",
        prefix="watsonx",
        needs=(
            _key("WATSONX_APIKEY", "WATSONX_API_KEY", "WX_API_KEY", "WATSONX_TOKEN", "WATSONX_ZENAPIKEY"),
            Need(
                parameter="api_base",
                any_of=(("WATSONX_URL",), ("WATSONX_API_BASE",), ("WX_URL",), ("WML_URL",)),
            ),
            Need(
                parameter="project_id",
                any_of=(("WATSONX_PROJECT_ID",), ("WX_PROJECT_ID",), ("WATSONX_SPACE_ID",), ("WX_SPACE_ID",)),
            ),
        ),
        chosen_by=("WATSONX_APIKEY", "WATSONX_API_KEY", "WX_API_KEY"),
        parameters={
            "api_key": ("WATSONX_APIKEY", "WATSONX_API_KEY", "WX_API_KEY"),
            "api_base": ("WATSONX_URL", "WATSONX_API_BASE", "WX_URL", "WML_URL"),
            "project_id": ("WATSONX_PROJECT_ID", "WX_PROJECT_ID"),
        },
        model_variable="WATSONX_MODEL_ID",
        default_model="ibm/granite-4-h-small",
        temperature_variable="WATSONX_TEMPERATURE",
    ),
    Provider(
        id="ollama",
        name="Ollama",
        prefix="ollama_chat",
        other_prefixes=("ollama",),
        chosen_by=("OLLAMA_MODEL", "OLLAMA_BASE_URL", "OLLAMA_API_BASE"),
        parameters={"api_key": ("OLLAMA_API_KEY",), "api_base": ("OLLAMA_BASE_URL", "OLLAMA_API_BASE")},
        model_variable="OLLAMA_MODEL",
        default_model="llama3.2",
        temperature_variable="OLLAMA_TEMPERATURE",
    ),
)


def provider_named(provider_id: str) -> Provider | None:
    return next((provider for provider in PROVIDERS if provider.id == provider_id), None)


def provider_of(model_id: str) -> Provider | None:
    """Whose model a LiteLLM id names; `None` where the table does not say."""
    prefix, slash, _ = model_id.partition("/")
    return next((p for p in PROVIDERS if slash and prefix in (p.prefix, *p.other_prefixes)), None)

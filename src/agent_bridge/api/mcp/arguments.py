"""What the tools take: one closed model per tool, and what is wrong with arguments that do not fit it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from agent_bridge.bridge.requests import ChatRequest
from agent_bridge.config.upstreams import Upstream
from agent_bridge.errors import InvalidInput
from agent_bridge.tools import JsonObject

_Wait = Annotated[float, Field(ge=0)]
_SESSION = "A session_id from connect or from an earlier chat."
_RUN = "A run_id from chat."
_WAIT = (
    "How many seconds this call may block. When they have passed it returns status 'running' and the run goes on. "
    "0 starts it in the background. Leave it out for the longest wait that is safe in this host."
)


class Arguments(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ListServers(Arguments):
    pass


class ListModels(Arguments):
    provider: str = Field("", description="Only models of this provider, by id, for example 'openai'.")
    query: str = Field("", description="Only models whose id or name contains this text.")


class Address(Arguments):
    """An MCP server to reach directly, without a name in servers.yaml."""

    url: str = Field(description="The server's address, for example 'https://example.com/mcp'.")
    transport: Literal["http", "sse"] | None = Field(None, description="How to speak to it; usually left out.")
    auth_token: str | None = Field(None, repr=False, description="Sent to it as a bearer token.")

    def as_upstream(self) -> Upstream:
        """Raises `InvalidInput`."""
        try:
            return Upstream(url=self.url, transport=self.transport, auth_token=self.auth_token)
        except ValidationError:
            raise InvalidInput(
                "server.url must be an http:// or https:// address with a host, and server.auth_token one line."
            ) from None


class Connect(Arguments):
    server: str | Address = Field(
        "", description="The name of a server from list_servers, or an address. Left out: the default server."
    )
    model: str = Field("", description="A model from list_models. Left out: the server's own.")
    system_prompt: str | None = Field(None, description="Instructions in place of the server's own.")
    temperature: Annotated[float, Field(ge=0, le=2)] | None = Field(None, description="From 0 to 2.")
    max_tokens: Annotated[int, Field(gt=0)] | None = Field(None, description="The most tokens of one reply.")
    tools: tuple[str, ...] | None = Field(
        None, description="Globs that narrow the server's tools, for example ['clock__*']. Left out: all of them."
    )


class LimitsArgument(Arguments):
    """Limits of this run. They only tighten the server's own."""

    max_steps: Annotated[int, Field(gt=0)] | None = Field(None, description="Replies of the model.")
    max_tool_calls: Annotated[int, Field(gt=0)] | None = None
    max_tokens: Annotated[int, Field(gt=0)] | None = Field(None, description="Tokens in and out.")
    max_cost_usd: Annotated[float, Field(gt=0)] | None = None
    timeout_s: Annotated[float, Field(gt=0)] | None = Field(None, description="Seconds of work in all.")
    model_timeout_s: Annotated[float, Field(gt=0)] | None = Field(None, description="Seconds of one model call.")
    tool_timeout_s: Annotated[float, Field(gt=0)] | None = Field(
        None, description="Seconds that a tool may go without progress."
    )


class Chat(Arguments):
    message: str = Field(description="What the agent should do, with all that it needs to know.")
    session_id: str = Field("", description=_SESSION + " Left out: a new session.")
    server: str = Field("", description="For a new session: the name of a server from list_servers.")
    model: str = Field("", description="For a new session: a model from list_models.")
    wait_s: _Wait | None = Field(None, description=_WAIT)
    response_schema: JsonObject | None = Field(
        None, description="A JSON Schema of type object. The answer is then also an object that satisfies it, `output`."
    )
    limits: LimitsArgument | None = Field(None, description="Limits of this run. They only tighten the server's own.")

    def request(self) -> ChatRequest:
        return ChatRequest(
            message=self.message,
            session_id=self.session_id,
            server=self.server,
            model=self.model,
            limits=self.limits.model_dump(exclude_none=True) if self.limits else {},
            response_schema=self.response_schema,
        )


class Ask(Arguments):
    message: str = Field(description="What the agent should do, with all that it needs to know.")
    session_id: str = Field("", description=_SESSION + " Left out: a new session.")
    wait_s: _Wait | None = Field(None, description=_WAIT)

    def request(self, server: str) -> ChatRequest:
        return ChatRequest(message=self.message, session_id=self.session_id, server=server)


class Status(Arguments):
    run_id: str = Field("", description=_RUN + " Or give session_id.")
    session_id: str = Field("", description="A session_id; tells of its newest run.")
    after: Annotated[int, Field(ge=0)] = Field(0, description="Only events with a greater seq; 0 for all.")
    wait_s: _Wait = Field(0, description="How many seconds to wait for something new. It returns at the first change.")


class Respond(Arguments):
    run_id: str = Field(description=_RUN)
    approval_id: str = Field(description="The approval_id of an entry in the run's `pending`.")
    decision: Literal["approve", "deny"] = Field(description="Whether the call is made.")
    arguments: JsonObject | None = Field(
        None,
        description="Arguments to call the tool with instead of those shown. Where `pending` has a schema: the answer.",
    )
    note: str = Field("", description="With deny: what the agent should know about why.")


class Cancel(Arguments):
    run_id: str = Field(description=_RUN)


class Disconnect(Arguments):
    session_id: str = Field(description="A session_id from connect or chat.")


A = TypeVar("A", bound=Arguments)


def read(model: type[A], given: Mapping[str, object]) -> A:
    """The arguments of a call. Raises `InvalidInput` that names what is wrong, and never repeats its value."""
    try:
        return model.model_validate(given)
    except ValidationError as invalid:
        details = invalid.errors(include_url=False, include_context=False, include_input=False)
        raise InvalidInput(" ".join(dict.fromkeys(_advice(model, detail) for detail in _telling(details)))) from None


def _telling(details: list[ErrorDetails]) -> list[ErrorDetails]:
    """Without the complaint that an address is not a name, where the address itself is looked into."""
    deep = {detail["loc"][0] for detail in details if "Address" in detail["loc"][:-1]}
    return [detail for detail in details if detail["loc"][-1] != "str" or detail["loc"][0] not in deep]


def _advice(model: type[Arguments], detail: ErrorDetails) -> str:
    name = ".".join(str(part) for part in detail["loc"] if part not in ("str", "Address"))
    match detail["type"]:
        case "extra_forbidden" if "." in name:
            return f"There is no '{name}'."
        case "extra_forbidden":
            return f"There is no argument '{name}'. The arguments are: {', '.join(model.model_fields) or 'none'}."
        case "missing":
            return f"The argument '{name}' is missing."
        case _:
            return f"The argument '{name}' does not fit: {detail['msg'][:1].lower()}{detail['msg'][1:]}."

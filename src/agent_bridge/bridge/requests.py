"""What callers ask for, as values, and the rules that hold before anything is done about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from agent_bridge.answers import check_schema
from agent_bridge.config.secrets import references
from agent_bridge.config.upstreams import Upstream
from agent_bridge.errors import InvalidInput, TooLarge
from agent_bridge.nesting import Nesting
from agent_bridge.tools import JsonObject

MESSAGE_BYTES = 1024 * 1024
HOTTEST = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectRequest:
    """`server` is the name of a virtual server, an upstream to reach directly, or empty for the default."""

    server: str | Upstream = ""
    model: str = ""
    system_prompt: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    tools: tuple[str, ...] = ()

    def validate(self) -> None:
        """Raises `InvalidInput`."""
        if self.temperature is not None and not 0 <= self.temperature <= HOTTEST:
            raise InvalidInput("temperature must be from 0.0 to 2.0.")
        if self.max_tokens is not None and self.max_tokens < 1:
            raise InvalidInput("max_tokens must be at least 1.")
        if isinstance(self.server, Upstream):
            address = urlsplit(self.server.url or "")
            if address.scheme not in ("http", "https") or not address.hostname:
                raise InvalidInput("server.url must be an http:// or https:// address with a host.")
            if self.server.auth is not None:
                raise InvalidInput("server may have an auth_token, and no other login. Write the token itself.")
            given = (self.server.url or "", self.server.auth_token or "", *self.server.headers.values())
            if any(references(text) for text in given):
                raise InvalidInput("server may not refer to variables of the bridge. Write the values themselves.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """One message. Without a `session_id` a new session is made, from `server` and `model`."""

    message: str
    session_id: str = ""
    server: str = ""
    model: str = ""
    limits: Mapping[str, object] = field(default_factory=dict[str, object])
    """Fields of `Limits`; they may only tighten the server's."""
    response_schema: JsonObject | None = None
    """A JSON Schema of the object that the answer must be."""
    can_ask: bool = False
    """Whether a person can be asked for approvals; where not, calls that need one are denied."""
    model_can_respond: bool = False
    """Whether the calling model could approve by itself, where the server lets it (`approvals.by_model`)."""
    nesting: Nesting = field(default_factory=Nesting)
    """The runs of other bridges that wait for this one."""

    def validate(self) -> None:
        """Raises `InvalidInput` or `TooLarge`."""
        if not self.message.strip():
            raise InvalidInput("message is empty. Say what the agent should do.")
        size = len(self.message.encode())
        if size > MESSAGE_BYTES:
            raise TooLarge(
                f"message has {size:,} bytes; at most {MESSAGE_BYTES:,} are taken. Shorten it, or put the material "
                "where a tool of the server can read it."
            )
        if self.response_schema is not None:
            check_schema(self.response_schema)

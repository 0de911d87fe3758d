"""Every error a caller can see. One base, one stable code, one sentence that says what to do next."""

from __future__ import annotations

from typing import ClassVar, Literal

Code = Literal[
    "invalid_input",
    "config_invalid",
    "server_not_found",
    "server_inactive",
    "model_not_found",
    "model_credentials",
    "model_rate_limited",
    "model_timeout",
    "model_refused",
    "model_error",
    "context_too_long",
    "upstream_unavailable",
    "upstream_credentials",
    "no_tools",
    "session_not_found",
    "session_busy",
    "run_not_found",
    "approval_not_found",
    "forbidden",
    "unauthenticated",
    "too_large",
    "too_many",
    "store_unavailable",
    "internal",
]


class BridgeError(Exception):
    """A failure worded for the caller: never a stack trace, a path, a key, a header or a URL's credentials."""

    code: ClassVar[Code] = "internal"
    recoverable: ClassVar[bool] = False

    @property
    def message(self) -> str:
        return str(self)


class InvalidInput(BridgeError):
    code = "invalid_input"
    recoverable = True


class ConfigInvalid(BridgeError):
    """`problems` are whole lines, `file:line: what, and what would be right`."""

    code = "config_invalid"

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class ServerNotFound(BridgeError):
    code = "server_not_found"
    recoverable = True


class ServerInactive(BridgeError):
    code = "server_inactive"
    recoverable = True


class ModelNotFound(BridgeError):
    code = "model_not_found"
    recoverable = True


class ModelCredentials(BridgeError):
    code = "model_credentials"


class ModelRateLimited(BridgeError):
    code = "model_rate_limited"
    recoverable = True


class ModelTimeout(BridgeError):
    code = "model_timeout"
    recoverable = True


class ModelRefused(BridgeError):
    code = "model_refused"


class ModelError(BridgeError):
    code = "model_error"
    recoverable = True


class ContextTooLong(BridgeError):
    code = "context_too_long"


class UpstreamUnavailable(BridgeError):
    code = "upstream_unavailable"
    recoverable = True


class UpstreamCredentials(BridgeError):
    code = "upstream_credentials"


class NoTools(BridgeError):
    code = "no_tools"
    recoverable = True


class SessionNotFound(BridgeError):
    code = "session_not_found"
    recoverable = True


class SessionBusy(BridgeError):
    code = "session_busy"
    recoverable = True


class RunNotFound(BridgeError):
    code = "run_not_found"
    recoverable = True


class ApprovalNotFound(BridgeError):
    code = "approval_not_found"
    recoverable = True


class Forbidden(BridgeError):
    code = "forbidden"


class Unauthenticated(BridgeError):
    code = "unauthenticated"


class TooLarge(BridgeError):
    code = "too_large"
    recoverable = True


class TooMany(BridgeError):
    code = "too_many"
    recoverable = True


class StoreUnavailable(BridgeError):
    code = "store_unavailable"
    recoverable = True


class Internal(BridgeError):
    code = "internal"

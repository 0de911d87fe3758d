"""Who can be asked in a request: nobody, or the person behind it, in the way that its client declared.

In the handshake era a form is sent while the call waits. In 2026-07-28 it is the result of the call, and the client
makes the same call again with the answers.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import anyio
import mcp_types
from fastmcp.server.dependencies import get_context
from mcp.server.session import ServerSession
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError

from agent_bridge.api.mcp.forms import Form
from agent_bridge.errors import Forbidden
from agent_bridge.records import Principal
from agent_bridge.views import RunView

logger = logging.getLogger(__name__)

Way = Literal["by request", "by result", "not at all"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """What the client of one request lets us ask, and what it brings back from an earlier round of the same call."""

    way: Way
    session: ServerSession
    request_id: mcp_types.RequestId
    request_state: str | None = None
    responses: Mapping[str, object] = field(default_factory=dict[str, object])

    @staticmethod
    def of_request(who: Principal) -> Asker:
        """Of the request that is being served. Who may not decide is not asked."""
        context = get_context()
        request = context.request_context
        if request is None or request.request_id is None:
            raise RuntimeError("There is no request to answer.")
        return Asker(
            way=_way(request.session, who, is_modern=request.protocol_version in MODERN_PROTOCOL_VERSIONS),
            session=request.session,
            request_id=request.request_id,
            request_state=context.request_state,
            responses=context.input_responses or {},
        )

    @property
    def can_ask(self) -> bool:
        return self.way != "not at all"

    def asks_at_once(self, run: RunView) -> bool:
        """Whether the call has nothing to wait for, because what the run needs is its result."""
        return self.way == "by result" and run.status == "input_required"

    async def elicit(self, form: Form) -> mcp_types.ElicitResult | None:
        """What the person filled in; nothing where the client cannot do what it declared, or is gone."""
        try:
            return await self.session.elicit_form(form.message, form.schema, self.request_id)
        except (MCPError, ValidationError, anyio.ClosedResourceError, anyio.BrokenResourceError) as error:
            logger.info("Nobody could be asked about run %s: %s", form.run.run_id, type(error).__name__)
            return None


def _way(session: ServerSession, who: Principal, *, is_modern: bool) -> Way:
    if not (_takes_forms(session.client_capabilities) and _may_decide(who)):
        return "not at all"
    if is_modern:
        return "by result"
    return "by request" if session.can_send_request else "not at all"


def _takes_forms(capabilities: mcp_types.ClientCapabilities | None) -> bool:
    """Whether the client declared elicitation by form, which is also what no mode at all means."""
    elicitation = capabilities.elicitation if capabilities else None
    return elicitation is not None and (elicitation.form is not None or elicitation.url is None)


def _may_decide(who: Principal) -> bool:
    try:
        who.require("chat")
    except Forbidden:
        return False
    return True

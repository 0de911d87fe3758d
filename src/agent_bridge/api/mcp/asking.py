"""Asking the person behind a call to approve: in the way that this call's client declared, or not at all.

In the handshake era the form is sent while the call waits. In 2026-07-28 it is the result of the call, and the client
makes the same call again with the answers.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import anyio
import mcp_types
from fastmcp.server.dependencies import get_context
from fastmcp.tools.base import InputRequiredToolResult
from mcp.server.session import ServerSession
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError

from agent_bridge.api.mcp.forms import Form
from agent_bridge.api.mcp.request_state import RequestState, asked_again, redeem
from agent_bridge.calls import Answer
from agent_bridge.errors import ApprovalNotFound, BridgeError
from agent_bridge.events import ApprovalResolved
from agent_bridge.records import LOCAL, Principal
from agent_bridge.views import RunView

if TYPE_CHECKING:
    from agent_bridge.bridge import Bridge

logger = logging.getLogger(__name__)

Way = Literal["by request", "by result", "not at all"]
_LOOK_S = 30.0
"""How long one look for decisions made elsewhere may last. Any event ends it; this bounds what a lost one costs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """What the client of one request lets us ask, and what it brings back from an earlier round of the same call."""

    way: Way
    session: ServerSession
    request_id: mcp_types.RequestId
    request_state: str | None = None
    responses: Mapping[str, object] = field(default_factory=dict[str, object])

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
            logger.info("Nobody could be asked about run %s: %s", form.run.run_id, error)
            return None


def current() -> Asker:
    """Of the request that is being served."""
    context = get_context()
    request = context.request_context
    if request is None or request.request_id is None:
        raise RuntimeError("There is no request to answer.")
    return Asker(
        way=_way(request.session, is_modern=request.protocol_version in MODERN_PROTOCOL_VERSIONS),
        session=request.session,
        request_id=request.request_id,
        request_state=context.request_state,
        responses=context.input_responses or {},
    )


def takes_forms(capabilities: mcp_types.ClientCapabilities | None) -> bool:
    """Whether the client declared elicitation by form, which is also what no mode at all means."""
    elicitation = capabilities.elicitation if capabilities else None
    return elicitation is not None and (elicitation.form is not None or elicitation.url is None)


def _way(session: ServerSession, *, is_modern: bool) -> Way:
    if not takes_forms(session.client_capabilities):
        return "not at all"
    if is_modern:
        return "by result"
    return "by request" if session.can_send_request else "not at all"


class Questions:
    """Puts what is pending to a person, and the person's decisions to the run. The first decision counts."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge

    async def settle(self, who: Principal, run: RunView, asker: Asker, ends: float) -> bool:
        """Puts what is pending to the person while the call waits, until `ends` by the clock of the loop.

        Whether that, or an answer from elsewhere, led to a decision. `False` also where there was nothing to ask.
        """
        if run.status != "input_required" or asker.way != "by request":
            return False
        with anyio.CancelScope(deadline=ends):
            return await self._put(who, run, asker)
        return False

    async def _put(self, who: Principal, run: RunView, asker: Asker) -> bool:
        """Returns when the person has decided, or somebody else has; `False` where nobody did and asking is of no use.

        Cancelling this takes the form back.
        """
        form, given, is_decided = Form(run, run.pending), None, False

        def stop() -> None:
            nonlocal is_decided
            is_decided = True
            group.cancel_scope.cancel()

        async with anyio.create_task_group() as group:
            group.start_soon(self._until_decided, who, run, stop)
            given = await asker.elicit(form)
            group.cancel_scope.cancel()
        answers = form.answers(given, name_of(who)) if given else {}
        await self._answer(who, run.run_id, answers)
        return is_decided or bool(answers)

    async def take(self, who: Principal, asker: Asker) -> RequestState | None:
        """Puts what an earlier round brought back to its run. Raises `InvalidInput` for a state that came before."""
        if asker.request_state is None:
            return None
        state = RequestState.of(asker.request_state)
        run = await self._bridge.run(who, state.run_id)
        await redeem(self._bridge, state)
        await self.fill_in(who, run, asker.responses)
        return state

    async def fill_in(self, who: Principal, run: RunView, responses: Mapping[str, object]) -> None:
        """Takes the forms that came back, by approval id; what is not pending is passed over."""
        for pending in run.pending:
            response = responses.get(pending.approval_id)
            if isinstance(response, mcp_types.ElicitResult):
                await self._answer(who, run.run_id, Form(run, [pending]).answers(response, name_of(who)))

    def result(self, run: RunView, before: RequestState | None, asker: Asker) -> InputRequiredToolResult | None:
        """All that is pending as the result of a call, where its client takes that; `before` is the last round."""
        if not asker.asks_at_once(run):
            return None
        state = asked_again(before, run_id=run.run_id, last_seq=run.last_seq)
        if state is None:
            return None
        return InputRequiredToolResult(
            mcp_types.InputRequiredResult(input_requests=requests(run), request_state=state.text)
        )

    async def _answer(self, who: Principal, run_id: str, answers: Mapping[str, Answer]) -> None:
        """What was decided elsewhere meanwhile stays decided."""
        for approval_id, answer in answers.items():
            with suppress(ApprovalNotFound):
                await self._bridge.respond(who, run_id, approval_id, answer)

    async def _until_decided(self, who: Principal, run: RunView, stop: Callable[[], None]) -> None:
        """Stops the asking when anything about the run was decided at another door, or it has ended."""
        after = run.last_seq
        with suppress(BridgeError):  # asking goes on without it
            while True:
                events = await self._bridge.events(who, run.run_id, after=after, wait_s=_LOOK_S)
                if any(isinstance(one.event, ApprovalResolved) or one.is_last for one in events):
                    break
                after = events[-1].seq if events else after
            stop()


def requests(run: RunView) -> mcp_types.InputRequests:
    """One form for each approval that is pending, by its id."""
    return {
        pending.approval_id: mcp_types.ElicitRequest(params=Form(run, [pending]).request) for pending in run.pending
    }


def name_of(who: Principal) -> str:
    """Who decided, in a word that the model will read."""
    return "the user" if who == LOCAL else who.id

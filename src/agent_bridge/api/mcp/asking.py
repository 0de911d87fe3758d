"""Questions of a run to the person behind a call, and the person's decisions back to the run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

import anyio
import mcp_types
from fastmcp.tools.base import InputRequiredToolResult

from agent_bridge.api.mcp.asker import Asker
from agent_bridge.api.mcp.forms import form_of, next_form, request_of
from agent_bridge.api.mcp.request_state import RequestState, asked_again, redeem
from agent_bridge.calls import Answer
from agent_bridge.errors import ApprovalNotFound, BridgeError, InvalidInput
from agent_bridge.events import ApprovalResolved
from agent_bridge.records import LOCAL, Principal
from agent_bridge.views import RunView

if TYPE_CHECKING:
    from agent_bridge.bridge import Bridge

_LOOK_S = 30.0
"""How long one look for decisions made elsewhere may last. Any event ends it; this bounds what a lost one costs."""


class Questions:
    """The first decision counts, wherever it is made."""

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
        form, given, is_decided = next_form(run), None, False

        def stop() -> None:
            nonlocal is_decided
            is_decided = True
            group.cancel_scope.cancel()

        async with anyio.create_task_group() as group:
            group.start_soon(self._until_decided, who, run, stop)
            given = await asker.elicit(form)
            group.cancel_scope.cancel()
        answers = form.answers(given, name_of(who)) if given else {}
        return await self._answer(who, run.run_id, answers) or is_decided

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
                await self._answer(who, run.run_id, form_of(run, pending).answers(response, name_of(who)))

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

    async def _answer(self, who: Principal, run_id: str, answers: Mapping[str, Answer]) -> bool:
        """Whether something is decided now, here or elsewhere meanwhile. What does not fit its form decides nothing."""
        decided = [await self._decided(who, run_id, approval_id, answer) for approval_id, answer in answers.items()]
        return any(decided)

    async def _decided(self, who: Principal, run_id: str, approval_id: str, answer: Answer) -> bool:
        try:
            await self._bridge.respond(who, run_id, approval_id, answer)
        except InvalidInput:
            return False
        except ApprovalNotFound:
            pass
        return True

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
    return {pending.approval_id: request_of(form_of(run, pending)) for pending in run.pending}


def name_of(who: Principal) -> str:
    """Who decided, in a word that the model will read."""
    return "the user" if who == LOCAL else who.id

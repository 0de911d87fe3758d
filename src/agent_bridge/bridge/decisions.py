"""What must hold before a decision about a tool call counts: who may make it, and with which arguments."""

from __future__ import annotations

from agent_bridge.calls import Answer
from agent_bridge.errors import Forbidden, InvalidInput
from agent_bridge.records import Run, Session
from agent_bridge.runs import Equip
from agent_bridge.store import Store
from agent_bridge.tools import JsonObject


class Decisions:
    def __init__(self, store: Store, equip: Equip) -> None:
        self._store = store
        self._equip = equip

    async def check(self, run: Run, approval_id: str, answer: Answer, *, by_model: bool) -> None:
        """Raises `Forbidden` or `InvalidInput`. A run without its session is for others to refuse."""
        session = await self._store.session(run.principal, run.session_id)
        if by_model and not (session and self._equip.server_of(session).approval_rules.by_model):
            raise Forbidden(
                f"The server '{run.server}' leaves approvals to people, so they cannot be answered with respond. Wait "
                f'for the person: call status with run_id="{run.run_id}" and wait_s=30.'
            )
        edited = answer.arguments if answer.decision == "approve" else None
        if edited is not None and session is not None:
            await self._check_edited(run, approval_id, edited, session)

    async def _check_edited(self, run: Run, approval_id: str, edited: JsonObject, session: Session) -> None:
        approval = next((one for one in run.pending if one.approval_id == approval_id), None)
        if approval is None:
            return
        tools = await self._equip.tools_of(session)
        if complaint := tools.complaint(approval.tool, edited):
            raise InvalidInput(f"The arguments are not what '{approval.tool}' takes: {complaint}. Correct them.")

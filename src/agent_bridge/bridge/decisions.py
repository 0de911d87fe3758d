"""What must hold before a decision about a tool call counts: who may make it, and with which arguments."""

from __future__ import annotations

from agent_bridge.calls import Answer
from agent_bridge.errors import Forbidden, InvalidInput
from agent_bridge.records import Approval, Run, Session
from agent_bridge.rules import SchemaRules
from agent_bridge.runs import Equip
from agent_bridge.store import Store
from agent_bridge.tools import JsonObject, form_fields


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
        approval = next((one for one in run.pending if one.approval_id == approval_id), None)
        if approval is None or answer.decision == "deny":
            return
        if approval.schema is not None:
            _check_form(approval.schema, answer.arguments or {})
        elif answer.arguments is not None and session is not None:
            await self._check_edited(approval, answer.arguments, session)

    async def _check_edited(self, approval: Approval, edited: JsonObject, session: Session) -> None:
        tools = await self._equip.tools_of(session)
        if complaint := tools.complaint(approval.tool, edited):
            raise InvalidInput(f"The arguments are not what '{approval.tool}' takes: {complaint}. Correct them.")


def _check_form(schema: JsonObject, filled_in: JsonObject) -> None:
    """What a tool's server asked for, field by field, and nothing besides. Raises `InvalidInput`."""
    fields = form_fields(schema)
    complaints = [f"there is no field '{name}'" for name in filled_in if name not in fields]
    complaints += [f"`{name}` must be flat" for name, value in filled_in.items() if isinstance(value, dict)]
    if complaint := next(iter(complaints), None) or SchemaRules(schema).complaint(filled_in):
        raise InvalidInput(f"That is not what is asked for: {complaint}. Give the fields of the form in `arguments`.")

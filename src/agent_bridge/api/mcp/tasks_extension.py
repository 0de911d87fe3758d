"""The extension `io.modelcontextprotocol/tasks`: a client that declares it gets a task for a chat, which is the run.

Nothing is kept for a task besides the run. Whichever process is asked, and whichever works on it, the run is the same.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, cast

import mcp_types
from fastmcp.server.context import Context
from fastmcp.server.extensions import (
    MethodBinding,
    ServerExtension,
    ToolCallContinuation,
    ToolCallOutcome,
    read_client_extension_settings,
)
from fastmcp.tools.base import ToolResult
from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp.shared.inbound import MCP_NAME_HEADER, decode_header_value
from mcp_types.jsonrpc import HEADER_MISMATCH, MISSING_REQUIRED_CLIENT_CAPABILITY
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from agent_bridge.api.mcp import asking, channel, refusal, results, task_shapes
from agent_bridge.api.mcp.asker import Asker
from agent_bridge.api.mcp.asking import Questions
from agent_bridge.api.mcp.task_shapes import IDENTIFIER, Task, TaskParams, UpdateParams
from agent_bridge.api.mcp.tools import Tools
from agent_bridge.errors import BridgeError
from agent_bridge.records import Principal
from agent_bridge.tools import JsonObject
from agent_bridge.views import RunView

if TYPE_CHECKING:
    from agent_bridge.bridge import Bridge

Request = ServerRequestContext[Any, Any]
_LAST_EVENTS = 40
"""Enough to say what is going on."""


class TasksExtension(ServerExtension):
    identifier = IDENTIFIER

    def __init__(self, bridge: Bridge, who: Callable[[], Principal], tools: Tools, questions: Questions) -> None:
        self._bridge = bridge
        self._who = who
        self._tools = tools
        self._questions = questions

    def methods(self) -> Sequence[MethodBinding]:
        modern = frozenset(MODERN_PROTOCOL_VERSIONS)
        return [
            MethodBinding("tasks/get", TaskParams, self._get, modern),
            MethodBinding("tasks/update", UpdateParams, self._update, modern),
            MethodBinding("tasks/cancel", TaskParams, self._cancel, modern),
        ]

    async def intercept_tool_call(
        self, params: mcp_types.CallToolRequestParams, context: Context, call_next: ToolCallContinuation
    ) -> ToolCallOutcome:
        """A call that asks an agent returns as soon as its run is written down. Its `wait_s` means nothing here."""
        request = context.request_context
        is_modern = request is not None and request.protocol_version in MODERN_PROTOCOL_VERSIONS
        if not is_modern or context.client_extension_settings(IDENTIFIER) is None:
            return await call_next()
        try:
            asked = self._tools.request(params.name, params.arguments or {})
            if asked is None:
                return await call_next()
            who = self._who()
            can_ask = Asker.of_request(who).can_ask
            asked = replace(asked, can_ask=can_ask, model_can_respond=True, nesting=channel.nesting())
            run = await self._bridge.chat(who, asked)
            return await self._task(who, run, result_type="task")
        except BridgeError as error:
            return results.of_error(error)

    async def _get(self, request: Request, params: TaskParams) -> Task:
        with _refusing(request, params.task_id):
            who = self._who()
            return await self._task(who, await self._bridge.run(who, params.task_id), result_type="complete")

    async def _update(self, request: Request, params: UpdateParams) -> mcp_types.EmptyResult:
        """What is not pending any more is passed over, as the extension has it."""
        with _refusing(request, params.task_id):
            who = self._who()
            run = await self._bridge.run(who, params.task_id)
            await self._questions.fill_in(who, run, params.input_responses)
            return mcp_types.EmptyResult()

    async def _cancel(self, request: Request, params: TaskParams) -> mcp_types.EmptyResult:
        with _refusing(request, params.task_id):
            await self._bridge.cancel(self._who(), params.task_id)
            return mcp_types.EmptyResult()

    async def _task(self, who: Principal, run: RunView, *, result_type: Literal["task", "complete"]) -> Task:
        newest = await self._bridge.events(who, run.run_id, after=max(0, run.last_seq - _LAST_EVENTS))
        created_at = cast(float, (await self._bridge.record(who, run.run_id))["created_at"])
        status = task_shapes.status_of(run)
        asked = asking.requests(run) if status == "input_required" and Asker.of_request(who).can_ask else None
        return Task(
            result_type=result_type,
            task_id=run.run_id,
            status=status if asked or status != "input_required" else "working",
            status_message=task_shapes.message_of(run, newest),
            created_at=task_shapes.timestamp(created_at),
            last_updated_at=task_shapes.timestamp(newest[-1].ts if newest else created_at),
            ttl_ms=round(self._bridge.settings.session_ttl_s * 1000),
            input_requests=_dumped(asked) if asked else None,
            result=_result(await self._tools.outcome(who, run)) if status == "completed" else None,
        )


@contextmanager
def _refusing(request: Request, task_id: str) -> Generator[None]:
    """Refuses who has not declared the extension, or names another task in a header; words errors for the protocol."""
    if read_client_extension_settings(request, IDENTIFIER) is None:
        raise MCPError(
            code=MISSING_REQUIRED_CLIENT_CAPABILITY,
            message=f"This needs a client that declares the extension {IDENTIFIER} with its request.",
            data={"requiredCapabilities": {"extensions": {IDENTIFIER: {}}}},
        )
    header = request.request.headers.get(MCP_NAME_HEADER) if request.request else None
    if header is not None and decode_header_value(header) != task_id:
        raise MCPError(
            code=HEADER_MISMATCH, message="The header Mcp-Name names another task than the request's taskId."
        )
    try:
        yield
    except BridgeError as error:
        raise refusal.mcp_error(error) from None


def _dumped(requests: mcp_types.InputRequests) -> JsonObject:
    return {key: one.model_dump(by_alias=True, mode="json", exclude_none=True) for key, one in requests.items()}


def _result(outcome: ToolResult) -> JsonObject:
    """The result that the call would have had without a task."""
    return mcp_types.CallToolResult(
        content=outcome.content, structured_content=outcome.structured_content, is_error=outcome.is_error
    ).model_dump(by_alias=True, mode="json", exclude_none=True)

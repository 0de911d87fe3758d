"""A client that declares tasks, and what it asks about them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import mcp_types
from fastmcp import Client
from mcp.client.extension import ClaimContext, ClientExtension, ResultClaim
from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_camel


class Task(mcp_types.Result):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    task_id: str
    status: str
    status_message: str
    created_at: str
    last_updated_at: str
    ttl_ms: int
    poll_interval_ms: int


class Created(Task):
    result_type: Literal["task"] = Field(alias="resultType")


class Detailed(Task):
    result_type: Literal["complete"] = Field(alias="resultType")
    asked: dict[str, Any] = Field({}, alias="inputRequests")
    result: dict[str, Any] | None = None


class _Acknowledged(mcp_types.Result):
    result_type: str = Field(alias="resultType")


class _Params(mcp_types.RequestParams):
    model_config = ConfigDict(extra="allow")


class _Request(mcp_types.Request[_Params, str]):
    method: str
    params: _Params


class Tasks(ClientExtension):
    identifier = "io.modelcontextprotocol/tasks"

    def claims(self) -> Sequence[ResultClaim[Any]]:
        async def keep(created: Created, context: ClaimContext) -> mcp_types.CallToolResult:
            del context
            return mcp_types.CallToolResult(content=[], structured_content={"task": created.task_id})

        return [ResultClaim(result_type="task", model=Created, resolve=keep)]


async def created(client: Client[Any], tool: str = "chat", **arguments: Any) -> Created:
    result = await client.session.call_tool(tool, arguments, allow_claimed=True)
    assert isinstance(result, Created)
    return result


async def ask(client: Client[Any], method: str, task_id: str, **more: Any) -> str:
    """The type of the answer, which has nothing else in it."""
    request = _Request(method=method, params=_Params.model_validate({"taskId": task_id, **more}))
    return (await client.session.send_request(request, _Acknowledged)).result_type


async def get(client: Client[Any], task_id: str) -> Detailed:
    request = _Request(method="tasks/get", params=_Params.model_validate({"taskId": task_id}))
    return await client.session.send_request(request, Detailed)


async def ended(client: Client[Any], task_id: str) -> Detailed:
    """The task when it works no more."""
    while (task := await get(client, task_id)).status == "working":
        pass
    return task

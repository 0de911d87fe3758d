"""A person behind an MCP client, who fills in forms."""

from __future__ import annotations

import asyncio
from typing import Any

import mcp_types


class Person:
    """An elicitation handler: fills in what it was told of every form, and remembers what it was shown."""

    def __init__(self, action: str = "accept", **content: Any) -> None:
        self._action = action
        self._content = content
        self.shown: list[mcp_types.ElicitRequestFormParams] = []
        self.asked = asyncio.Event()

    async def __call__(
        self, message: str, kind: object, form: mcp_types.ElicitRequestFormParams, context: object
    ) -> mcp_types.ElicitResult:
        del message, kind, context
        self.shown.append(form)
        self.asked.set()
        return await self.answer()

    async def answer(self) -> mcp_types.ElicitResult:
        fields = self.shown[-1].requested_schema["properties"]
        content = {name: value for name, value in self._content.items() if name in fields}
        return mcp_types.ElicitResult.model_validate({"action": self._action, "content": content or None})

"""MCP Inspector's command line, the client of many developers, as functions. Each call is a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support import published

TIMEOUT_S = 90


@dataclass(frozen=True, slots=True)
class Inspector:
    """`server` tells it where the server is, and `home` is where it may keep what it likes."""

    era: str
    server: tuple[str, ...]
    home: Path

    async def list_tools(self) -> list[dict[str, Any]]:
        """`--strict` makes it fail over a schema that other clients may not take."""
        result = await self._ask("--method", "tools/list", "--strict")
        return result["tools"]

    async def call(self, tool: str, arguments: Mapping[str, object]) -> dict[str, Any]:
        """The result of a call; a result that is an error fails."""
        return await self._ask("--method", "tools/call", "--tool-name", tool, "--tool-args-json", json.dumps(arguments))

    async def _ask(self, *question: str) -> dict[str, Any]:
        how = ["--cli", "-q", "--format", "json", "--connect-timeout", "60000", "--protocol-era", self.era]
        process = await asyncio.create_subprocess_exec(
            *published.inspector(),
            *(how + list(question) + list(self.server)),
            cwd=self.home,
            env={**os.environ, "HOME": str(self.home)},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(TIMEOUT_S):
                out, err = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.communicate()
        assert process.returncode == 0, f"{' '.join(question)}\n{out.decode()}{err.decode()}"
        return json.loads(out)["result"]

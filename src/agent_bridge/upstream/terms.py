"""On what terms an upstream's tools are offered: what its entry in the configuration says of each of them."""

from __future__ import annotations

from dataclasses import dataclass

from agent_bridge.config.schema import Upstream
from agent_bridge.tools import Tool
from agent_bridge.upstream.link import RemoteTool


@dataclass(frozen=True, slots=True)
class Terms:
    config: Upstream

    def definition(self, name: str, upstream: str, tool: RemoteTool) -> Tool:
        """The tool as a session has it: what its upstream says of it, and what the configuration says instead."""
        override = self.config.override_of(tool.name)
        return Tool(
            name=name,
            upstream=upstream,
            remote_name=tool.name,
            description=tool.description if override.description is None else override.description,
            parameters=tool.schema,
            read_only=tool.read_only,
            destructive=tool.destructive,
            idempotent=tool.idempotent,
            timeout_s=override.timeout_s,
            approval=override.approval,
            sensitive=bool(override.sensitive),
            untrusted=self.config.trust == "untrusted",
        )

"""How a request says which JSON it wants back, in chat-completions form."""

from __future__ import annotations

from agent_bridge.models.tool_schemas import plain_schema
from agent_bridge.tools import JsonObject

NAME = "answer"


def response_format(schema: JsonObject) -> JsonObject:
    """Not `strict`, which takes only a part of JSON Schema: whoever asked holds the answer to the schema anyway."""
    return {"type": "json_schema", "json_schema": {"name": NAME, "schema": plain_schema(schema), "strict": False}}

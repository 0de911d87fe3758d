"""An MCP tool result as a model reads it, mapped once. What is cut from it is still whole in its blocks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import cast

from agent_bridge.messages import Content, ImagePart, Part, TextPart, ToolResult
from agent_bridge.tools import JsonObject

MAX_CHARACTERS = 50_000
"""How much text of one result a model is given."""
MAX_IMAGE_CHARACTERS = 5_000_000
"""How much base64 of images one result may bring: what the strictest large provider takes for one image."""
_MOST_TIMES_FULLER = 8
"""A structured result so much longer than the text cannot be all in it."""
NOTHING = "(no output)"
NO_REASON = "The tool failed without saying why."


def tool_result(blocks: Sequence[JsonObject], *, structured: object = None, is_error: bool = False) -> ToolResult:
    """`blocks` are MCP content objects in JSON form, `structured` is the result's `structuredContent`."""
    content, truncated = _parts(blocks, structured).content()
    if not content:
        content = NO_REASON if is_error else NOTHING
    return ToolResult(
        content=content, blocks=list(blocks), structured=structured, is_error=is_error, truncated=truncated
    )


def whole_text(blocks: Sequence[JsonObject], structured: object = None) -> str:
    """All the words that `tool_result` would give a model, however many they are."""
    return _parts(blocks, structured).text


def failure(message: str) -> ToolResult:
    """A call that went wrong before or beside its tool, told to the model."""
    return tool_result([{"type": "text", "text": message}], is_error=True)


def _parts(blocks: Sequence[JsonObject], structured: object) -> _Parts:
    parts = _Parts()
    for block in blocks:
        parts.add(block)
    if structured is not None and (addition := _beyond(parts.text, structured)) is not None:
        parts.add_text(addition)
    return parts


class _Parts:
    """Texts and images in their order. Texts that follow one another become one."""

    def __init__(self) -> None:
        self._runs: list[list[str] | ImagePart] = []
        self._image_room = MAX_IMAGE_CHARACTERS

    @property
    def text(self) -> str:
        return "\n".join("\n".join(run) for run in self._runs if isinstance(run, list))

    def add(self, block: JsonObject) -> None:
        match block.get("type"):
            case "text":
                self.add_text(str(block.get("text", "")))
            case "image":
                self._add_binary("image", block, data=block.get("data"))
            case "resource":
                self._add_resource(cast("JsonObject", block.get("resource") or {}))
            case "resource_link":
                self.add_text(_link(block))
            case kind:
                self._add_binary(str(kind), block, data=block.get("data"))

    def add_text(self, text: str) -> None:
        if not text:
            return
        if self._runs and isinstance(run := self._runs[-1], list):
            run.append(text)
        else:
            self._runs.append([text])

    def _add_resource(self, resource: JsonObject) -> None:
        uri = str(resource.get("uri", ""))
        if isinstance(text := resource.get("text"), str):
            self.add_text(f"[resource {uri}]\n{text}")
        else:
            self._add_binary(f"resource {uri}".strip(), resource, data=resource.get("blob"))

    def _add_binary(self, what: str, block: JsonObject, *, data: object) -> None:
        mime_type = str(block.get("mimeType", ""))
        encoded = data if isinstance(data, str) else ""
        if encoded and mime_type.startswith("image/") and len(encoded) <= self._image_room:
            self._image_room -= len(encoded)
            self._runs.append({"type": "image_url", "image_url": {"url": f"data:{mime_type};base64,{encoded}"}})
            return
        size = f"{len(encoded) * 3 // 4:,} bytes" if encoded else ""
        self.add_text(f"[{', '.join(note for note in (what, mime_type, size) if note)}: not shown]")

    def content(self) -> tuple[Content, bool]:
        """What a model is given, and whether some text was cut from it."""
        room, cut = MAX_CHARACTERS, 0
        parts: list[Part] = []
        for run in self._runs:
            if not isinstance(run, list):
                parts.append(run)
                continue
            text = "\n".join(run)
            if kept := text[:room]:
                parts.append(TextPart(type="text", text=kept))
            room -= len(kept)
            cut += len(text) - len(kept)
        if cut:
            note = f"[The result was cut: {cut:,} of {MAX_CHARACTERS + cut:,} characters are not shown.]"
            parts.append(TextPart(type="text", text=note))
        if any(part["type"] == "image_url" for part in parts):
            return parts, bool(cut)
        return "\n".join(part["text"] for part in parts if part["type"] == "text"), bool(cut)


def _link(block: JsonObject) -> str:
    title = block.get("title") or block.get("name") or "resource"
    description = f": {block['description']}" if block.get("description") else ""
    return f"[{title}]({block.get('uri', '')}){description}"


def _beyond(text: str, structured: object) -> str | None:
    """The structured content in words, where it says something that the text does not.

    Servers send both for clients that know only one. Then the text is the same JSON, or a longer account of it.
    """
    if len(text) >= MAX_CHARACTERS:
        return None
    value = _unwrapped(structured)
    words = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if text and len(words) <= _MOST_TIMES_FULLER * len(text) and _says(text, structured, value):
        return None
    return words


def _says(text: str, structured: object, value: object) -> bool:
    """Whether the text is this JSON, or names every value in it."""
    try:
        if json.loads(text) in (structured, value):
            return True
    except ValueError:
        pass
    return all(leaf in text for leaf in _leaves(value))


def _leaves(value: object) -> Iterator[str]:
    """The strings, numbers and truth values in it, as JSON spells them."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            waiting.extend(cast("JsonObject", item).values())
        elif isinstance(item, list):
            waiting.extend(cast("list[object]", item))
        elif item is not None:
            yield item if isinstance(item, str) else json.dumps(item)


def _unwrapped(structured: object) -> object:
    """What a tool returned: FastMCP and the SDKs wrap what is not an object in one field, `result`."""
    if isinstance(structured, dict):
        fields = cast("JsonObject", structured)
        if fields.keys() == {"result"}:
            return fields["result"]
        return fields
    return structured

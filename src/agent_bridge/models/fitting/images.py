"""Images for a model that cannot see: told in words that they are there."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import cast

from agent_bridge.messages import Content, ImagePart, Message

_DATA = re.compile(r"data:(?P<kind>[\w.+/-]+)[^,]*,(?P<data>.*)", re.DOTALL)


def has_images(messages: Sequence[Message]) -> bool:
    return any(_is_seen(message["content"]) for message in messages)


def described(messages: Sequence[Message]) -> list[Message]:
    """The same messages, each image replaced by a sentence about it."""
    return [
        cast(Message, {**message, "content": _described(message["content"])})
        if _is_seen(message["content"])
        else message
        for message in messages
    ]


def _is_seen(content: Content | None) -> bool:
    return isinstance(content, list) and any(part["type"] == "image_url" for part in content)


def _described(content: Content | None) -> str:
    parts = content if isinstance(content, list) else []
    return "\n".join(part["text"] if part["type"] == "text" else _placeholder(part) for part in parts)


def _placeholder(part: ImagePart) -> str:
    data = _DATA.match(part["image_url"]["url"])
    about = f"{data['kind']}, {len(data['data']) * 3 // 4:,} bytes" if data else "at an address"
    return f"[image, {about}: this model cannot see images]"

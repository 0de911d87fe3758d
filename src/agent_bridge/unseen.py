"""Characters of somebody else's text that nobody sees, or that act on whatever shows it: taken out, or made visible.

They are how a text tells a model what no person reads, or a terminal what to do: escape sequences, the tag block,
zero-width characters, variation selectors, and what turns the direction of writing around.
"""

from __future__ import annotations

import json
import re

_UNSEEN = re.compile(
    "["
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters, but for tab and line feed
    "\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\uffa0"  # fillers, joiners and hyphens without a shape
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"  # zero width, separators, direction
    "\ufe00-\ufe0f\U000e0000-\U000e0fff"  # variation selectors and tags, each of which can spell any text
    "\ufff0-\ufffb\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"  # marks of notations
    "\ud800-\udfff"  # halves of characters
    "]"
)


def without_unseen(text: str) -> str:
    return _UNSEEN.sub("", text)


def unseen_escaped(json_text: str) -> str:
    """JSON that says the same, with an escape in the place of each."""
    return _UNSEEN.sub(lambda match: json.dumps(match[0])[1:-1], json_text)


def unseen_shown(text: str) -> str:
    """With `<U+202E>` in the place of each."""
    return _UNSEEN.sub(lambda match: f"<U+{ord(match[0]):04X}>", text)

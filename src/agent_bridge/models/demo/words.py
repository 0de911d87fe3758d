"""The words of a text: those that tell tools apart, and those that stand behind the name of a tool."""

from __future__ import annotations

import re
from functools import lru_cache

_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_UNSAID = re.compile(
    r"a|an|and|any|are|as|at|be|by|call|can|could|did|do|does|for|from|get|give|had|has|have|how|i|if|in|into|is|it|its"
    r"|me|my|of|on|or|our|please|run|s|so|t|tell|than|that|the|there|these|this|those|to|tool|use|using|was|we|were"
    r"|what|when|where|which|who|will|with|would|you|your"
)
"""Said so often that it says nothing about which tool is meant."""
_TOKEN = re.compile(r"\S+")
_LINK = re.compile(r"a|about|an|back|for|me|of|on|please|saying|some|that|the")
_LOOSE_START = re.compile(r"^(?:[\s,:]|\b(?:about|back|for|on|saying|that|to say)\b)+", re.IGNORECASE)
_LOOSE_END = re.compile(r"(?:[\s,]|\b(?:as|at|from|in|into|on|to|with)\b)+$", re.IGNORECASE)
_ENDING = re.compile(r"(?<=...)(?:ations?|ating|ate[ds]?|ings?|ions?|ies|ed|es|s|e|y)$")


@lru_cache(maxsize=1024)
def stems(text: str) -> frozenset[str]:
    """The telling words without their endings, of `camelCase` and `snake_case` too."""
    words = (word.lower() for word in _WORD.findall(text))
    return frozenset(stem(word) for word in words if not _UNSAID.fullmatch(word))


def stem(word: str) -> str:
    return _ENDING.sub("", word)


def words_behind(text: str, name: frozenset[str]) -> str:
    """What follows the words that name a tool, from the first of them on; links between them belong to them."""
    end = 0
    for token in _TOKEN.finditer(text):
        word = token.group().strip(",:").lower()
        if stem(word) in name:
            end = token.end()
        elif end and not _LINK.fullmatch(word):
            break
    return _LOOSE_END.sub("", _LOOSE_START.sub("", text[end:]))

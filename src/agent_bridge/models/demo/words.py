"""The words of a text that tell tools apart, without their endings."""

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
_ENDING = re.compile(r"(?<=...)(?:ations?|ating|ate[ds]?|ings?|ions?|ies|ed|es|s|e|y)$")


@lru_cache(maxsize=1024)
def stems(text: str) -> frozenset[str]:
    """Of `camelCase` and `snake_case` too."""
    words = (word.lower() for word in _WORD.findall(text))
    return frozenset(stem(word) for word in words if not _UNSAID.fullmatch(word))


def stem(word: str) -> str:
    return _ENDING.sub("", word)

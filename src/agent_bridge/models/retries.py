"""Whether a failed call is made again, and when."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from math import ceil
from random import SystemRandom

from agent_bridge.models.failures import Failure

_IN_WORDS = re.compile(r'"retryDelay\W{1,6}(?P<seconds>\d+(\.\d+)?)s')
_NUMBER = re.compile(r"\d+(\.\d+)?")


def asked_to_wait_s(
    headers: Mapping[str, str], words: str = "", *, now: Callable[[], float] = time.time
) -> float | None:
    """How long a provider asks to wait: in milliseconds, as OpenAI and Azure do, in seconds, or until a date.

    `headers` are by lower-case name. Google says it in the `words` of its refusal.
    """
    milliseconds, said = headers.get("retry-after-ms", ""), headers.get("retry-after", "")
    if _NUMBER.fullmatch(milliseconds):
        return float(milliseconds) / 1000
    if _NUMBER.fullmatch(said):
        return float(said)
    if not said:
        in_words = _IN_WORDS.search(words)
        return float(in_words["seconds"]) if in_words else None
    try:
        return max(0.0, ceil(parsedate_to_datetime(said).timestamp() - now()))
    except (ValueError, OverflowError):
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    most: int = 2
    first_wait_s: float = 0.5
    longest_wait_s: float = 30
    hurried_wait_s: float = 2
    """The longest wait where there is somebody else to ask."""
    jitter: Callable[[], float] = SystemRandom().random
    """A number from 0 to 1, so that callers who failed together do not come back together."""

    def wait_s(self, failure: Failure, failures: int, *, hurried: bool = False) -> float | None:
        """How long to wait after this many failures; `None` to give up.

        Never less than the provider asks for: where that is too long, the caller is told instead. `hurried`: there is
        somebody else to ask, so silence is not waited for a second time.
        """
        if failures > self.most or not failure.may_be_repeated or (hurried and failure.kind == "timeout"):
            return None
        if failure.retry_after_s is not None:
            wait_s = failure.retry_after_s * (1 + self.jitter() / 10)
            longest_s = self.hurried_wait_s if hurried else self.longest_wait_s
            return wait_s if failure.retry_after_s <= longest_s else None
        return min(self.first_wait_s * 2 ** (failures - 1) * (0.5 + self.jitter() / 2), self.longest_wait_s)

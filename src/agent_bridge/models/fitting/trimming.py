"""Less of a conversation: whole turns, oldest first, and then old tool results of the turn that is being answered.

A tool call is never parted from its result. The system prompt and the current turn are kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from agent_bridge.estimate import BYTES_PER_TOKEN, tokens_of_all
from agent_bridge.messages import Message, ToolMessage, text_of

SHORT_RESULT = 400
"""How many characters are left of an old tool result."""
SHORTEST_NEW_RESULT = 2000
"""How many are left at least of a result that the model has not seen yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """What is left out. Only ever grows, so that the beginning of a conversation stays the same from step to step."""

    turns: int = 0
    results: int = 0
    """How many tool results of the current turn are shortened, oldest first."""
    newest: int | None = None
    """How many characters are left of each result of the newest step."""

    @property
    def words(self) -> str:
        turns = "the oldest turn was left out" if self.turns == 1 else f"the {self.turns} oldest turns were left out"
        results = "tool results of this turn were shortened"
        said = [turns] * bool(self.turns) + [results] * bool(self.results or self.newest)
        return " and ".join(said)


class Conversation:
    """The messages of one request, apart: the system prompt, earlier turns, and the current one from `current` on."""

    def __init__(self, messages: Sequence[Message], current: int | None) -> None:
        users = [number for number, message in enumerate(messages) if message["role"] == "user"]
        current = current if current is not None else (users or [len(messages)])[-1]
        starts = [number for number in users if number < current]
        self._head = messages[: min([*starts, current])]
        bounds = [*starts, current]
        self._turns = [messages[begin:end] for begin, end in pairwise(bounds)]
        self._current = messages[current:]
        last_reply = max((n for n, message in enumerate(self._current) if message["role"] == "assistant"), default=-1)
        self._old = [n for n, message in enumerate(self._current[:last_reply]) if message["role"] == "tool"]
        self._new = [n for n, message in enumerate(self._current) if message["role"] == "tool" and n > last_reply]

    @property
    def first(self) -> Message | None:
        """What tells it from other conversations."""
        return next((turn[0] for turn in (*self._turns, self._current) if turn), None)

    @property
    def length_of_current(self) -> int:
        return len(self._current)

    def without(self, cut: Cut) -> list[Message]:
        kept = [message for turn in self._turns[cut.turns :] for message in turn]
        return [*self._head, *kept, *self._shortened(cut)]

    def cut_to(self, tokens: int, cut: Cut) -> Cut:
        """The smallest cut, from this one on, that leaves at most so many tokens; else the largest that there is."""
        for larger in self._larger(cut, tokens):
            if tokens_of_all(self.without(larger)) <= tokens:
                return larger
            cut = larger
        return cut

    def _larger(self, cut: Cut, tokens: int) -> Iterator[Cut]:
        yield cut
        for turns in range(cut.turns + 1, len(self._turns) + 1):
            cut = replace(cut, turns=turns)
            yield cut
        for results in range(cut.results + 1, len(self._old) + 1):
            cut = replace(cut, results=results)
            yield cut
        if self._new:
            yield replace(cut, newest=self._share(tokens - tokens_of_all(self._without_new(cut))))

    def _share(self, tokens: int) -> int:
        return max(SHORTEST_NEW_RESULT, tokens * BYTES_PER_TOKEN // len(self._new))

    def _without_new(self, cut: Cut) -> list[Message]:
        return self.without(cut)[: -len(self._new)]

    def _shortened(self, cut: Cut) -> list[Message]:
        old = set(self._old[: cut.results])
        new = set(self._new if cut.newest is not None else ())
        return [
            _short(message, SHORT_RESULT if number in old else cut.newest or 0)
            if message["role"] == "tool" and (number in old or number in new)
            else message
            for number, message in enumerate(self._current)
        ]


def _short(message: ToolMessage, most: int) -> ToolMessage:
    text = text_of(message["content"])
    if isinstance(message["content"], str) and len(text) <= most:
        return message
    left_out = len(text) - most
    note = f"[Shortened to fit: {left_out:,} characters were left out.]" if left_out > 0 else "[Shortened to fit.]"
    return {**message, "content": f"{text[:most]}\n{note}"}

"""A request as one model can take it: not longer than its window, without images that it cannot see."""

from __future__ import annotations

from dataclasses import replace

from agent_bridge.estimate import room_in, tokens_of_all, tokens_of_definitions, tokens_of_request
from agent_bridge.events import Emit, Warned
from agent_bridge.messages import Message, ModelFacts, ModelRequest, Usage
from agent_bridge.models.failures import Failure
from agent_bridge.models.fitting.images import described, has_images
from agent_bridge.models.fitting.trimming import Conversation, Cut

TRIMMED = "context_trimmed"
MARGIN = 0.9
"""How much of a window is used: an estimate may be wrong."""
AFTER_A_CUT = 0.75
"""How much of that a cut leaves full, so that not every step needs another, which would spoil the prompt's cache."""
MOST_WRONG = 4
"""An estimate that is further off than this tells more of the provider's way to count than of the text."""


class Fitting:
    """Learns from what the model says: how long requests really are, and what it does not take."""

    def __init__(self, name: str, facts: ModelFacts, prices: tuple[float, float] | None = None) -> None:
        """`name` is what the user calls the model; `prices` of input and output come before what its backend says."""
        self.facts = facts
        self._prices = prices
        self._name = name
        self._cut = Cut()
        self._cut_from: Message | None = None
        self._tokens_per_estimate = 1.0
        self._room: int | None = None
        self._blind = facts.sees_images is False
        self._unforced = False
        self._sent: ModelRequest | None = None
        self._measured: tuple[ModelRequest | None, int] = (None, 0)
        self._halved: ModelRequest | None = None

    def takes_whole(self, request: ModelRequest) -> bool:
        room = self._room_for(request)
        return room is None or self._tokens_in(self._seen(request)) <= room

    def request(self, request: ModelRequest, emit: Emit) -> ModelRequest:
        """The request as it is sent. What had to be left out of it is told, once."""
        self._sent = self._seen(self._trimmed(request, emit))
        return self._sent

    def heard(self, usage: Usage) -> Usage:
        """Takes note of what the request that was sent really counted; returns it with its cost."""
        if usage.input_tokens and self._sent is not None and self.facts.max_input_tokens is not None:
            ratio = usage.input_tokens / max(1, self._tokens_in(self._sent))
            self._tokens_per_estimate = min(max(ratio, 1 / MOST_WRONG), MOST_WRONG)
        if self._prices is None or usage.input_tokens is None or usage.output_tokens is None:
            return usage
        read, written = self._prices
        return replace(usage, cost_usd=usage.input_tokens * read + usage.output_tokens * written)

    def mends(self, failure: Failure, request: ModelRequest) -> bool:
        """Whether the same request, put in another way, may succeed."""
        match failure.kind:
            case "context_too_long":
                return self._halve(request)
            case "rejected" if request.response_schema is not None and not self._unforced:
                self._unforced = True
            case "rejected" if not self._blind and has_images(request.messages):
                self._blind = True
            case _:
                return False
        return True

    def _tokens_in(self, request: ModelRequest) -> int:
        """Counted once: what was looked at is mostly what is sent."""
        if self._measured[0] is not request:
            self._measured = (request, tokens_of_request(request))
        return self._measured[1]

    def _seen(self, request: ModelRequest) -> ModelRequest:
        """Without what this model does not take, and only then a copy: the messages stay the same objects."""
        if self._blind and has_images(request.messages):
            request = replace(request, messages=described(request.messages))
        if self._unforced and request.response_schema is not None:
            request = replace(request, response_schema=None)
        return request

    def _trimmed(self, request: ModelRequest, emit: Emit) -> ModelRequest:
        if self._cut == Cut() and self.takes_whole(request):
            return request
        conversation = Conversation(request.messages, request.current)
        if conversation.first != self._cut_from:  # the cut was of another one, or of this one before it was summed up
            self._cut, self._cut_from = Cut(), conversation.first
        cut = self._cut_for(request, conversation)
        if cut == Cut():
            return request
        if cut.newest or cut != self._cut:
            emit(Warned(code=TRIMMED, message=self._notice(cut)))
        self._cut = replace(cut, newest=None)  # what is new now is old in the next step
        messages = conversation.without(cut)
        return replace(request, messages=messages, current=len(messages) - conversation.length_of_current)

    def _cut_for(self, request: ModelRequest, conversation: Conversation) -> Cut:
        room = self._room_for(request)
        if room is None:
            return self._cut
        room -= tokens_of_definitions(request)
        if tokens_of_all(conversation.without(self._cut)) <= room:
            return self._cut
        return conversation.cut_to(int(room * AFTER_A_CUT), self._cut)

    def _notice(self, cut: Cut) -> str:
        return f"The conversation is too long for the model '{self._name}': {cut.words}."

    def _room_for(self, request: ModelRequest) -> int | None:
        """How many tokens the messages and tools may have, by the estimate; `None` where nobody knows."""
        window = self.facts.max_input_tokens
        if window is None:
            return self._room
        room = room_in(window, self.facts.max_output_tokens, request.max_tokens)
        room = int(room * MARGIN / self._tokens_per_estimate)
        return room if self._room is None else min(room, self._room)

    def _halve(self, request: ModelRequest) -> bool:
        """Once for each request, and only where something is left out by it."""
        if self._sent is None or self._halved is request:
            return False
        self._halved = request
        self._room = tokens_of_request(self._sent) // 2
        return self._cut_for(request, Conversation(request.messages, request.current)) != self._cut

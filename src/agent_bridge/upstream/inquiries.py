"""Whom a request of a server is for, which it sends in the handshake era without saying which call it belongs to."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, nullcontext, suppress

import mcp_types as types
from mcp import MCPError
from pydantic import ValidationError

from agent_bridge.tools import CallContext
from agent_bridge.upstream.attempt import MOST_CHARACTERS, Attempt


class Attempts:
    """The calls that are in flight on one connection, and whom a request of its server is for."""

    def __init__(self, *, may_sample: bool) -> None:
        self.may_sample = may_sample
        self._in_flight: list[Attempt] = []
        self._tokens = itertools.count(1)
        self._one_at_a_time = False
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def begin(self, context: CallContext) -> AsyncGenerator[Attempt]:
        async with self._turn if self._one_at_a_time else nullcontext():
            attempt = Attempt(context, next(self._tokens), may_sample=self.may_sample)
            self._in_flight.append(attempt)
            try:
                yield attempt
            finally:
                self._in_flight.remove(attempt)
                attempt.close()

    def heard(self, told: Mapping[str, object] | None) -> None:
        """Progress, as it was received. What is none, or belongs to no call that is at work, is passed over."""
        with suppress(ValidationError):
            said = types.ProgressNotificationParams.model_validate(told)
            for attempt in self._in_flight:
                if attempt.token == said.progress_token:
                    attempt.heard(said)

    async def answer(self, request: types.InputRequest) -> types.InputResponse:
        """To a server of the handshake era. Raises `MCPError`."""
        match request:
            case types.ListRootsRequest():
                return types.ListRootsResult(roots=[])
            case types.ElicitRequest():
                return await self._elicited(request)
            case types.CreateMessageRequest():
                return await self._sampled(request)

    async def _elicited(self, request: types.ElicitRequest) -> types.InputResponse:
        """A request does not say which call it belongs to, so a server that asks is given one call at a time."""
        self._one_at_a_time = True
        if len(self._in_flight) == 1:
            return await self._in_flight[0].reply(request)
        for attempt in self._in_flight:
            attempt.note(
                f"(Meanwhile the tool's server asked a person: {request.params.message[:MOST_CHARACTERS]!r}. With "
                "several calls at work it cannot be told which of them wants to know, so there was no answer. From now "
                "on its tools are called one after the other: if this result lacks the answer, call the tool again.)"
            )
        return types.ElicitResult(action="cancel")

    async def _sampled(self, request: types.CreateMessageRequest) -> types.InputResponse:
        if len({attempt.context.run_id for attempt in self._in_flight}) != 1:
            raise MCPError(types.INVALID_REQUEST, "The model can only be asked while one session is at work.")
        return await self._in_flight[0].reply(request)

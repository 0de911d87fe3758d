"""What a server asks back while it works on a call, and how it is told.

From 2026-07-28 on it asks by the result of the call, which is then made again with the answers. In the handshake era it
sends a request meanwhile. To a person that is put in the same way: the request is answered with `cancel`, the call
comes to nothing, and when it is made again the same request gets the person's answer.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import replace
from typing import cast

import mcp_types as types
from mcp import MCPError
from pydantic import TypeAdapter

from agent_bridge.calls import digest, warned
from agent_bridge.messages import ToolResult
from agent_bridge.tools import CallContext, Inquiry, JsonObject, Question
from agent_bridge.upstream.content import failure
from agent_bridge.upstream.sampling import REFUSED, sampled

MOST_ATTEMPTS = 10
"""How often one call is made, because its server asks for more; what clients of 2026-07-28 usually allow."""
TOO_OFTEN = f"The tool was called {MOST_ATTEMPTS} times and still asks for more, so it was given up."
MOST_CHARACTERS = 8000
"""Of a message, or of a schema, that is still put to a person."""
_PAUSE_S = 0.25
"""Before a server is asked again that asked nothing, but only wants to be called once more."""
_CANCELLED = types.ElicitResult(action="cancel")
_RESPONSES: TypeAdapter[types.InputResponses] = TypeAdapter(types.InputResponses)
_RESPONSE: TypeAdapter[types.InputResponse] = TypeAdapter(types.InputResponse)


class Attempt:
    """One call while it is made: what its server has asked, and what is known to answer it with."""

    def __init__(self, context: CallContext, *, may_sample: bool) -> None:
        before = context.inquiry or Inquiry()
        self.context = context
        self.state = before.state
        self._may_sample = may_sample
        self._attempts = before.attempts + 1
        self._answers = dict(before.answers)
        self._questions: dict[str, Question] = {}
        self._notes: list[str] = []
        self._asides: set[asyncio.Task[types.InputResponse]] = set()
        self._progress = 0.0

    async def heard(self, progress: float, total: float | None, message: str | None) -> None:
        self._progress = progress
        self.context.progress(progress, total, message)

    def note(self, text: str) -> None:
        """Will be read with the result."""
        self._notes.append(text)

    @property
    def responses(self) -> types.InputResponses | None:
        """What a server of 2026-07-28 is called with."""
        return _RESPONSES.validate_python(self._answers) if self._answers else None

    async def take(self, asked: types.InputRequiredResult) -> bool:
        """Whether the call can be made again at once, and no person must be asked.

        Raises `MCPError` for what cannot be answered here.
        """
        self._answers, self.state = {}, asked.request_state
        if self._attempts >= MOST_ATTEMPTS:
            raise MCPError(types.INTERNAL_ERROR, TOO_OFTEN)
        try:
            for key, request in (asked.input_requests or {}).items():
                await self._find(key, request)
        except MCPError:
            self._questions.clear()  # for the sake of one request the call is lost, so nobody need answer the others
            raise
        if self._questions:
            return False
        if not asked.input_requests:
            await asyncio.sleep(_PAUSE_S)
        self._attempts += 1
        return True

    async def reply(self, request: types.InputRequest) -> types.InputResponse:
        """The answer to a server of the handshake era. Raises `MCPError`. It is abandoned when the call is over."""
        aside = asyncio.create_task(self._reply(request))
        self._asides.add(aside)
        try:
            await asyncio.wait([aside])
        finally:
            aside.cancel()
            self._asides.discard(aside)
        if aside.cancelled():
            raise MCPError(types.INVALID_REQUEST, "The call that this belongs to is over.")
        return aside.result()

    def finished(self, result: ToolResult) -> ToolResult:
        """The result, or in its place what must be asked first."""
        if self._questions:
            return failure(TOO_OFTEN) if self._attempts >= MOST_ATTEMPTS else self._unfinished
        for note in self._notes:
            result = replace(result, content=warned(result.content, note))
        return result

    def close(self) -> None:
        for aside in self._asides:
            aside.cancel()

    @property
    def _unfinished(self) -> ToolResult:
        answers, questions = self._answers, self._questions
        inquiry = Inquiry(questions=questions, answers=answers, state=self.state, attempts=self._attempts)
        return ToolResult(content="", inquiry=inquiry)

    async def _reply(self, request: types.InputRequest) -> types.InputResponse:
        key = _key(request)
        if key not in self._answers and not self._questions:
            await self._find(key, request)
        if key in self._answers:
            return _RESPONSE.validate_python(self._answers[key])
        if isinstance(request, types.ElicitRequest):
            return _CANCELLED
        raise MCPError(types.INVALID_REQUEST, "This call will be made again with the answer of a person.")

    async def _find(self, key: str, request: types.InputRequest) -> None:
        """An answer, or a question to a person. Raises `MCPError` where there is neither."""
        match request:
            case types.ListRootsRequest():
                self._answers[key] = {"roots": []}
            case types.CreateMessageRequest():
                self._answers[key] = await self._sampled(request.params)
            case types.ElicitRequest(params=types.ElicitRequestFormParams() as form):
                self._ask(key, form)
            case types.ElicitRequest():
                raise MCPError(types.INVALID_PARAMS, "A person can be shown a form here, and no address to visit.")

    def _ask(self, key: str, form: types.ElicitRequestFormParams) -> None:
        if not _is_form(form.requested_schema):
            raise MCPError(types.INVALID_PARAMS, "The form that the tool shows to a person is none: see elicitation.")
        if max(len(form.message), len(json.dumps(form.requested_schema))) > MOST_CHARACTERS:
            raise MCPError(types.INVALID_PARAMS, "The tool asks a person for more than fits into a form.")
        if self.context.can_ask:
            self._questions[key] = Question(message=form.message, schema=form.requested_schema)
            return
        self._answers[key] = {"action": "decline"}
        self.note(
            f"(The tool's server asked a person: {form.message!r}. There is nobody to ask, so this was declined.)"
        )

    async def _sampled(self, params: types.CreateMessageRequestParams) -> JsonObject:
        sample = self.context.sample
        if not self._may_sample or sample is None:
            raise MCPError(types.METHOD_NOT_FOUND, REFUSED)
        self.context.progress(self._progress, None, "The tool asks the model.")
        answer = await sampled(params, sample)
        self.context.progress(self._progress, None, "The model has answered the tool.")
        return answer.model_dump(mode="json", by_alias=True, exclude_none=True)


class Attempts:
    """The calls that are in flight on one connection, and whom a request of its server is for."""

    def __init__(self, *, may_sample: bool) -> None:
        self.may_sample = may_sample
        self._in_flight: list[Attempt] = []
        self._one_at_a_time = False
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def begin(self, context: CallContext) -> AsyncGenerator[Attempt]:
        async with self._turn if self._one_at_a_time else nullcontext():
            attempt = Attempt(context, may_sample=self.may_sample)
            self._in_flight.append(attempt)
            try:
                yield attempt
            finally:
                self._in_flight.remove(attempt)
                attempt.close()

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
        return _CANCELLED

    async def _sampled(self, request: types.CreateMessageRequest) -> types.InputResponse:
        if len({attempt.context.run_id for attempt in self._in_flight}) != 1:
            raise MCPError(types.INVALID_REQUEST, "The model can only be asked while one session is at work.")
        return await self._in_flight[0].reply(request)


def _is_form(schema: JsonObject) -> bool:
    """Whether it is a valid JSON Schema with fields."""
    from jsonschema import Draft202012Validator, SchemaError

    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError:
        return False
    return all(isinstance(field, dict) for field in cast(JsonObject, schema.get("properties", {})).values())


def _key(request: types.InputRequest) -> str:
    """The same for the same request, since a server of the handshake era gives its requests no lasting names."""
    params = request.params
    return digest(params.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"meta"}) if params else {})

"""One call of a tool while it is made: what its server asks back, and what it is told.

From 2026-07-28 on a server asks by the result of the call, which is then made again with the answers. In the handshake
era it sends a request meanwhile. To a person that is put in the same way: the request is answered with `cancel`, the
call comes to nothing, and when it is made again the same request gets the person's answer.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from dataclasses import replace
from typing import cast

import mcp_types as types
from mcp import MCPError
from pydantic import TypeAdapter

from agent_bridge.calls import digest, warned
from agent_bridge.messages import ToolResult
from agent_bridge.tools import CallContext, Inquiry, JsonObject, Question
from agent_bridge.upstream import bridges
from agent_bridge.upstream.content import failure
from agent_bridge.upstream.sampling import REFUSED, sampled

MOST_ATTEMPTS = 10
"""How often one call is made, because its server asks for more; what clients of 2026-07-28 usually allow."""
TOO_OFTEN = f"The tool was called {MOST_ATTEMPTS} times and still asks for more, so it was given up."
CHANGED = "When the tool was called again with the answer, it asked for something else instead, so it was given up."
MOST_CHARACTERS = 8000
"""Of a message, or of a schema, that is still put to a person."""
_PAUSE_S = 0.25
"""Before a server is called again that asked nothing, but only wants to be called once more."""
_CANCELLED = types.ElicitResult(action="cancel")
_RESPONSE: TypeAdapter[types.InputResponse] = TypeAdapter(types.InputResponse)


class Attempt:
    """Questions and answers are known by what is asked, and by how often that was asked before.

    So a tool that is entered again from its beginning gets the same answers again, and one that asks a second time,
    because it did not like an answer, asks a person a second time.
    """

    def __init__(self, context: CallContext, token: int, *, may_sample: bool) -> None:
        before = context.inquiry or Inquiry()
        self.context = context
        self.token = token
        """What its server names it by when it tells of its progress."""
        self.state = before.state
        self._may_sample = may_sample
        self._attempts = before.attempts + 1
        self._answers = dict(before.answers)
        self._names = dict(before.names)
        # In 2026-07-28 the server goes on where it was, and does not ask again what it knows.
        self._asked = Counter[str](map(_what, before.answers) if before.names else ())
        self._unused = set(before.answers)
        self._questions: dict[str, Question] = {}
        self._changed = False
        self._notes: list[str] = []
        self._asides: set[asyncio.Task[types.InputResponse]] = set()
        self._progress = 0.0

    def heard(self, said: types.ProgressNotificationParams) -> None:
        self._progress = said.progress
        self.context.progress(said.progress, said.total, said.message, bridges.event_in(said.meta))

    def note(self, text: str) -> None:
        """Will be read with the result."""
        self._notes.append(text)

    @property
    def responses(self) -> types.InputResponses | None:
        """What a server of 2026-07-28 is told, by the names that it gave its questions."""
        if self.context.nesting.withdrawn:
            return None
        return {name: _RESPONSE.validate_python(self._answers[key]) for name, key in self._names.items()} or None

    async def take(self, asked: types.InputRequiredResult) -> bool:
        """Whether the call can be made again at once, and no person must be asked.

        Raises `MCPError` for what cannot be answered here.
        """
        if self._attempts >= MOST_ATTEMPTS:
            raise MCPError(types.INTERNAL_ERROR, TOO_OFTEN)
        requests = asked.input_requests or {}
        self.state = asked.request_state
        self._names = {name: self._key(request) for name, request in requests.items()}
        try:
            for name, request in requests.items():
                await self._find(self._names[name], request)
        except MCPError:
            self._questions.clear()  # for the sake of one request the call is lost, so nobody need answer the others
            raise
        if self._questions:
            return False
        if not requests:
            await asyncio.sleep(_PAUSE_S)
        self._attempts += 1
        return True

    def begins_anew(self, error: MCPError) -> bool:
        """Whether the server no longer takes its own state, and is to be called as if it were for the first time."""
        if (
            self.context.nesting.withdrawn
            or self.state is None
            or error.code != types.INVALID_PARAMS
            or self._attempts >= MOST_ATTEMPTS
        ):
            return False
        self.state, self._names, self._asked = None, {}, Counter[str]()
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
        if self._changed:
            return failure(CHANGED)
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
        inquiry = Inquiry(
            questions=self._questions,
            answers=self._answers,
            names=self._names,
            state=self.state,
            attempts=self._attempts,
        )
        return ToolResult(content="", inquiry=inquiry)

    def _key(self, request: types.InputRequest) -> str:
        params = request.params
        asked = params.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"meta"}) if params else {}
        what = digest({"method": request.method, **asked})
        self._asked[what] += 1
        return f"{what}:{self._asked[what]}"

    async def _reply(self, request: types.InputRequest) -> types.InputResponse:
        key = self._key(request)
        self._unused.discard(key)
        if not self._questions and not self._changed:
            await self._find(key, request)
            # Answers that were brought are asked for first: else each of them would lead to yet another question.
            self._changed = bool(self._questions and self._unused)
        if key in self._answers:
            return _RESPONSE.validate_python(self._answers[key])
        if isinstance(request, types.ElicitRequest):
            return _CANCELLED
        raise MCPError(types.INVALID_REQUEST, "This call will be made again with the answer of a person.")

    async def _find(self, key: str, request: types.InputRequest) -> None:
        """An answer, or a question to a person. Raises `MCPError` where there is neither."""
        if key in self._answers:
            return
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


def _what(key: str) -> str:
    return key.partition(":")[0]


def _is_form(schema: JsonObject) -> bool:
    """Whether it is a valid JSON Schema with fields."""
    from jsonschema import Draft202012Validator, SchemaError

    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError:
        return False
    return all(isinstance(field, dict) for field in cast(JsonObject, schema.get("properties", {})).values())

"""What a result leaves out so that hosts take it whole: under 45,000 characters, words and fields together."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from agent_bridge.api.mcp import uris
from agent_bridge.events import Recorded
from agent_bridge.tools import JsonObject
from agent_bridge.views import InvocationView, NoticeView, PendingView, RunView, plain

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

ROOM = 44_000
IN_EVENT = 900_000
"""Python clients refuse a server-sent event of more than a mebibyte, and the call with it."""
IN_PROGRESS = 45_000
IMAGES_ROOM = 700_000
"""For the same reason."""
_SHARE = 40
"""A text of an event that is too long keeps this part of the room: there may be several, and escapes are long."""
_EVENTS_ROOM = 14_000
_RESPONSES = (18_000, 12_000, 6_000, 3_000, 1_000, 0)
_LONG_EVENT = 2_000
_MANY_TOOLS = 80
_MANY_CALLS = 20
_MANY_NOTICES = 8
_MANY_ARGUMENTS = 6
_LONG_ARGUMENT = 100
_LONG_TEXT = 300

T = TypeVar("T")
V = TypeVar("V", bound="DataclassInstance")


@dataclass(frozen=True, slots=True)
class Worded(Generic[V]):
    """A view in words and in fields."""

    view: V
    text: str
    fields: JsonObject

    @property
    def size(self) -> int:
        return len(self.text) + size_of(self.fields)


def first_that_fits(views: Iterable[V], words: Callable[[V], str], room: int = ROOM) -> Worded[V]:
    """The first that is small enough, else the last."""
    worded = (Worded(view, words(view), plain(view)) for view in views)
    chosen = next(worded)
    while chosen.size > room and (smaller := next(worded, None)) is not None:
        chosen = smaller
    return chosen


def size_of(fields: object) -> int:
    return len(json.dumps(fields, ensure_ascii=False))


def prefixes(items: Sequence[T]) -> Iterable[Sequence[T]]:
    """All of them, then fewer and fewer."""
    count = len(items)
    while count:
        yield items[:count]
        count = count * 4 // 5
    yield []


def shorter_runs(run: RunView) -> Iterable[RunView]:
    """The run as it is, with less of its answer, and then with less of everything."""
    yield run
    cut = replace(run, warnings=[*run.warnings, _notice(run)])
    yield from (_with_response(cut, most) for most in _RESPONSES if most)
    small = replace(
        cut,
        output=None,
        tools=run.tools[:_MANY_TOOLS],
        tool_invocations=[replace(call, arguments=_brief(call.arguments)) for call in _newest(run)],
        pending=[_brief_question(one) for one in run.pending[:_MANY_NOTICES]],
        warnings=[*(replace(one, message=_cut(one.message)) for one in run.warnings[:_MANY_NOTICES]), _notice(run)],
        error=replace(run.error, message=_cut(run.error.message)) if run.error else None,
    )
    yield from (_with_response(small, most) for most in _RESPONSES)


def shortened(body: JsonObject, most: int) -> JsonObject:
    """An event with its long texts cut, so that a notification is not longer than `most`, and marked."""
    return {**_cut_object(body, most // _SHARE), "cut": True}


def events_that_fit(events: Sequence[Recorded]) -> list[JsonObject]:
    """The first of them, at least one; long texts in them are cut."""
    bodies: list[JsonObject] = []
    room = _EVENTS_ROOM
    for recorded in events:
        body = recorded.to_json()
        if size_of(body) > _LONG_EVENT:
            body = _cut_object(body)
        room -= size_of(body)
        if bodies and room < 0:
            break
        bodies.append(body)
    return bodies


def _brief(arguments: JsonObject) -> JsonObject:
    """The first of them; one that is long becomes the beginning of its JSON."""
    first = list(arguments.items())[:_MANY_ARGUMENTS]
    texts = {name: json.dumps(value, ensure_ascii=False) for name, value in first}
    return {
        name: value if len(texts[name]) <= _LONG_ARGUMENT else _cut(texts[name], _LONG_ARGUMENT)
        for name, value in first
    }


def _brief_question(one: PendingView) -> PendingView:
    schema = None if one.schema is None else _brief(one.schema)
    return replace(one, arguments=_brief(one.arguments), reason=_cut(one.reason), schema=schema)


def _newest(run: RunView) -> Sequence[InvocationView]:
    return run.tool_invocations[-_MANY_CALLS:]


def _notice(run: RunView) -> NoticeView:
    return NoticeView(code="result_cut", message=f"Too long for one result. The whole of it is {uris.run(run.run_id)}")


def _with_response(run: RunView, most: int) -> RunView:
    if len(run.response) <= most:
        return run
    note = f"[Cut here, of {len(run.response):,} characters. The rest is in {uris.run(run.run_id)}]"
    return replace(run, response=f"{run.response[:most]}\n{note}")


def _cut(text: str, most: int = _LONG_TEXT) -> str:
    return text if len(text) <= most else text[:most] + "…"


def _cut_object(value: JsonObject, most: int = _LONG_TEXT) -> JsonObject:
    return {key: _cut_value(item, most) for key, item in value.items()}


def _cut_value(value: object, most: int) -> object:
    match value:
        case str():
            return _cut(value, most)
        case list():
            return [_cut_value(item, most) for item in cast(list[object], value)[:_MANY_NOTICES]]
        case dict():
            return _cut_object(cast(JsonObject, value), most)
        case _:
            return value

"""Names in a document that lead nowhere. Looks at plain values, so that it can speak beside other complaints."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import cast

from agent_bridge.config.document import Document, Path, Problem
from agent_bridge.config.secrets import references
from agent_bridge.config.upstreams import BUILTINS
from agent_bridge.config.wording import at, dotted, suggestion

LONGEST_TOOL_NAME = 64
"""What models accept as the name of a tool."""


def dangling_names(document: Document) -> Iterator[Problem]:
    yield from _unknown_builtins(document)
    yield from _unknown_upstreams(document)
    yield from _unknown_models(document)
    yield from _default_server(document)
    yield from _long_tool_names(document)


def _unknown_builtins(document: Document) -> Iterator[Problem]:
    for name in _table(document, ("upstreams",)):
        path = ("upstreams", name, "builtin")
        for builtin in _texts(at(document.value, path)):
            if builtin not in BUILTINS:
                yield _problem(document, path, f"is '{builtin}'{suggestion(builtin, BUILTINS)}")


def _unknown_upstreams(document: Document) -> Iterator[Problem]:
    upstreams = _table(document, ("upstreams",))
    for path, name in _items(document, "servers", "upstreams"):
        if name not in upstreams:
            advice = f"; add `{name}: {{builtin: {name}}}` there" if name in BUILTINS else suggestion(name, upstreams)
            yield _problem(document, path, f"is '{name}', which is not under upstreams{advice}")


def _unknown_models(document: Document) -> Iterator[Problem]:
    aliases = _table(document, ("models",))
    named: list[tuple[Path, str]] = [*_items(document, "models", "fallbacks")]
    paths: list[Path] = [("default_model",), *(("servers", name, "model") for name in _table(document, ("servers",)))]
    named += [(path, model) for path in paths for model in _texts(at(document.value, path))]
    for path, model in named:
        if model not in aliases and not _is_model_id(model) and not references(model):
            what = f"is '{model}', which is neither an alias under models nor a model id such as openai/gpt-4o-mini"
            yield _problem(document, path, what + suggestion(model, aliases))


def _is_model_id(model: str) -> bool:
    provider, _, name = model.partition("/")
    return bool(provider and name)


def _default_server(document: Document) -> Iterator[Problem]:
    servers = _table(document, ("servers",))
    for name in _texts(at(document.value, ("default_server",))):
        if servers and name not in servers:
            yield _problem(document, ("default_server",), f"is '{name}'{suggestion(name, servers)}")
        elif at(document.value, ("servers", name, "active")) is False:
            what = f"is '{name}', which has `active: false`; name an active server"
            yield _problem(document, ("default_server",), what)


def _long_tool_names(document: Document) -> Iterator[Problem]:
    for name in _table(document, ("servers",)):
        path = ("servers", name, "as_tool")
        if at(document.value, path) is True and len(f"ask_{name}") > LONGEST_TOOL_NAME:
            what = f"makes a tool name of over {LONGEST_TOOL_NAME} characters; give the server a shorter name"
            yield _problem(document, path, what)


def _problem(document: Document, path: Path, what: str) -> Problem:
    return Problem(document.line(path), f"{dotted(path)} {what}")


def _table(document: Document, path: Path) -> Mapping[str, object]:
    value = at(document.value, path)
    return cast(dict[str, object], value) if isinstance(value, dict) else {}


def _items(document: Document, section: str, key: str) -> Iterator[tuple[Path, str]]:
    """The texts in the list `key` of every entry of a section."""
    for name in _table(document, (section,)):
        items = at(document.value, (section, name, key))
        for index, item in enumerate(cast(list[object], items) if isinstance(items, list) else ()):
            for text in _texts(item):
                yield (section, name, key, index), text


def _texts(value: object) -> Iterable[str]:
    return (value,) if isinstance(value, str) else ()

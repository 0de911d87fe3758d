"""A YAML document as plain values that remember their lines. Knows nothing of what they mean.

Three habits of YAML 1.1 that surprise people are off: dates stay text, keys are always text, and a key that is given
twice is a mistake.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import yaml

Path = tuple[str | int, ...]
"""The keys and positions that lead to a value."""

_TIMESTAMP = "tag:yaml.org,2002:timestamp"
_MERGE = "tag:yaml.org,2002:merge"


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    line: int
    what: str


@dataclass(frozen=True, slots=True)
class Document:
    value: object
    lines: Mapping[Path, int]
    """Where each key and each item of a list stands."""
    problems: list[Problem]
    """What is wrong in a way that leaves the rest readable."""

    def line(self, path: Path) -> int:
        """Where the value stands; the first line for the document as a whole."""
        return self.lines.get(path, 1)


class Malformed(Exception):
    """The text is not YAML, or not of the kind that a configuration needs."""

    def __init__(self, line: int, what: str) -> None:
        super().__init__(what)
        self.problem = Problem(line, what)


def parse(text: str) -> Document:
    """The document in the text; its value is `None` where there is none. Raises `Malformed`."""
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        reader = _Reader(loader)
        return Document(None if node is None else reader.value(node, ()), reader.lines, reader.problems)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        said = error.problem or error.context or "it ends too early"
        raise Malformed(line, f"this is not YAML: {said}; {_advice(said)}") from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise Malformed(line, "this is not text: there is a control character; remove it") from None
    except RecursionError:
        raise Malformed(1, "the values are nested too deeply, or in themselves; write them out flat") from None


_ADVICE = {
    "\\t": "indent with spaces",
    "mapping values are not allowed": "put text that holds ': ' in quotes, and line the keys up",
    "found another document": "remove the '---' between them",
    "found unknown escape character": "use single quotes around text with backslashes",
    "could not determine a constructor": "leave the tag out",
}
"""By what PyYAML says."""


def _advice(said: str) -> str:
    usual = "check the indentation, brackets and quotes here and just above"
    return next((advice for words, advice in _ADVICE.items() if words in said), usual)


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own way to say which plain words are more than text
        first: [(tag, words) for tag, words in resolvers if tag != _TIMESTAMP]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


@dataclass(slots=True)
class _Reader:
    loader: _Loader
    lines: dict[Path, int] = field(default_factory=dict[Path, int])
    problems: list[Problem] = field(default_factory=list[Problem])

    def value(self, node: yaml.Node, path: Path) -> object:
        match node:
            case yaml.MappingNode():
                return dict(self._entries(node, path))
            case yaml.SequenceNode():
                return [self._item(item, (*path, index)) for index, item in enumerate(node.value)]
            case _:
                return self._scalar(node)

    def _entries(self, node: yaml.MappingNode, path: Path) -> Iterator[tuple[str, object]]:
        self._report_duplicates(node)
        self.loader.flatten_mapping(node)
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise Malformed(_line(key), "a key must be a word")
            here = (*path, str(key.value))
            self.lines[here] = _line(key)
            yield str(key.value), self.value(value, here)

    def _item(self, node: yaml.Node, path: Path) -> object:
        self.lines[path] = _line(node)
        return self.value(node, path)

    def _scalar(self, node: yaml.Node) -> object:
        try:
            value: object = self.loader.construct_object(node)  # pyright: ignore[reportUnknownMemberType] - its stub
        except ValueError:
            raise Malformed(_line(node), f"this is not what '{node.tag}' says it is; leave the tag out") from None
        if value is not None and not isinstance(value, str | int | float):
            raise Malformed(_line(node), f"'{node.tag}' is not for configuration; write plain text, numbers or lists")
        return value

    def _report_duplicates(self, node: yaml.MappingNode) -> None:
        first: dict[str, int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == _MERGE:
                continue
            if key.value in first:
                what = f"'{key.value}' is given twice, first in line {first[key.value]}; keep one of them"
                self.problems.append(Problem(_line(key), what))
            first.setdefault(key.value, _line(key))


def _line(node: yaml.Node) -> int:
    return node.start_mark.line + 1

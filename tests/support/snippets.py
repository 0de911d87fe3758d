"""The fenced blocks of a Markdown page, and how what a command printed is compared with what the page shows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

_FENCE = re.compile(r"^(?P<indent> *)(?P<ticks>`{3,})(?P<language>[a-z]*)(?: +(?P<name>\S+))? *$")
PROMPT = "$ "


@dataclass(frozen=True, slots=True, kw_only=True)
class Snippet:
    """One block. `name` is a word after its language: the file that the block is the content of."""

    page: Path
    line: int
    language: str
    name: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


@dataclass(frozen=True, slots=True)
class Command:
    """A line that a reader would type, and what it should print."""

    line: str
    output: str


def snippets(page: Path) -> Iterator[Snippet]:
    opened: re.Match[str] | None = None
    started = 0
    body: list[str] = []
    for number, line in enumerate(page.read_text("utf-8").splitlines(), 1):
        if opened is None:
            if opened := _FENCE.match(line):
                started, body = number, []
        elif line.strip() == opened["ticks"]:
            text = "\n".join(row.removeprefix(opened["indent"]) for row in body) + "\n"
            yield Snippet(page=page, line=started, language=opened["language"], name=opened["name"] or "", text=text)
            opened = None
        else:
            body.append(line)


def commands(text: str) -> list[Command]:
    """The commands of a `console` block. A line that ends in a backslash goes on in the next."""
    found: list[Command] = []
    for block in re.split(rf"^{re.escape(PROMPT)}", text, flags=re.M)[1:]:
        typed = re.match(r"(?:.*\\\n)*.*\n?", block)
        line = typed[0] if typed else ""
        found.append(Command(line.replace("\\\n", " ").strip(), block[len(line) :].strip("\n")))
    return found


def matches(shown: str, printed: str) -> bool:
    """Whether a page tells the truth. `…` is anything in a line, and alone on a line any number of lines."""
    return re.fullmatch("".join(_pattern(shown.splitlines())), _plain(printed)) is not None


def _pattern(lines: Sequence[str]) -> Iterator[str]:
    for line in lines:
        if line.strip() == "…":
            yield r"(?:.*\n)*"
        else:
            yield ".*".join(re.escape(part) for part in line.rstrip().split("…")) + r"\n"


def _plain(printed: str) -> str:
    return "".join(f"{line.rstrip()}\n" for line in printed.strip("\n").splitlines())

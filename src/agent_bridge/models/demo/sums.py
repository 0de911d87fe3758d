"""The arithmetic that a text asks for, in symbols or in words, as expressions."""

from __future__ import annotations

import re
from collections.abc import Iterator

_N = r"(?<![\d.,])(?:-?\d+(?:,\d{3})*(?:\.\d+)?|\([^()]*\))"
_AND = r"(?:,\s*and\s+|,\s+|\s+and\s+)"
_SPOKEN = (
    (rf"\b(?:the )?square root of ({_N})", r"sqrt(\1)"),
    (rf"\b(?:the )?factorial of ({_N})", r"factorial(\1)"),
    (rf"\b(?:the )?square (?:of )?({_N})|({_N}) squared\b", r"\1\2 ** 2"),
    (rf"\b(?:the )?cube (?:of )?({_N})|({_N}) cubed\b", r"\1\2 ** 3"),
    (rf"\b(?:double|twice) ({_N})", r"2 * \1"),
    (rf"\b(?:halve|half of) ({_N})", r"\1 / 2"),
    (rf"\badd ({_N}) to ({_N})", r"\2 + \1"),
    (rf"\bsubtract ({_N}) from ({_N})", r"\2 - \1"),
    (rf"\b(?:the )?difference (?:between|of) ({_N}) and ({_N})", r"\1 - \2"),
    (rf"\bmultiply ({_N}) (?:by|with) ({_N})", r"\1 * \2"),
    (rf"\bdivide ({_N}) by ({_N})", r"\1 / \2"),
    (rf"({_N})(?:%| percent) of (?=[\d(-])", r"\1 / 100 * "),
    (r"(?<=\d) percent\b", "%"),
    (r"(?<=[\d)%]) plus (?=[\d(-])", " + "),
    (r"(?<=[\d)%]) minus (?=[\d(-])", " - "),
    (r"(?<=[\d)%]) (?:times|x|multiplied by) (?=[\d(-])", " * "),
    (r"(?<=[\d)%]) (?:divided by|over) (?=[\d(-])", " / "),
    (r"(?<=[\d)%]) (?:raised )?to the power (?:of )?(?=[\d(-])", " ** "),
)
_LISTED = (
    (rf"\b(?:add|(?:the )?(?:sum|total) of) ({_N}(?:{_AND}{_N})+)", " + "),
    (rf"\b(?:multiply|(?:the )?product of) ({_N}(?:{_AND}{_N})+)", " * "),
)
_REWRITES = tuple((re.compile(pattern, re.IGNORECASE), written) for pattern, written in _SPOKEN)
_LISTS = tuple((re.compile(pattern, re.IGNORECASE), operator) for pattern, operator in _LISTED)
_SIGNS = r"-+*/%^\u00d7\u00f7\u2212"
_RUN = re.compile(
    rf"(?:\b(?:sqrt|abs|round|floor|ceil|min|max|log|ln|exp|sin|cos|tan|factorial)(?=\()|\b(?:pi|e)\b"
    rf"|(?<![a-z])(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?(?![a-z])|[{_SIGNS}()!,\s])+",
    re.IGNORECASE,
)
_THOUSANDS = re.compile(r"\d{3}(?!\d)")
_LOOSE_START = re.compile(r"^[\s,*/%^!)\u00d7\u00f7]+")
_LOOSE_END = re.compile(r"[\s,(*/^\u00d7\u00f7\u2212+-]+$")
_OPERATION = re.compile(rf"(?:[\d)%!]|\b(?:pi|e))\s*[{_SIGNS}]+\s*[\w(.]|[\d)]!|[a-z]\(", re.IGNORECASE)


def find_expressions(text: str) -> list[str]:
    """What is to be computed, from left to right: `add 2 and 3` is `2 + 3`."""
    for pattern, operator in _LISTS:
        text = pattern.sub(lambda match, operator=operator: re.sub(_AND, operator, match[1]), text)
    for pattern, written in _REWRITES:
        text = pattern.sub(written, text)
    pieces = (piece for run in _RUN.finditer(text) for piece in _pieces(run.group()))
    trimmed = (_trimmed(piece) for piece in pieces)
    return [piece for piece in trimmed if _OPERATION.search(piece)]


def _pieces(run: str) -> Iterator[str]:
    """Cuts at commas that neither group thousands nor stand between the arguments of a function."""
    depth = start = 0
    for at, character in enumerate(run):
        depth += (character == "(") - (character == ")")
        if character == "," and depth <= 0 and not _THOUSANDS.match(run, at + 1):
            yield run[start:at]
            start = at + 1
    yield run[start:]


def _trimmed(piece: str) -> str:
    piece = _LOOSE_END.sub("", _LOOSE_START.sub("", piece))
    while piece.endswith(")") and piece.count(")") > piece.count("("):
        piece = piece[:-1].rstrip()
    while piece.startswith("(") and piece.count("(") > piece.count(")"):
        piece = piece[1:].lstrip()
    return piece

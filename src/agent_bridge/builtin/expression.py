"""Reads an arithmetic expression by operator precedence and computes it on the way. Nothing is ever run as code."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction

from agent_bridge.builtin.arithmetic import (
    MAX_DIGITS,
    NotCalculable,
    Number,
    add,
    divide,
    floor_divide,
    modulo,
    multiply,
    negate,
    power,
    subtract,
    too_large,
)
from agent_bridge.builtin.functions import CONSTANTS, FUNCTIONS, factorial

MAX_CHARACTERS = 2000
MAX_DEPTH = 60
"""Of parentheses, signs and powers inside one another."""

_GROUPED = re.compile(r"(?P<number>\d{1,3}(?:,\d{3})+(?:\.\d+)?)(?![\d,_])")
_TOKEN = re.compile(
    r"(?P<number>(?:\d[\d_]*(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)"
    r"|(?P<name>[^\W\d_]\w*)"
    r"|(?P<operator>\*\*|//|[-+*/%^!(),\u00d7\u00b7\u00f7\u2212])"
)
_SPELLINGS = {
    "^": "**",
    "\u00d7": "*",
    "\u00b7": "*",
    "\u00f7": "/",
    "\u2212": "-",
    "x": "*",
    "of": "*",
    "mod": "%",
    "π": "pi",
}
_INFIX: dict[str, tuple[int, int, Callable[[Number, Number], Number]]] = {
    "+": (10, 11, add),
    "-": (10, 11, subtract),
    "*": (20, 21, multiply),
    "/": (20, 21, divide),
    "//": (20, 21, floor_divide),
    "%": (20, 21, modulo),
    "**": (40, 30, power),
}
"""How strongly an operator binds to its left and to its right. Powers group from the right, and -2**2 is -4."""
_SIGN_BINDS = 30


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    position: int


def calculate(expression: str) -> Number:
    """The value of the expression. Raises `NotCalculable`."""
    if len(expression) > MAX_CHARACTERS:
        raise NotCalculable(f"An expression may have up to {MAX_CHARACTERS:,} characters. Calculate it in parts.")
    if not expression.strip():
        raise NotCalculable("There is no expression. Write one such as 17*23.")
    return _Reader([*_tokens(expression), _Token("end", "", len(expression))]).whole()


def _tokens(text: str) -> Iterator[_Token]:
    """Commas group thousands (1,000), except between the arguments of a function, where they separate."""
    position = 0
    kind = ""
    inside_call: list[bool] = []
    while position < len(text):
        if text[position].isspace():
            position += 1
            continue
        grouped = None if inside_call and inside_call[-1] else _GROUPED.match(text, position)
        match = grouped or _TOKEN.match(text, position)
        if match is None:
            raise NotCalculable(f"'{text[position]}' at character {position + 1} does not belong in an expression.")
        word = match.group().lower()
        if word == "(":
            inside_call.append(kind == "name")
        elif word == ")" and inside_call:
            inside_call.pop()
        word = _SPELLINGS.get(word, word)
        kind = "operator" if word in _INFIX else str(match.lastgroup)
        yield _Token(kind, word, position)
        position = match.end()


class _Reader:
    """One pass over the tokens; each method reads one construct and gives its value."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._at = 0
        self._depth = 0

    def whole(self) -> Number:
        value = self._value(0)
        if self._next.kind != "end":
            raise self._unexpected()
        return value

    @property
    def _next(self) -> _Token:
        return self._tokens[self._at]

    def _value(self, binds: int) -> Number:
        """What stands here, with every operator behind it that binds at least so strongly."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise NotCalculable(f"The expression is nested more than {MAX_DEPTH} deep. Calculate it in parts.")
        left = self._postfixed(self._operand())
        while (infix := _INFIX.get(self._next.text)) and infix[0] >= binds:
            self._at += 1
            left = infix[2](left, self._value(infix[1]))
        self._depth -= 1
        return left

    def _operand(self) -> Number:
        token = self._next
        self._at += 1
        match token.kind, token.text:
            case "number", digits:
                return _number(digits)
            case "name", name:
                return self._named(name)
            case _, "(":
                value = self._value(0)
                self._expect(")")
                return value
            case _, "-":
                return negate(self._value(_SIGN_BINDS))
            case _, "+":
                return self._value(_SIGN_BINDS)
            case _:
                self._at -= 1
                raise self._unexpected()

    def _postfixed(self, value: Number) -> Number:
        while self._next.text == "!" or (self._next.text == "%" and not self._operand_follows()):
            value = factorial(value) if self._next.text == "!" else divide(value, Fraction(100))
            self._at += 1
        return value

    def _operand_follows(self) -> bool:
        """Then a percent sign asks for what is left by a division: 7 % 3."""
        following = self._tokens[self._at + 1]
        return following.kind in ("number", "name") or following.text == "("

    def _named(self, name: str) -> Number:
        if name in CONSTANTS:
            return CONSTANTS[name]
        function = FUNCTIONS.get(name)
        if function is None:
            known = ", ".join([*FUNCTIONS, *CONSTANTS])
            raise NotCalculable(f"There is no '{name[:40]}' here. There are {known}.")
        self._expect("(")
        arguments = [self._value(0)]
        while self._next.text == ",":
            self._at += 1
            arguments.append(self._value(0))
        self._expect(")")
        if not function.least <= len(arguments) <= (function.most or len(arguments)):
            raise NotCalculable(f"{name} does not take {len(arguments)} arguments.")
        return function.apply(*arguments)

    def _expect(self, text: str) -> None:
        if self._next.text != text:
            raise self._unexpected(f" '{text}' belongs there.")
        self._at += 1

    def _unexpected(self, hint: str = "") -> NotCalculable:
        token = self._next
        if token.kind == "end":
            return NotCalculable(
                f"The expression ends too early.{hint}" if token.position else "There is no expression."
            )
        if token.kind in ("number", "name") or token.text == "(":
            hint = hint or " An operator such as * is missing before it."
        return NotCalculable(f"'{token.text[:40]}' at character {token.position + 1} was not expected.{hint}")


def _number(digits: str) -> Fraction:
    mantissa, _, exponent = digits.lower().replace(",", "").replace("_", "").partition("e")
    if len(mantissa) > MAX_DIGITS or abs(int(exponent or 0)) > MAX_DIGITS:
        raise too_large()
    return Fraction(f"{mantissa}e{exponent or 0}")

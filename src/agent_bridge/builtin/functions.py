"""The functions and constants of the calculator, by name."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Context, Decimal, localcontext
from fractions import Fraction
from types import MappingProxyType

from agent_bridge.builtin.arithmetic import (
    MAX_DIGITS,
    NotCalculable,
    Number,
    as_decimal,
    bounded,
    divide,
    negate,
    power,
    rounded,
    settled,
    square_root,
    too_large,
)

_PI = Decimal(
    "3.14159265358979323846264338327950288419716939937510582097494459230781640628620899862803482534211706798214808651"
    "32823066470938446095505822317253594081284811174502841027"
)
_WIDE = Context(prec=120)
"""For angles: subtracting whole turns from a large one costs digits."""
_QUARTER_TURN = _WIDE.divide(_PI, Decimal(2))
_LARGEST_ANGLE = Decimal("1e30")
_NEGLIGIBLE = Decimal("1e-100")
_LEAST_SINE = Decimal("1e-70")
"""What the sine of a rounded multiple of pi is off zero at most."""


@dataclass(frozen=True, slots=True)
class Function:
    apply: Callable[..., Number]
    least: int = 1
    most: int | None = 1
    """How many arguments it takes; `None` is any number."""


def _log(a: Number, base: Number | None = None) -> Number:
    if base is None:
        return _logarithm(Context.log10, a)
    if base == 1:
        raise NotCalculable("There is no logarithm to the base 1.")
    return divide(_ln(a), _ln(base))


def _ln(a: Number) -> Number:
    return _logarithm(Context.ln, a)


def _logarithm(operation: Callable[..., Decimal], a: Number) -> Number:
    if a <= 0:
        raise NotCalculable("Only numbers above zero have a logarithm.")
    return rounded(operation, a)


def _exp(a: Number) -> Number:
    return rounded(Context.exp, a)


def _floor(a: Number) -> Number:
    return Fraction(math.floor(settled(a)))


def _ceil(a: Number) -> Number:
    return Fraction(math.ceil(settled(a)))


def _round(a: Number, places: Number = Fraction(0)) -> Number:
    """Half goes away from zero, as in school."""
    if not isinstance(places, Fraction) or places.denominator != 1 or abs(places) > MAX_DIGITS:
        raise NotCalculable("round takes a whole number of decimal places, as in round(3.14159, 2).")
    scale = power(Fraction(10), places)
    value = settled(a)
    steps = math.floor(abs(value) * Fraction(scale) + Fraction(1, 2))
    return bounded((-steps if value < 0 else steps) / Fraction(scale))


def factorial(a: Number) -> Number:
    value = settled(a)
    if value < 0 or value.denominator != 1:
        raise NotCalculable("Only whole numbers from 0 have a factorial.")
    if value > MAX_DIGITS or math.lgamma(value.numerator + 1) > MAX_DIGITS * math.log(10):
        raise too_large()
    return Fraction(math.factorial(value.numerator))


def _sin(angle: Number) -> Number:
    return _sine(angle, Decimal(0))


def _cos(angle: Number) -> Number:
    return _sine(angle, _QUARTER_TURN)


def _tan(angle: Number) -> Number:
    cosine = _cos(angle)
    if cosine == 0:
        raise NotCalculable("The tangent has no value at a quarter turn.")
    return divide(_sin(angle), cosine)


def _sine(angle: Number, ahead: Decimal) -> Number:
    """The sine of the angle plus `ahead`, in radians, by its power series around the nearest whole turn."""
    with localcontext(_WIDE):
        x = as_decimal(angle, _WIDE) + ahead
        if abs(x) > _LARGEST_ANGLE:
            raise NotCalculable("Angles, in radians, may be up to 1e30.")
        x = x.remainder_near(2 * _PI)
        term = sine = x
        for count in itertools.count(2, 2):
            term = -term * x * x / (count * (count + 1))
            if abs(term) < _NEGLIGIBLE:
                break
            sine += term
        near_zero = abs(sine) < _LEAST_SINE
    return Decimal(0) if near_zero else rounded(Context.plus, sine)


def _absolute(a: Number) -> Number:
    return negate(a) if a < 0 else a


def _smallest(*numbers: Number) -> Number:
    return min(numbers, key=_exactly)


def _largest(*numbers: Number) -> Number:
    return max(numbers, key=_exactly)


def _exactly(a: Number) -> Fraction:
    return Fraction(a)


FUNCTIONS: Mapping[str, Function] = MappingProxyType(
    {
        "sqrt": Function(square_root),
        "abs": Function(_absolute),
        "round": Function(_round, most=2),
        "floor": Function(_floor),
        "ceil": Function(_ceil),
        "min": Function(_smallest, most=None),
        "max": Function(_largest, most=None),
        "log": Function(_log, most=2),
        "ln": Function(_ln),
        "exp": Function(_exp),
        "sin": Function(_sin),
        "cos": Function(_cos),
        "tan": Function(_tan),
        "factorial": Function(factorial),
    }
)
CONSTANTS: Mapping[str, Number] = MappingProxyType({"pi": rounded(Context.plus, _PI), "e": _exp(Fraction(1))})

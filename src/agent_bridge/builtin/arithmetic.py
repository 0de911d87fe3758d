"""Numbers that stay exact as long as they can, and the operators on them. No operation can take long.

A `Fraction` is exact. A `Decimal` stands for what no fraction is (a square root, a logarithm, pi): it carries
`PRECISION` digits, and what is computed with one is a `Decimal` too. A result of more than `MAX_DIGITS` digits is
refused, before it is computed where computing it would be slow. A `Decimal` never meets a Python operator that
rounds, because those would round to the 28 digits of the thread's context.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Context, Decimal, DecimalException, DivisionByZero, Inexact, InvalidOperation, Overflow, Underflow
from fractions import Fraction

Number = Fraction | Decimal
"""Exact, or rounded to `PRECISION` digits."""

MAX_DIGITS = 4000
"""Python writes out integers of at most 4,300."""
PRECISION = 80
SHOWN_DIGITS = 20
"""Of a number that is not exact, or has more than `EXACT_DIGITS`."""
EXACT_DIGITS = 60
_SETTLED_DIGITS = 60
"""So many digits of a rounded number survive a few operations on it."""
_MAX_BITS = int(MAX_DIGITS * math.log2(10))
_PLAIN = range(-7, SHOWN_DIGITS + 1)
"""Powers of ten that are written with zeros rather than with an exponent."""
_TRAPS = [InvalidOperation, DivisionByZero, Overflow, Underflow]


class NotCalculable(ValueError):
    """There is no result. The message says why, and what to change where that is not plain."""


def too_large() -> NotCalculable:
    return NotCalculable(f"The result would have more than {MAX_DIGITS:,} digits. Use smaller numbers.")


def add(a: Number, b: Number) -> Number:
    return bounded(a + b) if isinstance(a, Fraction) and isinstance(b, Fraction) else rounded(Context.add, a, b)


def subtract(a: Number, b: Number) -> Number:
    return bounded(a - b) if isinstance(a, Fraction) and isinstance(b, Fraction) else rounded(Context.subtract, a, b)


def multiply(a: Number, b: Number) -> Number:
    return bounded(a * b) if isinstance(a, Fraction) and isinstance(b, Fraction) else rounded(Context.multiply, a, b)


def divide(a: Number, b: Number) -> Number:
    if b == 0:
        raise NotCalculable("Division by zero has no result.")
    return bounded(a / b) if isinstance(a, Fraction) and isinstance(b, Fraction) else rounded(Context.divide, a, b)


def negate(a: Number) -> Number:
    return -a if isinstance(a, Fraction) else a.copy_negate()


def floor_divide(a: Number, b: Number) -> Number:
    """Rounds towards minus infinity."""
    return Fraction(math.floor(settled(divide(a, b))))


def modulo(a: Number, b: Number) -> Number:
    """What is left by `floor_divide`; it has the sign of `b`."""
    return subtract(a, multiply(b, floor_divide(a, b)))


def power(a: Number, b: Number) -> Number:
    if isinstance(a, Fraction) and isinstance(b, Fraction) and b.denominator == 1:
        return _whole_power(a, b.numerator)
    if b == Fraction(1, 2):
        return square_root(a)
    if a < 0:
        raise NotCalculable("A negative number has real powers only where the exponent is a whole number.")
    if a == 0 and b < 0:
        raise NotCalculable("Division by zero has no result.")
    return rounded(Context.power, a, b)


def _whole_power(a: Fraction, exponent: int) -> Fraction:
    if a == 0 and exponent < 0:
        raise NotCalculable("Division by zero has no result.")
    if abs(a) in (0, 1):
        return a ** (abs(exponent) % 2 or 2 * bool(exponent))
    least_bits = max(a.numerator.bit_length(), a.denominator.bit_length()) - 1
    if least_bits * abs(exponent) > _MAX_BITS:
        raise too_large()
    return bounded(a**exponent)


def square_root(a: Number) -> Number:
    if a < 0:
        raise NotCalculable("A negative number has no real square root.")
    return rounded(Context.sqrt, a)


def bounded(value: Fraction) -> Fraction:
    if max(value.numerator.bit_length(), value.denominator.bit_length()) > _MAX_BITS:
        raise too_large()
    return value


def rounded(operation: Callable[..., Decimal], *numbers: Number) -> Number:
    """Computes with `PRECISION` digits. The result is exact where the numbers were and nothing had to be rounded."""
    context = Context(prec=PRECISION, Emin=-MAX_DIGITS, Emax=MAX_DIGITS, traps=_TRAPS)
    try:
        result = operation(context, *(as_decimal(number, context) for number in numbers))
    except Overflow:
        raise too_large() from None
    except Underflow:
        raise NotCalculable("The result is too close to zero. Use larger numbers.") from None
    except DecimalException:
        raise NotCalculable("There is no such real number.") from None
    exact = not context.flags[Inexact] and all(isinstance(number, Fraction) for number in numbers)
    return Fraction(result) if exact else result


def as_decimal(number: Number, context: Context) -> Decimal:
    if isinstance(number, Decimal):
        return number
    return context.divide(Decimal(number.numerator), Decimal(number.denominator))


def settled(number: Number) -> Fraction:
    """For a decision about a whole number: without the last digits, where sqrt(2)**2 is still a little off 2."""
    if isinstance(number, Fraction):
        return number
    return Fraction(Context(prec=_SETTLED_DIGITS).plus(number))


def shown(number: Number) -> tuple[str, bool]:
    """The number in digits, and whether they are all of it."""
    if isinstance(number, Fraction) and number.denominator == 1:
        return str(number.numerator), True
    context = Context(prec=EXACT_DIGITS)
    digits = as_decimal(number, context)
    exact = isinstance(number, Fraction) and not context.flags[Inexact]
    digits = (digits if exact else Context(prec=SHOWN_DIGITS).plus(digits)).normalize(context)
    plain = digits == 0 or digits.adjusted() in _PLAIN
    return (f"{digits:f}" if plain else str(digits)), exact

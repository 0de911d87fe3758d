"""The calculator: exact where it can be, bounded always."""

import time
from typing import Any

import pytest
from fastmcp import Client
from mcp_types import TextContent

from agent_bridge.builtin.arithmetic import NotCalculable, shown
from agent_bridge.builtin.calculator import calculator_server
from agent_bridge.builtin.expression import calculate


@pytest.mark.parametrize(
    ("expression", "digits"),
    [
        ("17*23", "391"),
        ("0.1 + 0.2", "0.3"),
        ("1/3*3", "1"),
        ("1/8", "0.125"),
        ("2 + 3 * 4", "14"),
        ("(2 + 3) * 4", "20"),
        ("10 - 4 - 3", "3"),
        ("-2**2", "-4"),
        ("2**-1", "0.5"),
        ("2**3**2", "512"),
        ("2^10", "1024"),
        ("--3", "3"),
        ("+3 - +2", "1"),
        ("7 // 2", "3"),
        ("-7 // 2", "-4"),
        ("7 % 3", "1"),
        ("-7 % 3", "2"),
        ("7 mod 3", "1"),
        ("200 * 15%", "30"),
        ("15% of 240", "36"),
        ("50% + 1", "1.5"),
        ("3 \u00d7 4 \u00f7 2 \u2212 1", "5"),
        ("17 x 23", "391"),
        ("1,000,000 * 1.05", "1050000"),
        ("1_000 + .5", "1000.5"),
        ("1.5e3", "1500"),
        ("max(1,200)", "200"),
        ("max((1,000), 2)", "1000"),
        ("min(3, 1, 2)", "1"),
        ("abs(-3)", "3"),
        ("sqrt(2.25)", "1.5"),
        ("4**0.5", "2"),
        ("round(2.5)", "3"),
        ("round(-2.5)", "-3"),
        ("round(2/3, 4)", "0.6667"),
        ("round(1250, -2)", "1300"),
        ("floor(-1.5)", "-2"),
        ("ceil(1.2)", "2"),
        ("floor(sqrt(2)**2)", "2"),
        ("5!", "120"),
        ("2**3!", "64"),
        ("factorial(0)", "1"),
        ("log(1000)", "3"),
        ("0**0", "1"),
        ("(-1)**(10**100)", "1"),
        ("(-1)**(10**100 + 1)", "-1"),
        ("1e-30", "1E-30"),
        ("10**25", "1" + "0" * 25),
    ],
)
def test_an_exact_result(expression: str, digits: str) -> None:
    assert shown(calculate(expression)) == (digits, True)


@pytest.mark.parametrize(
    ("expression", "digits"),
    [
        ("1/3", "0.33333333333333333333"),
        ("2/3", "0.66666666666666666667"),
        ("sqrt(2)", "1.4142135623730950488"),
        ("sqrt(2)**2", "2"),
        ("8**(1/3)", "2"),
        ("pi", "3.1415926535897932385"),
        ("\u03c0", "3.1415926535897932385"),
        ("E", "2.7182818284590452354"),
        ("exp(1) - e", "0"),
        ("ln(e)", "1"),
        ("log(8, 2)", "3"),
        ("sin(pi / 6)", "0.5"),
        ("sin(pi)", "0"),
        ("cos(0)", "1"),
        ("tan(pi/4)", "1"),
        ("sin(1e22)", "-0.85220084976718880177"),
        ("abs(-pi)", "3.1415926535897932385"),
        ("1/3e30", "3.3333333333333333333E-31"),
    ],
)
def test_a_rounded_result_says_so(expression: str, digits: str) -> None:
    assert shown(calculate(expression)) == (digits, False)


@pytest.mark.parametrize(
    ("expression", "complaint"),
    [
        ("1/0", "Division by zero"),
        ("5 % 0", "Division by zero"),
        ("0**-1", "Division by zero"),
        ("0**-0.5", "Division by zero"),
        ("sqrt(-1)", "no real square root"),
        ("(-8)**(1/3)", "real powers only"),
        ("ln(0)", "above zero"),
        ("log(5, 1)", "base 1"),
        ("tan(pi/2)", "quarter turn"),
        ("sin(1e31)", "1e30"),
        ("(-1)!", "whole numbers from 0"),
        ("2.5!", "whole numbers from 0"),
        ("round(1, 0.5)", "whole number of decimal places"),
        ("exp(-100000)", "too close to zero"),
        ("", "There is no expression"),
        ("  ", "There is no expression"),
        ("2 +", "ends too early"),
        ("(2 + 3", "')' belongs there"),
        ("2 + 3)", "')' at character 6 was not expected"),
        ("2(3)", "An operator such as * is missing"),
        ("2 pi", "An operator such as * is missing"),
        ("1,00", "',' at character 2"),
        ("* 2", "'*' at character 1"),
        ("2 $ 3", "'$' at character 3"),
        ("__import__('os')", "'_' at character 1"),
        ("eval(1)", "There is no 'eval' here"),
        ("sqrt 2", "'(' belongs there"),
        ("sqrt(1, 2)", "does not take 2 arguments"),
        ("max()", "')' at character 5"),
    ],
)
def test_what_has_no_result_is_told_why(expression: str, complaint: str) -> None:
    with pytest.raises(NotCalculable) as told:
        calculate(expression)

    assert complaint in str(told.value)


@pytest.mark.parametrize(
    "expression",
    [
        "9**9**9",
        "9**9**9**9",
        "(1/9)**9**9",
        "factorial(10**6)",
        "factorial(10**3999)",
        "9!!!!",
        "10**4000",
        "1e999999999",
        "1e-999999999",
        "exp(10**300)",
        "10**3999 * 10**3999",
        "2**0.5**-9**9",
        "(" * 1_000,
        "-" * 1_500 + "1",
        "2**" * 600 + "2",
        "+".join("9" * 1_900),
        "1+" * 50_000 + "1",
        "9" * 100_000,
    ],
)
def test_nothing_takes_long(expression: str) -> None:
    started = time.process_time()
    try:
        length = len(shown(calculate(expression))[0])
    except NotCalculable as refused:
        length = len(str(refused))

    assert time.process_time() - started < 0.25
    assert length < 5_000


@pytest.mark.anyio
async def test_the_tool_says_the_same_in_words_and_fields() -> None:
    async with Client(calculator_server()) as client:
        exact = await client.call_tool("calculate", {"expression": "17 * 23"})
        rounded = await client.call_tool("calculate", {"expression": "1 / 3"})
        refused = await client.call_tool("calculate", {"expression": "9**9**9"}, raise_on_error=False)

    assert [text(result.content) for result in (exact, rounded, refused)] == [
        "17 * 23 = 391",
        "1 / 3 \u2248 0.33333333333333333333",
        "The result would have more than 4,000 digits. Use smaller numbers.",
    ]
    assert exact.structured_content == {"expression": "17 * 23", "relation": "=", "result": "391"}
    assert rounded.structured_content == {
        "expression": "1 / 3",
        "relation": "\u2248",
        "result": "0.33333333333333333333",
    }
    assert refused.is_error


def text(content: list[Any]) -> str:
    (block,) = content
    assert isinstance(block, TextContent)
    return block.text

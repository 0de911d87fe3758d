"""References to environment variables, resolved when a value is used."""

from __future__ import annotations

import pytest

from agent_bridge.config.secrets import MissingVariable, references, resolve

ENVIRON = {"NAME": "value", "EMPTY": ""}


@pytest.mark.parametrize(
    ("text", "resolved"),
    [
        ("plain $NAME {NAME} ${} ${1}", "plain $NAME {NAME} ${} ${1}"),
        ("${NAME}", "value"),
        ("a ${NAME} b ${NAME}", "a value b value"),
        ("${NONE:-default}", "default"),
        ("${EMPTY:-default}", "default"),
        ("${NONE:-}", ""),
        ("${NAME:-default}", "value"),
        ("os.environ/NAME", "value"),
        ("see os.environ/NAME", "see os.environ/NAME"),
    ],
)
def test_a_reference_is_replaced(text: str, resolved: str) -> None:
    assert resolve(text, ENVIRON) == resolved


@pytest.mark.parametrize("text", ["${NONE}", "Bearer ${NONE}", "${EMPTY}", "os.environ/NONE"])
def test_a_variable_that_is_missing_or_empty_is_named(text: str) -> None:
    with pytest.raises(MissingVariable) as caught:
        resolve(text, {"EMPTY": ""})

    assert caught.value.name in ("NONE", "EMPTY")


def test_a_value_is_not_resolved_again() -> None:
    assert resolve("${A}", {"A": "${B}", "B": "b"}) == "${B}"


def test_the_variables_of_a_text_are_found_in_order() -> None:
    assert references("${B} ${A:-x} ${env:C}") == ["B", "A", "C"]
    assert references("os.environ/NAME") == ["NAME"]
    assert references("plain") == []

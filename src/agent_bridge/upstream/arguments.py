"""What a model's arguments break of a tool's input schema, worded so that the model can try again."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any, cast

from agent_bridge.tools import JsonObject

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

_MAX_COMPLAINTS = 5
_MAX_COMPLAINT_LENGTH = 300


class ArgumentRules:
    """The input schema of one tool, compiled when the first arguments arrive.

    A schema that is itself broken, or refers to another document, forbids nothing: the tool has to judge.
    """

    def __init__(self, schema: JsonObject) -> None:
        self._schema = schema

    def complaint(self, arguments: JsonObject) -> str | None:
        """What is wrong, field by field, and what would be right."""
        from referencing.exceptions import Unresolvable

        if self._validator is None:
            return None
        try:
            return "; ".join(islice(_complaints(self._validator, arguments), _MAX_COMPLAINTS)) or None
        except (Unresolvable, RecursionError, re.error):
            return None

    @cached_property
    def _validator(self) -> Validator | None:
        from jsonschema import Draft202012Validator, SchemaError
        from jsonschema.validators import validator_for
        from referencing import Registry

        dialect = validator_for(self._schema, default=Draft202012Validator)
        try:
            dialect.check_schema(self._schema)
        except SchemaError:
            return None
        # Without a registry of its own, jsonschema would fetch a remote $ref.
        return dialect(self._schema, registry=Registry())


def _complaints(validator: Validator, arguments: JsonObject) -> Iterable[str]:
    for error in validator.iter_errors(cast("dict[str, Any]", arguments)):
        where = error.json_path.removeprefix("$").removeprefix(".")
        message = error.message
        if len(message) > _MAX_COMPLAINT_LENGTH:
            # A message begins with the offending value, which may be as long as it likes, and ends with what is right.
            half = _MAX_COMPLAINT_LENGTH // 2
            message = f"{message[:half]} … {message[-half:]}"
        yield f"`{where}`: {message}" if where else message

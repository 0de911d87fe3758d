"""What a value breaks of a JSON Schema, worded so that a model can try again."""

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


class SchemaRules:
    """A schema, compiled when the first value arrives.

    One that is itself broken, or refers to another document, forbids nothing: whoever wrote it has to judge.
    """

    def __init__(self, schema: JsonObject) -> None:
        self._schema = schema

    def complaint(self, value: JsonObject) -> str | None:
        """What is wrong, field by field, and what would be right."""
        from referencing.exceptions import Unresolvable

        if self._validator is None:
            return None
        try:
            return "; ".join(islice(_complaints(self._validator, value), _MAX_COMPLAINTS)) or None
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


def _complaints(validator: Validator, value: JsonObject) -> Iterable[str]:
    for error in validator.iter_errors(cast("dict[str, Any]", value)):
        where = error.json_path.removeprefix("$").removeprefix(".")
        message = error.message
        if len(message) > _MAX_COMPLAINT_LENGTH:
            # A message begins with the offending value, which may be as long as it likes, and ends with what is right.
            half = _MAX_COMPLAINT_LENGTH // 2
            message = f"{message[:half]} … {message[-half:]}"
        yield f"`{where}`: {message}" if where else message

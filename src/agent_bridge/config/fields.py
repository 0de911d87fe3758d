"""The kinds of value that the configuration is made of, and in words what each of them asks for."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"
SHA256 = r"^[0-9a-f]{64}$"
URL = r"^(https?://[^\s/?#]\S*|\$\{\S*|os\.environ/\w+)$"
GLOB_URL = r"^https?://[^\s/?#@]+(/[^\s?#]*)?$"
METADATA_URL = r"^https://[^\s/?#]+/\S+$"
STORE = r"^(sqlite|sqlite://.+|rediss?(\+sentinel)?://.+|\$\{.*|os\.environ/\w+)$"
VARIABLE = r"^[^=\s]+$"
HEADER = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"
SOMETHING = r"\S"
MODEL_ID = r"^([^\s/]+/\S+|\$\{\S*|os\.environ/\w+)$"
ONE_LINE = r"^[^\r\n]*$"
PATTERNS = {
    NAME: "must begin with a letter or digit and hold only letters, digits, '-' and '_', at most 64",
    SHA256: "must be the SHA-256 digest of the token: 64 digits and letters a to f",
    URL: "must begin with http:// or https://, or be a reference such as ${DOCS_URL}",
    GLOB_URL: "must be an address such as https://*.example.com/*, without a user or a query",
    METADATA_URL: "must begin with https:// and have a path",
    STORE: "must be sqlite, sqlite:///path, sqlite://:memory: or redis://host:6379/0",
    VARIABLE: "must be the name of an environment variable",
    HEADER: "must be the name of an HTTP header",
    SOMETHING: "must not be empty",
    MODEL_ID: "must be a LiteLLM model id such as azure/my-deployment",
    ONE_LINE: "must be a single line",
}

Name = Annotated[str, Field(pattern=NAME)]
Variable = Annotated[str, Field(pattern=VARIABLE)]
Header = Annotated[str, Field(pattern=HEADER)]
Something = Annotated[str, Field(pattern=SOMETHING)]
ModelId = Annotated[str, Field(pattern=MODEL_ID)]
OneLine = Annotated[str, Field(pattern=ONE_LINE)]
Url = Annotated[str, Field(pattern=URL)]
Seconds = Annotated[float, Field(gt=0)]
SecondsOrZero = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(gt=0)]
Money = Annotated[float, Field(gt=0)]
MoneyOrZero = Annotated[float, Field(ge=0)]


class Closed(BaseModel):
    """A table that knows its keys, frozen once read."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)

"""docs/configuration.md says what the schema, the providers and the loader say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import cast

import pytest

from agent_bridge.config.json_schema import json_schema
from agent_bridge.config.load import load
from agent_bridge.errors import ConfigInvalid
from support.configuration_reference import HEAD, SECTIONS, provider_rows, rows_of

DOCUMENT = (Path(__file__).parents[2] / "docs/configuration.md").read_text()


@pytest.mark.parametrize("table", ["File", *SECTIONS])
def test_every_key_of_the_schema_is_explained_in_the_document(table: str) -> None:
    assert "\n".join([HEAD, "|---|---|---|---|", *rows_of(table)]) in DOCUMENT


def test_every_table_of_the_schema_has_a_section() -> None:
    headings = cast(list[str], re.findall(r"^#+ (.*)$", DOCUMENT, re.MULTILINE))
    anchors = {"#" + re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}
    links = cast(list[str], re.findall(r"\]\((#[^)]*)\)", DOCUMENT))

    assert set(cast(dict[str, object], json_schema()["$defs"])) == set(SECTIONS)
    assert set(links) <= anchors


def test_every_provider_is_listed_with_the_variables_that_it_reads() -> None:
    assert "\n".join(provider_rows()) in DOCUMENT


def test_the_mistakes_in_the_document_get_the_answer_in_the_document(folder: Path) -> None:
    mistakes, answer = cast(list[str], re.findall(r"^```text\n(.*?)^```", DOCUMENT, re.DOTALL | re.MULTILINE))
    (folder / "servers.yaml").write_text(mistakes)

    with pytest.raises(ConfigInvalid) as caught:
        load(None, {})

    assert caught.value.message == answer.strip()

"""The MCP conformance suite, over HTTP and in both protocol eras, finds what was expected and nothing else.

Once with the product as users start it; once with the same application and the tools that the suite wants to call.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agent_bridge.api.mcp.server import build
from agent_bridge.app import open_bridge
from agent_bridge.config.load import load
from support.conformance.asking import add_asking
from support.conformance.content import add_content
from support.conformance.suite import Verdicts, expected_failures, run
from support.mcp_entries import listening
from support.serving import product

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(150)]
REVISIONS = ["2025-11-25", "2026-07-28"]


@asynccontextmanager
async def application_with_fixtures() -> AsyncGenerator[str]:
    async with open_bridge(load(None, {}, store="sqlite://:memory:")) as bridge:
        server = build(bridge, as_tools={"assistant": "Answers."}, version="1.2.3")
        add_content(server)
        add_asking(server)
        async with listening(server) as address:
            yield address


@pytest.mark.parametrize("revision", REVISIONS)
async def test_the_product_conforms_where_it_applies(revision: str, tmp_path: Path) -> None:
    async with product(tmp_path) as url:
        verdicts = await run(url, revision, tmp_path / "found")
    assert verdicts.unexpected(expected_failures("product")) == []


@pytest.mark.filterwarnings("ignore:The (logging|sampling) capability is deprecated")  # the suite still calls for them
@pytest.mark.parametrize("revision", REVISIONS)
async def test_the_application_with_the_suites_fixtures_conforms(revision: str, tmp_path: Path) -> None:
    async with application_with_fixtures() as url:
        verdicts = await run(url, revision, tmp_path / "found")
    assert verdicts.unexpected(expected_failures("fixtures")) == []


def test_a_failure_that_nobody_expected_is_told_and_so_is_a_success() -> None:
    verdicts = Verdicts(passed=frozenset({"a:1", "b:1", "c:1"}), failed=frozenset({"a:2", "b:2"}))
    assert verdicts.unexpected(["a", "b:1", "c", "elsewhere"]) == [
        "failed: b:2",
        "passed, though it was expected to fail: b:1",
        "passed, though it was expected to fail: c",
    ]

"""The MCP conformance suite as a function: what it finds wrong with a server, and what of that was expected."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import yaml

from support import published

EXPECTED = Path(__file__).parents[2] / "conformance" / "expected-failures.yaml"
TIMEOUT_S = 100
_RESULT = re.compile(r"server-(?P<scenario>.+)-\d{4}-\d\d-\d\dT[\d-]+Z")


class Exemption(TypedDict):
    why: str
    checks: list[str]


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What was checked, each as `scenario:check`. A warning counts as a failure."""

    passed: frozenset[str]
    failed: frozenset[str]

    def unexpected(self, expected: Iterable[str]) -> list[str]:
        """What should have passed and did not, and what should have failed and did not.

        An expected failure is one check, or a whole scenario, of which then at least one check must fail. Scenarios
        that are not part of this revision are passed over.
        """
        expected = set(expected)
        surprises = [f"failed: {check}" for check in sorted(self.failed) if not expected & {check, scenario_of(check)}]
        failing = self.failed | {scenario_of(check) for check in self.failed}
        ran = {scenario_of(check) for check in self.failed | self.passed}
        stale = [name for name in sorted(expected) if scenario_of(name) in ran and name not in failing]
        return surprises + [f"passed, though it was expected to fail: {name}" for name in stale]


def scenario_of(check: str) -> str:
    return check.partition(":")[0]


def expected_failures(application: str) -> list[str]:
    exemptions: list[Exemption] = yaml.safe_load(EXPECTED.read_text("utf-8"))[application]
    return [check for exemption in exemptions for check in exemption["checks"]]


async def run(url: str, revision: str, directory: Path) -> Verdicts:
    """Everything that the suite knows for a revision of the protocol, the scenarios that it does not score included."""
    arguments = ["server", "--url", url, "--requirements", revision, "--output-dir", str(directory)]
    suite = await asyncio.create_subprocess_exec(
        *published.conformance_suite(), *arguments, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(TIMEOUT_S):
            await suite.wait()
    finally:
        if suite.returncode is None:
            suite.kill()
            await suite.wait()
    return _read(directory)


def _read(directory: Path) -> Verdicts:
    statuses: dict[str, set[str]] = {}
    for path in directory.glob("*/checks.json"):
        match = _RESULT.fullmatch(path.parent.name)
        assert match is not None, f"{path.parent.name} is no result of the suite"
        for check in json.loads(path.read_text("utf-8")):
            statuses.setdefault(f"{match['scenario']}:{check['id']}", set()).add(check["status"])
    failed = frozenset(check for check, found in statuses.items() if found & {"FAILURE", "WARNING"})
    passed = frozenset(check for check, found in statuses.items() if "SUCCESS" in found) - failed
    assert passed, "the suite has checked nothing"
    return Verdicts(passed, failed)

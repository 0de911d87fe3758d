"""What was found, written down: as data, as a table, as a plot, and into the page of the documentation."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks import plot
from benchmarks.figures import Figure
from benchmarks.systems import BRIDGE, FRAMEWORK

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PAGE, README = ROOT / "docs" / "benchmarks.md", ROOT / "README.md"
IN_README = (
    "spawn to tools/list over stdio, CPU, 2026-07-28",
    "spawn again to tools/list over stdio, CPU, 2026-07-28",
    "memory after the first turn, over HTTP",
    "turn with one tool call, CPU, 2026-07-28",
    "turns per second on one core, 50 sessions",
    "memory per idle session, 1000 sessions, 2026-07-28",
    "per tool and model call, 500 tools, CPU",
)
FOUND = re.compile(r"(?<=<!-- found -->\n).*(?=<!-- /found -->)", re.DOTALL)
HEAD = ("what", "beside", "framework", "agent-bridge", "ratio", "target", "")


def table(figures: Sequence[Figure]) -> str:
    """As Markdown that reads well as it stands."""
    rows = [HEAD, *map(_row, figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])


def _row(figure: Figure) -> tuple[str, ...]:
    found, target = figure.found, figure.target
    beside = next((name for name in found if name not in (BRIDGE, FRAMEWORK)), "")
    ours = f"{_number(found[BRIDGE])} {figure.unit}".strip()
    ratio = f"{found[BRIDGE] / found[beside]:.2f} x" if beside and found[beside] else ""
    if target and target.than and target.kind == "more":
        ratio = f"{target.value(found):+.1f}"
    theirs = f"{_number(found[beside])} ({beside})" if beside else ""
    framework = _number(found[FRAMEWORK]) if FRAMEWORK in found else ""
    verdict = ("met" if target.is_met(found) else "**missed**") if target else ""
    return figure.what, theirs, framework, ours, ratio, str(target or ""), verdict


def _number(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


def write(figures: Sequence[Figure], framework: Path | None) -> None:
    about = _about(framework)
    RESULTS.mkdir(exist_ok=True)
    body = {**about, "figures": [asdict(figure) for figure in figures]}
    (RESULTS / "results.json").write_text(json.dumps(body, indent=1, ensure_ascii=False) + "\n")
    written = f"{_sentence(about)}\n\n{table(figures)}\n"
    (RESULTS / "table.md").write_text(written)
    (RESULTS / "plot.svg").write_text(plot.drawn(figures))
    _put(PAGE, f"{written}\n")
    _put(README, _shortly([figure for figure in figures if figure.what in IN_README]) + "\n")


def _put(page: Path, text: str) -> None:
    page.write_text(FOUND.sub(lambda _: text, page.read_text()))


def _shortly(figures: Sequence[Figure]) -> str:
    """What a visitor wants to know, without the targets."""
    rows = [(row[0], row[3], row[1], row[2]) for row in map(_row, figures)]
    lines = ["| | agent-bridge | beside | Pydantic AI |", "|---|---|---|---|"]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def _about(framework: Path | None) -> dict[str, str]:
    """When, where and with what."""
    packages = {name: version(name) for name in ("agent-bridge", "fastmcp", "mcp", "litellm", "httpx2", "uvicorn")}
    if framework:
        ask = "from importlib.metadata import version; print(version('pydantic-ai-slim'))"
        answer = subprocess.run([framework, "-c", ask], capture_output=True, text=True, check=True)
        packages["pydantic-ai-slim"] = answer.stdout.strip()
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        **packages,
    }


def _sentence(about: dict[str, str]) -> str:
    packages = ", ".join(f"{name} {number}" for name, number in list(about.items())[3:])
    return f"Measured on {about['date']}, on {about['system']}, with Python {about['python']}, {packages}."

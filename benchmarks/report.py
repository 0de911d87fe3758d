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
PAGE = ROOT / "docs" / "benchmarks.md"
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
    PAGE.write_text(FOUND.sub(lambda _: f"{written}\n", PAGE.read_text()))


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

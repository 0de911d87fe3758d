"""The targets as a drawing: how far each figure of the bridge lies from its bound, on a logarithmic scale."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from benchmarks.figures import Figure

WIDTH, LEFT, RIGHT, ROW, TOP = 960, 420, 70, 22, 46
DECADES = 2
"""From a tenth of the bound to ten times it."""
MET, MISSED, INK, FAINT = "#2f855a", "#c53030", "#4a5568", "#cbd5e0"


def drawn(figures: Sequence[Figure]) -> str:
    """An SVG. Bars to the left of the line are within the bound."""
    bars = [bar for number, figure in enumerate(_bounded(figures)) for bar in _bar(number, figure)]
    height = TOP + ROW * len(_bounded(figures)) + 16
    line = (
        f'<line x1="{_x(1):.0f}" y1="{TOP - 8}" x2="{_x(1):.0f}" y2="{height - 8}" stroke="{INK}" stroke-width="1.5"/>'
    )
    scale = [
        f'<text x="{_x(share):.0f}" y="{TOP - 14}" fill="{INK}" text-anchor="middle">{label}</text>'
        for share, label in ((0.1, "a tenth"), (1, "the bound"), (10, "ten times"))
    ]
    style = 'font-family="sans-serif" font-size="12"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" {style}>'
    paper = f'<rect width="{WIDTH}" height="{height}" fill="white"/>'
    return "\n".join([head, paper, *scale, *bars, line, "</svg>", ""])


def _bounded(figures: Sequence[Figure]) -> list[Figure]:
    return [figure for figure in figures if figure.target]


def _bar(number: int, figure: Figure) -> list[str]:
    assert figure.target is not None
    value, limit = figure.target.value(figure.found), figure.target.limit
    share = limit / value if figure.target.at_least else value / limit
    y, end = TOP + number * ROW, _x(share)
    colour = MET if figure.target.is_met(figure.found) else MISSED
    return [
        f'<text x="{LEFT - 8}" y="{y + 11}" fill="{INK}" text-anchor="end">{escape(figure.what)}</text>',
        f'<line x1="{LEFT}" y1="{y + 7}" x2="{WIDTH - RIGHT}" y2="{y + 7}" stroke="{FAINT}" stroke-width="0.5"/>',
        f'<rect x="{LEFT}" y="{y}" width="{max(end - LEFT, 1):.0f}" height="14" fill="{colour}"/>',
        f'<text x="{end + 4:.0f}" y="{y + 11}" fill="{INK}">{value:.3g} ({escape(str(figure.target))})</text>',
    ]


def _x(share: float) -> float:
    """Where a share of the bound lies, kept within the drawing."""
    decades = min(max(math.log10(max(share, 1e-9)) + 1, 0), DECADES)
    return LEFT + (WIDTH - RIGHT - LEFT) * decades / DECADES

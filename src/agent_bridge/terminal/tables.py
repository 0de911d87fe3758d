"""Servers, models and checks as tables for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from agent_bridge.terminal.screen import Screen, Style
from agent_bridge.terminal.wording import money
from agent_bridge.views import CheckView, ModelsView, ModelView, ServersView, ServerView

_FILE_WIDTH = 240
_MILLION = 1_000_000
_STATE_STYLES: dict[str, Style] = {"ready": "green", "degraded": "yellow", "unavailable": "red", "inactive": "dim"}
Cell = str | tuple[str, Style]


def show_servers(view: ServersView, out: Screen) -> None:
    if not view.servers:
        out.line("No servers are configured.")
        return
    _show(out, ("Server", "State", "Model", "Tools", "Upstreams", "Description"), map(_server, view.servers))


def show_models(view: ModelsView, out: Screen) -> None:
    if not view.models:
        out.line("No model matches.")
        return
    columns = ("Model", "Provider", "Tools", "Vision", "Context", "USD per million in / out", "Usable")
    _show(out, columns, (_model(model, out) for model in view.models))


def show_checks(view: CheckView, out: Screen) -> None:
    def tick(ok: bool) -> Cell:
        return (out.symbols.ok, "green") if ok else (out.symbols.bad, "red")

    _show(out, ("", "What", "Name", "Found"), ((tick(row.ok), row.kind, row.name, row.detail) for row in view.checks))
    for row in view.checks:
        if row.diff:
            out.line(f"\n{out.paint(row.name, 'bold')}\n{row.diff}")


def _server(server: ServerView) -> Sequence[Cell]:
    return (
        (server.name, "bold"),
        (server.state, _STATE_STYLES.get(server.state, "plain")),
        server.model,
        "" if server.tool_count is None else str(server.tool_count),
        ", ".join(server.upstreams),
        server.description,
    )


def _model(model: ModelView, out: Screen) -> Sequence[Cell]:
    usable: Cell = (out.symbols.ok, "green") if model.available else (out.symbols.bad, "red")
    return (
        (model.id, "bold"),
        model.provider_name,
        _known(model.supports_function_calling),
        _known(model.supports_vision),
        f"{model.max_input_tokens:,}" if model.max_input_tokens else "",
        _price(model),
        usable if model.reason is None else (f"{usable[0]} {model.reason}", usable[1]),
    )


def _known(fact: bool | None) -> str:
    return "" if fact is None else "yes" if fact else "no"


def _price(model: ModelView) -> str:
    prices = (model.input_cost_per_token, model.output_cost_per_token)
    return " / ".join("?" if price is None else money(price * _MILLION) for price in prices) if any(prices) else ""


def _show(out: Screen, columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
    """Rich is imported here, where a person waits for a table, and nowhere else."""
    from rich.box import ASCII2, SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    plain = out.symbols.cut != "…"
    table = Table(box=ASCII2 if plain else SIMPLE_HEAD, header_style="bold", pad_edge=False, show_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        cells = [(cell, "plain") if isinstance(cell, str) else cell for cell in row]
        table.add_row(*(Text(out.safe(text), style="" if style == "plain" else style) for text, style in cells))
    console = Console(
        file=out.stream,
        width=out.width(_FILE_WIDTH),
        no_color=not out.colour,
        force_terminal=out.colour,
        highlight=False,
        markup=False,
        emoji=False,
    )
    console.print(table)

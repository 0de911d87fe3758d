"""Tables for people."""

from __future__ import annotations

from agent_bridge.terminal.tables import show_checks, show_models, show_servers
from agent_bridge.views import CheckRow, CheckView, ModelsView, ModelView, ServersView, ServerView
from support.screens import paper, shown_on, window

ASSISTANT = ServerView(
    name="assistant",
    title="Assistant",
    description="Answers with [bold]the clock[/bold].",
    model="demo/rules",
    upstreams=["clock", "calculator"],
    tool_count=9,
    state="ready",
    requires_token=False,
)
FAST = ModelView(
    id="fast",
    model_id="openai/gpt-4o-mini",
    model_name="gpt-4o-mini",
    provider_id="openai",
    provider_name="OpenAI",
    provider_type="openai",
    supports_function_calling=True,
    supports_vision=False,
    max_input_tokens=128000,
    input_cost_per_token=0.15e-6,
    output_cost_per_token=0.6e-6,
    available=False,
    reason="OPENAI_API_KEY is not set.",
)


def words(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines() if line.strip(" ─━-+|")]


def test_servers_are_a_table_and_their_texts_are_not_markup() -> None:
    out = paper()

    show_servers(ServersView(servers=[ASSISTANT], count=1), out)

    assert words(shown_on(out)) == [
        ["Server", "State", "Model", "Tools", "Upstreams", "Description"],
        [
            "assistant",
            "ready",
            "demo/rules",
            "9",
            "clock,",
            "calculator",
            "Answers",
            "with",
            "[bold]the",
            "clock[/bold].",
        ],
    ]


def test_models_say_what_they_can_cost_and_lack() -> None:
    out = paper()

    show_models(ModelsView(models=[FAST], count=1), out)

    row = words(shown_on(out))[1]
    assert " ".join(row) == "fast OpenAI yes no 128,000 $0.15 / $0.60 ✗ OPENAI_API_KEY is not set."


def test_checks_have_ticks_in_colour_on_a_terminal() -> None:
    rows = [
        CheckRow(kind="upstream", name="clock", ok=True, detail="4 tools"),
        CheckRow(kind="model", name="fast", ok=False, detail="Set OPENAI_API_KEY."),
    ]
    plain, coloured = paper(), window(colour=True)

    show_checks(CheckView(ok=False, checks=rows), plain)
    show_checks(CheckView(ok=False, checks=rows), coloured)

    assert [" ".join(row) for row in words(shown_on(plain))] == [
        "What Name Found",
        "✓ upstream clock 4 tools",
        "✗ model fast Set OPENAI_API_KEY.",
    ]
    assert "\x1b" not in shown_on(plain)
    assert "\x1b[32m✓\x1b[0m" in shown_on(coloured)
    assert "\x1b[31m✗\x1b[0m" in shown_on(coloured)


def test_nothing_to_list_is_said() -> None:
    out = paper()

    show_servers(ServersView(servers=[], count=0), out)
    show_models(ModelsView(models=[], count=0), out)

    assert shown_on(out) == "No servers are configured.\nNo model matches.\n"

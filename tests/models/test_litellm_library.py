"""What importing and using LiteLLM must not do to the process: print, look around, or phone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from agent_bridge.config.models import ModelAlias
from agent_bridge.messages import ModelRequest
from support.providers import FakeProviders, Refused, Scripted, ScriptedCall
from support.providers.opening import open_model

WATCHED = dedent("""
    import asyncio, gc, json, logging, os, sys
    from urllib.parse import urlsplit

    url, report = sys.argv[1:]
    ours = urlsplit(url).port
    logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
    seen = {"connected": [], "resolved": [], "opened": []}

    def audit(event, arguments):
        if event == "socket.connect" and arguments[1][1] != ours:
            seen["connected"].append(str(arguments[1]))
        if event == "socket.getaddrinfo" and arguments[1] != ours:
            seen["resolved"].append(str(arguments[:2]))
        if event == "open" and str(arguments[0]).endswith(".env"):
            seen["opened"].append(str(arguments[0]))

    sys.addaudithook(audit)

    from agent_bridge.config import Config
    from agent_bridge.config.models import ModelAlias
    from agent_bridge.errors import BridgeError
    from agent_bridge.messages import ModelRequest
    from agent_bridge.models import Models, Retries

    aliases = {
        "openai": ModelAlias(model="openai/scripted", api_base=url + "/v1", api_key="canary-0123456789"),
        "anthropic": ModelAlias(model="anthropic/scripted", api_base=url, api_key="canary-0123456789"),
        "ollama": ModelAlias(model="ollama_chat/scripted", api_base=url),
    }
    config = Config(upstreams={}, models=aliases, servers={}, default_server="", default_model="openai", environ={})

    async def main():
        models = Models(config, retries=Retries(most=0))
        for name in aliases:
            models.warm(name)
            for _ in range(3):
                try:
                    await models.open(name).complete(
                        ModelRequest(messages=[{"role": "user", "content": "hi"}]), lambda event: None
                    )
                except BridgeError as error:
                    seen.setdefault("errors", []).append(error.code)
        await models.aclose()

    asyncio.run(main())
    seen["dotenv"] = os.environ.get("FROM_DOTENV")
    seen["collects"] = (gc.isenabled(), gc.get_freeze_count() > 100_000)
    with open(report, "w") as file:
        json.dump(seen, file)
""")


def test_nothing_is_printed_looked_up_or_read_from_the_working_directory(fake: FakeProviders, tmp_path: Path) -> None:
    """At the most talkative log level, through successes, tool calls and errors."""
    (tmp_path / ".env").write_text("FROM_DOTENV=yes\nOPENAI_API_KEY=from-dotenv\n")
    calls = (ScriptedCall(id="call_a", name="alpha", arguments=("{}",)),)
    for _ in range(3):
        fake.script(Scripted(text=("ok",)), Scripted(calls=calls), Refused(trouble="unauthenticated"))
    report = tmp_path / "report.json"

    done = subprocess.run(
        [sys.executable, "-c", WATCHED, fake.url, str(report)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )

    assert (done.returncode, done.stdout) == (0, ""), done.stderr[-2000:]
    assert json.loads(report.read_text()) == {
        "connected": [],
        "resolved": [],
        "opened": [],
        "dotenv": None,
        "collects": [True, True],
        "errors": ["model_credentials"] * 3,
    }
    assert fake.model_requests == fake.requests
    assert "canary-0123456789" not in done.stderr
    assert "Unclosed" not in done.stderr


def test_knowing_the_models_does_not_import_their_libraries() -> None:
    listing = dedent("""
        import sys
        from agent_bridge.config import Config
        from agent_bridge.models import Models

        models = Models(Config(upstreams={}, models={}, servers={}, default_server="", default_model="demo/rules"))
        models.warm("demo/rules")
        models.rows()
        models.open("demo/rules")
        print(sorted({"litellm", "openai", "httpx", "aiohttp"} & set(sys.modules)))
    """)

    done = subprocess.run([sys.executable, "-c", listing], capture_output=True, text=True, timeout=30, check=True)

    assert done.stdout.strip() == "[]"


@pytest.mark.anyio
async def test_the_cost_is_known_where_the_price_is(fake: FakeProviders) -> None:
    fake.script(Scripted(text=("ok",)), Scripted(text=("ok",)))
    request = ModelRequest(messages=[{"role": "user", "content": "hi"}])

    costs: list[float | None] = []
    for model in ("openai/gpt-4o-mini", "openai/nobody-knows-it"):
        alias = ModelAlias(model=model, api_base=f"{fake.url}/v1", api_key="key")
        async with open_model(alias, {}) as opened:
            costs.append((await opened.complete(request, lambda _: None)).usage.cost_usd)

    known, unknown = costs
    assert known is not None
    assert 0 < known < 0.01
    assert unknown is None


@pytest.mark.anyio
async def test_an_alias_settings_reach_the_provider(fake: FakeProviders) -> None:
    fake.script(Scripted(text=("ok",)))
    alias = ModelAlias(
        model="openai/scripted", temperature=0.2, max_tokens=64, top_p=0.5, api_base=f"{fake.url}/v1", api_key="key"
    )

    async with open_model(alias, {}) as model:
        await model.complete(ModelRequest(messages=[{"role": "user", "content": "hi"}]), lambda _: None)

    [request] = fake.requests
    sent = {name: request.body[name] for name in ("model", "temperature", "max_tokens", "top_p", "stream")}
    assert sent == {"model": "scripted", "temperature": 0.2, "max_tokens": 64, "top_p": 0.5, "stream": True}

"""The command `login`: a browser is opened, or an address shown, and what comes back is kept."""

from __future__ import annotations

import asyncio
import sys
import webbrowser
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_bridge.config.upstreams import Upstream
from agent_bridge.errors import InvalidInput
from agent_bridge.records import LOCAL
from agent_bridge.terminal import exits
from agent_bridge.terminal.keyboard import Keyboard
from agent_bridge.upstream.credentials.login import log_in, log_out

if TYPE_CHECKING:
    from agent_bridge.config import Config
    from agent_bridge.upstream.credentials import Vault
    from agent_bridge.upstream.credentials.redirect import Redirect

_OPENED = "Log in with the browser that was opened. If you see none, visit this address:"
_VISIT = "Visit this address and log in:"
_ELSEWHERE = (
    "If your browser is on another machine, it ends on a page of 127.0.0.1 that it cannot open. Copy the address of "
    "that page, and paste it here."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    upstream: str
    principal: str = LOCAL.id
    browser: bool = True
    logout: bool = False


def login(wish: Wish, config: Config, opening: AbstractAsyncContextManager[Vault], environ: Mapping[str, str]) -> int:
    """Raises `BridgeError`."""
    upstream = config.upstreams.get(wish.upstream)
    if upstream is None:
        known = ", ".join(config.upstreams) or "none"
        raise InvalidInput(f"There is no upstream '{wish.upstream}'. The upstreams are: {known}.")
    work = _log_out(wish, upstream, opening) if wish.logout else _log_in(wish, upstream, config, opening, environ)
    return asyncio.run(work)


async def _log_in(
    wish: Wish,
    upstream: Upstream,
    config: Config,
    opening: AbstractAsyncContextManager[Vault],
    environ: Mapping[str, str],
) -> int:
    is_here = wish.browser and not _is_elsewhere(environ)
    readers: list[asyncio.Task[None]] = []

    async def visit(address: str, redirect: Redirect) -> None:
        opened = is_here and await asyncio.to_thread(webbrowser.open, address)
        print(f"{_OPENED if opened else _VISIT}\n", file=sys.stderr)
        print(address)
        sys.stdout.flush()
        if sys.stdin.isatty():
            print(f"\n{_ELSEWHERE}", file=sys.stderr)
            readers.append(asyncio.create_task(_pasted(redirect)))

    async with opening as vault:
        try:
            await log_in(wish.upstream, upstream, wish.principal, vault=vault, secrets=config.environ, visit=visit)
        finally:
            for reader in readers:
                reader.cancel()
                with suppress(asyncio.CancelledError):
                    await reader
    print(f"Logged in to {wish.upstream}{_for(wish, upstream)}.", file=sys.stderr)
    return exits.OK


async def _log_out(wish: Wish, upstream: Upstream, opening: AbstractAsyncContextManager[Vault]) -> int:
    async with opening as vault:
        was_in = await log_out(wish.upstream, upstream, wish.principal, vault=vault)
    done = "Logged out of" if was_in else "There was no login to"
    print(f"{done} {wish.upstream}{_for(wish, upstream)}.", file=sys.stderr)
    return exits.OK


async def _pasted(redirect: Redirect) -> None:
    keyboard = Keyboard()
    while (line := await keyboard.line()) is not None:
        if redirect.take(line):
            return
        print("That is not the address of the page where the login ended. Paste it whole.", file=sys.stderr)


def _is_elsewhere(environ: Mapping[str, str]) -> bool:
    """Whether the person sits at another machine, so that a browser of this one is of no use."""
    return bool(environ.get("SSH_CONNECTION")) and not (environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY"))


def _for(wish: Wish, upstream: Upstream) -> str:
    return f" for '{wish.principal}'" if upstream.knows_callers_apart and wish.principal != LOCAL.id else ""

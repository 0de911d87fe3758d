"""Logging in to an upstream with the browser, and out again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from mcp.shared.auth import AuthorizationCodeResult

from agent_bridge.config.logins import BrowserLogin
from agent_bridge.config.secrets import MissingVariable, resolve
from agent_bridge.config.upstreams import Upstream
from agent_bridge.errors import InvalidInput, UpstreamCredentials
from agent_bridge.upstream import advice
from agent_bridge.upstream.credentials.clients import clients_for
from agent_bridge.upstream.credentials.logins import Place
from agent_bridge.upstream.credentials.oauth import Refused, by_browser, revoke
from agent_bridge.upstream.credentials.redirect import Redirect, listening
from agent_bridge.upstream.credentials.service import login_command, login_place, resolved_browser
from agent_bridge.upstream.credentials.vault import Vault

PERSON_S = 600.0
"""How long a person may take."""

Visit = Callable[[str, Redirect], Awaitable[None]]
"""Shows a person the address to visit; may return at once."""


async def log_in(
    name: str, upstream: Upstream, principal: str, *, vault: Vault, secrets: Mapping[str, str], visit: Visit
) -> None:
    """Raises `UpstreamCredentials` where it does not come to a login, and `InvalidInput` where there is none."""
    login = _browser_login(name, upstream)
    place = Place(vault, login_place(name, principal if upstream.knows_callers_apart else ""))
    await place.grant()  # where nothing can be kept, say so before a person takes the trouble
    try:
        url, login = resolve(upstream.url or "", secrets), resolved_browser(login, secrets)
        async with clients_for(upstream)() as client, listening(login.redirect_port) as redirect:

            async def show(address: str) -> None:
                redirect.expect(address)
                await visit(address, redirect)

            async def wait() -> AuthorizationCodeResult:
                try:
                    return await asyncio.wait_for(redirect.result(), PERSON_S)
                except TimeoutError:
                    raise Refused("nobody came back from the browser in time") from None

            grant = await by_browser(url, login, redirect_uri=redirect.uri, show=show, wait=wait, client=client)
    except MissingVariable as missing:
        raise UpstreamCredentials(advice.missing_variable(name, missing.name)) from None
    except Refused as refused:
        again = f"Run `{login_command(name, principal)}` to try again."
        raise UpstreamCredentials(f"There is no login to '{name}': {refused.reason}. {again}") from None
    await place.put(grant)


async def log_out(name: str, upstream: Upstream, principal: str, *, vault: Vault) -> bool:
    """Forgets the login, and tells the authorization server where it can be told. Whether there was one."""
    _browser_login(name, upstream)
    place = Place(vault, login_place(name, principal if upstream.knows_callers_apart else ""))
    grant = await place.grant()
    if grant is None:
        return False
    await place.drop()
    async with clients_for(upstream)() as client:
        await revoke(grant, client)
    return True


def _browser_login(name: str, upstream: Upstream) -> BrowserLogin:
    if upstream.login is None or upstream.login.oauth is None:
        raise InvalidInput(f"The upstream '{name}' has no `auth: oauth`, so there is nothing to log in to.")
    return upstream.login.oauth

"""Which credential an upstream is shown, by its configuration and by who calls."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from agent_bridge.config.logins import BrowserLogin, CallerToken, ClientCredentials, UpstreamAuth
from agent_bridge.config.secrets import MissingVariable, references, resolve
from agent_bridge.config.upstreams import Upstream
from agent_bridge.errors import UpstreamCredentials
from agent_bridge.records import OwnToken
from agent_bridge.upstream.credentials.kinds import CallersToken, Credential, FixedToken

if TYPE_CHECKING:
    from agent_bridge.upstream.credentials.logins import Renewal
    from agent_bridge.upstream.credentials.vault import Vault


LENT_S = 3_600.0
"""How long a caller's token is kept that does not say when it ends."""
_SEALED = "sealed:"
_CONNECT_AGAIN = "Call connect again, with a token that is good."


class Credentials:
    """One credential for each upstream and principal, shared by all connections, so that it is renewed once."""

    def __init__(self, vault: Vault, tasks: asyncio.TaskGroup) -> None:
        self._vault = vault
        self._tasks = tasks
        self._logins: dict[tuple[str, str], Credential] = {}

    def of(self, name: str, upstream: Upstream, principal: str, secrets: Mapping[str, str]) -> Credential:
        """Raises `MissingVariable`, and `UpstreamCredentials` where there is none for this principal."""
        login = upstream.login
        if upstream.auth_token is not None and upstream.auth_token.startswith(_SEALED):
            return FixedToken(self._unsealed(upstream), _CONNECT_AGAIN)
        if login is None:
            token = resolve(upstream.auth_token, secrets) if upstream.auth_token is not None else None
            return FixedToken(token, _set_again(upstream.auth_token, "Correct auth_token or headers of the upstream."))
        if login.principals:
            return _for_principal(name, login.principals, principal, secrets)
        if login.caller is not None:
            audience = audience_of(upstream, login.caller, secrets)
            place = callers_place(name, principal)
            return CallersToken(self._vault, place, upstream=name, audience=audience)
        return self._kept(name, upstream, login, principal, secrets)

    def sealed(self, upstream: Upstream) -> Upstream:
        """An upstream that a caller brought, to be kept: nobody reads its token there, or uses it for another address.

        Raises `UpstreamCredentials` where there is no key.
        """
        if upstream.auth_token is None:
            return upstream
        token = _SEALED + self._vault.seal(upstream.url or "", upstream.auth_token)
        return upstream.model_copy(update={"auth_token": token})

    def _unsealed(self, upstream: Upstream) -> str:
        token = self._vault.unseal(upstream.url or "", (upstream.auth_token or "").removeprefix(_SEALED))
        if token is None:
            raise UpstreamCredentials(
                f"The token that came with this address cannot be read any more. {_CONNECT_AGAIN}"
            )
        return token

    async def lend(
        self, name: str, upstream: Upstream, principal: str, own: OwnToken, secrets: Mapping[str, str]
    ) -> bool:
        """Keeps the caller's token for an upstream that wants it, if it was issued for it; whether it was."""
        login, now = upstream.login, time.time()
        life_s = LENT_S if own.expires_at is None else own.expires_at - now
        if login is None or login.caller is None or life_s <= 0:
            return False
        try:
            wanted = audience_of(upstream, login.caller, secrets)
            if not any(_same(audience, wanted) for audience in own.audiences):
                return False
            await self._vault.put(callers_place(name, principal), own.token, ttl_s=life_s)
        except (MissingVariable, UpstreamCredentials):
            return False  # which is said when the upstream is used
        return True

    def _kept(
        self, name: str, upstream: Upstream, login: UpstreamAuth, principal: str, secrets: Mapping[str, str]
    ) -> Credential:
        whose = principal if upstream.knows_callers_apart else ""
        if (name, whose) not in self._logins:
            from agent_bridge.upstream.credentials.clients import clients_for
            from agent_bridge.upstream.credentials.logins import KeptLogin, Place

            place = Place(self._vault, login_place(name, whose))
            renewal = _renewal(name, upstream, login, whose, secrets)
            self._logins[name, whose] = KeptLogin(name, place, renewal, clients_for(upstream), self._tasks)
        return self._logins[name, whose]


def _same(audience: str, wanted: str) -> bool:
    """Whether they name the same resource; of addresses, a slash at the end says nothing."""
    return audience.rstrip("/") == wanted.rstrip("/")


def login_place(upstream: str, principal: str) -> str:
    """What a login is kept under; the principal is empty where everyone shares it."""
    return f"login:{upstream}:{principal}"


def callers_place(upstream: str, principal: str) -> str:
    """What a caller's own token is kept under."""
    return f"caller:{upstream}:{principal}"


def audience_of(upstream: Upstream, caller: CallerToken, secrets: Mapping[str, str]) -> str:
    """Raises `MissingVariable`."""
    return resolve(caller.audience or upstream.url or "", secrets)


def _for_principal(name: str, tokens: Mapping[str, str], principal: str, secrets: Mapping[str, str]) -> Credential:
    written = tokens.get(principal)
    if written is None:
        raise UpstreamCredentials(
            f"The upstream '{name}' has no token for you. Write one for '{principal}' under auth.principals of it."
        )
    return FixedToken(resolve(written, secrets), _set_again(written, "Correct auth.principals of the upstream."))


def _renewal(name: str, upstream: Upstream, login: UpstreamAuth, whose: str, secrets: Mapping[str, str]) -> Renewal:
    from agent_bridge.upstream.credentials.logins import AsBridge, ByBrowser

    url = resolve(upstream.url or "", secrets)
    if login.client_credentials is not None:
        written = login.client_credentials
        remedy = _set_again(written.client_secret, f"Correct auth.client_credentials of the upstream '{name}'.")
        return AsBridge(url, resolved_client(written, secrets), remedy)
    return ByBrowser(url, f"Run `{login_command(name, whose)}`.")


def login_command(name: str, principal: str) -> str:
    option = "" if principal in ("", "local") else f" --principal '{principal}'"
    return f"agent-bridge login {name}{option}"


def resolved_client(login: ClientCredentials, secrets: Mapping[str, str]) -> ClientCredentials:
    """Raises `MissingVariable`."""
    given = {key: resolve(getattr(login, key), secrets) for key in ("issuer", "client_id", "client_secret")}
    return login.model_copy(update=given)


def resolved_browser(login: BrowserLogin, secrets: Mapping[str, str]) -> BrowserLogin:
    """Raises `MissingVariable`."""
    written = {key: getattr(login, key) for key in ("client_id", "client_secret")}
    return login.model_copy(update={key: resolve(text, secrets) for key, text in written.items() if text is not None})


def _set_again(written: str | None, otherwise: str) -> str:
    """How to come by a token that is good, where it is known which variable it was in."""
    named = references(written or "")
    return f"Set {named[0]} to one that is good, and restart the bridge." if named else otherwise

"""An authorization server of the tests' own, and an MCP server that takes its tokens; both on this machine.

It does what a careful one does: PKCE, exact redirect addresses, codes and refresh tokens that work once (the second use
of a refresh token ends the whole login), resource indicators, revocation, and metadata by RFC 8414 and RFC 9728.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import secrets
from collections import Counter
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from fastmcp import FastMCP
from fastmcp.server.dependencies import get_http_headers
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from support.upstreams.web import App, Receive, Scope, Send, serving

BRIDGE_ID, BRIDGE_SECRET = "the-bridge", "the-bridge's-secret"


def open_gate() -> asyncio.Event:
    gate = asyncio.Event()
    gate.set()
    return gate


@dataclass
class Authority:
    """The authorization server. Everyone who asks at its login page is let in."""

    base: str = ""
    lifetime_s: int = 3600
    refuses_login: bool = False
    answers: asyncio.Event = field(default_factory=open_gate)
    """It thinks about tokens for as long as this is not set."""
    thinks: asyncio.Event = field(default_factory=asyncio.Event)
    """Set while it does."""
    babbles: bool = False
    """Whether its answers about tokens are none."""
    is_away: bool = False
    """Whether it fails at whatever it is asked."""
    rotates: bool = True
    reads_metadata_of: str = ""
    """The address of a client ID metadata document that it takes for a client's id."""
    clients: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    tokens: dict[str, str] = field(default_factory=dict[str, str])
    """Access tokens that are good, with what they are for."""
    asked: Counter[str] = field(default_factory=Counter[str])
    """How often a token was asked for, by kind of grant, and what else was asked."""
    scopes: list[str] = field(default_factory=list[str])
    """What each login asked for."""
    _codes: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    _refresh: dict[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])
    """Refresh tokens, with their login and what they are for; spent ones too."""
    _spent: set[str] = field(default_factory=set[str])
    _ended: set[str] = field(default_factory=set[str])

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/.well-known/oauth-authorization-server", self._metadata),
                Route("/register", self._register, methods=["POST"]),
                Route("/authorize", self._authorize),
                Route("/token", self._token, methods=["POST"]),
                Route("/revoke", self._revoke, methods=["POST"]),
            ]
        )

    def expire(self) -> None:
        """Every access token, at once."""
        self.tokens.clear()

    def end_logins(self) -> None:
        """Every refresh token too."""
        self.expire()
        self._ended |= {login for login, _ in self._refresh.values()}

    async def _metadata(self, request: Request) -> Response:
        return JSONResponse(
            {
                "issuer": self.base,
                "authorization_endpoint": f"{self.base}/authorize",
                "token_endpoint": f"{self.base}/token",
                "registration_endpoint": f"{self.base}/register",
                "revocation_endpoint": f"{self.base}/revoke",
                "response_types_supported": ["code"],
                "code_challenge_methods_supported": ["S256"],
                "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
                "token_endpoint_auth_methods_supported": ["none", "client_secret_basic", "client_secret_post"],
                "authorization_response_iss_parameter_supported": True,
                "client_id_metadata_document_supported": bool(self.reads_metadata_of),
            }
        )

    async def _register(self, request: Request) -> Response:
        self.asked["register"] += 1
        client_id = secrets.token_urlsafe(8)
        self.clients[client_id] = await request.json()
        told = {**self.clients[client_id], "client_id": client_id, "token_endpoint_auth_method": "none"}
        return JSONResponse(told, status_code=201)

    async def _authorize(self, request: Request) -> Response:
        asked = dict(request.query_params)
        client = self.clients.get(asked["client_id"], {})
        by_metadata = asked["client_id"] == self.reads_metadata_of
        if not by_metadata and asked["redirect_uri"] not in client.get("redirect_uris", ()):
            return _no("invalid_request")
        self.scopes.append(asked.get("scope", ""))
        back = {"state": asked["state"], "iss": self.base}
        if self.refuses_login:
            return RedirectResponse(f"{asked['redirect_uri']}?{urlencode({**back, 'error': 'access_denied'})}")
        code = secrets.token_urlsafe(16)
        self._codes[code] = asked
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode({**back, 'code': code})}")

    async def _token(self, request: Request) -> Response:
        form = {key: values[0] for key, values in parse_qs((await request.body()).decode()).items()}
        kind = form.get("grant_type", "")
        self.asked[kind] += 1
        self.thinks.set()
        await self.answers.wait()
        if self.is_away or self.babbles:
            return Response("<html>Out of order</html>", status_code=503 if self.is_away else 200)
        match kind:
            case "client_credentials":
                pair = base64.b64encode(f"{BRIDGE_ID}:{BRIDGE_SECRET.replace(chr(39), '%27')}".encode()).decode()
                if request.headers.get("authorization") != f"Basic {pair}":
                    return _no("invalid_client")
                return self._grant(form["resource"], None)
            case "authorization_code":
                return self._for_code(form)
            case "refresh_token":
                return self._for_refresh(form)
            case _:
                return _no("unsupported_grant_type")

    def _for_code(self, form: Mapping[str, str]) -> Response:
        asked = self._codes.pop(form["code"], None)
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if (
            asked is None
            or challenge != asked["code_challenge"]
            or any(form[key] != asked[key] for key in ("client_id", "redirect_uri", "resource"))
        ):
            return _no("invalid_grant")
        return self._grant(form["resource"], secrets.token_hex(8))

    def _for_refresh(self, form: Mapping[str, str]) -> Response:
        login, resource = self._refresh.get(form["refresh_token"], ("", ""))
        if form["refresh_token"] in self._spent:
            self._ended.add(login)
        if not login or login in self._ended:
            return _no("invalid_grant")
        if self.rotates:
            self._spent.add(form["refresh_token"])
        return self._grant(resource, login)

    def _grant(self, resource: str, login: str | None) -> Response:
        access, refresh = f"access-{secrets.token_hex(8)}", f"refresh-{secrets.token_hex(8)}"
        self.tokens[access] = resource
        granted: dict[str, object] = {"access_token": access, "token_type": "Bearer", "expires_in": self.lifetime_s}
        if login is not None:
            self._refresh[refresh] = (login, resource)
            granted["refresh_token"] = refresh
        return JSONResponse(granted)

    async def _revoke(self, request: Request) -> Response:
        form = parse_qs((await request.body()).decode())
        self.asked["revoke"] += 1
        login, _ = self._refresh.get(form["token"][0], ("", ""))
        self._ended.add(login)
        self.tokens.clear()
        return Response()


def _no(code: str) -> Response:
    return JSONResponse({"error": code, "error_description": "No."}, status_code=400)


class Guarded:
    """Lets in whoever has a token of the authority that is for this server, or one of `others`."""

    def __init__(self, app: App, authority: Authority, others: frozenset[str]) -> None:
        self.url = ""
        self.others = set(others)
        """Tokens that are good as well."""
        self.refused = 0
        self.let_in: set[str] = set()
        """The tokens of those who were."""
        self._app = app
        self._authority = authority

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        origin = "{0.scheme}://{0.netloc}".format(urlsplit(self.url))
        if scope["path"].startswith("/.well-known/oauth-protected-resource"):
            told = {"resource": self.url, "authorization_servers": [self._authority.base], "scopes_supported": ["use"]}
            await JSONResponse(told)(scope, receive, send)
            return
        header = dict(scope["headers"]).get(b"authorization", b"").decode()
        token = header.removeprefix("Bearer ")
        if token in self.others or self._authority.tokens.get(token) == self.url:
            self.let_in.add(token)
            await self._app(scope, receive, send)
            return
        self.refused += 1
        where = f'Bearer resource_metadata="{origin}/.well-known/oauth-protected-resource/mcp"'
        no = JSONResponse({"error": "invalid_token"}, status_code=401, headers={"WWW-Authenticate": where})
        await no(scope, receive, send)


@asynccontextmanager
async def guarded_upstream(
    authority: Authority | None = None, others: frozenset[str] = frozenset()
) -> AsyncGenerator[tuple[Guarded, Authority]]:
    """An upstream, whose tool `whoami` says which token it was called with; and the authority that it believes."""
    authority = authority or Authority()
    server: FastMCP[Any] = FastMCP("guarded")

    async def whoami() -> str:
        """The token of this call."""
        return get_http_headers(include_all=True).get("authorization", "").removeprefix("Bearer ")

    async def hello() -> str:
        """Says hello."""
        return "hello"

    server.tool(whoami, annotations={"readOnlyHint": True})
    server.tool(hello)
    guard = Guarded(server.http_app(path="/mcp"), authority, others)
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(serving(authority.app()))
        authority.base = f"http://127.0.0.1:{port}"
        guard.url = f"http://127.0.0.1:{await stack.enter_async_context(serving(guard))}/mcp"
        yield guard, authority

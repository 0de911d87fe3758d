"""Sessions: made from what a caller asks for, and found again."""

from __future__ import annotations

import secrets
import time
from dataclasses import replace
from urllib.parse import urlsplit

from agent_bridge.bridge.requests import ChatRequest, ConnectRequest
from agent_bridge.bridge.sources import Models
from agent_bridge.config import Config
from agent_bridge.config.schema import Server
from agent_bridge.config.upstreams import Upstream
from agent_bridge.errors import Forbidden, InvalidInput, SessionNotFound
from agent_bridge.records import LOCAL, Principal, Session
from agent_bridge.runs import Equip
from agent_bridge.store import Store


class Sessions:
    def __init__(self, config: Config, *, store: Store, models: Models, equip: Equip) -> None:
        self._config = config
        self._store = store
        self._models = models
        self._equip = equip

    async def find(self, who: Principal, session_id: str) -> Session:
        session = await self._store.session(who.id, session_id)
        if session is None:
            raise SessionNotFound(
                f"There is no session '{session_id}'; it may have expired. Call connect for a new one."
            )
        return session

    async def for_chat(self, who: Principal, request: ChatRequest) -> Session:
        """The session that was named, with the model that was named; or a new one, not stored yet."""
        if not request.session_id:
            return self.new(who, ConnectRequest(server=request.server, model=request.model))
        session = await self.find(who, request.session_id)
        if request.server and request.server != session.server:
            raise InvalidInput(
                f"Session '{session.session_id}' belongs to the server '{session.server}'. Leave server out, or leave "
                "session_id out for a new session."
            )
        if request.model and request.model != session.model:
            self._models.resolve(request.model)
            session = replace(session, model=request.model)
            await self._store.save_session(session)
        return session

    def new(self, who: Principal, request: ConnectRequest) -> Session:
        """Not stored yet. Raises what is wrong with the server or the model that was asked for."""
        now = time.time()
        name, server, upstream = self._chosen(who, request.server)
        model = request.model or server.model or self._config.default_model
        self._models.resolve(model)
        return Session(
            session_id=f"ses_{secrets.token_hex(16)}",
            principal=who.id,
            server=name,
            model=model,
            system_prompt=server.system_prompt if request.system_prompt is None else request.system_prompt,
            temperature=request.temperature,
            max_tokens=request.max_tokens,
            tools=request.tools,
            upstream=upstream,
            created_at=now,
            expires_at=now + self._config.settings.session_ttl_s,
        )

    def _chosen(self, who: Principal, wanted: str | Upstream) -> tuple[str, Server, Upstream | None]:
        """The server by its name; or, for an address, a server of its own that is called by its host."""
        if isinstance(wanted, str):
            name = wanted or self._config.default_server
            return name, self._equip.server(name), None
        if who.remote or who != LOCAL:
            if not self._config.adhoc.allows(wanted.url or ""):
                raise Forbidden(
                    "This address may not be connected to. Use a server from list_servers; or have the operator allow "
                    "the address, under adhoc.allow in servers.yaml."
                )
            wanted = wanted.model_copy(update={"addresses": "public"})
        return urlsplit(wanted.url or "").hostname or "", Server(), wanted

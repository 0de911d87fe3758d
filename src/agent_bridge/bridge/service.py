"""The bridge: every door asks it, and no door knows more. Scopes, ownership and limits are checked here."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace

from agent_bridge.bridge import checks, readings
from agent_bridge.bridge.changes import Change, Changes, OnChange
from agent_bridge.bridge.decisions import Decisions
from agent_bridge.bridge.own_id import OwnId
from agent_bridge.bridge.requests import ChatRequest, ConnectRequest
from agent_bridge.bridge.sessions import Sessions
from agent_bridge.bridge.sources import Models, UpstreamReport, Upstreams
from agent_bridge.bridge.tickets import Tickets
from agent_bridge.calls import Answer
from agent_bridge.config import Config, Settings
from agent_bridge.config.sanitised import sanitised
from agent_bridge.config.schema import Server
from agent_bridge.errors import BridgeError, RunNotFound, TooMany
from agent_bridge.events import Recorded
from agent_bridge.nesting import Nesting
from agent_bridge.records import Notice, Principal, Run, Session
from agent_bridge.runs import Equip, Runs
from agent_bridge.store import Store
from agent_bridge.tools import JsonObject
from agent_bridge.views import (
    CheckView,
    ConnectionView,
    DisconnectView,
    ModelsView,
    NoticeView,
    RunView,
    ServersView,
    ServerView,
    SessionView,
)


class Bridge:
    """Every method raises `BridgeError`, and takes first who is calling."""

    def __init__(
        self,
        config: Config,
        *,
        store: Store,
        models: Models,
        upstreams: Upstreams,
        equip: Equip,
        runs: Runs,
        changes: Changes,
    ) -> None:
        self._config = config
        self._store = store
        self._models = models
        self._upstreams = upstreams
        self._equip = equip
        self._runs = runs
        self._changes = changes
        self._sessions = Sessions(config, store=store, models=models, equip=equip)
        self._decisions = Decisions(store, equip)
        self.tickets = Tickets(config, store)
        self._own_id = OwnId(config, store)

    @property
    def settings(self) -> Settings:
        return self._config.settings

    def watch(self, on_change: OnChange) -> Callable[[], None]:
        """Calls `on_change` for whatever changes, until the returned function is called."""
        return self._changes.watch(on_change)

    def let_go(self) -> None:
        """The process is about to end: calls that wait for a run return with the run as it is; it goes on elsewhere."""
        self._runs.let_go()

    async def list_servers(self, who: Principal) -> ServersView:
        who.require("read")
        servers = [self._server_view(name, who) for name in self._config.servers]
        return ServersView(servers=servers, count=len(servers))

    async def list_models(self, who: Principal, *, provider: str = "", query: str = "") -> ModelsView:
        who.require("read")
        await self._models.look()
        models = self._models.rows(provider, query)
        return ModelsView(models=models, count=len(models))

    async def check(self, who: Principal) -> CheckView:
        """Whether everything that is configured works. Reaches every upstream."""
        who.require("admin")
        return await checks.check(
            self._config, store=self._store, models=self._models, upstreams=self._upstreams, principal=who.id
        )

    async def offers(self, who: Principal, names: Sequence[str]) -> list[UpstreamReport]:
        """What these upstreams offer now. Reaches each of them."""
        who.require("admin")
        return await asyncio.gather(*(self._upstreams.check(name) for name in names))

    def config(self, who: Principal) -> JsonObject:
        """The configuration without its secrets."""
        who.require("admin")
        return sanitised(self._config)

    async def connect(self, who: Principal, request: ConnectRequest) -> ConnectionView:
        who.require("chat")
        request.validate()
        await self._upstreams.lend(who)
        session = self._sessions.new(who, request)
        if session.upstream is not None:
            session = replace(session, upstream=self._upstreams.sealed(session.upstream))
        choice = self._models.resolve(session.model)
        self._models.warm(session.model)
        tools = await self._equip.tools_of(session)
        notices = self._equip.notices_of(tools, session)
        await self._store.add_session(session)
        self._changes.tell(Change(who.id, session.session_id))
        return ConnectionView(
            session_id=session.session_id,
            server=session.server,
            model=session.model,
            provider=choice.provider_name,
            tool_count=len(tools.definitions.tools),
            tools=[tool.name for tool in tools.definitions.tools],
            expires_at=session.expires_at,
            warnings=[NoticeView.of(notice) for notice in (*self._model_notices(session.model), *notices)],
        )

    async def sessions(self, who: Principal) -> list[SessionView]:
        who.require("read")
        sessions = await self._store.sessions(who.id)
        latest = [await self._store.latest_run(who.id, session.session_id) for session in sessions]
        return [readings.session_view(one, latest=run) for one, run in zip(sessions, latest, strict=True)]

    async def session(self, who: Principal, session_id: str) -> SessionView:
        """With its history."""
        who.require("read")
        session = await self._sessions.find(who, session_id)
        latest = await self._store.latest_run(who.id, session_id)
        history = await self._store.history(session_id)
        runs = await self._store.runs(who.id, session_id)
        return readings.session_view(session, latest=latest, history=history, runs=runs)

    async def disconnect(self, who: Principal, session_id: str) -> DisconnectView:
        """Forgets the session, wherever it is used; what runs in it is cancelled."""
        who.require("chat")
        running = await self._store.latest_run(who.id, session_id)
        if running is not None and running.status == "input_required":
            with suppress(BridgeError):  # it is tried again below; here it is still known whose tools ask
                running = await self._runs.cancel(running)
        if not await self._store.drop_session(who.id, session_id):
            return DisconnectView(
                status="no_active_session", session_id=session_id, message="There is no such session; nothing was done."
            )
        self._changes.tell(Change(who.id, session_id))
        try:
            if running is not None and not running.ended:
                await self._runs.cancel(running)
        except BridgeError as error:
            return DisconnectView(
                status="disconnected_with_errors",
                session_id=session_id,
                message="The session and its history are forgotten.",
                warning=f"Its run '{running.run_id if running else ''}' could not be cancelled: {error.message}",
            )
        finally:
            self._upstreams.release(session_id)
        return DisconnectView(
            status="disconnected", session_id=session_id, message="The session and its history are forgotten."
        )

    async def chat(self, who: Principal, request: ChatRequest) -> RunView:
        """Starts a run and returns at once.

        Raises `SessionBusy` where the turn does not come free in time, and `TooMany` where too many are at work.
        """
        who.require("chat")
        request.validate()
        with self._runs.place():
            return await self._started(who, request)

    def refusal(self) -> TooMany | None:
        """Why no run can be started now, if none can. Doors may say so before they look any closer."""
        return self._runs.refusal()

    async def _started(self, who: Principal, request: ChatRequest) -> RunView:
        """In a session of its own, where none is named."""
        await self._upstreams.lend(who)
        session = await self._sessions.for_chat(who, request)
        self._models.warm(session.model)
        server = self._equip.server_of(session)
        nesting = request.nesting.entered(await self._own_id.get(), session.server)
        new = _new_run(session, request, server, nesting)
        run = await self._runs.start(new, session, is_new=not request.session_id)
        return RunView.of(run)

    async def run(self, who: Principal, run_id: str) -> RunView:
        return RunView.of(await self._run(who, run_id))

    async def latest(self, who: Principal, session_id: str) -> RunView | None:
        """The newest run of a session, or none yet."""
        who.require("read")
        await self._sessions.find(who, session_id)
        run = await self._store.latest_run(who.id, session_id)
        return RunView.of(await self._runs.newest(run)) if run else None

    async def wait(self, who: Principal, run_id: str, wait_s: float | None) -> RunView:
        """The run when it has ended, or as it is after `wait_s`."""
        return RunView.of(await self._runs.wait(await self._run(who, run_id), wait_s))

    async def events(self, who: Principal, run_id: str, *, after: int = 0, wait_s: float = 0) -> list[Recorded]:
        """Those with `seq > after`; without any, the first to come within `wait_s`, or none."""
        return await self._runs.events(await self._run(who, run_id), after=after, wait_s=wait_s)

    async def cancel(self, who: Principal, run_id: str) -> RunView:
        """Ends the run, wherever it is executed. One that has ended stays as it is."""
        who.require("chat")
        return RunView.of(await self._runs.cancel(await self._stored(who, run_id)))

    async def respond(
        self, who: Principal, run_id: str, approval_id: str, answer: Answer, *, by_model: bool = False
    ) -> RunView:
        """Decides a pending approval; the first decision counts.

        `by_model`: it is the calling model that decides. Raises `ApprovalNotFound`, `InvalidInput` for edited arguments
        that the tool does not take, and `Forbidden` where models may not decide.
        """
        who.require("chat")
        await self._upstreams.lend(who)
        run = await self._stored(who, run_id)
        await self._decisions.check(run, approval_id, answer, by_model=by_model)
        return RunView.of(await self._runs.answer(run, approval_id, answer))

    @property
    def lets_models_respond(self) -> bool:
        """Whether there is any server whose approvals the calling model may answer."""
        servers = self._config.servers.values()
        return any(server.active and server.approval_rules.by_model for server in servers)

    async def record(self, who: Principal, run_id: str) -> JsonObject:
        """The whole record of a run: every step, call, argument, digest, time and cost."""
        return readings.record(await self._run(who, run_id))

    async def result(self, who: Principal, run_id: str, call_id: str) -> JsonObject:
        """A tool's result in full, as MCP wrote it: `content`, `structuredContent`, `isError`."""
        await self._stored(who, run_id)
        result = await self._store.result(run_id, call_id)
        if result is None:
            raise RunNotFound(f"Run '{run_id}' has no result of a call '{call_id}'. The run's record names its calls.")
        return result

    async def content(self, who: Principal, run_id: str) -> list[JsonObject]:
        """What the run's tools made for the caller, as MCP content: images, and links to what was cut for the model."""
        run = await self._run(who, run_id)
        results = [await self._store.result(run_id, call.call_id) for call in run.calls if readings.has_image(call)]
        images = [block for result in results if result for block in readings.images(result)]
        return [*images, *(readings.link(run_id, call) for call in run.calls if call.truncated)]

    async def _stored(self, who: Principal, run_id: str) -> Run:
        who.require("read")
        run = await self._store.run(who.id, run_id)
        if run is None:
            raise RunNotFound(f"There is no run '{run_id}'; it may have expired. Call chat to start a new one.")
        return run

    async def _run(self, who: Principal, run_id: str) -> Run:
        """To be read: it may be ahead of the store."""
        who.require("read")
        return self._runs.here(who.id, run_id) or await self._stored(who, run_id)

    def _server_view(self, name: str, who: Principal) -> ServerView:
        server = self._config.servers[name]
        state, tool_count = self._upstreams.state(server.upstreams, filter=server.tools, principal=who.id)
        problems = self._upstreams.problems(server.upstreams, principal=who.id)
        return ServerView(
            name=name,
            title=server.title or name,
            description=server.description,
            model=server.model or self._config.default_model,
            upstreams=list(server.upstreams),
            tool_count=tool_count,
            state=state if server.active else "inactive",
            requires_token=any(self._upstreams.needs_token(upstream) for upstream in server.upstreams),
            reason=" ".join(notice.message for notice in problems) or None,
        )

    def _model_notices(self, model: str) -> list[Notice]:
        problem = self._models.check(model)
        return [problem] if problem else []


def _new_run(session: Session, request: ChatRequest, server: Server, nesting: Nesting) -> Run:
    """Raises `InvalidInput` where the limits are none."""
    return Run(
        run_id=f"run_{secrets.token_hex(16)}",
        session_id=session.session_id,
        principal=session.principal,
        server=session.server,
        model=session.model,
        message=request.message,
        can_ask=request.can_ask or (request.model_can_respond and server.approval_rules.by_model),
        nesting=nesting,
        limits=server.limits.tightened(request.limits).tightened(request.nesting.limits),
        response_schema=request.response_schema,
        created_at=time.time(),
    )

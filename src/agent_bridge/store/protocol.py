"""What every store promises. The tests in `tests/store/test_store_contract_*.py` hold a backend to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from agent_bridge.events import Recorded
from agent_bridge.messages import Turn
from agent_bridge.records import Run, Session
from agent_bridge.tools import JsonObject


class LeaseLost(Exception):
    """The run has passed to another owner, or is not kept any more; nothing was written."""


@dataclass(frozen=True, slots=True)
class TurnTaken:
    """The session is busy with this run."""

    run_id: str


class Store(Protocol):
    """Every method is atomic and durable when it returns, and may raise `StoreUnavailable`.

    A caller that is cancelled only stops waiting: what it asked for still happens, whole. Times are seconds since the
    epoch. What belongs to another principal is answered as if it did not exist.

    Nothing is kept longer than the TTLs that the store was opened with, counted from the last use: any write of a
    session or run, and reading it by its id, or as its session's latest. To poll extends a life only now and then, so
    it may end up to 1 % of the TTL early. A lease is a use of the run, its session and its history until it ends.
    """

    @property
    def tells_at_once(self) -> bool:
        """Whether other processes hear of what is stored as it is stored. Otherwise they look every so often."""
        ...

    async def add_session(self, session: Session) -> None:
        """Its `expires_at` is the store's to say, then and later."""
        ...

    async def session(self, principal: str, session_id: str) -> Session | None:
        """The session, its life extended by this use."""
        ...

    async def sessions(self, principal: str) -> list[Session]:
        """Newest first."""
        ...

    async def save_session(self, session: Session) -> bool:
        """Replaces the stored session; `False` where there is none."""
        ...

    async def drop_session(self, principal: str, session_id: str) -> bool:
        """Forgets the session with its history, for every process at once; `False` where there is none.

        Its runs can still be read, and the one at work can still be saved and finished.
        """
        ...

    async def history(self, session_id: str) -> list[Turn]:
        """Oldest first; at most the configured number of messages, by whole turns."""
        ...

    async def begin(self, run: Run, *, lease_s: float, adds: Session | None = None) -> Run | TurnTaken:
        """Writes the new run and takes its session's turn in one go, or says who has it.

        `adds` is the run's session, where it is new too: it is added, as `add_session` would, in the same go.
        A turn whose lease has run out counts as free; the run that had it needs to be adopted before it can be written
        again. The returned run carries its fence. Raises `SessionNotFound`.
        """
        ...

    async def renew(self, run: Run, *, lease_s: float) -> None:
        """Keeps the turn for `lease_s` from now; with 0 the run can be adopted at once. Raises `LeaseLost`."""
        ...

    async def save(
        self, run: Run, events: Sequence[Recorded] = (), *, results: Mapping[str, JsonObject] | None = None
    ) -> None:
        """Brings the stored run up to date, appends its events and puts its results, by call id, in one go.

        A lease that has run out, but that nobody took, does not matter. Only a step that is another object than in the
        last save is written again; the message of a run never changes. Raises `LeaseLost`.
        """
        ...

    async def finish(self, run: Run, turn: Turn, events: Sequence[Recorded]) -> None:
        """`save`, and in the same transaction the turn joins the history and is given back. Raises `LeaseLost`.

        An empty turn is not remembered. Nor is one whose run no longer has its session's turn: because it was given
        back before, or because the session was dropped.
        """
        ...

    async def append(self, run: Run, events: Sequence[Recorded]) -> None:
        """Adds events to a run's log, in order and without gaps. Raises `LeaseLost`.

        Those that are there already, because whoever wrote them was cancelled before it knew, count once.
        """
        ...

    async def run(self, principal: str, run_id: str) -> Run | None:
        """The run as it was saved last; only `last_seq` may be ahead, by events that were appended since."""
        ...

    async def latest_run(self, principal: str, session_id: str) -> Run | None: ...

    async def runs(self, principal: str, session_id: str, *, limit: int | None = None) -> list[Run]:
        """Newest first."""
        ...

    async def orphans(self) -> list[Run]:
        """Runs that have not ended and whose owner's lease has run out, of every principal. Oldest first."""
        ...

    async def adopt(self, run: Run, *, lease_s: float, force: bool = False) -> Run | None:
        """Takes over an orphan and its session's turn, with a new fence, and returns it as it is stored.

        `None` where another was faster, where its status is no longer the one given, where it has ended, or where
        another run has the turn. With `force` it is taken also from an owner that is alive, which then loses its lease,
        and without the turn if need be.
        """
        ...

    async def ask_to_cancel(self, run_id: str) -> None:
        """Leaves word for the owner of the run, in whichever process it is."""
        ...

    async def asked_to_cancel(self, run_id: str, *, wait_s: float) -> bool:
        """Whether word was left, also for what `drop_session` let go; waits for it up to `wait_s`."""
        ...

    async def changed(self, run_id: str, *, after: int, wait_s: float) -> None:
        """Returns when the run may have events with `seq > after`, from any process; after `wait_s` at the latest.

        It may return early, and misses nothing: a change between reading the events and this call counts.
        """
        ...

    async def events(self, run_id: str, after: int, limit: int = 1000) -> list[Recorded]:
        """Those with `seq > after`, in order."""
        ...

    async def result(self, run_id: str, call_id: str) -> JsonObject | None:
        """A tool's whole result, as it was saved: MCP content objects and structured content."""
        ...

    async def claim(self, name: str, value: str, *, ttl_s: float) -> str:
        """The value that was first given with this name, by whichever process.

        It is kept for `ttl_s` after it was last asked for; apart from that, no TTL of the store has a say in it.
        """
        ...

    async def keep(self, name: str, value: str, *, ttl_s: float) -> None:
        """Replaces whatever has this name, also what was claimed; with `ttl_s=0` the name is free from now on."""
        ...

    async def kept(self, name: str) -> str | None:
        """The value that has this name now, claimed or kept. To ask does not extend its life."""
        ...

    async def sweep(self) -> None:
        """Deletes what has expired."""
        ...

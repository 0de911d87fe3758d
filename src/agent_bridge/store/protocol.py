"""What every store promises. `tests/store/contract.py` holds a backend to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from agent_bridge.events import Recorded
from agent_bridge.messages import Turn
from agent_bridge.records import Run, Session
from agent_bridge.tools import JsonObject


class LeaseLost(Exception):
    """The write came from an owner whose lease has passed to another; nothing was written."""


@dataclass(frozen=True, slots=True)
class TurnTaken:
    """The session is busy with this run."""

    run_id: str


class Store(Protocol):
    """Every method is atomic and durable when it returns, and may raise `StoreUnavailable`.

    Times are seconds since the epoch. What belongs to another principal is answered as if it did not exist. Nothing is
    kept longer than the TTLs that the store was opened with, counted from the last use.
    """

    async def add_session(self, session: Session) -> None: ...

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
        """Forgets the session with its history, for every process at once. Its runs can still be read."""
        ...

    async def history(self, session_id: str) -> list[Turn]:
        """Oldest first; at most the configured number of messages, by whole turns."""
        ...

    async def begin(self, run: Run, *, lease_s: float) -> Run | TurnTaken:
        """Writes the new run and takes its session's turn in one go, or says who has it.

        A turn whose lease has run out counts as free. The returned run carries its fence.
        """
        ...

    async def renew(self, run: Run, *, lease_s: float) -> None:
        """Keeps the turn. Raises `LeaseLost`."""
        ...

    async def save(self, run: Run, events: Sequence[Recorded] = ()) -> None:
        """Brings the stored run up to date and appends its events, in one transaction. Raises `LeaseLost`."""
        ...

    async def finish(self, run: Run, turn: Turn, events: Sequence[Recorded]) -> None:
        """`save`, and in the same transaction the turn joins the history and is given back. Raises `LeaseLost`.

        Where the session was dropped meanwhile, the run is saved and the turn is not remembered.
        """
        ...

    async def append(self, run: Run, events: Sequence[Recorded]) -> None:
        """Adds events to a run's log. Raises `LeaseLost`."""
        ...

    async def run(self, principal: str, run_id: str) -> Run | None: ...

    async def latest_run(self, principal: str, session_id: str) -> Run | None: ...

    async def runs(self, principal: str, session_id: str) -> list[Run]:
        """Newest first."""
        ...

    async def orphans(self) -> list[Run]:
        """Runs that have not ended and whose owner's lease has run out."""
        ...

    async def adopt(self, run: Run, *, lease_s: float, force: bool = False) -> Run | None:
        """Takes over an orphan, with a new fence; `None` where another was faster, or where the run has ended.

        With `force` also from an owner that is alive, which then loses its lease.
        """
        ...

    async def events(self, run_id: str, after: int, limit: int = 1000) -> list[Recorded]:
        """Those with `seq > after`, in order."""
        ...

    async def put_result(self, run_id: str, call_id: str, result: JsonObject) -> None:
        """Keeps a tool's whole result: MCP content objects and structured content."""
        ...

    async def result(self, run_id: str, call_id: str) -> JsonObject | None: ...

    async def sweep(self) -> None:
        """Deletes what has expired."""
        ...

"""What a save writes, worded when it was asked for, the same for every backend."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from agent_bridge.events import Recorded
from agent_bridge.records import Run, Step
from agent_bridge.store.codec import events_from_json, events_to_json, result_to_json, run_body, step_to_json
from agent_bridge.tools import JsonObject

REMEMBERED_RUNS = 1000
"""Of how many runs at work it is known which steps are stored; of any other, all its steps are written again."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Consecutive events, as one entry."""

    first_seq: int
    last_seq: int
    body: str

    @staticmethod
    def of(events: Sequence[Recorded]) -> Chunk | None:
        return Chunk(events[0].seq, events[-1].seq, events_to_json(events)) if events else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """Nothing that happens after it was made can change it."""

    run: Run
    body: str
    steps: Sequence[tuple[int, str]]
    has_surplus: bool
    """Whether more steps than the run has may be stored."""
    events: Chunk | None
    results: Sequence[tuple[str, str]] = ()

    @property
    def size(self) -> int:
        """How many characters there are to write."""
        texts = [self.body, *(body for _, body in self.steps), *(body for _, body in self.results)]
        return sum(map(len, texts)) + (len(self.events.body) if self.events else 0)


class Checkpoints:
    """Knows which steps of which runs are stored, so that they are not written again."""

    def __init__(self, *, remembered_runs: int = REMEMBERED_RUNS) -> None:
        self._remembered_runs = remembered_runs
        self._stored: dict[str, tuple[Step, ...]] = {}

    def of(self, run: Run, events: Sequence[Recorded], results: Mapping[str, JsonObject]) -> Checkpoint:
        """Until the write has succeeded, which steps are stored counts as unknown."""
        stored = self._stored.pop(run.run_id, None)
        known = dict(enumerate(stored or ()))
        return Checkpoint(
            run=run,
            body=run_body(run),
            steps=[(n, step_to_json(step)) for n, step in enumerate(run.steps) if known.get(n) is not step],
            has_surplus=stored is None or len(stored) > len(run.steps),
            events=Chunk.of(events),
            results=[(call_id, result_to_json(result)) for call_id, result in results.items()],
        )

    def stored(self, run: Run) -> None:
        """The steps of this run are stored as they are in it."""
        self._stored[run.run_id] = run.steps
        if len(self._stored) > self._remembered_runs:
            del self._stored[next(iter(self._stored))]


def events_of(chunks: Iterable[str], *, after: int, limit: int) -> list[Recorded]:
    """In order, each once, from chunks that come by their last `seq`.

    What was written again after a write that nobody waited for is skipped.
    """
    found: list[Recorded] = []
    for chunk in chunks:
        newest = found[-1].seq if found else after
        found.extend(event for event in events_from_json(chunk) if event.seq > newest)
        if len(found) >= limit:
            break
    return found[:limit]

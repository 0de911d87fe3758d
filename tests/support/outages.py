"""A store that can go away: in front of a real one, it refuses, or does what was asked and loses the answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any, cast

from agent_bridge.errors import StoreUnavailable
from agent_bridge.store import Store


class Outages:
    """Stands between a bridge and its store; `Outages.before` gives the bridge what it takes for the store."""

    def __init__(self) -> None:
        self.away: frozenset[str] = frozenset()
        """The methods that fail."""
        self.loses_answers = False
        """Whether what fails has been done all the same."""
        self.asked: Counter[str] = Counter()
        self.stayed_away: Callable[[str], None] = lambda method: None
        """Hears of every failure."""

    def before(self, store: Store) -> Store:
        return cast(Store, _Between(self, store))

    def begin(self, *methods: str, loses_answers: bool = False) -> None:
        self.away, self.loses_answers = frozenset(methods), loses_answers

    def end(self) -> None:
        self.away = frozenset()

    async def ask(self, method: str, call: Callable[..., Any], *args: Any, **named: Any) -> object:
        self.asked[method] += 1
        if method not in self.away:
            return await call(*args, **named)
        if self.loses_answers:
            await call(*args, **named)
        self.stayed_away(method)
        raise StoreUnavailable("The store is away. Try again in a moment.")


EVERYTHING = tuple(name for name, what in vars(Store).items() if callable(what) and not name.startswith("_"))


class _Between:
    def __init__(self, outages: Outages, store: Store) -> None:
        self._outages = outages
        self._store = store

    def __getattr__(self, name: str) -> Any:
        what = getattr(self._store, name)
        return partial(self._outages.ask, name, what) if callable(what) else what

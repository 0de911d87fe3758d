"""What other processes publish, heard on one connection for everyone in this process who waits for it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

from agent_bridge.errors import StoreUnavailable
from agent_bridge.store.redis import keys
from agent_bridge.store.redis.failures import Lost, lost
from agent_bridge.store.redis.link import Link, Reply

PATIENCE_S = 1.5
"""How long it may take to connect."""
PAUSE_S = 0.1
"""Between two attempts to connect."""
QUIET_S = 5.0
"""After this much silence it is asked whether the connection still works."""
LINGER_S = 5.0
"""How long a topic that nobody waits for is listened to: whoever follows a run comes back at once."""


class Topic:
    """The greatest number that was heard on a channel, about one run. It is over when the connection is lost."""

    def __init__(self, channel: str) -> None:
        self.channel = channel
        self.waiters = 0
        self.used_at = time.monotonic()
        self.newest: int | None = None
        """Unknown until something was heard or somebody has looked."""
        self._is_over = False
        self._error: StoreUnavailable | None = None
        self._settled = asyncio.Event()
        self._told = asyncio.Event()

    async def listened_to(self) -> None:
        """Returns when from now on nothing is missed. Raises `StoreUnavailable`."""
        await self._settled.wait()
        if self._error:
            raise StoreUnavailable(str(self._error))

    async def passed(self, number: int) -> None:
        """Returns when a greater number is known, or when the topic is over."""
        while not self._is_over and (self.newest or 0) <= number:
            self._told.clear()
            await self._told.wait()

    def begin(self) -> None:
        self._settled.set()

    def hear(self, number: int) -> None:
        self.newest = max(number, self.newest or 0)
        self._told.set()

    def end(self, error: StoreUnavailable | None = None) -> None:
        self._is_over = True
        self._error = error
        self._settled.set()
        self._told.set()


class Listener:
    """Connects when somebody first waits for something, and again whenever the connection is lost."""

    def __init__(
        self,
        connect: Callable[[], Awaitable[Link]],
        place: str,
        *,
        quiet_s: float = QUIET_S,
        linger_s: float = LINGER_S,
    ) -> None:
        self._connect = connect
        self._place = place
        self._quiet_s = quiet_s
        self._linger_s = linger_s
        self._topics: dict[str, Topic] = {}
        self._heard: set[str] = set()
        """The channels that are listened to, as far as the server has said so."""
        self._tidied_at = time.monotonic()
        self._link: Link | None = None
        self._is_wanted = asyncio.Event()
        self._task = asyncio.create_task(self._work(), name="agent-bridge-store-listener")

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])

    @asynccontextmanager
    async def topic(self, channel: str, about: str = "") -> AsyncGenerator[Topic]:
        """Inside, nothing that is published is missed. Raises `StoreUnavailable`."""
        name = channel + about
        topic = self._topics.get(name)
        if topic is None:
            await self._forget_unused()
            topic = self._topics[name] = Topic(channel)
            await self._listen_to(topic)
        topic.waiters += 1
        try:
            await topic.listened_to()
            yield topic
        finally:
            topic.waiters -= 1
            topic.used_at = time.monotonic()

    async def _listen_to(self, topic: Topic) -> None:
        self._is_wanted.set()
        if topic.channel in self._heard:
            topic.begin()
        else:
            await self._say("SUBSCRIBE", topic.channel)

    async def _say(self, *command: str) -> None:
        if self._link:
            with contextlib.suppress(Lost):  # whoever listens notices
                await self._link.send([command])

    async def _work(self) -> None:
        while True:
            await self._is_wanted.wait()
            try:
                async with asyncio.timeout(PATIENCE_S):
                    self._link = await self._connect()
            except (Lost, TimeoutError) as error:
                await self._hang_up(lost(error, self._place))
                await asyncio.sleep(PAUSE_S)
                continue
            try:
                with contextlib.suppress(Lost):
                    await self._listen(self._link)
            finally:
                await self._hang_up()

    async def _listen(self, link: Link) -> None:
        await link.send([("SUBSCRIBE", *{keys.CANCELS, *(topic.channel for topic in self._topics.values())})])
        was_quiet = False
        while True:
            message = await link.message(wait_s=self._quiet_s)
            if message is not None:
                was_quiet = False
                self._hear(message)
            elif was_quiet:
                raise Lost
            else:
                was_quiet = True
                await self._forget_unused()
                await self._say("PING")

    def _hear(self, message: Reply) -> None:
        match message:
            case ["subscribe", str(channel), _]:
                self._heard.add(channel)
                for topic in self._topics.values():
                    if topic.channel == channel:
                        topic.begin()
            case ["message", keys.CANCELS, str(run_id)]:
                self._tell(keys.CANCELS + run_id, 1)
            case ["message", str(channel), str(number)]:
                self._tell(channel, int(number))
            case _:
                pass

    def _tell(self, name: str, number: int) -> None:
        if topic := self._topics.get(name):
            topic.hear(number)

    async def _forget_unused(self) -> None:
        now = time.monotonic()
        if now < self._tidied_at + self._linger_s:
            return
        self._tidied_at = now
        for name, topic in list(self._topics.items()):
            if topic.waiters == 0 and topic.used_at < now - self._linger_s:
                del self._topics[name]
                if topic.channel != keys.CANCELS:
                    self._heard.discard(topic.channel)
                    await self._say("UNSUBSCRIBE", topic.channel)

    async def _hang_up(self, error: StoreUnavailable | None = None) -> None:
        link, self._link = self._link, None
        topics, self._topics = self._topics, {}
        self._heard.clear()
        self._is_wanted.clear()
        for topic in topics.values():
            topic.end(error)
        if link:
            await link.close()

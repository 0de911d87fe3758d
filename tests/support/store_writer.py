"""A process that writes to a store until it is told or killed. Says on stdout what it knows to be stored.

`python -m support.store_writer COMMAND URL SESSION_ID [COUNT]`
"""

from __future__ import annotations

import asyncio
import resource
import sys
from dataclasses import replace

from agent_bridge.config import Settings
from agent_bridge.errors import StoreUnavailable
from agent_bridge.events import Token
from agent_bridge.records import Session
from agent_bridge.store import Store, TurnTaken, open_store
from support.store_samples import a_run, a_session, a_step, a_turn, begun, recorded

KEPT = Settings(history_max_messages=100_000)


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def append(store: Store, session: Session, count: int) -> None:
    """Appends single events to the session's latest run: the odd or the even ones of 2 * count, as it is told."""
    run = await store.latest_run(session.principal, session.session_id)
    assert run is not None
    for seq in range(int(sys.stdin.readline()), 2 * count + 1, 2):
        await store.append(run, recorded(run, Token(content=str(seq)), after=seq - 1))


async def compete(store: Store, session: Session, count: int) -> None:
    """Has the session's turn `count` times, each time for as long as a few writes take."""
    for _ in range(count):
        while isinstance(run := await store.begin(a_run(session), lease_s=60), TurnTaken):
            pass
        await store.save(run.with_step(a_step()))
        await store.finish(replace(run, status="completed"), a_turn(run.run_id), [])


async def write_until_killed(store: Store, session: Session, count: int) -> None:
    """Runs of `count` steps, one after the other; every save changes the run, a step, an event and a result."""
    while True:
        run = await begun(store, session)
        for n in range(1, count + 1):
            run = replace(run, response=str(n), last_seq=n, status="running").with_step(a_step(str(n)))
            event = recorded(run, Token(content=str(n)), after=n - 1)
            if n < count:
                await store.save(run, event, results={f"call_{n}": {"content": [n]}})
            else:
                await store.finish(replace(run, status="completed"), a_turn(run.run_id), event)
            say(f"{run.run_id} {n}")


async def fill_the_disk(store: Store, session: Session, count: int) -> None:
    """Meets a limit on the size of files, then goes on without it."""
    run = await begun(store, session)
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (count, most))
    writes = [store.save(run, results={f"call_{n}": {"content": ["x" * count]}}) for n in range(3)]
    for outcome in await asyncio.gather(*writes, return_exceptions=True):
        say(str(outcome) if isinstance(outcome, StoreUnavailable) else repr(outcome))
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    await store.finish(replace(run, status="completed"), a_turn(), [])
    say(str(await store.history(session.session_id) == [a_turn()]))


COMMANDS = {"append": append, "compete": compete, "write": write_until_killed, "fill": fill_the_disk}


async def main(command: str, url: str, session_id: str, count: str) -> None:
    async with open_store(url, KEPT) as store:
        session = await store.session("ada", session_id)
        if session is None:
            session = replace(a_session("ada"), session_id=session_id)
            await store.add_session(session)
        say("ready")
        await COMMANDS[command](store, session, int(count))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:5]))

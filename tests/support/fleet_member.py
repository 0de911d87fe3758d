"""A server or worker of a fleet: `python fleet_member.py http|stdio|worker`, in a directory with a servers.yaml.

It is the product but for its model, which does what each message tells it to.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys

from agent_bridge import app
from agent_bridge.config.load import load
from support.scripted import ScriptedModels
from support.scripts import Obedient


def say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


async def main(kind: str) -> None:
    config, models = load(None, os.environ), ScriptedModels(Obedient())
    match kind:
        case "http":
            await app.serve_http(config, host="127.0.0.1", port=0, on_listening=say, models=models)
        case "stdio":
            await app.serve_stdio(config, models=models)
        case _:
            await app.work(config, on_ready=lambda: say("ready"), models=models)


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    asyncio.run(main(sys.argv[1]))

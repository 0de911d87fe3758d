"""Lines that a person types while the event loop has other work to do."""

from __future__ import annotations

import asyncio
import os
import sys

_MOST_BYTES = 65536


class Keyboard:
    """Of the terminal that stdin is."""

    def forget(self) -> None:
        """Throws away what was typed so far, so that nobody answers a question that they have not seen."""
        if sys.platform != "win32":
            import termios

            termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)

    async def line(self) -> str | None:
        """The next line; nothing at the end of input. Cancelling this leaves the line to whoever reads next."""
        if sys.platform == "win32":
            return await asyncio.to_thread(sys.stdin.readline) or None  # cannot be cancelled there
        loop, readable, descriptor = asyncio.get_running_loop(), asyncio.Event(), sys.stdin.fileno()
        loop.add_reader(descriptor, readable.set)
        try:
            await readable.wait()
        finally:
            loop.remove_reader(descriptor)
        # A terminal hands out whole lines, so this does not block.
        return os.read(descriptor, _MOST_BYTES).decode(errors="replace") or None

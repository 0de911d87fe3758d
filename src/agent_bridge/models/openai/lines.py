"""Server-sent events, as far as chat completions use them: one JSON text in each `data:` line."""

from __future__ import annotations

DONE = b"[DONE]"
"""What stands instead of JSON at the end of a stream."""


class DataLines:
    """Puts lines together from the pieces in which they arrive."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, piece: bytes) -> list[bytes]:
        """What the `data:` lines hold that are complete with this piece; comments and other fields are left out."""
        *lines, self._rest = (self._rest + piece if self._rest else piece).split(b"\n")
        return [line[5:].strip() for line in lines if line.startswith(b"data:")]

    def end(self) -> list[bytes]:
        """The last line, where nothing ended it."""
        return self.feed(b"\n")

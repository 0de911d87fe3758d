"""Server-sent events, as far as chat completions use them: one JSON text in each `data:` line."""

from __future__ import annotations

DONE = b"[DONE]"
"""What stands instead of JSON at the end of a stream."""


class DataLines:
    """Puts lines together from the pieces in which they arrive."""

    def __init__(self) -> None:
        self._begun: list[bytes] = []
        """The pieces of a line that has not ended yet."""

    def feed(self, piece: bytes) -> list[bytes]:
        """What those `data:` lines hold that are complete now. An empty piece is the end, and ends the last line."""
        if piece and b"\n" not in piece:
            self._begun.append(piece)
            return []
        *lines, rest = b"".join((*self._begun, piece or b"\n")).split(b"\n")
        self._begun = [rest] if rest else []
        return [line[5:].strip() for line in lines if line.startswith(b"data:")]

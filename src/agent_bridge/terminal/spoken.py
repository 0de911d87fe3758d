"""What of a run's text has been said, and what of it still counts."""

from __future__ import annotations


class Spoken:
    """The final text of a run is the text of its last step, less what was voided."""

    def __init__(self) -> None:
        self._pieces: list[tuple[int, str]] = []
        self._step_ended = False

    def add(self, seq: int, content: str) -> None:
        if self._step_ended:
            self._pieces.clear()
            self._step_ended = False
        self._pieces.append((seq, content))

    def end_step(self) -> None:
        self._step_ended = True

    def void(self, since_seq: int) -> bool:
        """Takes back what was said since; whether there was anything."""
        kept = [piece for piece in self._pieces if piece[0] < since_seq]
        taken = len(kept) < len(self._pieces)
        self._pieces = kept
        return taken

    def missing(self, final: str) -> str:
        """What of the final text has not been said: its end, or all of it where something else was said."""
        said = "".join(content for _, content in self._pieces)
        return final.removeprefix(said) if final.startswith(said) else final

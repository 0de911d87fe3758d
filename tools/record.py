"""Renders a chat as a picture: runs the command in a pseudo-terminal and draws what it really printed.

`python tools/record.py docs/images/chat.svg ask "what is 17*23, and what time is it in Tokyo?"`
"""

from __future__ import annotations

import os
import pty
import re
import sys
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.text import Text

COLUMNS = 96
ERASED = re.compile(r"\r[^\n]*\x1b\[K|\x1b\[\?25[lh]|\x1b\[2K")
"""What a spinner drew and took back."""


def record(arguments: list[str]) -> str:
    """Everything that the command wrote to its terminal."""
    written = bytearray()

    def read(descriptor: int) -> bytes:
        chunk = os.read(descriptor, 65536)
        written.extend(chunk)
        return chunk

    os.environ |= {"COLUMNS": str(COLUMNS), "TERM": "xterm-256color"}
    pty.spawn([str(Path(sys.executable).with_name("agent-bridge")), *arguments], read)
    return ERASED.sub("", written.decode().replace("\r\n", "\n"))


def draw(command: str, printed: str) -> str:
    console = Console(record=True, width=COLUMNS, file=StringIO(), force_terminal=True)
    console.print(Text.assemble(("$ ", "bold green"), command))
    console.print(Text.from_ansi(printed))
    picture = console.export_svg(title="agent-bridge")
    return re.sub(r"@font-face \{[^}]*\}\s*", "", picture)  # a picture needs no network


def main() -> None:
    target, *arguments = sys.argv[1:]
    words = " ".join(f'"{word}"' if " " in word else word for word in arguments)
    Path(target).write_text(draw(f"agent-bridge {words}", record(arguments)))


if __name__ == "__main__":
    main()

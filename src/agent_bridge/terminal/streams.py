"""The three standard streams of a process whose parent may have closed some of them."""

from __future__ import annotations

import os
import sys

_LAST = 2


def open_missing_streams() -> None:
    """Puts nothingness in the place of a closed stream, before a file that is opened later gets its number."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= _LAST:
        continue
    os.close(number)
    if not sys.stdin:
        sys.stdin = os.fdopen(0, closefd=False)
    if not sys.stdout:
        sys.stdout = os.fdopen(1, "w", closefd=False)
    if not sys.stderr:
        sys.stderr = os.fdopen(2, "w", closefd=False)

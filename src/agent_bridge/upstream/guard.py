"""What ends the programs of a bridge that was killed: a shell beside it that has the list of their groups.

It reads the list from a pipe, and when nobody holds the other end any more, it ends what is still on it. A signal at
the death of the parent would be tied to a thread, and what a program starts itself would not inherit it.
"""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from contextlib import suppress

_logger = logging.getLogger(__name__)
_SCRIPT = """
trap '' HUP INT TERM
groups=
while read -r change group; do
    left=
    for one in $groups; do
        [ "$one" = "$group" ] || left="$left $one"
    done
    groups=$left
    [ "$change" = add ] && groups="$groups $group"
done
[ -n "$groups" ] || exit 0
for one in $groups; do kill -s TERM -- "-$one"; done
sleep 1
for one in $groups; do kill -s KILL -- "-$one"; done
"""


class Guard:
    """It begins with the first program. Where there is no such shell, programs notice only that their input ends."""

    def __init__(self, shell: str = "/bin/sh") -> None:
        self._path = shell
        self._groups: set[int] = set()
        self._shell: subprocess.Popen[bytes] | None = None
        self._is_possible = sys.platform != "win32"

    def add(self, group: int) -> None:
        """Takes only an instant, as does `drop`."""
        self._groups.add(group)
        self._tell(f"add {group}\n")

    def drop(self, group: int) -> None:
        """The group has ended; its number may be given to another."""
        self._groups.discard(group)
        self._tell(f"drop {group}\n")

    async def aclose(self) -> None:
        """Ends what is left."""
        if self._shell is not None:
            _close(self._shell)
            await asyncio.to_thread(self._shell.wait)

    def _tell(self, change: str) -> None:
        if self._shell is not None and self._shell.poll() is None:
            with suppress(BrokenPipeError):
                _write(self._shell, change)
                return
        if self._groups and self._is_possible:
            self._begin()

    def _begin(self) -> None:
        if self._shell is not None:
            _close(self._shell)
            self._shell.wait()
        try:
            self._shell = subprocess.Popen(  # noqa: S603 nothing in it is from elsewhere
                [self._path, "-c", _SCRIPT, "agent-bridge-guard"],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                env={"PATH": "/usr/bin:/bin"},
                cwd="/",
                start_new_session=True,
            )
            _write(self._shell, "".join(f"add {group}\n" for group in sorted(self._groups)))
        except OSError:
            self._is_possible = False
            _logger.warning(
                "Programs of upstreams may outlive the bridge if it is killed: %s cannot be used.", self._path
            )


def _write(shell: subprocess.Popen[bytes], text: str) -> None:
    if shell.stdin is not None:
        shell.stdin.write(text.encode())


def _close(shell: subprocess.Popen[bytes]) -> None:
    if shell.stdin is not None:
        shell.stdin.close()

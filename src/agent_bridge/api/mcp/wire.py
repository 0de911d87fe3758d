"""The descriptors that the protocol is spoken over on stdio. What is said over them is not here."""

from __future__ import annotations

import os
import stat
import sys
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wire:
    """The descriptors that the protocol is spoken over."""

    incoming: int
    outgoing: int

    @property
    def is_pipes(self) -> bool:
        """Pipes and sockets can be waited for; files and terminals cannot, and are other people's to configure."""
        ends = [os.fstat(self.incoming), os.fstat(self.outgoing)]
        one_socket = os.path.samestat(*ends) and stat.S_ISSOCK(ends[0].st_mode)
        return (
            sys.platform != "win32"
            and not one_socket
            and all(stat.S_ISFIFO(end.st_mode) or stat.S_ISSOCK(end.st_mode) for end in ends)
        )


def claim() -> Wire:
    """Takes stdin and stdout for the protocol, for the rest of the process.

    Whatever else reads stdin finds it empty, and whatever else writes to stdout, a child included, writes to stderr.
    """
    wire = Wire(os.dup(0), os.dup(1))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return wire

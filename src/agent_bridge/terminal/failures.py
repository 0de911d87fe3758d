"""What a person, or a program, is told when a command could not do its work. A line or two, never a traceback."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator
from typing import TextIO, cast

from agent_bridge.errors import BridgeError, ConfigInvalid, Internal
from agent_bridge.terminal import exits

_logger = logging.getLogger(__name__)


def guarded(command: Callable[[], int], *, as_json: bool) -> int:
    """The command's exit code, or that of what stopped it, which is told on stderr.

    With `as_json`, stdout gets it too, as the one object that the reader of stdout waits for.
    """
    try:
        code = command()
        sys.stdout.flush()
    except KeyboardInterrupt:
        return exits.INTERRUPTED
    except Exception as error:  # noqa: BLE001 the last line of defence: whatever it is, nobody is shown a traceback
        return _tell(next(_leaves(error)), as_json=as_json)
    return code


def _tell(error: Exception, *, as_json: bool) -> int:
    if isinstance(error, BrokenPipeError):
        _stop_writing(sys.stdout, sys.stderr)
        return exits.BROKEN_PIPE
    _logger.debug("The command failed.", exc_info=error)
    known = error if isinstance(error, BridgeError) else _unforeseen(error)
    for problem in known.problems if isinstance(known, ConfigInvalid) else [known.message]:
        print(f"agent-bridge: {problem}", file=sys.stderr)
    try:
        if as_json:
            from agent_bridge.terminal.machine import write_error
            from agent_bridge.terminal.screen import Screen

            write_error(Screen.over(sys.stdout, os.environ), known)
        sys.stdout.flush()
    except OSError:
        _stop_writing(sys.stdout)
    return exits.of_error(known)


def _unforeseen(error: Exception) -> BridgeError:
    if isinstance(error, OSError) and error.strerror:
        return Internal(f"The system refused: {error.strerror}.")
    kind = type(error).__name__
    return Internal(f"Something went wrong inside ({kind}). Run it again with --log-level debug to see where.")


def _leaves(error: Exception) -> Iterator[Exception]:
    """The errors in a group, those first that have a message for the caller."""
    if not isinstance(error, ExceptionGroup):
        yield error
        return
    parts = cast(ExceptionGroup[Exception], error).exceptions
    leaves = [leaf for part in parts for leaf in _leaves(part)]
    yield from sorted(leaves, key=lambda leaf: not isinstance(leaf, BridgeError))


def _stop_writing(*streams: TextIO) -> None:
    """What is still buffered and cannot be written must not be a complaint when the process ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in streams:
        os.dup2(nowhere, stream.fileno())
    os.close(nowhere)

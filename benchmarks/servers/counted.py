"""Runs a program and counts the calls of its functions, in all of its threads; at SIGUSR1 it writes down how many.

python counted.py COUNTS_FILE PROGRAM [ARGUMENT …]      a PROGRAM without `.py` is a module
"""

from __future__ import annotations

import json
import runpy
import signal
import sys
import threading
from collections import Counter
from pathlib import Path
from types import FrameType

calls: Counter[str] = Counter()


def count(frame: FrameType, event: str, _: object) -> None:
    if event == "call":
        calls[frame.f_code.co_qualname] += 1
    elif event == "c_call":
        calls["(C)"] += 1


def main() -> None:
    file, program = Path(sys.argv[1]), sys.argv[2]
    sys.argv[:] = sys.argv[2:]

    def write(signal_number: int, frame: FrameType | None) -> None:
        del signal_number, frame
        unfinished = file.with_suffix(".unfinished")
        unfinished.write_text(json.dumps(dict(calls)))
        unfinished.replace(file)

    signal.signal(signal.SIGUSR1, write)
    threading.setprofile(count)
    sys.setprofile(count)
    if program.endswith(".py"):
        runpy.run_path(program, run_name="__main__")
    else:
        runpy.run_module(program, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()

"""The command `lock`: what the upstreams say of their tools is shown, and kept once somebody has accepted it."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from tempfile import NamedTemporaryFile

from agent_bridge.bridge import Bridge
from agent_bridge.bridge.sources import UpstreamReport
from agent_bridge.config import Config
from agent_bridge.config.lock import Lock, LockChange, lock_changes
from agent_bridge.config.lock_diff import lock_diff
from agent_bridge.config.lock_file import lock_path, lock_text
from agent_bridge.errors import ConfigInvalid, InvalidInput
from agent_bridge.records import LOCAL
from agent_bridge.terminal import exits
from agent_bridge.terminal.interrupts import Interrupts, run
from agent_bridge.terminal.keyboard import Keyboard
from agent_bridge.terminal.page import Page
from agent_bridge.terminal.screen import Style
from agent_bridge.unseen import unseen_shown

_MARKS: dict[str, tuple[str, Style]] = {"new": ("+", "green"), "changed": ("~", "yellow"), "gone": ("-", "red")}
_LINES: dict[str, Style] = {"+": "green", "-": "red"}
_WIDTH = 120
_CALLERS_ONLY = (
    "Only its callers have a token for it. For as long as you lock it, give its entry an auth_token instead."
)


def lock(
    config: Config,
    opening: AbstractAsyncContextManager[Bridge],
    environ: Mapping[str, str],
    *,
    names: Sequence[str],
    accepted: bool,
) -> int:
    """Writes the lock where everything is `accepted`, or where the person at the terminal accepts it.

    Fails where something is left as it was: nobody accepted it, or an upstream could not be reached.
    """
    path, before, page = _path(config), config.lock or {}, Page.of_process(environ)
    lockable = [name for name, upstream in config.upstreams.items() if upstream.builtin is None]
    if unknown := [name for name in names if name not in lockable]:
        raise InvalidInput(f"There is no upstream '{unknown[0]}' to lock. Those that can be: {', '.join(lockable)}.")

    async def command(_interrupts: Interrupts) -> int:
        async with page.spinner.turning():
            page.awaiting("looking…")
            async with opening as bridge:
                reports = await bridge.offers(LOCAL, names or lockable)
        kept = {name: tools for name, tools in before.items() if names or name in lockable}
        after = kept | {report.name: report.offered for report in reports if report.offered is not None}
        _show_unreached(page, reports)
        changes = _changes(before, after)
        _show(page, changes, before)
        if not changes:
            page.remark("There is nothing to accept.")
        elif accepted or await _asked(page, path):
            _write(path, lock_text(after))
            _tell_written(page, path, [name for name in lockable if name not in after])
        else:
            page.remark("Nothing was accepted, so nothing was written. --yes accepts without asking.")
            return exits.FAILED
        return exits.FAILED if any(report.offered is None for report in reports) else exits.OK

    return run(command)


def _path(config: Config) -> Path:
    """Raises `ConfigInvalid`."""
    if config.path is None:
        raise ConfigInvalid(["there is no servers.yaml, so there are no upstreams to lock; --config names one"])
    return lock_path(config.path)


def _changes(before: Lock, after: Lock) -> list[LockChange]:
    names = sorted({*before, *after})
    return [change for name in names for change in lock_changes(name, before.get(name, {}), after.get(name, {}))]


def _show_unreached(page: Page, reports: Sequence[UpstreamReport]) -> None:
    for report in reports:
        if report.offered is None:
            why = report.problem.message if report.problem else _CALLERS_ONLY
            page.note(f"{report.name} is left as it was.", "yellow", detail=why)


def _show(page: Page, changes: Sequence[LockChange], before: Lock) -> None:
    for change in changes:
        mark, style = _MARKS[change.kind]
        page.out.line(page.out.paint(f"{mark} {change.label}", style))
        if change.after is None:
            continue
        if change.upstream not in before:
            page.out.line("    " + page.out.one_line(unseen_shown(change.after.description), _WIDTH))
            continue
        for line in lock_diff(change).split("\n"):
            page.out.line("    " + page.out.paint(line, _LINES.get(line[:1], "plain")))


async def _asked(page: Page, path: Path) -> bool:
    """Whether the person at the terminal accepts; nobody does where there is none."""
    if not (sys.stdin.isatty() and page.err.terminal):
        return False
    keyboard = Keyboard()
    keyboard.forget()
    page.question(f"Accept these tools, and write {path}? [y/N] ")
    typed = await keyboard.line()
    return typed is not None and typed.strip().lower() in ("y", "yes")


def _tell_written(page: Page, path: Path, missing: Sequence[str]) -> None:
    page.remark(f"Wrote {path}. A bridge that runs reads it when it starts again.")
    if missing:
        page.remark(f"The tools of {', '.join(missing)} are withheld until they are accepted too.")


def _write(path: Path, text: str) -> None:
    """All of it or nothing."""
    with NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, prefix=path.name, delete=False) as file:
        file.write(text)
    Path(file.name).chmod(path.stat().st_mode if path.exists() else 0o644)
    Path(file.name).replace(path)

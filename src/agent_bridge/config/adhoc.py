"""Which MCP servers callers may connect to by address, without an entry of their own in `servers.yaml`."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Annotated
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import Field

from agent_bridge.config.fields import GLOB_URL, Closed

_PORTS = {"http": 80, "https": 443}


class AdHoc(Closed):
    """What callers over HTTP may connect to by address."""

    allow: tuple[Annotated[str, Field(pattern=GLOB_URL)], ...] = ()
    """Globs over addresses, such as `https://*.example.com/*`; without any, none. Only public addresses are reached."""

    def allows(self, url: str) -> bool:
        """Part for part: what stands for a host never reaches into the path, and nothing stands for a port."""
        try:
            return any(_fits(urlsplit(url), urlsplit(glob)) for glob in self.allow)
        except ValueError:
            return False


def _fits(url: SplitResult, glob: SplitResult) -> bool:
    return (
        url.scheme == glob.scheme
        and not {"@", "\\"} & set(url.netloc)
        and fnmatchcase((url.hostname or "").rstrip("."), glob.hostname or "")
        and (url.port or _PORTS.get(url.scheme)) == (glob.port or _PORTS.get(glob.scheme))
        and ".." not in unquote(url.path).replace("\\", "/").split("/")
        and fnmatchcase(url.path or "/", glob.path or "/")
    )

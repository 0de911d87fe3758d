"""A scripted fake of the providers' wires over real HTTP, without keys and without the network."""

from __future__ import annotations

from support.providers.script import Refused, Scripted, ScriptedCall, Silent, Verbatim
from support.providers.server import FakeProviders, Request

__all__ = ["FakeProviders", "Refused", "Request", "Scripted", "ScriptedCall", "Silent", "Verbatim"]

"""What upstreams are shown: tokens, where they come from, and how they are kept. No MCP is spoken here."""

from agent_bridge.upstream.credentials.keys import find_keys
from agent_bridge.upstream.credentials.kinds import Credential, FixedToken
from agent_bridge.upstream.credentials.service import Credentials
from agent_bridge.upstream.credentials.vault import Drawer, Vault

__all__ = ["Credential", "Credentials", "Drawer", "FixedToken", "Vault", "find_keys"]

"""The MCP door, for both protocol eras, over stdio and streamable HTTP. `server.build` puts it together."""

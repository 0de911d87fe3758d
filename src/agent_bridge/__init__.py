"""An agent as a tool: one MCP server in front of models and MCP servers."""

__version__ = "0.1.0"

"""The agent loop, and the Protocols that it needs. `loop.Agent.answer` reads aloud; begin there."""

from agent_bridge.agent.loop import Agent, Leaving
from agent_bridge.agent.needs import Brief, Journal, Model, Tools

__all__ = ["Agent", "Brief", "Journal", "Leaving", "Model", "Tools"]

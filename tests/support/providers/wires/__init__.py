"""The provider wires: each words a scripted reply the way its provider does. No wire knows HTTP connections."""

from __future__ import annotations

from support.providers.wires.anthropic import Anthropic
from support.providers.wires.bedrock import Bedrock
from support.providers.wires.gemini import Gemini
from support.providers.wires.ollama import Ollama
from support.providers.wires.openai import GeminiCompatible, OpenAI, Watsonx
from support.providers.wires.wire import Wire

__all__ = ["Anthropic", "Bedrock", "Gemini", "GeminiCompatible", "Ollama", "OpenAI", "Watsonx", "Wire"]

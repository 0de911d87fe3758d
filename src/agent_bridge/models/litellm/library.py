"""LiteLLM itself: imported once, in the background, and kept off the network, `.env` files and stdout."""

from __future__ import annotations

import asyncio
import gc
import importlib
import logging
import os
import sys
import threading
from collections.abc import Generator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

from agent_bridge.errors import ModelError

# Read by LiteLLM while it is imported: prices and headers come from its own files, not from the network, and a `.env`
# in the working directory is not ours to read.
_ENVIRONMENT = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
    "LITELLM_MODE": "PRODUCTION",
    "LITELLM_LOG": "ERROR",
}
_SETTINGS: dict[str, object] = {
    "suppress_debug_info": True,  # prints to stdout
    "redact_messages_in_exceptions": True,
    "turn_off_message_logging": True,
    "expose_router_debug_in_errors": False,
    "drop_params": True,
    "modify_params": True,
    "disable_token_counter": True,
    "disable_hf_tokenizer_download": True,
    "request_timeout": 600,
    "REPEATED_STREAMING_CHUNK_LIMIT": sys.maxsize,  # a table of zeros is not an error
}
_OLLAMA = ("ollama", "ollama_chat")
_LOGGERS = ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy")
_CHATTY_LOGGERS = ("httpx", "httpcore", "openai", "openai._base_client")
_SWITCH_INTERVAL_S = 0.0005
"""How soon the importing thread gives way: keeps the event loop's delay at about 2 ms."""

# The import, and the interpreter's settings during it, belong to the whole process.
_importing = threading.Lock()


class Library:
    def __init__(self) -> None:
        self._loading: Future[Any] | None = None

    def warm(self) -> None:
        """Begins to import LiteLLM in a thread, if nobody has yet. Takes 1 to 2 s there, and none here."""
        self._begun()

    async def ready(self, model_id: str) -> Any:
        """The `litellm` module, when it can be used for a model. Raises `ModelError`."""
        try:
            litellm = await asyncio.wrap_future(self._begun())
        except ImportError:
            raise ModelError("LiteLLM cannot be imported. Install agent-bridge again with its dependencies.") from None
        prefix, _, model = model_id.partition("/")
        if prefix in _OLLAMA:
            _make_known(litellm, model)
        return litellm

    def _begun(self) -> Future[Any]:
        if self._loading is None:
            self._loading = Future()
            threading.Thread(target=_load, args=(self._loading,), name="import-litellm", daemon=True).start()
        return self._loading

    async def aclose(self) -> None:
        """Closes the connections to providers. LiteLLM shares them among everything in this process that uses it."""
        if self._loading is None or not self._loading.done() or self._loading.exception():
            return
        litellm: Any = self._loading.result()
        await litellm.close_litellm_async_clients()
        litellm.in_memory_llm_clients_cache.flush_cache()
        # A client that LiteLLM's own clean-up forgets. It is made on first use, and must stay usable.
        client: Any = litellm.__dict__.get("module_level_aclient")
        if client is not None:
            await client.client._transport.aclose()


def _make_known(litellm: Any, model: str) -> None:
    """LiteLLM asks Ollama about models that it does not know, even to register them, and blocks the event loop."""
    for prefix in _OLLAMA:
        for name in (model, f"{model}:latest"):
            litellm.model_cost.setdefault(f"{prefix}/{name}", {"litellm_provider": prefix, "mode": "chat"})


def _load(loading: Future[Any]) -> None:
    loading.set_running_or_notify_cancel()
    try:
        loading.set_result(_import())
    except BaseException as error:  # noqa: BLE001 - whoever waits for the module is told
        loading.set_exception(error)


def _import() -> Any:
    with _importing:
        if "litellm" not in sys.modules:
            for name, value in _ENVIRONMENT.items():
                os.environ.setdefault(name, value)
            with _undisturbed():
                import litellm

                # LiteLLM would do this in the first request, and stop the event loop for 0.2 s.
                importlib.import_module("openai.resources")
        import litellm

        _configure(litellm)
        return litellm


@contextmanager
def _undisturbed() -> Generator[None]:
    """Without the garbage collector, which would stop every thread for 0.2 s; what was imported is never collected."""
    collecting, interval = gc.isenabled(), sys.getswitchinterval()
    gc.disable()
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    try:
        yield
        gc.freeze()
    finally:
        sys.setswitchinterval(interval)
        if collecting:
            gc.enable()


def _configure(litellm: Any) -> None:
    for name, value in _SETTINGS.items():
        setattr(litellm, name, value)
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        for handler in list(logger.handlers):
            logger.removeHandler(handler)  # its handlers write to stdout
        logger.propagate = True
        logger.setLevel(logging.WARNING)
    for name in _CHATTY_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)

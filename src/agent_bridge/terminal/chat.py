"""A conversation in the terminal: messages, and the commands that begin with a slash."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager

from agent_bridge import __version__
from agent_bridge.bridge import Bridge, ChatRequest, ConnectRequest
from agent_bridge.errors import BridgeError
from agent_bridge.records import LOCAL
from agent_bridge.terminal import exits
from agent_bridge.terminal.asking import Asking
from agent_bridge.terminal.beside import Beside, bridge_beside
from agent_bridge.terminal.keyboard import Keyboard
from agent_bridge.terminal.page import Page
from agent_bridge.terminal.prompt import Prompt
from agent_bridge.terminal.tables import show_models, show_servers
from agent_bridge.terminal.wording import count
from agent_bridge.views import RunView

HELP = """\
/servers          what can be talked to
/models [WORDS]   what can answer
/server NAME      a new session with another server
/model NAME       another model, from the next message on
/tools            what the model can call
/new              a new session, which knows nothing of this one
/quit             leave, as Ctrl-D does
Anything else is a message. A line that ends in \\ goes on in the next. Ctrl-C cancels the answer."""
_COMMAND = re.compile(r"/(?P<name>[a-z]+)(?:\s+(?P<rest>.*))?", re.DOTALL)


def chat(
    opening: AbstractAsyncContextManager[Bridge],
    environ: Mapping[str, str],
    *,
    server: str = "",
    model: str = "",
    session_id: str = "",
) -> int:
    """Until the person leaves; from a file or pipe until its end, with the exit code of what failed last."""
    page = Page.of_process(environ)
    prompt = Prompt(page.out, "> ")
    with bridge_beside(opening, page) as bridge:
        conversation = Conversation(bridge, page, prompt)
        conversation.begin(server=server, model=model, session_id=session_id)
        conversation.hold()
    return exits.OK if prompt.interactive else conversation.exit_code


class Conversation:
    """One session at a time; `/server` and `/new` begin another."""

    def __init__(self, bridge: Beside, page: Page, prompt: Prompt) -> None:
        self._bridge = bridge
        self._page = page
        self._prompt = prompt
        self._person = Asking(page, Keyboard()) if prompt.interactive and page.err.terminal else None
        self._server = ""
        self._model = ""
        self._session_id = ""
        self._tools: list[str] | None = None
        self._spoken = False
        self._is_left_open = False
        """A question was, so there is nothing else to be said here."""
        self.exit_code = exits.OK
        self._commands: Mapping[str, Callable[[str], None]] = {
            "help": lambda _: page.out.line(HELP),
            "servers": lambda _: self._show_servers(),
            "models": self._show_models,
            "server": lambda name: self._connect(name, self._model),
            "model": self._choose_model,
            "tools": lambda _: self._show_tools(),
            "new": lambda _: self._connect(self._server, self._model),
        }

    def begin(self, *, server: str, model: str, session_id: str) -> None:
        """Raises `BridgeError`."""
        if session_id:
            self._go_on(session_id, model)
        else:
            self._connect(server, model)
        if self._prompt.interactive:
            self._tell(f"agent-bridge {__version__} · /help lists the commands, Ctrl-D leaves")

    def hold(self) -> None:
        while not self._is_left_open and (line := self._read()) not in (None, "/quit", "/exit"):
            try:
                self._obey(line or "")
            except KeyboardInterrupt:
                self._tell("Given up.")
            except BridgeError as error:
                self._complain(error.message)
                self.exit_code = exits.of_error(error)
        if self._spoken:
            self._tell(f"to go on: agent-bridge chat --session {self._session_id}")

    def _read(self) -> str | None:
        while True:
            try:
                line = self._prompt.read()
            except KeyboardInterrupt:
                self._page.err.line()
            else:
                return line if line is None else line.strip()

    def _obey(self, line: str) -> None:
        command = _COMMAND.fullmatch(line)
        if command is None:
            if line:
                self._say(line)
        elif action := self._commands.get(command["name"]):
            action((command["rest"] or "").strip())
        else:
            self._complain(f"There is no command /{command['name']}. /help lists them.")

    def _say(self, message: str) -> None:
        can_ask = self._person is not None
        request = ChatRequest(message=message, session_id=self._session_id, model=self._model, can_ask=can_ask)
        self._take(self._bridge.take_turn(request, self._person))

    def _take(self, run: RunView) -> None:
        """What is left to say of a run."""
        self._tools, self._spoken = run.tools, True
        if run.error is not None:
            self._complain(run.error.message)
        elif run.status == "cancelled":
            self._tell("The run was cancelled.")
        elif run.status == "input_required":
            self._is_left_open = True
            self._tell("The run waits for your approval. It is asked for again when you go on.")
        self.exit_code = exits.of_run(run) or self.exit_code

    def _connect(self, server: str, model: str) -> None:
        request = ConnectRequest(server=server, model=model)
        connected = self._bridge.ask(lambda bridge: bridge.connect(LOCAL, request), "connecting…")
        self._server, self._model, self._session_id = connected.server, model, connected.session_id
        self._tools, self._spoken = connected.tools, False
        self._tell(f"{connected.server} · {connected.model} · {count(connected.tool_count, 'tool')}")
        for notice in connected.warnings:
            self._page.note("!", "yellow", notice.message)

    def _go_on(self, session_id: str, model: str) -> None:
        session = self._bridge.ask(lambda bridge: bridge.session(LOCAL, session_id))
        self._server, self._model, self._session_id = session.server, model, session_id
        said = count(len(session.history or []), "message")
        self._tell(f"{session.server} · {model or session.model} · {said} so far")
        run = self._bridge.ask(lambda bridge: bridge.latest(LOCAL, session_id))
        if run is not None and run.status == "input_required":
            self._tell(f"The answer to the last message waits for approval (run {run.run_id}).")
            self._take(self._bridge.attend(run, self._person))

    def _choose_model(self, name: str) -> None:
        if name:
            self._model = name
            self._tell(f"{name} answers from the next message on.")
        else:
            self._complain("Say which: /model NAME. /models lists them.")

    def _show_servers(self) -> None:
        show_servers(self._bridge.ask(lambda bridge: bridge.list_servers(LOCAL)), self._page.out)

    def _show_models(self, words: str) -> None:
        show_models(self._bridge.ask(lambda bridge: bridge.list_models(LOCAL, query=words)), self._page.out)

    def _show_tools(self) -> None:
        if self._tools is None:
            self._tell("The tools are known after the next message.")
        for name in self._tools or ():
            self._page.out.line(name)

    def _tell(self, text: str) -> None:
        self._page.remark(text)

    def _complain(self, text: str) -> None:
        self._page.note(self._page.err.symbols.bad, "red", text)

"""The command line: which commands there are, what each takes, and who does the work. No work is done here.

Nothing heavy is imported before it is known which command runs.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from agent_bridge import __version__
from agent_bridge.terminal import manual
from agent_bridge.terminal.flags import Flags, Parser, one_of, port
from agent_bridge.terminal.streams import open_missing_streams

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from agent_bridge.bridge import Bridge
    from agent_bridge.config import Config

Options = argparse.Namespace
Environ = Mapping[str, str]
HOSTS = ("claude-desktop", "claude-code", "cursor", "vscode")
LEVELS = ("debug", "info", "warning", "error")


@dataclass(frozen=True, slots=True)
class Command:
    name: str
    summary: str
    epilog: str
    take: Callable[[Parser, Flags], None]
    run: Callable[[Options, Environ], int]


def main(arguments: Sequence[str] | None = None) -> int:
    open_missing_streams()
    options = parse(sys.argv[1:] if arguments is None else arguments, os.environ)
    from agent_bridge.terminal.failures import guarded
    from agent_bridge.terminal.logs import start_logging

    start_logging(options.log_level, tracebacks=options.run in (_serve, _worker) or options.log_level == "debug")
    return guarded(lambda: options.run(options, os.environ), as_json=_is_for_programs(options))


def parse(arguments: Sequence[str], environ: Environ) -> Options:
    """What was asked for, on the command line or in the environment. Ends the process where it makes no sense."""
    parser = Parser(
        prog="agent-bridge",
        description="An agent as a tool: one MCP server in front of models and MCP servers.",
        epilog=manual.MAIN,
    )
    parser.add_argument("--version", action="version", version=f"agent-bridge {__version__}")
    _take_common(Flags(parser))
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", parser_class=Parser)
    for command in COMMANDS:
        summary = command.summary
        own = subparsers.add_parser(command.name, help=summary, description=summary, epilog=command.epilog)
        flags = Flags(own)
        command.take(own, flags)
        _take_common(flags)
        own.set_defaults(run=command.run, flags=flags)
    options = parser.parse_args(arguments)
    if not hasattr(options, "run"):
        parser.print_help(sys.stderr)
        parser.exit(2)
    options.flags.fill(options, environ)
    return options


def _take_common(flags: Flags) -> None:
    flags.add("--config", "The servers.yaml to use; without it ./servers.yaml, if there is one.", "PATH", _path)
    flags.add("--store", "Where sessions and runs are kept, for example sqlite:///path.", "URL")
    flags.add(
        "--log-level", f"How much goes to the log on stderr: {', '.join(LEVELS)}.", "LEVEL", one_of(*LEVELS), "warning"
    )


def _take_ask(parser: Parser, flags: Flags) -> None:
    parser.add_argument("words", metavar="MESSAGE", nargs="+", help="What to say; - is replaced by what stdin holds.")
    _take_session(flags)
    flags.switch("--no-stream", "Print the answer when it is whole.")
    flags.switch("--json", "Print the run as one JSON object, and nothing else.")
    flags.switch("--events", "Print the events of the run as lines of JSON, as they happen.")


def _take_session(flags: Flags) -> None:
    flags.add("--server", "The server that answers, by its name in servers.yaml.", "NAME")
    flags.add("--model", "The model, by its alias or its LiteLLM id.", "NAME")
    flags.add("--session", "The session to go on with.", "ID")


def _take_serve(_parser: Parser, flags: Flags) -> None:
    flags.add("--transport", "How hosts connect: stdio or http.", "KIND", one_of("stdio", "http"), "stdio")
    flags.add("--host", "The address to listen on, over http.", "ADDRESS", default="127.0.0.1")
    flags.add("--port", "The port to listen on, over http.", "NUMBER", port, 8000)
    flags.switch("--allow-unauthenticated", "Listen beyond this machine although no authentication is configured.")


def _take_check(_parser: Parser, flags: Flags) -> None:
    flags.switch("--json", "Print what was found as one JSON object.")
    flags.switch("--schema", "Print the JSON Schema of servers.yaml, and check nothing.")


def _take_lock(parser: Parser, flags: Flags) -> None:
    parser.add_argument("upstreams", metavar="UPSTREAM", nargs="*", help="Only these upstreams; without any, all.")
    flags.switch("--yes", "Accept what is shown without asking.")


def _take_servers(_parser: Parser, flags: Flags) -> None:
    flags.switch("--json", "Print the result of the tool list_servers.")


def _take_models(_parser: Parser, flags: Flags) -> None:
    flags.add("--provider", "Only models of this provider.", "ID")
    flags.add("--query", "Only models whose names contain this.", "WORDS")
    flags.switch("--json", "Print the result of the tool list_models.")


def _take_install(parser: Parser, flags: Flags) -> None:
    parser.add_argument("host_app", metavar="HOST", choices=HOSTS, help=f"One of {', '.join(HOSTS)}.")
    flags.add("--name", "What the host calls the server.", "NAME", default="agent-bridge")
    flags.switch("--project", "Write the file of the project in this directory, not the person's own.")
    flags.switch("--print", "Print what would be written, and where, and write nothing.")


def _take_login(parser: Parser, flags: Flags) -> None:
    parser.add_argument("upstream", metavar="UPSTREAM", help="The upstream, by its name in servers.yaml.")
    flags.add("--principal", "Whose login it is, where the bridge has several callers.", "ID", default="local")
    flags.switch("--no-browser", "Open no browser; only print the address to visit.")
    flags.switch("--logout", "Forget the login.")


def _ask(options: Options, environ: Environ) -> int:
    from agent_bridge.terminal.ask import Question, ask

    form = "json" if options.json else "events" if options.events else "whole text" if options.no_stream else "text"
    config = _config(options, environ)
    question = Question(
        words=options.words,
        server=options.server or "",
        model=options.model or "",
        session_id=options.session or "",
        form=form,
        can_wait=config.outlives_process,
    )
    return ask(question, _open(config), environ)


def _chat(options: Options, environ: Environ) -> int:
    from agent_bridge.terminal.chat import chat

    return chat(
        _bridge(options, environ),
        environ,
        server=options.server or "",
        model=options.model or "",
        session_id=options.session or "",
    )


def _serve(options: Options, environ: Environ) -> int:
    from agent_bridge.terminal.serve import over_http, over_stdio

    if options.transport == "http":
        config, is_open = _config(options, environ), options.allow_unauthenticated
        return over_http(config, host=options.host, port=options.port, allow_unauthenticated=is_open)
    file = options.config or Path("servers.yaml")  # as config.load has it, which is not imported yet
    return over_stdio(
        lambda variables: _config(options, variables),
        environ,
        options=[str(options.config), str(options.store)],
        files=[file, file.with_suffix(".lock")],
    )


def _worker(options: Options, environ: Environ) -> int:
    from agent_bridge.terminal.serve import worker

    return worker(_config(options, environ))


def _check(options: Options, environ: Environ) -> int:
    from agent_bridge.terminal.listing import check, schema

    if options.schema:
        return schema()
    return check(lambda: _bridge(options, environ), environ, as_json=options.json)


def _lock(options: Options, environ: Environ) -> int:
    from agent_bridge.terminal.lock import lock

    config = _config(options, environ)
    return lock(config, _open(config), environ, names=options.upstreams, accepted=options.yes)


def _servers(options: Options, environ: Environ) -> int:
    from agent_bridge.terminal.listing import servers

    return servers(_bridge(options, environ), environ, as_json=options.json)


def _models(options: Options, environ: Environ) -> int:
    from agent_bridge.terminal.listing import models

    return models(
        _bridge(options, environ),
        environ,
        provider=options.provider or "",
        query=options.query or "",
        as_json=options.json,
    )


def _install(options: Options, environ: Environ) -> int:
    from agent_bridge.terminal.install.command import Wish, install

    wish = Wish(
        host=options.host_app,
        name=options.name,
        store=options.store,
        project=options.project,
        print_only=options.print,
    )
    return install(wish, _config(options, environ), environ)


def _login(options: Options, environ: Environ) -> int:
    from agent_bridge.app import open_vault
    from agent_bridge.terminal.login import Wish, login

    config = _config(options, environ)
    wish = Wish(
        upstream=options.upstream,
        principal=options.principal,
        browser=not options.no_browser,
        logout=options.logout,
    )
    return login(wish, config, open_vault(config), environ)


def _bridge(options: Options, environ: Environ) -> AbstractAsyncContextManager[Bridge]:
    """Not open yet. Raises what is wrong with the configuration."""
    return _open(_config(options, environ))


def _open(config: Config) -> AbstractAsyncContextManager[Bridge]:
    from agent_bridge.app import open_bridge

    return open_bridge(config)


def _config(options: Options, environ: Environ) -> Config:
    from agent_bridge.config.load import load

    return load(options.config, environ, store=options.store)


def _path(text: str) -> Path:
    return Path(text).expanduser()


def _is_for_programs(options: Options) -> bool:
    return getattr(options, "json", False) or getattr(options, "events", False)


COMMANDS = (
    Command("ask", "Say one thing, and see the agent work and answer.", manual.ASK, _take_ask, _ask),
    Command("chat", "Talk with the agent.", manual.CHAT, lambda _, flags: _take_session(flags), _chat),
    Command("serve", "Serve MCP to hosts.", manual.SERVE, _take_serve, _serve),
    Command("worker", "Work on runs, and serve nothing.", manual.WORKER, lambda _parser, _flags: None, _worker),
    Command("install", "Make a host start the bridge.", manual.INSTALL, _take_install, _install),
    Command("login", "Log in to an upstream with the browser.", manual.LOGIN, _take_login, _login),
    Command("check", "See whether everything that is configured works.", manual.CHECK, _take_check, _check),
    Command("lock", "Accept the tools of the upstreams as they are now.", manual.LOCK, _take_lock, _lock),
    Command("servers", "List the servers.", manual.SERVERS, _take_servers, _servers),
    Command("models", "List the models.", manual.MODELS, _take_models, _models),
)

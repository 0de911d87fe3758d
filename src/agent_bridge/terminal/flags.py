"""Command-line flags, each with a twin in the environment. A flag beats its twin, and the twin beats the default."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

PREFIX = "AGENT_BRIDGE_"
_TRUE = ("1", "true", "yes", "on")
_FALSE = ("0", "false", "no", "off")


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, and where help is. A shortened flag is refused: it could change its sense."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False, **settings)

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\nTry '{self.prog} --help'.\n")


@dataclass(frozen=True, slots=True)
class _Flag:
    name: str
    twin: str
    convert: Callable[[str], object]
    default: object


class Flags:
    """The flags of one parser."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self._parser = parser
        self._flags: list[_Flag] = []

    def add(
        self,
        flag: str,
        help_text: str,
        metavar: str,
        convert: Callable[[str], object] = str,
        default: object = None,
    ) -> None:
        name, twin = self._register(flag, convert, default)
        unless = "" if default is None else f"; without it {default}"
        help_text = f"{help_text} [{twin}{unless}]"
        self._parser.add_argument(
            flag, dest=name, metavar=metavar, type=convert, default=argparse.SUPPRESS, help=help_text
        )

    def switch(self, flag: str, help_text: str) -> None:
        name, twin = self._register(flag, truth, default=False)
        help_text = f"{help_text} [{twin}=1]"
        self._parser.add_argument(flag, dest=name, action="store_true", default=argparse.SUPPRESS, help=help_text)

    def fill(self, options: argparse.Namespace, environ: Mapping[str, str]) -> None:
        """Gives every flag that was not on the command line its value."""
        for flag in self._flags:
            if not hasattr(options, flag.name):
                setattr(options, flag.name, self._from_environment(flag, environ))

    def _register(self, flag: str, convert: Callable[[str], object], default: object) -> tuple[str, str]:
        name = flag.removeprefix("--").replace("-", "_")
        twin = PREFIX + name.upper()
        self._flags.append(_Flag(name, twin, convert, default))
        return name, twin

    def _from_environment(self, flag: _Flag, environ: Mapping[str, str]) -> object:
        text = environ.get(flag.twin)
        if not text:
            return flag.default
        try:
            return flag.convert(text)
        except argparse.ArgumentTypeError as wrong:
            self._parser.error(f"environment variable {flag.twin}: {wrong}")


def truth(text: str) -> bool:
    if text.lower() in _TRUE:
        return True
    if text.lower() in _FALSE:
        return False
    raise argparse.ArgumentTypeError(f"'{text}' is neither 1 nor 0")


def one_of(*choices: str) -> Callable[[str], str]:
    def convert(text: str) -> str:
        if text in choices:
            return text
        raise argparse.ArgumentTypeError(f"'{text}' is not one of {', '.join(choices)}")

    return convert


def port(text: str) -> int:
    if text.isdecimal() and int(text) < 2**16:
        return int(text)
    raise argparse.ArgumentTypeError(f"'{text}' is not a port, which is a number from 0 to 65535")

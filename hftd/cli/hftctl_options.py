"""hftctl's options: from the table of commands to a parsed command line.

Owns flags, help and the messages of usage mistakes; knows neither sockets nor results.

Parsed by argparse and not by typer, as in hftd: typer 0.29 imports pydantic as soon as it
parses one option, and ``hftctl status`` took 170 ms, of which 110 were that; so it takes no
longer than ``import typer`` alone. The way to a kill is the standard library's.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from hftd.control.commands import COMMANDS, Command, Kind, Param, nearest
from hftd.control.faults import InvalidParams

_EPILOG = """\
exit codes: 0 done, 1 refused, 2 usage, 3 not running, 4 no permission,
5 timed out, 6 not complete (what is left is printed)

in doubt: hftctl kill
"""


_EVERYWHERE = ("--name", "--socket", "--json", "--timeout", "--help")


class Target(NamedTuple):
    """What the global options say: which instance, how to print, how long to wait."""

    name: str | None = None
    socket: Path | None = None
    json: bool = False
    timeout_s: float | None = None


def parse(argv: Sequence[str]) -> tuple[Command, dict[str, Any], Target]:
    """Return the command, its parameters as given, and the global options.

    A usage mistake ends the process with 2 and one line that says what would be right.
    """
    parser = _parser(argv)
    if not argv:
        parser.print_help()
        raise SystemExit(InvalidParams.exit_code)
    given = vars(parser.parse_args(argv))
    command = COMMANDS[given["command"]]
    params = {param.name: given[f"param_{param.name}"] for param in command.params}
    target = Target(
        given.get("name"), given.get("socket"), given.get("json", False), given.get("timeout")
    )
    return command, params, target


class _Parser(argparse.ArgumentParser):
    """An argument parser whose mistakes are one line, with the nearest right word."""

    def error(self, message: str) -> NoReturn:
        wrong = message.partition("invalid choice: '")[2].partition("'")[0]
        if wrong:
            # The commands, in argparse's list, would be longer than the screen.
            message = f"unknown command {wrong!r}{nearest(wrong, tuple(COMMANDS))}"
        strange = message.partition("unrecognized arguments: ")[2].partition(" ")[0]
        if strange:
            message = f"unknown argument {strange!r}"
            if strange.startswith("-"):
                message += nearest(strange, _EVERYWHERE + _options_of_commands())
        message = message.replace("the following arguments are required:", "needs")
        self.exit(InvalidParams.exit_code, f"hftctl: {message} ({self.prog} --help)\n")


def _parser(argv: Sequence[str]) -> argparse.ArgumentParser:
    """Return a parser of the commands that the arguments can mean: of all where none is named."""
    parser = _Parser(
        prog="hftctl",
        description="Watch and steer a running hftd.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    _add_target(parser)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    named = [name for name in COMMANDS if name in argv]
    for name in named or COMMANDS:
        command = COMMANDS[name]
        sub = commands.add_parser(
            name, help=command.summary, description=command.summary, allow_abbrev=False
        )
        for param in command.params:
            _add_param(sub, param)
        _add_target(sub)
    return parser


def _options_of_commands() -> tuple[str, ...]:
    params = (param for command in COMMANDS.values() for param in command.params)
    return tuple(param.option for param in params if not param.positional)


def _add_target(parser: argparse.ArgumentParser) -> None:
    # Suppressed defaults, so that what stands before the command survives the command's own.
    absent = argparse.SUPPRESS
    group = parser.add_argument_group("everywhere")
    text = "the instance; by default the only one that runs"
    group.add_argument("--name", default=absent, help=text)
    text = "path of the control socket, instead of a name"
    group.add_argument("--socket", type=Path, default=absent, metavar="PATH", help=text)
    text = "print the result as one line of JSON"
    group.add_argument("--json", action="store_true", default=absent, help=text)
    text = "seconds to wait for an answer"
    group.add_argument("--timeout", type=_seconds, default=absent, metavar="S", help=text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a number of seconds, was {text!r}") from None
    if not 0 < seconds <= 86400:
        raise argparse.ArgumentTypeError(f"must be above 0 and at most 86400, was {text}")
    return seconds


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a whole number, was {text!r}") from None


def _add_param(parser: argparse.ArgumentParser, param: Param) -> None:
    # A default is filled in by validate, and a prefix keeps "instrument" and "name" apart.
    options: dict[str, Any] = {"help": param.help}
    if param.choices:
        options["help"] += f" One of {', '.join(param.choices)}."
    if param.positional:
        parser.add_argument(f"param_{param.name}", metavar=param.name.upper(), **options)
        return
    if param.kind is Kind.FLAG:
        options["action"] = "store_true"
    else:
        options["metavar"] = param.name.upper()
        options["type"] = _whole if param.kind is Kind.COUNT else str
    flags = [f"-{param.short}"] if param.short else []
    flags.append(param.option)
    parser.add_argument(
        *flags, dest=f"param_{param.name}", required=param.required, default=None, **options
    )

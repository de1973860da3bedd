"""The command ``hftd``: which commands there are, and how their failures leave the process.

Owns the table of commands, the one-line errors and the exit codes. Must not know what a command
does: its module is imported when it is the one called, so that ``hftd --help`` stays quick and
no command pays for another's imports.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import typer
from typer.exceptions import TyperException

from hftd.control import streams
from hftd.errors import HftdError, UsageError, reason_of

PROGRAM: Final = "hftd"
INTERRUPTED: Final = 130

_HELP: Final = """A trading daemon for Linux.

It quotes on an exchange inside limits, is watched and stopped from a shell
(hftctl), and leaves a ledger. Begin with: hftd start --profile canary
"""


class Entry(NamedTuple):
    """A command: where its function (or typer app) is, and its line in the help."""

    module: str
    attribute: str
    summary: str


COMMANDS: Final = {
    "start": Entry("start", "start", "Trade by a profile, in the foreground."),
    "check": Entry(
        "profile_commands", "check", "Check a profile; show its values, limits and economics."
    ),
    "doctor": Entry("doctor", "doctor", "Look at everything a start needs, before money."),
    "profiles": Entry("profile_commands", "profiles", "List the profiles that can be named."),
    "strategies": Entry("strategies", "strategies", "List the strategies and their parameters."),
    "schema": Entry("profile_commands", "schema", "Print the JSON Schema of a profile."),
    "paths": Entry("profile_commands", "paths", "Say where an instance keeps its files."),
    "exchange": Entry("exchange", "exchange", "Serve the simulated exchange by itself."),
    "exchange-ctl": Entry("exchange_ctl", "app", "Ask a running exchange; give it faults."),
    "record": Entry("record", "record", "Record a server's market data as a tape."),
    "replay": Entry("replay", "replay", "Run a journal again and compare every decision."),
    "report": Entry("report", "report", "Tell how a run went; write a page with charts."),
    "db": Entry("db", "app", "Upgrade, rebuild, export the ledger; repair a journal."),
    "metrics": Entry("metrics", "app", "Print a Grafana dashboard of the metrics."),
    "simulate": Entry("simulate", "simulate", "Run simulated worlds with faults, by their seeds."),
    "warmup": Entry("warmup", "warmup", "Compile the kernels before they are needed."),
    "kill-offline": Entry("kill_offline", "kill_offline", "Kill where the daemon does not answer."),
    "systemd": Entry("systemd", "app", "Print or install the systemd units."),
    "version": Entry("version", "version", "Print the version."),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and leave the process with its exit code."""
    streams.secure()
    given = list(sys.argv[1:] if arguments is None else arguments)
    sys.exit(run(given))


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; what goes wrong is one line on stderr."""
    try:
        command = typer.main.get_command(_app(arguments))
        # No argument at all is a question.
        code = command.main(list(arguments) or ["--help"], PROGRAM, standalone_mode=False)
        sys.stdout.flush()
    except HftdError as error:
        return _fail(str(error), *getattr(error, "__notes__", ()), code=error.exit_code)
    except TyperException as error:
        return _fail(_usage(error), code=UsageError.exit_code)
    except KeyboardInterrupt:
        return INTERRUPTED
    except typer.Abort as abort:  # So Typer hides an EOFError: a prompt's end to it, our bug here.
        raise (abort.__cause__ or abort) from None
    except BrokenPipeError:  # The reader has seen enough (`hftd check | head`).
        streams.give_up()
        return 0
    except OSError as error:
        if not streams.is_lost():
            raise
        streams.give_up()
        return _fail(f"stdout cannot be written: {reason_of(error)}", code=1)
    return code if isinstance(code, int) else 0


def _app(arguments: Sequence[str]) -> typer.Typer:
    """Return the typer app in which the command called is real and the others have names."""
    app = typer.Typer(
        name=PROGRAM,
        help=_HELP,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
    )
    app.callback()(_no_options)
    called = next((word for word in arguments if not word.startswith("-")), None)
    for name, entry in COMMANDS.items():
        target: Any = _named_only if name != called else _load(entry)
        if isinstance(target, typer.Typer):
            app.add_typer(target, name=name, help=entry.summary)
        else:
            app.command(name, short_help=entry.summary)(target)
    return app


def _load(entry: Entry) -> Callable[..., Any] | typer.Typer:
    loaded = getattr(importlib.import_module(f"hftd.cli.{entry.module}"), entry.attribute)
    assert callable(loaded), f"{entry} is no command"
    return loaded


def _named_only() -> None:
    raise AssertionError("a command that was not called has no body")


def _no_options() -> None:
    """The app has no options of its own; without a callback typer would merge one command."""


def _usage(error: TyperException) -> str:
    message = " ".join(error.format_message().split()).rstrip(".")
    possible = getattr(error, "possibilities", None)
    if possible:  # As every other message of ours names what is near.
        message = f"{message.partition(' (Possible')[0]}; did you mean {possible[0]}?"
    message = message[:1].lower() + message[1:]
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else PROGRAM
    return f"{message} ({command} --help)"


def _fail(*lines: str, code: int) -> int:
    for line in lines:
        print(f"{PROGRAM}: {line}", file=sys.stderr)
    return code


if __name__ == "__main__":
    main()

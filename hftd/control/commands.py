"""The table of all commands: who may give them, which socket serves them, what they take.

Owns names, roles, parameters and their validation, for the server and for hftctl alike: a
command exists here or nowhere. Pure: knows neither sockets nor what a command does.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, IntEnum
from typing import Any, NamedTuple

from hftd.control.faults import InvalidParams, UnknownMethod

MAX_TEXT_CHARS = 200  # reasons and ids; a whole request line has 4 KiB
STATES = (
    "STARTING",
    "RECOVERING",
    "RUNNING",
    "PAUSED",
    "REDUCE_ONLY",
    "HALTED",
    "KILLED",
    "STOPPING",
)
LEVELS = ("debug", "info", "warning", "error", "critical")


class Role(IntEnum):
    """What a caller may do; each role may do all that the roles before it may."""

    OBSERVER = 0
    OPERATOR = 1
    ADMIN = 2


class Server(Enum):
    """Who answers a command."""

    ENGINE = "control.sock"
    RECORDER = "recorder.sock"
    CALLER = ""  # hftctl itself, from other commands


class Kind(Enum):
    """The type of a parameter; decimals do not occur, what is a name or an id is text."""

    TEXT = "text"
    COUNT = "count"
    FLAG = "flag"


class Param(NamedTuple):
    """One named parameter; ``short`` and ``positional`` are for the command line alone."""

    name: str
    kind: Kind
    help: str
    required: bool = False
    default: str | int | bool | None = None
    choices: tuple[str, ...] = ()
    least: int = 1
    most: int = 1000
    short: str = ""
    positional: bool = False
    lenient: bool = False  # A text that is made fit, never refused: what must be done waits for it.

    @property
    def option(self) -> str:
        """Return its name on a command line."""
        return f"--{self.name.replace('_', '-')}"


class Command(NamedTuple):
    """One command: ``timeout_s`` is how long a caller waits unless told otherwise."""

    name: str
    role: Role
    server: Server
    summary: str
    params: tuple[Param, ...] = ()
    streams: bool = False
    timeout_s: float = 5.0


_REASON = Param("reason", Kind.TEXT, "Why; stands in the ledger.", lenient=True)
_CHECK = Param("check", Kind.FLAG, "Only say what would change.", default=False)
_INSTRUMENT = Param("instrument", Kind.TEXT, "Which instrument, for example BTC-USDT.")

# An act waits for its confirmation by the venue; the daemon gives up before the caller does.
_ACT_TIMEOUT_S = 30.0


def _query(name: str, summary: str, *params: Param) -> Command:
    return Command(name, Role.OBSERVER, Server.ENGINE, summary, params)


def _act(name: str, summary: str, *params: Param, role: Role = Role.OPERATOR) -> Command:
    return Command(name, role, Server.ENGINE, summary, params, timeout_s=_ACT_TIMEOUT_S)


def _record(name: str, summary: str, *params: Param, streams: bool = False) -> Command:
    return Command(name, Role.OBSERVER, Server.RECORDER, summary, params, streams)


COMMANDS: dict[str, Command] = {
    command.name: command
    for command in (
        Command("ps", Role.OBSERVER, Server.CALLER, "List the instances on this host."),
        _query("status", "Show the daemon on one screen."),
        _query("health", "Show each health check; exits 1 when one fails."),
        Command(
            "wait",
            Role.OBSERVER,
            Server.CALLER,
            "Wait until the daemon reaches a state.",
            (
                Param(
                    "state",
                    Kind.TEXT,
                    "The state to wait for.",
                    default="RUNNING",
                    choices=STATES,
                ),
            ),
            timeout_s=60.0,
        ),
        _query("explain", "Say why there is, or is not, a quote on each side.", _INSTRUMENT),
        _query(
            "book",
            "Show the book as a ladder, with our own orders in it.",
            _INSTRUMENT,
            Param("depth", Kind.COUNT, "Levels a side.", default=10, most=100),
        ),
        _query("orders", "List orders that are open, in flight or unknown."),
        _record(
            "order",
            "Show the whole journey of one order.",
            Param("id", Kind.TEXT, "Client order id.", required=True, positional=True),
        ),
        _record(
            "fills",
            "List the latest fills.",
            Param("limit", Kind.COUNT, "How many.", default=20, short="n"),
        ),
        _record(
            "history",
            "List past orders, PnL by the minute, or latency by minute and stage.",
            Param(
                "what",
                Kind.TEXT,
                "Of what.",
                required=True,
                choices=("orders", "pnl", "latency"),
                positional=True,
            ),
            Param("limit", Kind.COUNT, "How many rows.", default=20, short="n"),
        ),
        _query("positions", "Show positions and balances."),
        _query("pnl", "Show profit and loss, day and drawdown."),
        _query("latency", "Show latency by stage against the targets."),
        _query("risk", "Show each limit and how much of it is used."),
        _act("pause", "Pull all quotes; resume goes on, a restart does not.", _REASON),
        _act("resume", "Quote again after pause or reduce-only."),
        _act("stop", "Cancel all orders, confirm, and end the daemon.", _REASON),
        _act(
            "cancel",
            "Cancel one order.",
            Param("id", Kind.TEXT, "Client order id.", required=True, positional=True),
        ),
        _act("cancel-all", "Cancel all our orders, and confirm."),
        _act("flatten", "Trade the position down to zero, reduce-only, and confirm."),
        _act("kill", "Stop trading at once and for good, until reset.", _REASON),
        _act(
            "reset",
            "Leave HALTED or KILLED after a clean reconcile; leads to PAUSED.",
            Param("reason", Kind.TEXT, "Why it is safe again.", required=True),
            Param(
                "venue_wiped",
                Kind.FLAG,
                "The venue has forgotten us (VENUE_RESET): take its state as new.",
                default=False,
            ),
            Param(
                "accept_flows",
                Kind.FLAG,
                "Book balances that differ as deposits and withdrawals that nobody reported.",
                default=False,
            ),
            role=Role.ADMIN,
        ),
        _act(
            "ack",
            "Acknowledge alerts: say that a person has seen them; reset waits for that.",
            Param("alert", Kind.COUNT, "Its number; default: all.", default=0, least=0, most=10**9),
        ),
        Command(
            "alert-test",
            Role.OPERATOR,
            Server.RECORDER,
            "Send a test alert now, and say whether it arrived.",
            (
                Param(
                    "level",
                    Kind.TEXT,
                    "By which level's road.",
                    default="critical",
                    choices=("info", "warning", "critical"),
                ),
            ),
            timeout_s=_ACT_TIMEOUT_S,
        ),
        _act(
            "reload",
            "Read the profile again: live keys change now, the others are named.",
            _CHECK,
        ),
        _act(
            "set",
            "Change one live key, for example risk.max_position_base=0.05.",
            Param("change", Kind.TEXT, "KEY=VALUE.", required=True, positional=True),
            _CHECK,
        ),
        _act("reconcile", "Compare orders, trades and balances with the venue now."),
        _record(
            "logs",
            "Show log lines; -f follows.",
            Param("follow", Kind.FLAG, "Go on with new lines.", default=False, short="f"),
            Param("stage", Kind.TEXT, "Only this stage."),
            Param("level", Kind.TEXT, "Only this level and above.", choices=LEVELS),
            Param("lines", Kind.COUNT, "How many to begin with.", default=20, short="n", least=0),
            streams=True,
        ),
        Command(
            "selfcheck",
            Role.OBSERVER,
            Server.CALLER,
            "Say which control stands, which tests show it, and how they last ended.",
            (Param("report", Kind.FLAG, "Name every test.", default=False),),
        ),
        _query("version", "Show the versions of hftctl and of the daemon."),
    )
}


def nearest(name: str, names: tuple[str, ...]) -> str:
    """Return ", did you mean X?" for the name closest to a wrong one, or ""."""
    # Imported where it is needed: hftctl's start is budgeted, and a typo may cost 2 ms.
    from difflib import get_close_matches

    found = get_close_matches(name[:MAX_TEXT_CHARS], names, n=1, cutoff=0.6)
    return f", did you mean {found[0]}?" if found else ""


def command_on(server: Server, method: str) -> Command:
    """Return the command that this server answers; raises UnknownMethod with a suggestion."""
    command = COMMANDS.get(method)
    if command is not None and command.server is server:
        return command
    if command is not None:
        where = command.server.value or "the caller's side"
        raise UnknownMethod(f"{method} is served by {where}, was asked of {server.value}")
    here = tuple(name for name, other in COMMANDS.items() if other.server is server)
    shown = method[:40] + ("..." if len(method) > 40 else "")
    raise UnknownMethod(f"unknown method, was {shown!r}{nearest(method, here)}")


def validate(command: Command, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the command's parameters complete with defaults.

    Raises: InvalidParams, naming the first parameter that is unknown, missing or wrong.
    """
    known = tuple(param.name for param in command.params)
    for name in params:
        if name not in known:
            hint = nearest(name, known) or (f", takes {', '.join(known)}" if known else "")
            raise InvalidParams(f"{command.name} has no parameter {name[:40]!r}{hint}")
    complete: dict[str, Any] = {}
    for param in command.params:
        value = params.get(param.name)
        if value is None:
            if param.required:
                raise InvalidParams(f"{command.name} needs {param.name}: {param.help}")
            complete[param.name] = param.default
        else:
            complete[param.name] = _checked(param, value)
    return complete


def fitted(text: str) -> str:
    """Return a text as it can be kept: escaped, and cut with a mark that says so.

    A text that fits is returned as it is, so that fitting twice changes nothing.
    """
    # What is not printable could write to a terminal, or cannot be encoded at all.
    plain = "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )
    if len(plain) <= MAX_TEXT_CHARS:
        return plain
    mark = f"... (cut, had {len(text)} characters)"
    return plain[: MAX_TEXT_CHARS - len(mark)] + mark


def _checked(param: Param, value: object) -> str | int | bool | None:
    if param.lenient:
        text = value if isinstance(value, str) else _shown(value)
        return fitted(text) if text.strip() else None
    if param.kind is Kind.FLAG:
        return _flag(param, value)
    if param.kind is Kind.COUNT:
        return _count(param, value)
    return _text(param, value)


def _flag(param: Param, value: object) -> bool:
    if not isinstance(value, bool):
        raise InvalidParams(f"{param.name} must be true or false, was {_shown(value)}")
    return value


def _count(param: Param, value: object) -> int:
    # bool is an int to Python, but nobody who writes true means 1.
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidParams(f"{param.name} must be a whole number, was {_shown(value)}")
    if not param.least <= value <= param.most:
        bounds = f"between {param.least} and {param.most}"
        raise InvalidParams(f"{param.name} must be {bounds}, was {_shown(value)}")
    return value


def _text(param: Param, value: object) -> str:
    if not isinstance(value, str):
        raise InvalidParams(f"{param.name} must be text, was {_shown(value)}")
    if not value.strip() or len(value) > MAX_TEXT_CHARS or not value.isprintable():
        raise InvalidParams(
            f"{param.name} must be 1 to {MAX_TEXT_CHARS} printable characters, was {_shown(value)}"
        )
    if param.choices and value not in param.choices:
        hint = nearest(value, param.choices) or f", one of {', '.join(param.choices)}"
        raise InvalidParams(f"{param.name} has no value {value[:40]!r}{hint}")
    return value


def _shown(value: object) -> str:
    # A huge number has no short repr, and making it could take long or raise.
    if isinstance(value, int) and value.bit_length() > 64:
        return f"a number of {value.bit_length()} bits"
    text = repr(value)
    return text if len(text) <= 40 else text[:40] + "..."

"""``hftd exchange-ctl``: ask a running simulated exchange for its truth, and give it faults.

Owns the options; ``exchange_screen`` is what people see, ``--json`` what programs read.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(help="Ask a running simulated exchange, and give it faults.")

State = Annotated[Path | None, typer.Option(help="The exchange's state folder.")]
Socket = Annotated[Path | None, typer.Option("--socket", help="Its admin socket, by path.")]
Json = Annotated[bool, typer.Option("--json", help="All of it, on one line.")]
_WITHIN_S = 10.0


@app.command()
def truth(state: State = None, socket: Socket = None, json: Json = False) -> None:
    """Print every account's balances, orders and trades."""
    from hftd.cli.exchange_screen import truth_as_text

    _show(_ask(state, socket, op="truth"), None if json else truth_as_text)


@app.command("state")
def books(state: State = None, socket: Socket = None, json: Json = False) -> None:
    """Print every symbol's status and book."""
    from hftd.cli.exchange_screen import books_as_text

    _show(_ask(state, socket, op="state"), None if json else books_as_text)


@app.command(short_help="Print what can be armed, or one kind with an example.")
def kinds(
    name: Annotated[str | None, typer.Argument(help="One kind, with an example.")] = None,
    json: Json = False,
) -> None:
    """Print what can be armed: every fault F01-F46 with its kinds, and what each does."""
    from hftd.cli.exchange_screen import all_kinds, kinds_as_json, one_kind

    if json:
        _show(kinds_as_json(), None)
    else:
        typer.echo(all_kinds() if name is None else one_kind(name))


@app.command(short_help="Print what is armed, and how often it fired.")
def faults(state: State = None, socket: Socket = None, json: Json = False) -> None:
    """Print the faults that are armed, and how often each fired; `kinds` lists what there is."""
    from hftd.cli.exchange_screen import armed_as_text

    _show(_ask(state, socket, op="faults"), None if json else armed_as_text)


@app.command(short_help="Arm faults, of a text, a file or stdin.")
def arm(
    script: Annotated[str, typer.Argument(help="Faults in YAML; @FILE, or - for stdin.")],
    state: State = None,
    socket: Socket = None,
) -> None:
    """Arm faults: `hftd exchange-ctl arm '{fault: ack_lost}' --state DIR`; see `kinds`."""
    from hftd.errors import UsageError
    from hftd.runtime.exchange_markets import parse_yaml

    try:
        if script == "-":
            text = sys.stdin.read()
        else:
            text = Path(script[1:]).read_text("utf-8") if script.startswith("@") else script
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the script of faults does not read: {error}") from error
    entries = parse_yaml(text, "the script of faults")
    typer.echo(f"armed: {_ask(state, socket, op='arm', faults=entries)}")


@app.command(short_help="Disarm all faults, and end those that last.")
def disarm(state: State = None, socket: Socket = None) -> None:
    """Disarm all faults and end those that last; fills and cancels stay done."""
    _ask(state, socket, op="disarm")
    typer.echo("disarmed")


@app.command(short_help="Restart it on its port, with or without its memory.")
def restart(
    forget: Annotated[bool, typer.Option("--forget", help="Open new accounts.")] = False,
    down_ms: Annotated[int, typer.Option(help="So long nobody is let in.", min=0)] = 0,
    state: State = None,
    socket: Socket = None,
) -> None:
    """Restart the exchange on its port: all connections break; accounts and books come back."""
    _ask(state, socket, op="restart", forget=forget, for_ms=down_ms)
    typer.echo("restarted; " + ("new accounts" if forget else "accounts and books came back"))


def _ask(state: Path | None, socket: Path | None, **request: Any) -> Any:
    from hftd.errors import UsageError
    from hftd.runtime.exchange_ask import SOCKET_NAME, ask

    if socket is None:
        if state is None:
            raise UsageError("say which exchange: --state DIR, or --socket PATH")
        socket = state / SOCKET_NAME
    return ask(socket, request, _WITHIN_S)


def _show(answer: Any, as_text: Callable[[Any], str] | None) -> None:
    typer.echo(json.dumps(answer) if as_text is None else as_text(answer))

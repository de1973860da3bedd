"""What hftctl prints and with which code it ends: results by their views, faults in a line.

Owns the choice of view, JSON output and exit codes; knows neither sockets nor instances.
Views are imported only when something is to be shown.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any, TextIO

from hftd.cli.hftctl_options import Target
from hftd.control import streams
from hftd.control.commands import COMMANDS, Role
from hftd.control.faults import ControlError, InvalidParams
from hftd.errors import UsageError, reason_of


def say(text: str) -> bool:
    """Print a line; False where nobody can read it: what was done keeps its exit code."""
    try:
        print(text, flush=True)
    except OSError as error:
        streams.give_up()
        if not isinstance(error, BrokenPipeError):  # That reader has seen enough.
            why = reason_of(error)
            print(f"hftctl: stdout cannot be written: {why}", file=sys.stderr)
        return False
    return True


def show(name: str, result: Any, target: Target, prefix: str = "") -> int:
    """Print a result and return the exit code that it stands for."""
    if target.json:
        say(json.dumps(result))
        return exit_code(result)
    from hftd.cli.hftctl_text import printable, render

    try:
        lines = _view(name)(result)
        text = render(lines, color())
    except (KeyError, TypeError, ValueError, AttributeError):
        # A daemon of another version: an ugly answer is better than none.
        text = json.dumps(result, indent=2)
    if text:
        say(text)
    if _is_outcome(result):
        # The one sentence stands last and whole; a pipe gets it as one line.
        say(fitted(prefix + printable(str(result["line"])), sys.stdout))
    return exit_code(result)


def prepare(name: str) -> None:
    """Import what a result will be shown with."""
    from hftd.cli import hftctl_text  # noqa: F401

    _view(name)


def _view(name: str) -> Callable[[Any], list[Any]]:
    if name == "reconcile":
        from hftd.cli.hftctl_orders import reconciled

        return reconciled
    if name in ("reload", "set"):
        from hftd.cli.hftctl_orders import changed_keys

        return changed_keys
    if COMMANDS[name].role is not Role.OBSERVER:
        from hftd.cli.hftctl_orders import outcome

        return outcome
    from hftd.cli import hftctl_orders, hftctl_views

    return {**hftctl_views.VIEWS, **hftctl_orders.VIEWS}[name]


def fitted(text: str, out: TextIO) -> str:
    """Return a sentence broken between words where it goes to a terminal."""
    if not out.isatty() or len(text) <= 80:
        return text
    import textwrap

    return textwrap.fill(text, 80, break_on_hyphens=False, break_long_words=False)


def _is_outcome(result: Any) -> bool:
    return isinstance(result, dict) and "line" in result and "complete" in result


def exit_code(result: Any) -> int:
    """Return the exit code that a result stands for: 0 done, 1 refused, 6 not complete."""
    if not isinstance(result, dict):
        return 0
    if False in (result.get("ok"), result.get("healthy"), result.get("agrees")):
        return 1
    return 6 if result.get("complete") is False else 0


def color() -> bool:
    """Say whether to colour: on a terminal alone, and where nobody objects."""
    terminal = sys.stdout.isatty() and os.environ.get("TERM", "") not in ("", "dumb")
    return terminal and "NO_COLOR" not in os.environ


def error_of(fault: ControlError | None) -> dict[str, Any]:
    """Return the fault as JSON-RPC writes it, or nothing where there is none."""
    if fault is None:
        return {}
    return {"error": {"code": fault.code, "message": fault.message, "data": fault.detail}}


def told(fault: ControlError | UsageError) -> str:
    """Return a fault in one line, its numbers in brackets."""
    detail = getattr(fault, "detail", None) or {}
    numbers = [f"{key}={value}" for key, value in detail.items() if not isinstance(value, list)]
    text = str(fault) + (f" ({', '.join(numbers)})" if numbers else "")
    return text if text.isprintable() else ascii(text)


def show_fault(fault: ControlError | UsageError, target: Target) -> int:
    """Print a fault, with what is left where something is, and return its exit code."""
    code = fault.exit_code if isinstance(fault, ControlError) else InvalidParams.exit_code
    if target.json:
        typed = fault if isinstance(fault, ControlError) else InvalidParams(str(fault))
        say(json.dumps(error_of(typed)))
        return code
    left = (getattr(fault, "detail", None) or {}).get("open_orders_left")
    if left:
        show("orders", {"orders": left}, target)
    print(fitted(f"hftctl: {told(fault)}", sys.stderr), file=sys.stderr)
    return code

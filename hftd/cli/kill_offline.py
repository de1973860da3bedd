"""``hftd kill-offline``: stop an instance for good whose daemon does not answer or is dead.

Owns the words, the JSON and the exit codes: 0 nothing is left, 6 something is (named in a line
that begins with CRITICAL), 4 a command is named that may do what we may not, 3 there is no such
instance. What is done, and in which order, stands in ``runtime/offline.py``. Each step is told on
stderr as it is done; the last line, or the JSON, goes to stdout.
"""

from __future__ import annotations

import json
import os
import sys
import time
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

if TYPE_CHECKING:
    from hftd.runtime.offline import Order, Outcome
    from hftd.runtime.paths import InstancePaths

OUTCOME_FILE: Final = "kill-offline.json"  # The last one, with its reason, in the state folder.


def kill_offline(
    name: Annotated[str, typer.Argument(help="Instance.")],
    reason: Annotated[str, typer.Option(help="Why; kept in the state folder.")] = "",
    profile: Annotated[
        str | None,
        typer.Option(help="Profile, if the journal is unreadable; by default the name's."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    after_stop: Annotated[
        bool,
        typer.Option(
            "--after-stop", help="For ExecStopPost: cancel leftovers; latch and end nothing."
        ),
    ] = False,
) -> int:
    """Kill where the daemon does not answer: latch, end the process, cancel.

    Cancels at the venue what bears this instance's tag, and asks until nothing is shown.
    """
    from hftd.control.faults import NotRunning
    from hftd.runtime.offline import EXIT_DONE, OfflineKill, Order, locate

    # systemd says "success" of an end that was asked for and went well, and of no other.
    orderly = after_stop and os.environ.get("SERVICE_RESULT") == "success"
    order = Order(name, reason, profile, after_stop, orderly)

    def tell(text: str) -> None:
        print(f"{name}: {text}", file=sys.stderr, flush=True)

    try:
        paths = locate(name, os.environ)
    except NotRunning as nothing:
        if not after_stop:
            raise
        tell(f"{nothing}: it has never traded")
        return EXIT_DONE
    outcome = OfflineKill(order, paths, os.environ, tell).run()
    words = told(order, outcome)
    keep(words, paths, tell)
    print(json.dumps(words) if as_json else words["line"], flush=True)
    return outcome.exit_code


def told(order: Order, outcome: Outcome) -> dict[str, Any]:
    """Return the outcome in the shape of the control socket's, with the path it took."""
    left = outcome.swept.left if outcome.swept is not None else []
    return {
        "ok": True,
        "complete": not outcome.missing,
        "line": _line(order, outcome),
        "state": None if order.after_stop else "KILLED",
        "open_orders_left": [_open_order(each) for each in left],
        "elapsed_ms": outcome.elapsed_ms,
        "path": "kill-offline",
        "instance": order.name,
        "reason": order.reason,
        "steps": outcome.steps,
        "missing": outcome.missing,
    }


def _line(order: Order, outcome: Outcome) -> str:
    took = f"{outcome.elapsed_ms:.0f} ms"
    if outcome.missing:
        return f"CRITICAL: kill-offline NOT COMPLETE after {took}: {'; '.join(outcome.missing)}"
    swept = outcome.swept
    checked = f"0 open orders (venue checked {_clock(swept.checked_ns)})" if swept else ""
    if order.after_stop:
        return f"after the stop: {checked or outcome.steps[-1]}"
    again = f"hftd start --name {order.name}, then hftctl reset --reason …"
    return f"KILLED offline in {took}. {checked}. The position stays as it is. Trade again: {again}"


def _clock(ts_ns: int) -> str:
    second, rest = divmod(ts_ns, 1_000_000_000)
    return time.strftime("%H:%M:%S", time.gmtime(second)) + f".{rest // 1_000_000:03d}Z"


def _open_order(order: dict[str, Any]) -> dict[str, Any]:
    """Return the venue's words for an order in those of the control socket."""
    qty, filled = str(order.get("origQty", "0")), str(order.get("executedQty", "0"))
    try:
        leaves = str(Decimal(qty) - Decimal(filled))
    except InvalidOperation:
        leaves = qty
    return {
        "client_order_id": str(order.get("clientOrderId")),
        "venue_order_id": str(order.get("orderId")),
        "instrument": str(order.get("symbol")),
        "side": str(order.get("side")),
        "price": str(order.get("price")),
        "qty": qty,
        "cum_qty": filled,
        "leaves_qty": leaves,
        "state": str(order.get("status")),
        "age_ms": _age_ms(order.get("time")),
        "reduce_only": False,
        "post_only": order.get("type") == "LIMIT_MAKER",
    }


def _age_ms(placed_ms: object) -> float:
    # The outcome must be told whatever the venue says: an age that is none is 0.
    if not isinstance(placed_ms, int) or not 0 < placed_ms < 1 << 63:
        return 0.0
    return max(0.0, time.time() * 1000 - placed_ms)


def keep(words: dict[str, Any], paths: InstancePaths, tell: Any) -> None:
    """Keep the outcome beside the journal, which only the engine may write."""
    from hftd.runtime.identity import write_durably

    try:
        write_durably(paths.state_dir / OUTCOME_FILE, json.dumps(words) + "\n")
    except OSError as error:
        tell(f"this outcome could not be kept ({error.strerror})")

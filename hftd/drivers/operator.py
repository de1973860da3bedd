"""The operator's commands on the control socket: from JSON to an event, and back as a sentence.

Owns what each command waits for and the last line that a person under stress reads. The
engine decides; this only hands the command in, before it returns, and watches the state.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from hftd.control.connection import Peer
from hftd.control.faults import InvalidParams, Refused
from hftd.control.shapes import Outcome, Reconciled
from hftd.domain.codes import Code, TradingState
from hftd.domain.events import CommandKind, ResetKind
from hftd.domain.order import OrderState, parse_client_order_id
from hftd.domain.refusals import reason_text
from hftd.domain.units import E8, from_scaled
from hftd.drivers.latch_file import LatchFile
from hftd.drivers.reload import Reload
from hftd.engine.engine import Engine
from hftd.engine.recovery import Phase
from hftd.engine.venue_reset import REMEMBERS
from hftd.runtime.answers import Answers

CONFIRM_SECONDS = 20.0  # hftctl waits 30 s; the daemon gives its answer before that.
VERBS = {
    "pause": CommandKind.PAUSE,
    "resume": CommandKind.RESUME,
    "stop": CommandKind.STOP,
    "cancel": CommandKind.CANCEL,
    "cancel-all": CommandKind.CANCEL_ALL,
    "flatten": CommandKind.FLATTEN,
    "kill": CommandKind.KILL,
    "reset": CommandKind.RESET,
    "reconcile": CommandKind.RECONCILE,
    "ack": CommandKind.ACK,
}

# Hands a command in: kind, instrument, order key, and who gave it, for the ledger.
GiveCommand = Callable[[CommandKind, int, int, dict[str, Any]], Code]


class Operator:
    """Serves the control socket of one engine."""

    def __init__(
        self,
        engine: Engine,
        answers: Answers,
        tag: str,
        give: GiveCommand,
        latch: LatchFile,
        reload: Reload,
    ) -> None:
        self._engine = engine
        self._latch = latch
        self._answers = answers
        self._tag = tag
        self._give = give
        self._reload = reload
        self._changed = asyncio.Event()
        self._flows: dict[str, int] = {}  # Of each asset, when the last reset was asked for.

    def tell_changed(self) -> None:
        """Wake whoever waits for a state; called after each input while somebody waits."""
        self._changed.set()

    def dispatch(self, method: str, params: dict[str, Any], peer: Peer) -> object:
        """Answer one request; a command is in the engine before this returns."""
        if method in ("reload", "set"):
            by = {"uid": peer.uid, "pid": peer.pid}
            return self._reload.run(params.get("change"), params["check"], by)
        if method not in VERBS:
            return self._answers.answer(method, params)
        began_ns = time.monotonic_ns()
        kind, key = VERBS[method], 0
        if method == "cancel":
            key = parse_client_order_id(self._tag, params["id"])
            if key == 0:
                raise InvalidParams(f"id must be a client order id of ours, was {params['id']}")
        if method == "ack":
            key = params["alert"]
        if method == "reset":
            key = self._reset_kind(params)
        if params.get("foreign"):
            raise Refused("foreign orders are not touched yet; cancel them at the venue")
        before = self._open_keys()
        alerts = self._answers.alerts() if method == "ack" else []
        who = {"uid": peer.uid, "pid": peer.pid, "reason": params.get("reason")}
        code = self._give(kind, -1, key, {"command": method, **who})
        if code != Code.NONE:
            raise Refused(self._refusal(method, code))
        if method == "ack":
            seen = [f"{one['number']} {one['code']}" for one in alerts if key in (0, one["number"])]
            return self._outcome(
                f"acknowledged: {', '.join(seen) or 'nothing was waiting'}", began_ns
            )
        if method == "reconcile":
            return self._reconcile(began_ns)
        return self._confirm(method, key, before, began_ns)

    def _reset_kind(self, params: dict[str, Any]) -> ResetKind:
        if params["venue_wiped"] and params["accept_flows"]:
            raise InvalidParams("reset takes venue_wiped or accept_flows, was both")
        self._flows = self._answers.flows()
        if params["venue_wiped"]:
            return ResetKind.VENUE_WIPED
        return ResetKind.ACCEPT_FLOWS if params["accept_flows"] else ResetKind.PLAIN

    def _refusal(self, method: str, code: Code) -> str:
        state = TradingState(int(self._engine.state.core[0]["state"])).name
        if method == "cancel":
            return "no open order has that id"
        if method == "ack":
            return f"{code.name}: no alert of that number waits; hftctl status lists them"
        if code == Code.UNACKNOWLEDGED:
            count = len(self._answers.alerts())
            return (
                f"{code.name}: alerts={count}, max=0; first say that you have seen them: hftctl ack"
            )
        if code == Code.RESET_DWELL:
            core = self._engine.state.core[0]
            since_ns = int(core["now_ns"] - core["state_since_ns"])
            why = reason_text(code, since_ns, int(core["reset_dwell_ns"]), "")
            return f"{why}; {state} is too new"
        if code == Code.RECONCILED:
            return (
                f"{code.name}: the venue's orders, trades and balances are ours, so it was not "
                "wiped; hftctl reset without --venue-wiped"
            )
        if method == "reset" and code == Code.RECONCILE_DIFFERENCE:
            if int(self._engine.state.core[0]["venue_remembers"]) != REMEMBERS:
                return (
                    f"{code.name}: nobody has asked the venue yet whether it lists trades of ours; "
                    "hftctl reset without --venue-wiped compares all, and asks"
                )
            return (
                f"{code.name}: the venue lists trades of ours, so it was not wiped; deposits and "
                "withdrawals that nobody reported: hftctl reset --accept-flows"
            )
        needed = {
            "pause": "PAUSED and beyond need no pause",
            "resume": "resume leaves PAUSED or REDUCE_ONLY; HALTED and KILLED need reset",
            "reset": "reset leaves HALTED or KILLED only",
            "flatten": "flatten needs PAUSED, HALTED or KILLED: pause first",
        }
        return f"{code.name}: state={state}; {needed.get(method, 'not possible in this state')}"

    def _confirm(
        self, method: str, key: int, before: set[int], began_ns: int
    ) -> Awaitable[Outcome]:
        waits: dict[str, Callable[[], bool]] = {
            "kill": self._is_clear,
            "stop": self._is_clear,
            # A daemon that quotes places new orders at once: those of before have to go.
            "cancel-all": lambda: not before & self._open_keys(),
            "pause": self._has_no_open,
            "flatten": self._is_flat,
            "reset": self._is_reset,
            "cancel": lambda: not self._is_open(key),
            "resume": lambda: True,
        }
        return self._await(method, waits[method], began_ns)

    async def _reconcile(self, began_ns: int) -> Reconciled:
        """Wait for all three comparisons, or for the recovery that runs instead, and tell them."""
        core = self._engine.state.core[0]
        asked_ns, recovering = int(core["now_ns"]), int(core["recovery_phase"]) != Phase.IDLE

        def done() -> bool:
            compared = int(core["check_done_ns"].min()) >= asked_ns
            return int(core["recovery_phase"]) == Phase.IDLE and (compared or recovering)

        complete = await self._until(done)
        checks, differences = self._answers.reconciled()
        agrees = complete and not differences and all(check["agrees"] for check in checks)
        took = f"{(time.monotonic_ns() - began_ns) / 1e6:.0f} ms"
        line = f"reconciled in {took}: orders, trades and balances agree with the venue"
        if not complete:
            line = f"reconcile: NOT COMPLETE after {took}: the venue has not answered"
        elif not agrees:
            line = f"reconciled in {took}: our books and the venue DIFFER"
        outcome = await self._outcome(line, began_ns)
        outcome["complete"] = complete
        return {**outcome, "agrees": agrees, "checks": checks, "differences": differences}

    async def _outcome(self, line: str, began_ns: int) -> Outcome:
        """Return what a command that is done at once has done."""
        return {
            "ok": True,
            "complete": True,
            "line": line,
            "state": TradingState(int(self._engine.state.core[0]["state"])).name,
            "open_orders_left": [],
            "elapsed_ms": round((time.monotonic_ns() - began_ns) / 1e6, 3),
        }

    async def _until(self, done: Callable[[], bool]) -> bool:
        """Wait until something is true; False where it took too long."""
        deadline = time.monotonic() + CONFIRM_SECONDS
        while not done():
            self._changed.clear()
            try:
                await asyncio.wait_for(self._changed.wait(), max(0.0, deadline - time.monotonic()))
            except TimeoutError:
                break
        return done()

    async def _await(self, method: str, done: Callable[[], bool], began_ns: int) -> Outcome:
        kill, reset = method == "kill", method == "reset"
        await self._until(
            lambda: (
                done() or (kill and self._is_hushed()) or (reset and not self._is_reset_wanted())
            )
        )
        complete = done() and not (kill and self._latch.fault)
        elapsed_ms = (time.monotonic_ns() - began_ns) / 1e6
        core = self._engine.state.core[0]
        return {
            "ok": True,
            "complete": complete,
            "line": self._line(method, complete, elapsed_ms),
            "state": TradingState(int(core["state"])).name,
            "open_orders_left": [] if complete else self._answers.orders()["orders"],
            "elapsed_ms": round(elapsed_ms, 3),
        }

    def _is_clear(self) -> bool:
        return int(self._engine.state.core[0]["venue_clear"]) == 1

    def _is_hushed(self) -> bool:
        """Tell whether the venue hears nothing for longer than anybody waits for an answer."""
        core = self._engine.state.core[0]
        return int(core["rate_limited_until_ns"] - core["now_ns"]) > CONFIRM_SECONDS * 1e9

    def _has_no_open(self) -> bool:
        return not (self._engine.state.orders["key"] != 0).any()

    def _open_keys(self) -> set[int]:
        keys = self._engine.state.orders["key"]
        return set(keys[keys != 0].tolist())

    def _is_open(self, key: int) -> bool:
        return bool((self._engine.state.orders["key"] == key).any())

    def _is_flat(self) -> bool:
        return not self._engine.state.instruments["flatten"].any() and self._has_no_open()

    def _is_reset(self) -> bool:
        state = int(self._engine.state.core[0]["state"])
        return state not in (TradingState.HALTED, TradingState.KILLED)

    def _is_reset_wanted(self) -> bool:
        """Tell whether the reset still waits for its reconciliation, which may withdraw it."""
        return int(self._engine.state.core[0]["reset_wanted"]) != 0

    def _line(self, method: str, complete: bool, elapsed_ms: float) -> str:
        left = int((self._engine.state.orders["key"] != 0).sum())
        unknown = int((self._engine.state.orders["state"] == OrderState.UNKNOWN).sum())
        took = f"{elapsed_ms:.0f} ms"
        if not complete and method == "kill":
            return f"CRITICAL: kill NOT COMPLETE after {took}: {self._lacks()}"
        if not complete and method == "reset" and not self._is_reset_wanted():
            return (
                f"reset: NOT COMPLETE after {took}: the venue does not show what our books say; "
                "what differs: hftctl reconcile. Deposits and withdrawals that nobody reported: "
                "--accept-flows. A test host that was wiped: --venue-wiped"
            )
        if not complete:
            doubt = f", {unknown} of them in doubt" if unknown else ""
            return f"{method}: NOT COMPLETE after {took}: {left} open orders left{doubt}"
        if method == "kill":
            return f"KILLED in {took}. " + self._remains() + self._answers.next_steps()
        lines = {
            "stop": f"STOPPED in {took}. {self._remains()}",
            "cancel-all": f"canceled every order in {took}. Quotes come back unless paused",
            "pause": f"PAUSED in {took}. No open order. Quote again: hftctl resume",
            "resume": self._resumed(),
            "flatten": f"flattened in {took}. {self._answers.position_line()}",
            "reset": f"reset in {took}; PAUSED. {self._accepted()}Quote again: hftctl resume",
            "cancel": f"canceled in {took}",
        }
        return lines[method]

    def _lacks(self) -> str:
        """Return what a kill has not done, with a name for each order."""
        lacks = []
        if not self._is_clear():
            names = [order["client_order_id"] for order in self._answers.orders()["orders"]]
            open_now = (
                f"{len(names)} orders may be open: {', '.join(names)}"
                if names
                else ("the venue has not confirmed that no order is open")
            )
            hushed = ", the venue takes no request (429)" if self._is_hushed() else ""
            lacks.append(f"{open_now}{hushed}; the daemon goes on canceling")
        if fault := self._latch.fault:
            lacks.append(f"the latch cannot be written ({fault}): a start would trade again")
        return "; ".join(lacks)

    def _resumed(self) -> str:
        state = TradingState(int(self._engine.state.core[0]["state"]))
        if state == TradingState.RUNNING:
            return "RUNNING. Why a side is quoted or not: hftctl explain"
        return f"{state.name}. Another reason still pauses: hftctl status names it"

    def _accepted(self) -> str:
        """Return what the reset has booked as flows: ``Booked as flows: USDT +500. ``"""
        moved = {
            asset: atoms - self._flows.get(asset, 0)
            for asset, atoms in self._answers.flows().items()
        }
        told = [
            f"{asset} {'+' * (atoms > 0)}{from_scaled(atoms, E8)}"
            for asset, atoms in moved.items()
            if atoms
        ]
        return f"Booked as flows: {', '.join(told)}. " if told else ""

    def _remains(self) -> str:
        return f"{self._answers.clear_line()} {self._answers.position_line()} "

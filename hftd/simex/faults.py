"""The faults that the exchange commits on demand: which there are, and when each fires.

Owns the catalogue, the form of a script (a list of mappings, as YAML reads it), and the choice
of the occasion: by time, by count, by probability from a seed, by a match on the occasion. Must
not know how a fault is done; that is ``faulty_venue`` and ``fault_frames``.

    - {fault: ack_lost, match: {request: order.place}, after: 2, times: 1}
    - {fault: drop, match: {event: depthUpdate}, probability: "0.01", from_s: 10, until_s: 60}
    - {fault: halt, symbol: BTCUSDT, from_s: 30, for_ms: 5000}

An occasion of a REQUEST fault is a request (its WS-API name as ``request``, its parameters by
their names); of a FRAME fault a frame that is about to be sent (``event`` is its kind,
``stream`` its stream, further fields by their names); a MOMENT fault happens once, at
``from_s``. Times count from when the fault was armed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from hftd.errors import UsageError
from hftd.simex.flow_noise import Noise

REQUEST, FRAME, MOMENT = "REQUEST", "FRAME", "MOMENT"
MAX_FAULTS = 200
MAX_FIRED = 1000
_SECOND_NS = 1_000_000_000
_PROBABILITY = 1_000_000

KINDS: Final[dict[str, tuple[str, dict[str, str], str]]] = {
    # name: where it happens, what it matches unless told otherwise, what it does
    "error_not_accepted": (REQUEST, {}, "5xx with -1007, and nothing was done"),
    "error_accepted": (REQUEST, {}, "5xx with -1007, and yet it was done"),
    "ack_lost": (REQUEST, {}, "done, and no answer ever comes"),
    "accept_late": (REQUEST, {}, "5xx with -1007, and done for_ms later"),
    "not_found": (REQUEST, {"request": "order.status"}, "-2013 though the order lives"),
    "stale_answer": (REQUEST, {"request": "openOrders.status"}, "the answer of the time before"),
    "stale_snapshot": (REQUEST, {"request": "depth"}, "the book of the request before"),
    "fill_before_cancel": (REQUEST, {"request": "order.cancel"}, "filled first: -2011"),
    "too_many_requests": (REQUEST, {}, "429 with Retry-After"),
    "ban": (REQUEST, {}, "418 with Retry-After"),
    "firewall": (REQUEST, {}, "403 without JSON"),
    "drop": (FRAME, {}, "the frame is not sent"),
    "delay": (FRAME, {}, "the frame is sent for_ms later, and others pass it"),
    "duplicate": (FRAME, {}, "the frame is sent twice"),
    "reorder": (FRAME, {}, "the frame is sent behind the next one, or after for_ms"),
    "half_open": (FRAME, {}, "the connection is mute from here on, pings aside"),
    "reset": (FRAME, {}, "the connection breaks in the middle of the frame"),
    "silent_stream": (FRAME, {}, "this kind of frame is mute on this connection from here on"),
    "sequence_gap": (FRAME, {"event": "depthUpdate"}, "an event of the book is left out"),
    "crossed_book": (FRAME, {"event": "depthUpdate"}, "a bid above the best ask is told"),
    "corrupt": (FRAME, {}, "the frame is cut in half"),
    "oversize": (FRAME, {}, "the frame carries a field of size bytes more"),
    "fill_before_ack": (FRAME, {"event": "reply"}, "the answer comes behind its events"),
    "duplicate_report": (FRAME, {"event": "executionReport"}, "a report comes twice"),
    "fill_after_cancel": (
        FRAME,
        {"event": "executionReport", "x": "TRADE"},
        "a fill is told after its order's cancel, or after for_ms",
    ),
    "cancel_unasked": (MOMENT, {}, "the oldest open order of the symbol is canceled"),
    "partial_fill": (MOMENT, {}, "a stranger takes size lots of the oldest open order"),
    "halt": (MOMENT, {}, "the symbol takes no orders for for_ms; 0: for good"),
    "tick_size": (MOMENT, {}, "the tick is size times as large"),
    "clock_skew": (MOMENT, {}, "the venue's clock is off by skew_ms for for_ms; 0: for good"),
    "restart": (MOMENT, {}, "all connections break; accounts and books come back"),
    "restart_without_memory": (MOMENT, {}, "all connections break; a new account opens"),
}


class Fault(Struct, frozen=True, forbid_unknown_fields=True):
    """One entry of a script. ``times`` 0 has no end; ``after`` occasions pass unharmed."""

    fault: str
    from_s: float = 0
    until_s: float | None = None
    after: int = 0
    times: int = 1
    probability: str = "1"
    match: dict[str, str] = {}
    symbol: str = "BTCUSDT"
    for_ms: int = 1000
    skew_ms: int = 0
    size: int = 1


class Armed(Struct):
    """A fault that may fire, and how often it did."""

    fault: Fault
    site: str
    match: dict[str, str]
    from_ns: int
    until_ns: int | None
    odds: int
    passed: int = 0
    fired: int = 0


class FaultScript:
    """All faults that are armed, the seed they draw from, and the log of what fired."""

    def __init__(self, seed: int) -> None:
        self._noise = Noise(seed)
        self._armed: list[Armed] = []
        self._log: list[dict[str, Any]] = []

    def arm(self, fault: Fault, ts_ns: int) -> None:
        """Arm a fault; raises UsageError with its name where it means nothing."""
        if fault.fault not in KINDS:
            raise UsageError(f"fault must be one of {', '.join(KINDS)}, was {fault.fault}")
        if len(self._armed) >= MAX_FAULTS:
            raise UsageError(f"faults armed must be at most {MAX_FAULTS}, was one more")
        site, match, _ = KINDS[fault.fault]
        until_ns = None if fault.until_s is None else ts_ns + round(fault.until_s * _SECOND_NS)
        self._armed.append(
            Armed(
                fault,
                site,
                {**match, **fault.match},
                ts_ns + round(fault.from_s * _SECOND_NS),
                until_ns,
                _odds(fault.probability),
            )
        )

    def disarm(self) -> None:
        """Disarm everything: what was done stays done."""
        self._armed.clear()

    def expects(self, site: str) -> bool:
        """Return whether some fault of a site is armed, so that occasions need a look."""
        return any(armed.site == site for armed in self._armed)

    def next_ns(self) -> int | None:
        """Return when the next MOMENT is."""
        times = [armed.from_ns for armed in self._armed if armed.site == MOMENT]
        return min(times, default=None)

    def moments(self, ts_ns: int) -> list[Fault]:
        """Return the MOMENT faults that are due, in order of time; each is returned once."""
        due = [each for each in self._armed if each.site == MOMENT and each.from_ns <= ts_ns]
        due.sort(key=_from_ns)
        found = []
        for armed in due:
            self._armed.remove(armed)
            if self._draws(armed):
                self._note(armed, ts_ns, {"symbol": armed.fault.symbol})
                found.append(armed.fault)
        return found

    def choose(self, site: str, occasion: Mapping[str, Any], ts_ns: int) -> Fault | None:
        """Return the first fault that this occasion meets, counted and logged."""
        for armed in self._armed:
            if armed.site != site or not _meets(armed, occasion, ts_ns):
                continue
            armed.passed += 1
            if armed.passed <= armed.fault.after or not self._draws(armed):
                continue
            armed.fired += 1
            if armed.fault.times and armed.fired >= armed.fault.times:
                self._armed.remove(armed)
            shown = {name: str(occasion[name]) for name in ("request", "event") if name in occasion}
            self._note(armed, ts_ns, shown)
            return armed.fault
        return None

    def take_log(self) -> list[dict[str, Any]]:
        """Return what fired since the last call, for the log."""
        log, self._log = self._log, []
        return log

    def armed(self) -> list[dict[str, Any]]:
        """Return what is armed, for a person."""
        return [
            {**msgspec.to_builtins(each.fault), "fired": each.fired, "seen": each.passed}
            for each in self._armed
        ]

    def _draws(self, armed: Armed) -> bool:
        return armed.odds == _PROBABILITY or self._noise.below(_PROBABILITY) < armed.odds

    def _note(self, armed: Armed, ts_ns: int, shown: Mapping[str, str]) -> None:
        if len(self._log) < MAX_FIRED:
            self._log.append({"ts_ns": ts_ns, "fault": armed.fault.fault, **shown})


def read_script(entries: object) -> list[Fault]:
    """Return the faults of a script as YAML reads it; raises UsageError where it is none."""
    try:
        faults = msgspec.convert(entries or [], list[Fault])
    except msgspec.ValidationError as error:
        raise UsageError(f"the script of faults does not read: {error}") from error
    trial = FaultScript(0)
    for fault in faults:
        trial.arm(fault, 0)
    return faults


def _meets(armed: Armed, occasion: Mapping[str, Any], ts_ns: int) -> bool:
    if ts_ns < armed.from_ns or (armed.until_ns is not None and ts_ns > armed.until_ns):
        return False
    return all(str(occasion.get(name)) == value for name, value in armed.match.items())


def _odds(probability: str) -> int:
    try:
        odds = float(probability)
    except ValueError:
        odds = -1.0
    if not 0 <= odds <= 1:
        raise UsageError(f"probability must be from 0 to 1, was {probability}")
    return round(odds * _PROBABILITY)


def _from_ns(armed: Armed) -> int:
    return armed.from_ns

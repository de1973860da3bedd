"""The script of faults: which are armed, and when each fires.

Owns the form of a script (a list of mappings, as YAML reads it) and the choice of the occasion:
by time, by count, by probability from a seed, by a match on the occasion. Must not know how a
fault is done; ``fault_kinds`` has the catalogue.

    - {fault: ack_lost, match: {request: order.place}, after: 2, times: 1}
    - {fault: drop, match: {event: depthUpdate}, probability: 0.01, until_s: 60, times: 0}
    - {fault: halt, symbol: BTCUSDT, from_s: 30, for_ms: 5000}
    - {fault: partial_fill, every_s: 2, times: 10}
    - {fault: cancel_unasked, match: {request: order.place, side: BUY}, after: 3}

Times count from when the fault was armed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from hftd.errors import UsageError
from hftd.simex.fault_kinds import KINDS, MOMENT
from hftd.simex.flow_noise import Noise

AFTER_REQUEST = "AFTER_REQUEST"
"""The site of a MOMENT fault that waits for a request instead of a time."""

ANSWER = "answer"
"""The event of a REST answer."""

VALUES = {
    "halt": ("HALT", "BREAK", "CANCEL_ONLY", "TRADING"),
    "flash_move": ("down", "up"),
    "one_sided_book": ("asks", "bids"),
    "foreign_trade": ("BUY", "SELL"),
}
MAX_FAULTS = 200
MAX_FIRED = 1000
MAX_MS = 86_400_000
MAX_SIZE = 100_000_000
MIN_EVERY_S = 0.001
OWN = -1
"""Stands for what the kind itself takes."""

_SECOND_NS = 1_000_000_000
_PROBABILITY = 1_000_000


class Fault(Struct, frozen=True, forbid_unknown_fields=True):
    """One entry of a script.

    ``after`` occasions pass unharmed; ``times`` 0 has no end. ``for_ms``, ``size`` and
    ``value`` are the kind's own unless given; ``account`` is a key, by default the first one's.
    """

    fault: str
    from_s: float = 0
    until_s: float | None = None
    every_s: float = 0
    after: int = 0
    times: int = 1
    probability: str | float = "1"
    match: dict[str, str | int | bool] = {}
    symbol: str = "BTCUSDT"
    account: str = ""
    for_ms: int = OWN
    skew_ms: int = 0
    size: int = OWN
    value: str = ""


class Armed(Struct):
    """A fault that may fire, and how often it did; ``from_ns`` is when it may next."""

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
        self._sites: set[str] = set()  # For which something is armed.
        self._next_ns: int | None = None  # Of the MOMENTs.
        self._log: list[dict[str, Any]] = []

    def arm(self, fault: Fault, ts_ns: int) -> None:
        """Arm a fault; raises UsageError with its name where it means nothing."""
        check(fault)
        if len(self._armed) >= MAX_FAULTS:
            raise UsageError(f"faults armed must be at most {MAX_FAULTS}, was one more")
        kind = KINDS[fault.fault]
        until_ns = None if fault.until_s is None else ts_ns + round(fault.until_s * _SECOND_NS)
        whole = replace(
            fault,
            for_ms=kind.for_ms if fault.for_ms == OWN else fault.for_ms,
            size=kind.size if fault.size == OWN else fault.size,
            value=fault.value or kind.value,
        )
        self._armed.append(
            Armed(
                whole,
                AFTER_REQUEST if kind.site == MOMENT and fault.match else kind.site,
                {**kind.match, **{name: str(value) for name, value in fault.match.items()}},
                ts_ns + round(fault.from_s * _SECOND_NS),
                until_ns,
                _odds(fault.probability),
            )
        )
        self._look()

    def make_room(self) -> None:
        """Disarm the oldest where no more can be armed: for who arms without end."""
        if len(self._armed) >= MAX_FAULTS:
            del self._armed[0]
            self._look()

    def disarm(self) -> None:
        """Disarm everything: what was done stays done, and what lasts goes on (see FaultyVenue)."""
        self._armed.clear()
        self._look()

    def _look(self) -> None:
        # After each change of what is armed: who asks does so at every turn of the venue.
        self._sites = {armed.site for armed in self._armed}
        moments = [armed.from_ns for armed in self._armed if armed.site == MOMENT]
        self._next_ns = min(moments, default=None)

    def expects(self, site: str) -> bool:
        """Return whether some fault of a site is armed, so that occasions need a look."""
        return site in self._sites

    @property
    def is_idle(self) -> bool:
        """Return whether nothing is armed."""
        return not self._armed

    def next_ns(self) -> int | None:
        """Return when the next MOMENT is."""
        return self._next_ns

    def moments(self, ts_ns: int) -> list[Fault]:
        """Return the MOMENT faults that are due, in order of time."""
        due = [each for each in self._armed if each.site == MOMENT and each.from_ns <= ts_ns]
        due.sort(key=_from_ns)
        return [armed.fault for armed in due if self._is_turn(armed, ts_ns)]

    def choose(
        self, site: str, occasion: Mapping[str, Any], ts_ns: int, *, but: Sequence[str] = ()
    ) -> Fault | None:
        """Return the first fault that this occasion meets; who does it also notes it.

        ``but`` are kinds for which it is no occasion.
        """
        if site not in self._sites:
            return None
        for armed in self._armed:
            if armed.site != site or armed.fault.fault in but:
                continue
            if _meets(armed, occasion, ts_ns) and self._fires(armed):
                return armed.fault
        return None

    def after(self, occasion: Mapping[str, Any], ts_ns: int) -> list[Fault]:
        """Return the MOMENT faults that wait for a request such as this one; each fires once."""
        return [
            armed.fault
            for armed in list(self._armed)
            if armed.site == AFTER_REQUEST and _meets(armed, occasion, ts_ns) and self._fires(armed)
        ]

    def note(self, fault: Fault, ts_ns: int, **about: object) -> None:
        """Log that a fault fired, and on what; ``without_effect`` says why nothing came of it."""
        if len(self._log) < MAX_FIRED:
            words = {name: str(value) for name, value in about.items() if value is not None}
            self._log.append({"ts_ns": ts_ns, "fault": fault.fault, **words})

    def draw(self, bound: int) -> int:
        """Draw from the script's seed, for what a fault leaves to chance."""
        return self._noise.below(bound)

    @property
    def log(self) -> Sequence[Mapping[str, Any]]:
        """Return what fired since ``take_log`` was last called, and leave it there."""
        return self._log

    def take_log(self) -> list[dict[str, Any]]:
        """Return what fired since the last call, for the log; 1,000 at most are kept."""
        log, self._log = self._log, []
        return log

    def armed(self) -> list[dict[str, Any]]:
        """Return what is armed, for a person."""
        return [
            {**msgspec.to_builtins(each.fault), "fired": each.fired, "seen": each.passed}
            for each in self._armed
        ]

    def _is_turn(self, armed: Armed, ts_ns: int) -> bool:
        # A MOMENT whose time has come is put to its next time, or taken away.
        fires = (armed.until_ns is None or ts_ns <= armed.until_ns) and self._fires(armed)
        if armed in self._armed:
            armed.from_ns += round(armed.fault.every_s * _SECOND_NS)
            over = armed.until_ns is not None and armed.from_ns > armed.until_ns
            if armed.fault.every_s == 0 or over:
                self._armed.remove(armed)
            self._look()
        return fires

    def _fires(self, armed: Armed) -> bool:
        armed.passed += 1
        if armed.passed <= armed.fault.after:
            return False
        if armed.odds < _PROBABILITY and self._noise.below(_PROBABILITY) >= armed.odds:
            return False
        armed.fired += 1
        if armed.fault.times and armed.fired >= armed.fault.times:
            self._armed.remove(armed)
            self._look()
        return True


def read_script(entries: object) -> list[Fault]:
    """Return the faults of a script as YAML reads it, a list or one fault alone.

    Raises UsageError where it is none.
    """
    if isinstance(entries, dict):
        entries = [entries]
    try:
        faults = msgspec.convert(entries or [], list[Fault])
    except msgspec.ValidationError as error:
        hint = ""
        if "got `float`" in str(error):
            hint = "; a decimal stands in quotes"
        elif "Expected `object`" in str(error):
            hint = "; a fault is a mapping such as {fault: drop}"
        raise UsageError(f"the script of faults does not read: {error}{hint}") from error
    trial = FaultScript(0)
    for fault in faults:
        trial.arm(fault, 0)
    return faults


def check(fault: Fault) -> None:
    """Raise UsageError where a fault means nothing: an unknown kind, or what it cannot take."""
    kind = KINDS.get(fault.fault)
    if kind is None:
        near = get_close_matches(fault.fault, KINDS, 1)
        guess = f"; did you mean {near[0]}?" if near else ""
        raise UsageError(
            f"fault must be a kind that `hftd exchange-ctl kinds` lists, was {fault.fault}{guess}"
        )
    own = {"for_ms": OWN, "size": OWN, "value": "", "skew_ms": 0, "account": ""}
    for name, unset in own.items():
        if getattr(fault, name) != unset and name not in kind.reads:
            raise UsageError(f"{fault.fault} takes no {name}, was {getattr(fault, name)}")
    legal = VALUES.get(fault.fault)
    if fault.value and legal and fault.value not in legal:
        raise UsageError(f"{fault.fault}: value must be {' or '.join(legal)}, was {fault.value}")
    for name, most in (("for_ms", MAX_MS), ("size", MAX_SIZE), ("after", MAX_SIZE)):
        if not OWN <= getattr(fault, name) <= most:
            raise UsageError(f"{name} must be from 0 to {most}, was {getattr(fault, name)}")
    if abs(fault.skew_ms) > MAX_MS:
        raise UsageError(f"skew_ms must be from -{MAX_MS} to {MAX_MS}, was {fault.skew_ms}")
    for name in ("from_s", "every_s", "until_s", "times"):
        if not 0 <= (getattr(fault, name) or 0) <= MAX_MS:
            raise UsageError(f"{name} must be from 0 to {MAX_MS}, was {getattr(fault, name)}")
    if fault.every_s and (kind.site != MOMENT or fault.match):
        raise UsageError(f"every_s is for what happens at a time of its own, was {fault.fault}")
    if 0 < fault.every_s < MIN_EVERY_S:
        raise UsageError(f"every_s must be at least {MIN_EVERY_S}, was {fault.every_s}")
    _odds(fault.probability)


def _meets(armed: Armed, occasion: Mapping[str, Any], ts_ns: int) -> bool:
    if ts_ns < armed.from_ns or (armed.until_ns is not None and ts_ns > armed.until_ns):
        return False
    # A REST answer is a frame only to those that ask for it.
    if occasion.get("event") == ANSWER and armed.match.get("event") != ANSWER:
        return False
    return all(str(occasion.get(name)) == value for name, value in armed.match.items())


def _odds(probability: str | float) -> int:
    try:
        odds = float(probability)
    except ValueError:
        odds = -1.0
    if not 0 <= odds <= 1:
        raise UsageError(f"probability must be from 0 to 1, was {probability}")
    return round(odds * _PROBABILITY)


def _from_ns(armed: Armed) -> int:
    return armed.from_ns

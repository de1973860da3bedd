"""Owns the house market makers of the agents market: what they believe and how they quote.

A maker's prices do not see the fundamental. It believes in a lagging average of it (what it
learns from elsewhere) plus the pressure of recent trades, and lays a ladder of orders around
its belief, one order a level; only its sizes lean a little to where the fundamental goes, which
is what makes the imbalance worth looking at. It looks once a beat, 50 to 300 ms late, and again
as late after a trade took one of its orders. It never looks at users' quotes: its spread stays
when they quote. Must not know accounts, users or the protocol.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from hftd.simex.flow_fundamental import MICRO, Fundamental, PathSpec, Walked
from hftd.simex.flow_noise import Noise
from hftd.simex.market import BookView
from hftd.simex.requests import (
    Cancel,
    Canceled,
    Expired,
    Kind,
    Place,
    Rejected,
    Report,
    Side,
    Trade,
)

_DELAY_LOW_NS = 50_000_000
_DELAY_HIGH_NS = 300_000_000
_LIFT_MAX = 8  # A trade of many usual sizes presses no more than this many.


class MakerSpec(Struct, frozen=True):
    """How the makers of a preset think and quote. Lengths are micro-ticks.

    A belief closes one part in ``lag_beats`` of its distance to the fundamental a beat, or a
    half when that is over ``alarm``; alarmed, the half-spread is ``alarm_widen`` times as
    wide. A trade of the usual size presses the belief by ``press``, and one part in
    ``press_beats`` of the pressure is forgotten a beat. The quotes move when the belief wants
    them over ``patience`` beyond where they stand. ``lean_percent`` is how much larger the
    orders of the side are that the fundamental is about to lift, for each tick it is away.
    """

    ladder: int
    lag_beats: int
    alarm: int
    alarm_widen: int
    press: int
    press_beats: int
    patience: int
    lean_percent: int
    lean_cap_percent: int
    churn_percent: int


class Maker:
    """One maker's order flow. ``offset`` widens its half-spread, in micro-ticks."""

    def __init__(
        self,
        account: int,
        spec: MakerSpec,
        path: PathSpec,
        seed: int,
        offset: int,
        size_lots: int,
        walked: Walked | None = None,
    ) -> None:
        self.account = account
        self.spec = spec
        self.offset = offset
        self.size_lots = size_lots
        self.fundamental = Fundamental(path, seed, walked)
        self.noise = Noise(seed + account * 0x5851F42D4C957F2D)
        self.learned = path.start
        self.pressure = 0
        self.alarmed = False
        self.due_ns = 0
        self.beat_due_ns = 0
        self.dirty = True
        self.tops = {Side.BUY: 0, Side.SELL: 0}
        self.resting: dict[Side, dict[int, int]] = {Side.BUY: {}, Side.SELL: {}}
        self.owned: dict[int, tuple[Side, int]] = {}

    def start(self, ts_ns: int) -> None:
        """Lay the opening ladder at once."""
        self.fundamental.start(ts_ns)
        self.due_ns = self.beat_due_ns = ts_ns

    def next_ns(self) -> int:
        """Return when the maker looks next."""
        return self.due_ns

    def act(self, ts_ns: int, book: BookView) -> Sequence[Place | Cancel]:
        """Learn what the past beats brought and move the ladder where it is due."""
        requests: list[Place | Cancel] = []
        if ts_ns >= self.beat_due_ns:
            self._learn(ts_ns)
            ahead = self.fundamental.time_of(self.fundamental.beat + 1)
            self.beat_due_ns = ahead + self._delay()
            if self.noise.chance(self.spec.churn_percent):
                self._renew(book, requests)
        self.due_ns = self.beat_due_ns
        moved = self._aim()
        if not (moved or self.dirty):
            return requests
        self.dirty = False
        bid, ask = book.best_bid(), book.best_ask()
        for side in Side:
            self._clear(side, book, requests)
        ceiling = ask[0] - 1 if ask else None
        self._fill(Side.BUY, ceiling, book, requests)
        floor = bid[0] + 1 if bid else None
        self._fill(Side.SELL, floor, book, requests)
        return requests

    def observe(self, report: Report) -> None:
        """Feel the pressure of trades; wake, late, when one took an order of ours."""
        if isinstance(report, Canceled | Expired | Rejected):
            gone = self.owned.pop(report.order_id, None)
            if gone is not None:
                self.resting[gone[0]].pop(gone[1], None)
                self.dirty = True
        elif isinstance(report, Trade):
            self._feel(report)

    def dump(self) -> dict[str, Any]:
        """Return the state as plain JSON values."""
        return {
            "fundamental": self.fundamental.dump(),
            "noise": self.noise.state,
            "learned": self.learned,
            "pressure": self.pressure,
            "alarmed": self.alarmed,
            "due_ns": self.due_ns,
            "beat_due_ns": self.beat_due_ns,
            "dirty": self.dirty,
            "tops": [self.tops[side] for side in Side],
            "resting": [list(map(list, self.resting[side].items())) for side in Side],
        }

    def load(self, state: dict[str, Any], shift_ns: int) -> None:
        """Take back what ``dump`` gave."""
        self.fundamental.load(state["fundamental"], shift_ns)
        self.noise = Noise(state["noise"])
        self.learned = state["learned"]
        self.pressure = state["pressure"]
        self.alarmed = state["alarmed"]
        self.due_ns = state["due_ns"] + shift_ns
        self.beat_due_ns = state["beat_due_ns"] + shift_ns
        self.dirty = state["dirty"]
        for side, top, ladder in zip(Side, state["tops"], state["resting"], strict=True):
            self.tops[side] = top
            self.resting[side] = dict(ladder)
        self.owned = {
            order_id: (side, price_ticks)
            for side in Side
            for price_ticks, order_id in self.resting[side].items()
        }

    def _feel(self, trade: Trade) -> None:
        press = self.spec.press
        lift = min(_LIFT_MAX * press, press * trade.qty_lots // self.size_lots)
        self.pressure += lift if trade.taker_side is Side.BUY else -lift
        if trade.maker_account == self.account:
            self.dirty = True
            self.due_ns = min(self.due_ns, trade.ts_ns + self._delay())

    def _delay(self) -> int:
        return self.noise.between(_DELAY_LOW_NS, _DELAY_HIGH_NS)

    def _learn(self, ts_ns: int) -> None:
        spec, fundamental = self.spec, self.fundamental
        for _ in range(fundamental.beat, fundamental.beat_at(ts_ns)):
            fundamental.walk_beat()
            gap = fundamental.worth - self.learned
            self.alarmed = abs(gap) > spec.alarm
            self.learned += gap // 2 if self.alarmed else gap // spec.lag_beats
            self.pressure -= self.pressure // spec.press_beats

    def _aim(self) -> bool:
        # Moves the tops of the ladder; answers whether one moved.
        belief = self.learned + self.pressure
        half = self.fundamental.half_spread + self.offset
        if self.alarmed:
            half *= self.spec.alarm_widen
        moved = False
        patience = self.spec.patience
        for side, want in ((Side.BUY, belief - half), (Side.SELL, -(belief + half))):
            # Asks are mirrored: then both sides round away from the mid by rounding down.
            top = self.tops[side] if side is Side.BUY else -self.tops[side]
            if not top * MICRO - patience <= want < (top + 1) * MICRO + patience:
                top = want // MICRO
                self.tops[side] = top if side is Side.BUY else -top
                moved = True
        return moved

    def _renew(self, book: BookView, requests: list[Place | Cancel]) -> None:
        # One order of the ladder is taken off to be laid anew with a size of now: what keeps
        # the book alive between two moves, and the sizes near what the maker thinks.
        side = Side.BUY if self.noise.chance(50) else Side.SELL
        away = -1 if side is Side.BUY else 1
        price_ticks = self.tops[side] + away * self.noise.below(self.spec.ladder)
        order_id = self.resting[side].pop(price_ticks, 0)
        self.owned.pop(order_id, None)
        if book.leaves(order_id):
            requests.append(Cancel(order_id))
        self.dirty = True

    def _clear(self, side: Side, book: BookView, requests: list[Place | Cancel]) -> None:
        # Orders better than the top are dangerous, those behind the ladder's end useless.
        top, ladder = self.tops[side], self.spec.ladder
        for price_ticks, order_id in list(self.resting[side].items()):
            behind = top - price_ticks if side is Side.BUY else price_ticks - top
            if not 0 <= behind < ladder:
                del self.resting[side][price_ticks]
                self.owned.pop(order_id, None)
                if book.leaves(order_id):
                    requests.append(Cancel(order_id))

    def _fill(
        self, side: Side, bound: int | None, book: BookView, requests: list[Place | Cancel]
    ) -> None:
        # ``bound`` is the best price that takes nothing: a maker never crosses. Where others
        # stand in its way it begins there, and comes closer at its next look.
        top, away = self.tops[side], -1 if side is Side.BUY else 1
        if bound is not None and (bound - top) * away > 0:
            top, self.dirty = bound, True
        mine = self.resting[side]
        for level in range(self.spec.ladder):
            price_ticks = top + away * level
            order_id = mine.get(price_ticks, 0)
            if book.leaves(order_id):
                continue
            self.owned.pop(order_id, None)
            order_id = book.next_order_id()
            qty_lots = self._size(side, level)
            mine[price_ticks] = order_id
            self.owned[order_id] = (side, price_ticks)
            requests.append(
                Place(order_id, self.account, side, price_ticks, qty_lots, Kind.LIMIT_MAKER)
            )

    def _size(self, side: Side, level: int) -> int:
        spec = self.spec
        gap = self.fundamental.worth - self.learned
        lean = gap * spec.lean_percent // MICRO * (1 if side is Side.BUY else -1)
        percent = 100 + min(spec.lean_cap_percent, max(-spec.lean_cap_percent, lean))
        usual = self.size_lots * self.noise.between(40, 160) // 100
        # Depth grows away from the touch, as it does on real books.
        return max(1, usual * percent * (4 + level) // 400)

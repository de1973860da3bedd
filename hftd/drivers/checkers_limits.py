"""Invariants of limits, as the exchange would judge them: exposure, sizes, rates, memory.

Owns I03, I17, I21, I23 and I24. What counts is what stands at the exchange and what may still
get there, never the engine's own sums.
"""

from __future__ import annotations

from collections import deque
from decimal import Decimal
from typing import Any

import numpy as np

from hftd.config.schema import scaled_limits
from hftd.domain.events import EVENT, EventKind, Link
from hftd.drivers.checkers_told import Told
from hftd.drivers.checkers_truth import Create, Truth
from hftd.drivers.watch import Checker, Watch, World
from hftd.journal.record import Record, RecordType

ATOMS = 100_000_000
SECOND_NS = 1_000_000_000
SHARE_OF_TEN_SECONDS = 60  # Of the 100 orders in ten seconds that the exchange takes.
MS_NS = 1_000_000
FILTERS = (-1013, -1111, -1100, -1102, -1106)  # The exchange's words for an ill-formed order.
CLOCK_ERROR_NS = 25 * MS_NS  # Of the sample itself and of rounding.
MAX_FRAMES_A_SECOND = 200
MAX_QUIET = 64  # The newest requests for silence that are remembered.
MAX_LOGONS = 10  # Attempts to log on within ten seconds.
MAX_ACTIONS_A_STEP = 600  # A cancel and a query for each place of the order table, and some.
MAX_ITEMS = 1_100  # Of any container of the daemon: its table of requests may hold 1,024.


class Bounds:
    """One instrument's limits in whole ticks, lots and atoms, scaled by the canary."""

    def __init__(self, world: World, index: int) -> None:
        instrument, profile = world.instruments[index], world.loaded.profile
        limits = scaled_limits(profile)[instrument.name]
        whole = profile.limits(instrument.name)
        lot = Decimal(instrument.lot_e8) / ATOMS
        self.unit_atoms = instrument.unit_atoms
        self.position_lots = int(limits.max_position_base / lot)
        self.order_lots = int(limits.max_order_size_base / lot)
        self.order_lots_reduce = int(whole.max_order_size_base / lot)
        self.order_atoms = int(limits.max_order_notional_quote * ATOMS)
        self.order_atoms_reduce = int(whole.max_order_notional_quote * ATOMS)
        self.open_orders = limits.max_open_orders
        self.open_atoms = int(limits.max_open_notional_quote * ATOMS)
        self.turnover_atoms = int(limits.max_daily_turnover_quote * ATOMS)
        per_second = limits.max_orders_per_second
        self.per_second = per_second if isinstance(per_second, int) else SHARE_OF_TEN_SECONDS


class WithinLimits(Checker):
    """I03 and I21."""

    ID = "I03"
    SAYS = "the worst case of all that stands and is on its way keeps every limit"
    READS = ((RecordType.FRAME_IN, Link.ORDER),)

    def __init__(self, world: World, watch: Watch, truth: Truth, told: Told) -> None:
        super().__init__(world, watch)
        self._truth, self._told = truth, told
        self._bounds = [Bounds(world, index) for index in range(len(world.instruments))]
        self._world = world
        self._filters = self._listed()
        self._times: deque[int] = deque(maxlen=1000)
        self._new: list[Create] = []

    def _listed(self) -> list[Any]:
        exchange = self._world.venue.exchange
        return [exchange.listings[symbol].filters for symbol in self._truth.symbols]

    def on_record(self, record: Record) -> None:
        """C06: the exchange's filters are known to us, so it refuses nothing by them."""
        answer = self._truth.answer
        if answer is None or answer.error is None:
            return
        if answer.error.code in FILTERS and self._listed() == self._filters:
            self.break_off("an order within the filters", answer.error.msg, str(answer.id))

    def on_sent(self, link: Link, frame: bytes, ts_ns: int) -> None:
        """Keep a create for the end of the step, when the exchange's part is known too."""
        if self._truth.create is not None:
            self._new.append(self._truth.create)

    def on_step(self, world: World) -> None:
        """Judge new creates one by one, then the worst case of everything."""
        truth = self._truth
        if not truth.changed:
            return
        adds = False  # What only reduces is always allowed; nothing that stands becomes more.
        for create in self._new:
            self._judge_create(create)
            adds = adds or not self._told.reduces(create.key)
        self._new.clear()
        value_atoms = 0
        for index, bounds in enumerate(self._bounds):
            value_atoms += self._judge_instrument(world, index, bounds)
        if adds and value_atoms > self._bounds[0].open_atoms:
            self.break_off(self._bounds[0].open_atoms, value_atoms, "open notional in atoms")

    def _judge_create(self, create: Create) -> None:
        bounds, name = self._bounds[create.instrument], create.client_order_id
        reducing = self._told.reduces(create.key)
        lots = bounds.order_lots_reduce if reducing else bounds.order_lots
        atoms = bounds.order_atoms_reduce if reducing else bounds.order_atoms
        if not 0 < create.qty_lots <= lots:
            words = f"{name}: expected 1 to {lots} lots, was {create.qty_lots}"
            self.watch.violate("I21", f"no order is larger than the canary's share: {words}")
        value_atoms = create.price_ticks * create.qty_lots * bounds.unit_atoms
        if value_atoms > atoms:
            self.break_off(f"{atoms} atoms at most", value_atoms, f"{name}: notional")
        # A bucket that is full lets two seconds' worth through at once, and no more.
        self._times.append(create.sent_ns)
        most = 2 * bounds.per_second
        if len(self._times) > most and create.sent_ns - self._times[-most - 1] < SECOND_NS:
            self.break_off(f"{most} creates a second", f"{most + 1}", name)

    def _judge_instrument(self, world: World, index: int, bounds: Bounds) -> int:
        truth = self._truth
        name = world.instruments[index].name
        target = int(self.watch.views(world).target_lots[index])
        long_lots, short_lots = truth.worst_lots(index)
        worst = max(long_lots - target, short_lots + target)
        held = abs(truth.position_lots[index] - target)
        if worst > max(bounds.position_lots, held):
            self.break_off(f"{bounds.position_lots} lots", worst, f"{name}: worst position")
        orders = [order for order in truth.open if order.symbol == truth.symbols[index]]
        new = [create for create in truth.in_flight.values() if create.instrument == index]
        count = len(orders) + sum(not create.replaces for create in new)
        if count > bounds.open_orders:
            self.break_off(bounds.open_orders, count, f"{name}: open orders")
        tick_lots = sum(order.leaves_lots * order.price_ticks for order in orders)
        tick_lots += sum(create.qty_lots * create.price_ticks for create in new)
        return tick_lots * bounds.unit_atoms


class RateKept(Checker):
    """I17."""

    ID = "I17"
    SAYS = "no create before Retry-After has passed, and no storm of requests"
    READS = ((RecordType.FRAME_IN, Link.ORDER), RecordType.HEADER)

    def __init__(self, world: World, watch: Watch, truth: Truth) -> None:
        super().__init__(world, watch)
        self._truth, self._world = truth, world
        self._quiet: deque[tuple[int, int]] = deque(maxlen=MAX_QUIET)  # Record, until when.
        self._weight_limit = world.venue.config.limits.weight_per_minute
        self._frames: deque[int] = deque(maxlen=MAX_FRAMES_A_SECOND + 1)
        self._logons: deque[int] = deque(maxlen=MAX_LOGONS + 1)

    def on_record(self, record: Record) -> None:
        """Keep until when the exchange asked us to be quiet.

        What a loss of power took from the journal is known no more: the exchange says it anew.
        """
        if record.record_type == RecordType.HEADER:
            while self._quiet and self._quiet[-1][0] > self._world.kept_seq:
                self._quiet.pop()
            return
        answer = self._truth.answer
        if answer is None or answer.status not in (418, 429):
            return
        detail = answer.error.data if answer.error is not None else None
        if detail is not None and detail.retry_after > detail.server_time:
            wait_ns = (detail.retry_after - detail.server_time) * MS_NS
            self._quiet.append((record.seq, self._world.now_ns + wait_ns))

    def on_sent(self, link: Link, frame: bytes, ts_ns: int) -> None:
        """Count the frame; a create waits."""
        now_ns, asked, create = self._world.now_ns, self._truth.asked, self._truth.create
        self._frames.append(now_ns)
        full = len(self._frames) > MAX_FRAMES_A_SECOND
        if full and now_ns - self._frames[0] < SECOND_NS:
            self.break_off(f"{MAX_FRAMES_A_SECOND} frames a second", f"{MAX_FRAMES_A_SECOND + 1}")
        if asked is not None and asked.method == "session.logon":
            self._logons.append(now_ns)
            if len(self._logons) > MAX_LOGONS and now_ns - self._logons[0] < 10 * SECOND_NS:
                self.break_off(f"{MAX_LOGONS} logons in ten seconds", f"{MAX_LOGONS + 1}")
        if create is None:
            return
        quiet_until_ns = max((until_ns for _, until_ns in self._quiet), default=0)
        if now_ns < quiet_until_ns:
            early = (quiet_until_ns - now_ns) / 1e9
            self.break_off("silence", f"{early:.3f} s early", create.client_order_id)

    def at_quiescence(self, world: World) -> None:
        """The exchange's own count of this minute is within its limit."""
        used = world.venue._limits.used_weight(world.now_ns)
        if used > self._weight_limit:
            self.break_off(self._weight_limit, used, "weight of this minute")


class TimelyRequests(Checker):
    """I17 of time: what a request says of the exchange's clock is what was last learned of it."""

    ID = "I17"
    SAYS = "requests bear the exchange's time"
    READS = ((RecordType.EVENT, EventKind.CLOCK),)

    def __init__(self, world: World, watch: Watch, truth: Truth) -> None:
        super().__init__(world, watch)
        self._truth, self._world = truth, world
        self._error_ns = 0  # Of the last sample, by the exchange's true time.
        self._skew_ns: int | None = None  # At that time; None: nothing is known in this boot.
        self._sampled_ns = 0

    def on_boot(self, epoch: int) -> None:
        """A boot knows nothing."""
        self._skew_ns = None

    def on_record(self, record: Record) -> None:
        """Keep by how much a sample of the exchange's clock is wrong."""
        event = np.frombuffer(record.payload, EVENT)[0]
        told_ns = record.ts_ns + int(event["venue_offset_ns"])
        self._skew_ns, self._sampled_ns = skew_ns(self._world), self._world.now_ns
        self._error_ns = told_ns - self._world.now_ns - self._skew_ns

    def on_sent(self, link: Link, frame: bytes, ts_ns: int) -> None:
        """Compare a create's timestamp with the true one, as well as it can be known."""
        create = self._truth.create
        if create is None or self._skew_ns is None:
            return
        moved_ns = abs(skew_ns(self._world) - self._skew_ns)
        age_ns = self._world.now_ns - self._sampled_ns
        drifted_ns = age_ns * abs(self._world.clocks.drift_ppm) // 1_000_000
        true_ns = self._world.now_ns + skew_ns(self._world)
        error_ns = create.timestamp_ms * MS_NS - true_ns
        if abs(error_ns - self._error_ns) > CLOCK_ERROR_NS + moved_ns + drifted_ns:
            seconds = age_ns // SECOND_NS
            expected = f"{self._error_ns / 1e6:.0f} ms off as sampled {seconds} s ago"
            self.break_off(expected, f"{error_ns / 1e6:.0f} ms off", create.request_id)


def skew_ns(world: World) -> int:
    """Return by how much the exchange's clock is off the world's."""
    return world.venue._desk.skew_ns


class StepsBounded(Checker):
    """I24."""

    ID = "I24"
    SAYS = "one step wants only so much"
    READS = (RecordType.INTENT,)

    def on_record(self, record: Record) -> None:
        """Count the actions of a step by the size of their record."""
        most = MAX_ACTIONS_A_STEP * 120
        if len(record.payload) > most:
            self.break_off(f"{most} bytes of actions", len(record.payload))


class MemoryBounded(Checker):
    """I23."""

    ID = "I23"
    SAYS = "every container of the daemon stays within its cap"

    def at_quiescence(self, world: World) -> None:
        """Walk what the daemon's own parts hold."""
        parts = [getattr(world, name, None) for name in ("daemon", "roads")]
        others = [getattr(world, name, None) for name in ("calendar", "network", "process")]
        path = largest(parts, stop=(world, world.venue, *others))
        if path[0] > MAX_ITEMS:
            self.break_off(f"{MAX_ITEMS} items", path[0], path[1])


def largest(parts: list[object], stop: tuple[object, ...]) -> tuple[int, str]:
    """Return the length and the road to the longest list, dict or set reachable from ``parts``.

    Only objects of this package and plain containers are entered, none of ``stop``.
    """
    seen = {id(each) for each in stop}
    found = (0, "")
    waiting: list[tuple[object, str]] = [(part, type(part).__name__) for part in parts]
    while waiting:
        item, road = waiting.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        inside: list[tuple[object, str]] = []
        if isinstance(item, dict):
            found = max(found, (len(item), road))
            inside = [(value, f"{road}[…]") for value in list(item.values())[:100]]
        elif isinstance(item, list | tuple | set | deque | frozenset):
            found = max(found, (len(item), road))
            inside = [(value, f"{road}[…]") for value in list(item)[:100]]
        elif type(item).__module__.startswith("hftd."):
            names = getattr(item, "__dict__", {})
            inside = [(value, f"{road}.{name}") for name, value in names.items()]
        waiting += inside
    return found

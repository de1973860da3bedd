"""The invariant of doubt: an order in doubt counts and blocks its side until it is resolved.

Owns I28. In doubt is what the journal tells as UNKNOWN, or as ended while its fills are missing.
"""

from __future__ import annotations

from hftd.domain.codes import TradingState
from hftd.domain.events import Link
from hftd.domain.facts import FactKind
from hftd.domain.order import OrderEvent, OrderState, client_order_id, parse_client_order_id
from hftd.drivers.checkers_told import Fact, Told
from hftd.drivers.checkers_truth import ACCOUNT, Truth, key_of
from hftd.drivers.watch import Checker, Watch, World
from hftd.simex.orders import OPEN

SECOND_NS = 1_000_000_000
ORPHAN_NS = 30 * SECOND_NS  # How long an order may stand that the daemon, awake, does not hold.
DOUBT_NS = SECOND_NS  # Beyond the profile's own limit on doubt, and then as long, awake.


class DoubtEnds(Checker):
    """I28: by what the exchange holds, and by how long the journal leaves an order in doubt."""

    ID = "I28"
    SAYS = "an order in doubt is resolved or trading halts, and none stands that we do not know"

    def __init__(self, world: World, watch: Watch, truth: Truth, told: Told) -> None:
        super().__init__(world, watch)
        self._truth, self._told = truth, told
        limits = world.loaded.profile.limits(world.loaded.profile.instruments[0])
        self._doubt_ns = limits.unknown_timeout_ms * 1_000_000 + DOUBT_NS
        self._unknown_ns: dict[int, int] = {}
        self._overdue_ns: dict[int, int] = {}
        self._orphan_ns: dict[str, int] = {}
        self._late = 0  # Facts of this step that the life before died over.
        self._looks = 0

    def on_boot(self, epoch: int) -> None:
        """A boot puts its own orders in doubt by itself, and has a while for all."""
        self._late = len(self._told.facts)
        self._unknown_ns.clear()
        self._overdue_ns.clear()
        self._orphan_ns.clear()

    def on_sent(self, link: Link, frame: bytes, ts_ns: int) -> None:
        """No create leaves for a side that an order in doubt blocks."""
        create = self._truth.create
        if create is None:
            return
        if (create.instrument, create.side) in self._told.doubted.values():
            self.break_off("a side without doubt", "an order UNKNOWN on it", create.client_order_id)

    def on_step(self, world: World) -> None:
        """Note doubts as they begin and end."""
        for at, fact in enumerate(self._told.facts):
            missing = fact.order_event == OrderEvent.FILLS_MISSING
            doubted = fact.kind == FactKind.ORDER and (
                missing or fact.state_to == OrderState.UNKNOWN
            )
            if doubted and at >= self._late:
                self._unknown_ns.setdefault(fact.order_key, fact.ts_ns)
            elif fact.kind in (FactKind.ORDER, FactKind.FILL):
                self._unknown_ns.pop(fact.order_key, None)
            if fact.kind == FactKind.ORDER and fact.state_to == OrderState.REJECTED:
                self._refuse_if_known(world, fact)
        self._late = 0
        if self._truth.changed:
            self._look_for_living_dead()

    def on_look(self, world: World) -> None:
        """Twice a second or so look at the age of doubts, and for orders that nobody holds."""
        self._looks += 1
        if self._looks % 2 == 0:
            now_ns = int(self.watch.views(world).core["now_ns"])
            self._look_for_doubts(now_ns)
            self._look_for_orphans(world, now_ns)

    def _refuse_if_known(self, world: World, fact: Fact) -> None:
        """What is told as never accepted is not at the exchange, now or later.

        An exchange that denies it twice may have had it, where it ended without a trade: then no
        list shows it either, and nothing is lost.
        """
        tag = self._truth.prefix.split("-")[1]
        name = client_order_id(tag, fact.order_key)
        book = world.venue.exchange.bookkeeping(ACCOUNT)
        order = book.find_by_client_id(self._truth.symbols[fact.instrument], name)
        if order is not None and (order.status in OPEN or order.cum_lots):
            self.break_off("an order the exchange never had", order.status.name, f"{name} REJECTED")

    def _look_for_living_dead(self) -> None:
        for order in self._truth.open:
            key = key_of(order.client_order_id)
            if self._told.order_state.get(key) == OrderState.REJECTED:
                self.break_off("no such order", "open", f"{order.client_order_id} REJECTED")

    def _look_for_doubts(self, now_ns: int) -> None:
        # Who stood still could not halt: what is overdue has to stay so while time goes on.
        stopped = (TradingState.HALTED, TradingState.KILLED, TradingState.STOPPING)
        overdue: dict[int, int] = {}
        if self._told.trading not in stopped:
            for key, since_ns in self._unknown_ns.items():
                if now_ns - since_ns <= self._doubt_ns:
                    continue
                overdue[key] = self._overdue_ns.get(key, now_ns)
                if now_ns - overdue[key] > DOUBT_NS:
                    most_s, was_s = self._doubt_ns / 1e9, (now_ns - since_ns) / 1e9
                    words = f"order {key} UNKNOWN"
                    self.break_off(f"{most_s:g} s at most", f"{was_s:.1f} s", words)
        self._overdue_ns = overdue

    def _look_for_orphans(self, world: World, now_ns: int) -> None:
        if not self._truth.open or not self._told.links[Link.USER]:
            self._orphan_ns.clear()
            return
        known = set(self.watch.views(world).order_keys.tolist())
        orphans = {}
        for order in self._truth.open:
            name = order.client_order_id
            if key_of(name) not in known:
                orphans[name] = self._orphan_ns.get(name, now_ns)
                if now_ns - orphans[name] > ORPHAN_NS:
                    self.break_off("known to us", "in no table", f"open order {name}")
        self._orphan_ns = orphans

    def at_quiescence(self, world: World) -> None:
        """At the end nothing of ours stands at the exchange that the table does not hold."""
        book = world.venue.exchange.bookkeeping(ACCOUNT)
        tag = self._truth.prefix.split("-")[1]
        known = {int(key) for key in world.engine.state.orders["key"] if key}
        for order in book.open.values():
            key = parse_client_order_id(tag, order.client_order_id)
            if key and key not in known:
                self.break_off("known to us", "in no table", f"open order {order.client_order_id}")

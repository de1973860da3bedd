"""A dialogue with the engine: feed an event, see what came out, every rule checked after each.

The engine is real and built from a shipped profile; time is what the events say. The playbook
keeps accounts of its own from what it feeds (the venue's truth), and after every step holds the
engine to them and to what must always be true. See `checks_after`.

    play = Playbook().run()                     # boot, recovery, a market: two quotes
    buy, sell = play.keys(A.SUBMIT)
    play.accept(buy).fill(buy, 40)
    play.after(seconds=2).pulse().expect(A.CANCEL_REPLACE, side=Side.BUY)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from hftd import wiring
from hftd.config.load import load_profile
from hftd.domain.actions import ActionKind
from hftd.domain.codes import TradingState
from hftd.domain.events import EVENT, CommandKind, EventKind, Link, Timer
from hftd.domain.facts import FactKind
from hftd.domain.instrument import Instrument
from hftd.domain.order import SEQ_BITS, FeeAsset, Liquidity, OrderState, Side
from hftd.engine.state import ACTIONS_CAPACITY, FACTS_CAPACITY, ORDERS_CAPACITY
from tests.told import check_told

MS = 1_000_000
SECOND = 1_000_000_000
DAWN = 1_767_225_600 * SECOND + 12 * 3600 * SECOND  # Noon of a first of January, UTC.
USDT, BTC = 0, 1
RESTING = "resting"
LIST_ENDS = (EventKind.OPEN_ORDERS_END, EventKind.TRADES_END, EventKind.BALANCES_END)

# Tick 10 and lot 0.00001, so that one tick times one lot is 10,000 atoms of USDT.
BTC_USDT = Instrument(
    "BTC-USDT", "BTCUSDT", "BTC", "USDT", 1_000_000_000, 1_000, 1, 100_000,
    1, 900_000_000, 500_000_000, 0, 200,
)  # fmt: skip
ETH_USDT = Instrument(
    "ETH-USDT", "ETHUSDT", "ETH", "USDT", 1_000_000_000, 1_000, 1, 100_000,
    1, 900_000_000, 500_000_000, 0, 200,
)  # fmt: skip

Row = Mapping[str, int]


def no_stamp(_stage: int) -> None:
    """Take no times."""


def rows_of(records: Any) -> list[dict[str, int]]:
    """Return records as dicts of plain integers."""
    return [dict(zip(records.dtype.names, row.item(), strict=True)) for row in records]


def matches(row: Row, fields: Row) -> bool:
    """Tell whether a row has these fields."""
    return all(row[name] == value for name, value in fields.items())


class Playbook:
    """One engine, its clock, the venue's truth, and all that was said so far."""

    def __init__(
        self,
        profile: str = "market-making",
        sets: Iterable[str] = (),
        instruments: Iterable[Instrument] = (BTC_USDT,),
    ) -> None:
        """Build the engine; nothing has happened yet."""
        loaded = load_profile(profile, sets=sets, environ={})
        self.instruments = list(instruments)
        self.engine = wiring.build_engine(loaded.profile, self.instruments)
        count, (_outs, world) = len(self.instruments), self.engine.arrays()
        behind = (world[0].instruments[count:], world[0].targets[count:])
        self.blank = [records.view(np.int64) for records in behind]  # No step may touch them.
        self.now_ns = DAWN
        self.script: list[tuple[Any, Any]] = []  # Every event fed, with its levels.
        self.actions: list[dict[str, int]] = []  # Of the last event.
        self.facts: list[dict[str, int]] = []
        self.all_actions: list[dict[str, int]] = []
        self.all_facts: list[dict[str, int]] = []
        # The venue's truth: holdings by asset in atoms, own trades applied, by (instrument, id).
        self.held = {USDT: 100_000 * 10**8, BTC: 10**8}
        for index in range(1, len(self.instruments)):
            self.held[1 + index] = 10 * 10**8
        self.trades: set[tuple[int, int, int]] = set()
        # What the checks remember of all steps: keys sent, and our fills by (instrument, id).
        self.sent: set[int] = set()
        self.fills: dict[tuple[int, int], int] = {}
        self.position_before = 0
        self.next_trade_id = 1
        self.next_update_id = 1000
        self.epoch = 7

    # --- The state, read only.

    @property
    def core(self) -> Any:
        """The daemon's one record."""
        return self.engine.state.core[0]

    @property
    def instrument(self) -> Any:
        """The first instrument's record."""
        return self.engine.state.instruments[0]

    @property
    def state(self) -> TradingState:
        """The trading state."""
        return TradingState(int(self.core["state"]))

    def orders(self, **fields: int) -> list[dict[str, int]]:
        """Return the open orders that have these fields, by table slot."""
        table = self.engine.state.orders
        rows = rows_of(table[table["key"] != 0])
        return [row for row in rows if matches(row, fields)]

    def order(self, key: int) -> dict[str, int]:
        """Return one open order."""
        (found,) = self.orders(key=key)
        return found

    def is_over(self, key: int) -> bool:
        """Tell whether an order is no more in the table."""
        return not self.orders(key=key)

    def ended(self, key: int) -> OrderState:
        """Return the terminal state that an order's tombstone keeps."""
        (found,) = (row for row in rows_of(self.engine.state.tombstones) if row["key"] == key)
        return OrderState(found["state"])

    # --- Feeding.

    def after(self, seconds: float = 0, ms: int = 0) -> Playbook:
        """Let time pass, without any event."""
        self.now_ns += round(seconds * SECOND) + ms * MS
        return self

    def feed(self, kind: EventKind, levels: Any = None, **fields: int) -> Playbook:
        """Hand one event to the engine, one microsecond after the last, and check the rules."""
        self.now_ns += 1000
        event = np.zeros(1, EVENT)
        event[0]["kind"] = kind
        event[0]["ts_ns"] = self.now_ns
        if kind in LIST_ENDS:
            event[0]["until_ns"] = self.now_ns - 1000  # Asked for by the last event, if not said.
        for name, value in fields.items():
            event[0][name] = value
        if levels is not None:
            event[0]["levels_end"] = len(levels)
        return self.hand_over(event, levels)

    def hand_over(self, event: Any, levels: Any) -> Playbook:
        """Hand a ready event to the engine, as `feed` and a repetition do."""
        self.script.append((event, levels))
        self._keep_truth(event[0])
        self.engine.events[0] = event[0]
        if levels is not None:
            self.engine.levels[: len(levels)] = levels
        self.engine.handle(0, no_stamp)
        self.actions = rows_of(self.engine.actions)
        self.facts = rows_of(self.engine.facts)
        checks_after(self)
        self.all_actions += self.actions
        self.all_facts += self.facts
        return self

    def repeat(self, script: Iterable[tuple[Any, Any]]) -> Playbook:
        """Hand over what another playbook was fed."""
        for event, levels in script:
            self.now_ns = int(event[0]["ts_ns"])
            self.hand_over(event, levels)
        return self

    def _keep_truth(self, event: Any) -> None:
        kind = event["kind"]
        if kind == EventKind.EXTERNAL_FLOW:
            self.held[int(event["asset"])] += int(event["delta_atoms"])
        trade = (int(event["instrument"]), int(event["trade_id"]), int(event["side"]))
        if kind != EventKind.FILL or trade in self.trades:
            return
        self.trades.add(trade)
        instrument = self.instruments[trade[0]]
        sign = 1 if event["side"] == Side.BUY else -1
        qty, price = int(event["qty_lots"]), int(event["price_ticks"])
        self.held[1 + trade[0]] += sign * qty * instrument.lot_e8
        self.held[USDT] -= sign * qty * price * instrument.unit_atoms
        third = int(event["asset"]) or None  # Another instrument's base.
        of_fee = {FeeAsset.BASE: 1 + trade[0], FeeAsset.QUOTE: USDT, FeeAsset.OTHER: third}
        fee_asset = of_fee[event["fee_asset"]]
        if fee_asset is not None:
            self.held[fee_asset] -= int(event["fee_atoms"])

    # --- Lines of the dialogue.

    def boot(self, **fields: int) -> Playbook:
        """Begin a boot of the next epoch."""
        self.epoch += 1
        words = {"epoch": self.epoch, "on_crash": 1, **fields}
        return self.feed(EventKind.BOOT, **words)

    def link(self, link: Link, up: int = 1) -> Playbook:
        """Open or close a link."""
        return self.feed(EventKind.LINK, link=link, up=up)

    def links(self) -> Playbook:
        """Open all links, our own reports last."""
        return self.link(Link.MARKET).link(Link.ORDER).link(Link.USER)

    def open_orders_end(self, count: int = 0) -> Playbook:
        """End the lists of open orders, one an instrument."""
        for index in range(len(self.instruments)):
            self.feed(EventKind.OPEN_ORDERS_END, instrument=index, order_count=count)
        return self

    def trades_end(self, count: int = 0, **fields: int) -> Playbook:
        """End the lists of own trades, one an instrument."""
        for index in range(len(self.instruments)):
            self.feed(EventKind.TRADES_END, instrument=index, order_count=count, **fields)
        return self

    def balances(self, **off: int) -> Playbook:
        """Tell all balances as the venue has them, off by ``usdt`` or ``btc`` atoms if said."""
        for asset in self.held:
            wrong = off.get({USDT: "usdt", BTC: "btc"}.get(asset, ""), 0)
            self.feed(EventKind.BALANCE, asset=asset, free_atoms=self.held[asset] + wrong)
        return self.feed(EventKind.BALANCES_END)

    def reconcile(self) -> Playbook:
        """Answer a whole reconciliation in which the venue shows what we believe."""
        return self.open_orders_end().trades_end().balances()

    def start(self) -> Playbook:
        """Boot, connect, reconcile: RUNNING, no market yet."""
        return self.boot().links().reconcile()

    def run(self) -> Playbook:
        """Start and show the usual market: both sides are submitted in the last step."""
        return self.start().market()

    def market(
        self, bid: int = 5990, ask: int = 6010, lots: int = 5000, index: int = 0
    ) -> Playbook:
        """Show a market of three even levels a side: by depth, after a snapshot if one is due.

        Units: ticks, lots. Levels of an earlier market are removed.
        """
        book = self.engine.state.books[index]
        old = [
            (side, int(book["ticks"][side, at]), 0)
            for side in (0, 1)
            for at in range(int(book["count"][side]))
        ]
        new = [(0, bid - away, lots) for away in range(3)]
        new += [(1, ask + away, lots) for away in range(3)]
        kept = {row[:2] for row in new}
        levels = [row for row in old if row[:2] not in kept] + new
        return self.depth(levels, index)

    def depth(self, levels: list[tuple[int, int, int]], index: int = 0) -> Playbook:
        """Tell levels (side, ticks, lots) in sequence, or as a snapshot where none was had."""
        self.next_update_id += 1
        at = self.next_update_id
        rows = np.array(levels, np.int64)
        last = int(self.engine.state.books[index]["last_update_id"])
        if last == 0:
            return self.feed(EventKind.SNAPSHOT, rows, instrument=index, last_update_id=at)
        return self.feed(
            EventKind.DEPTH, rows, instrument=index, first_update_id=last + 1, last_update_id=at
        )

    def print(self, price_ticks: int, lots: int = 10, index: int = 0) -> Playbook:
        """Tell a public trade."""
        self.next_update_id += 1
        return self.feed(
            EventKind.PUBLIC_TRADE,
            instrument=index,
            trade_id=self.next_update_id,
            price_ticks=price_ticks,
            qty_lots=lots,
        )

    def pulse(self, count: int = 1) -> Playbook:
        """Let 100 ms pass and the driver's pulse come, so many times."""
        for _ in range(count):
            self.after(ms=100).feed(EventKind.TIMER, timer=Timer.PULSE)
        return self

    def second(self) -> Playbook:
        """Let the driver's second come."""
        return self.feed(EventKind.TIMER, timer=Timer.SECOND)

    def command(self, command: CommandKind, instrument: int = -1, **fields: int) -> Playbook:
        """Give an operator's command."""
        return self.feed(EventKind.COMMAND, command=command, instrument=instrument, **fields)

    def accept(self, *keys: int) -> Playbook:
        """Acknowledge orders; the venue's id is our sequence plus 5000."""
        for key in keys:
            self.feed(EventKind.ACCEPTED, order_key=key, venue_order_id=venue_id(key))
        return self

    def fill(self, key: int, lots: int, price_ticks: int = 0, **fields: int) -> Playbook:
        """Fill an order of the table at its price, by our own report, without a fee."""
        order = self.order(key)
        trade_id = fields.pop("trade_id", self.next_trade_id)
        self.next_trade_id = max(self.next_trade_id, trade_id + 1)
        words = {
            "instrument": order["instrument"],
            "order_key": key,
            "venue_order_id": venue_id(key),
            "trade_id": trade_id,
            "side": order["side"],
            "price_ticks": price_ticks or order["price_ticks"],
            "qty_lots": lots,
            "cum_qty_lots": order["cum_lots"] + lots,
            "fee_asset": FeeAsset.QUOTE,
            "liquidity": Liquidity.MAKER,
        }
        return self.feed(EventKind.FILL, **{**words, **fields})

    def told_fill(self, key: int, trade_id: int, **fields: int) -> Playbook:
        """Tell a fill as the list of own trades does: by the venue's order id alone."""
        self.next_trade_id = max(self.next_trade_id, trade_id + 1)
        words = {"order_key": 0, "venue_order_id": venue_id(key), "trade_id": trade_id}
        return self.feed(EventKind.FILL, **{**words, "fee_asset": FeeAsset.QUOTE, **fields})

    def canceled(self, key: int, cum_lots: int = 0) -> Playbook:
        """Report an order canceled, so much of it filled."""
        return self.feed(
            EventKind.CANCELED, order_key=key, venue_order_id=venue_id(key), cum_qty_lots=cum_lots
        )

    def status(self, key: int, status: OrderState, **fields: int) -> Playbook:
        """Answer a query: found in this state."""
        words = {"order_key": key, "venue_order_id": venue_id(key), "found": 1, "status": status}
        return self.feed(EventKind.ORDER_STATUS, **{**words, **fields})

    def not_found(self, key: int) -> Playbook:
        """Answer a query: no such order."""
        return self.feed(EventKind.ORDER_STATUS, order_key=key, code=-2013)

    def resting(self) -> tuple[int, int]:
        """Run until a buy and a sell rest at the venue; return their keys."""
        self.run()
        buy, sell = self.key(Side.BUY), self.key(Side.SELL)
        self.accept(buy, sell)
        return buy, sell

    def hold(self, lots: int) -> Playbook:
        """Run, buy so much by our resting order, pause, and have the rest canceled."""
        buy, _ = self.resting()
        self.fill(buy, lots).command(CommandKind.PAUSE)
        for order in self.orders():
            self.canceled(order["key"], order["cum_lots"])
        return self

    # --- What came out.

    def did(self, kind: ActionKind, **fields: int) -> list[dict[str, int]]:
        """Return the last event's actions of a kind with these fields."""
        return [row for row in self.actions if row["kind"] == kind and matches(row, fields)]

    def expect(self, kind: ActionKind, **fields: int) -> dict[str, int]:
        """Return the one action of a kind with these fields; fail where it is not one."""
        found = self.did(kind, **fields)
        assert len(found) == 1, (kind, fields, [shown(row) for row in self.actions])
        return found[0]

    def expect_none(self, *kinds: ActionKind) -> Playbook:
        """Fail where the last event led to an action of these kinds (none named: any)."""
        found = [shown(row) for row in self.actions if not kinds or row["kind"] in kinds]
        assert not found, found
        return self

    def told(self, kind: FactKind, **fields: int) -> list[dict[str, int]]:
        """Return the last event's facts of a kind with these fields."""
        return [row for row in self.facts if row["kind"] == kind and matches(row, fields)]

    def fact(self, kind: FactKind, **fields: int) -> dict[str, int]:
        """Return the one fact of a kind with these fields; fail where it is not one."""
        found = self.told(kind, **fields)
        assert len(found) == 1, (kind, fields, [shown(row) for row in self.facts])
        return found[0]

    def key(self, side: Side, index: int = 0) -> int:
        """Return the key of the one order submitted on a side by the last event."""
        creates = [row for row in self.actions if row["order_key"] != 0]
        (found,) = (r for r in creates if r["side"] == side and r["instrument"] == index)
        return found["order_key"]


def venue_id(key: int) -> int:
    """Return the id that the playbook's venue gives an order."""
    return 5000 + (key & ((1 << SEQ_BITS) - 1))


def shown(row: Row) -> dict[str, int]:
    """Return the fields of a row that are not zero."""
    return {name: value for name, value in row.items() if value}


def checks_after(play: Playbook) -> None:
    """Hold the engine to what is always true, after each step."""
    orders = play.orders()
    check_quantities(orders)
    check_books(play)
    check_gate(play)
    check_limits(play, orders)
    check_no_cross(orders)
    check_once(play)
    check_told(play.facts, play.actions, play.now_ns, int(play.core["decision_seq"]))
    assert not any(records.any() for records in play.blank), "beyond what is in use"
    assert len(orders) <= ORDERS_CAPACITY
    assert len(play.actions) < ACTIONS_CAPACITY
    assert len(play.facts) < FACTS_CAPACITY


def check_quantities(orders: list[dict[str, int]]) -> None:
    """Filled and open make up the order; one whose end was told keeps what is missing open."""
    for order in orders:
        if order["final_state"] == 0:
            assert order["cum_lots"] + order["leaves_lots"] == order["qty_lots"], shown(order)
        assert 0 <= order["cum_lots"] < order["qty_lots"] or order["final_state"], shown(order)
        assert order["leaves_lots"] > 0, shown(order)


def check_books(play: Playbook) -> None:
    """Position is the sum of our fills, and the balances are the venue's, once it has told any."""
    state = play.engine.state
    for row in play.told(FactKind.FILL):
        trade = (row["instrument"], row["trade_id"])
        assert trade not in play.fills, "a fill was applied twice"
        play.fills[trade] = row["qty_lots"] if row["side"] == Side.BUY else -row["qty_lots"]
    for index in range(len(play.instruments)):
        signed = sum(lots for trade, lots in play.fills.items() if trade[0] == index)
        assert state.instruments[index]["position_lots"] == play.position_before + signed
    if state.instruments["missing_trade_id"].any():
        return  # Of a gap, or of an order not known yet: booked when listed, then all must fit.
    for asset, held in play.held.items():
        balance = state.balances[asset]
        expected = sum(
            int(balance[name]) for name in ("opening_atoms", "traded_atoms", "flow_atoms")
        )
        if balance["opening_known"] == 1:
            assert expected == held, (asset, expected - held)


def check_gate(play: Playbook) -> None:
    """Nothing is created while not RUNNING, but reduce-only in the stopped states."""
    for row in play.actions:
        if row["kind"] not in (ActionKind.SUBMIT, ActionKind.CANCEL_REPLACE):
            continue
        reducing = row["reduce_only"] == 1 and play.state in (
            TradingState.REDUCE_ONLY,
            TradingState.PAUSED,
            TradingState.HALTED,
            TradingState.KILLED,
        )
        assert play.state == TradingState.RUNNING or reducing, (play.state, shown(row))


def check_limits(play: Playbook, orders: list[dict[str, int]]) -> None:
    """What is open never exceeds count, worst-case position and open notional."""
    state = play.engine.state
    notional = 0
    for index, instrument in enumerate(state.instruments):
        mine = [row for row in orders if row["instrument"] == index]
        created = [row for row in mine if row["key"] >> SEQ_BITS == state.core[0]["epoch"]]
        assert len(created) <= instrument["max_open_orders"] + 1  # A replacement in flight.
        position = int(instrument["position_lots"] - instrument["target_position_lots"])
        for side, sign in ((Side.BUY, 1), (Side.SELL, -1)):
            opened = sum(r["leaves_lots"] for r in mine if r["side"] == side)
            within = sign * position + opened <= instrument["max_position_lots"]
            reducing = all(r["reduce_only"] for r in mine if r["side"] == side)
            assert within or reducing, (side, position, opened)
        unit = int(instrument["unit_atoms"])
        added = [row for row in mine if not row["reduce_only"]]
        notional += sum(row["leaves_lots"] * row["price_ticks"] * unit for row in added)
    assert notional <= state.core[0]["max_open_notional_atoms"]


def check_no_cross(orders: list[dict[str, int]]) -> None:
    """No own buy stands at or above an own sell."""
    for buy in orders:
        for sell in orders:
            pair = buy["instrument"] == sell["instrument"]
            if pair and buy["side"] == Side.BUY and sell["side"] == Side.SELL:
                assert buy["price_ticks"] < sell["price_ticks"], (shown(buy), shown(sell))


def check_once(play: Playbook) -> None:
    """No order key is ever sent twice: a create in doubt is asked for, not repeated."""
    for row in play.actions:
        assert row["order_key"] not in play.sent, shown(row)
        if row["order_key"] != 0:
            play.sent.add(row["order_key"])

"""A day's work in small: a journal with one of everything that the ledger keeps."""

from pathlib import Path

import msgspec
import numpy as np

from hftd.domain.codes import BookState, Code, TradingState
from hftd.domain.events import CommandKind
from hftd.domain.facts import FACT, FactKind
from hftd.domain.instrument import Instrument
from hftd.domain.order import FeeAsset, OrderEvent, OrderState, Side, order_key
from hftd.journal.record import RecordType, encode_json, run_id
from hftd.journal.writer import JournalWriter
from hftd.store.words import layout_words

SECOND_NS = 1_000_000_000
BEGIN_NS = 1_795_339_800 * SECOND_NS
EPOCH = 1_795_339_800
BTC = Instrument(
    name="BTC-USDT",
    symbol="BTCUSDT",
    base="BTC",
    quote="USDT",
    tick_e8=10_00000000,
    lot_e8=1000,
    min_price_ticks=1,
    max_price_ticks=10_000_000,
    min_qty_lots=1,
    max_qty_lots=10**9,
    min_notional_atoms=5_00000000,
    max_notional_atoms=9_000_000_00000000,
    max_open_orders=200,
)


def header(ts_ns=BEGIN_NS, epoch=EPOCH):
    """Return the header of a run with one instrument."""
    return {
        "run": run_id(ts_ns, epoch, "paper"),
        "profile_name": "canary",
        "mode": "paper",
        "version": "0.1.0",
        "config_hash": "c0ffee",
        "epoch": epoch,
        "tag": "abc123",
        "instruments": [msgspec.to_builtins(BTC)],
        "fact_layout": msgspec.to_builtins(layout_words(FACT)),
        "limits": {"max_position_base": "0.10"},
        "profile": {"strategy": {"kind": "market_making"}},
    }


def facts(*many):
    """Return the payload of a FACT record."""
    records = np.zeros(len(many), FACT)
    for record, fields in zip(records, many, strict=True):
        for name, value in fields.items():
            record[name] = value
    return records.tobytes()


class DaysWork:
    """Writes a journal as an engine would; ``ts_ns`` goes on by a second a quote."""

    def __init__(self, folder: Path, segment_bytes: int = 1 << 16) -> None:
        self.writer = JournalWriter(folder, segment_bytes=segment_bytes, disk_floor_bytes=0)
        self.ts_ns = BEGIN_NS
        self.orders = 0
        self.trades = 0

    def begin(self, epoch=EPOCH):
        """Begin a run."""
        self.epoch = epoch
        self.writer.open(header(self.ts_ns, epoch), self.ts_ns)

    def fact(self, kind, **fields):
        """Append a FACT record of one fact."""
        return self.append_facts(fields | {"kind": kind})

    def append_facts(self, *many):
        """Append a FACT record of several facts."""
        many = [{"ts_ns": self.ts_ns, "decision_seq": self.orders} | fact for fact in many]
        return self.writer.append(RecordType.FACT, self.ts_ns, facts(*many))

    def order_fact(self, event, state_from, state_to, cum_lots=0, **fields):
        """Return the fact of a change of the newest order: a buy of 0.01 BTC at 60,000."""
        return {
            "kind": FactKind.ORDER,
            "order_key": order_key(self.epoch, self.orders),
            "side": Side.BUY,
            "order_event": event,
            "state_from": state_from,
            "state_to": state_to,
            "price_ticks": 6000,
            "qty_lots": 1000,
            "cum_qty_lots": cum_lots,
            "leaves_lots": 1000 - cum_lots,
            "post_only": 1,
            "mid_half_ticks": 12001,
        } | fields

    def quote(self):
        """Submit an order, have it accepted, filled in two parts, and valued."""
        self.ts_ns += SECOND_NS
        self.orders += 1
        new, partly = OrderState.NEW, OrderState.PARTIALLY_FILLED
        pending = OrderState.PENDING_NEW
        venue = {"venue_order_id": 900 + self.orders}
        self.append_facts(self.order_fact(OrderEvent.SUBMITTED, OrderState.NONE, pending))
        self.writer.append_market(self.ts_ns, 0, b'{"e":"depthUpdate"}')
        self.ts_ns += 2_000_000
        self.append_facts(self.order_fact(OrderEvent.ACCEPTED, pending, new, **venue))
        self.ts_ns += SECOND_NS // 2
        steps = ((400, OrderEvent.FILL_PARTIAL, new, partly),
                 (1000, OrderEvent.FILL_FULL, partly, OrderState.FILLED))  # fmt: skip
        done = 0
        for cum_lots, event, state_from, state_to in steps:
            self.trades += 1
            self.append_facts(
                self.fill_fact(cum_lots - done) | venue,
                self.order_fact(event, state_from, state_to, cum_lots, **venue),
                self.position_fact(),
            )
            done = cum_lots
        self.second()

    def fill_fact(self, qty_lots):
        """Return the fact of the newest trade."""
        return {
            "kind": FactKind.FILL,
            "order_key": order_key(self.epoch, self.orders),
            "trade_id": self.trades,
            "exch_ts_ns": self.ts_ns - 1_000_000,
            "side": Side.BUY,
            "price_ticks": 6000,
            "qty_lots": qty_lots,
            "fee_atoms": qty_lots,
            "fee_asset": FeeAsset.BASE,
            "mid_half_ticks": 12001,
        }

    def position_fact(self):
        """Return the fact of a position of 0.01 BTC an order, bought at 60,000."""
        lots = 1000 * self.orders
        return {
            "kind": FactKind.POSITION,
            "position_lots": lots,
            "cost_atoms": lots * 6000 * BTC.unit_atoms,
            "base_fee_atoms": lots,
            "unrealized_atoms": 5_0000_0000,
            "fees_atoms": 60_000_000,
            "total_atoms": 5_0000_0000 - 60_000_000,
            "mid_half_ticks": 12001,
        }

    def second(self):
        """Value the account, tell the stage times."""
        self.append_facts(
            {"kind": FactKind.EQUITY, "instrument": -1, "equity_atoms": 10_000_12345678},
            {"kind": FactKind.BALANCE, "instrument": -1, "asset": 1, "free_atoms": 12345678,
             "expected_atoms": 12345678},
        )  # fmt: skip
        times = {
            "count": 10, "mean_ns": 2000, "p50_ns": 1900, "p95_ns": 2500, "p99_ns": 3000,
            "p999_ns": 3100, "max_ns": 3200 + self.orders, "target_ns": 1_000_000,
            "over_target": False,
        }  # fmt: skip
        payload = encode_json({"risk": times})
        self.writer.append(RecordType.TELEMETRY, self.ts_ns, payload)

    def refuse(self):
        """Refuse an order for its size."""
        return self.fact(
            FactKind.REFUSAL, side=Side.SELL, price_ticks=6010, qty_lots=3000,
            code=Code.ORDER_SIZE, value=3000, bound=2000,
        )  # fmt: skip

    def trouble(self):
        """Reject, halt, lose the book, reconcile, be commanded."""
        self.append_facts(
            {"kind": FactKind.REJECT, "order_key": order_key(self.epoch, self.orders),
             "venue_code": -1013},
            {"kind": FactKind.STATE, "instrument": -1, "state_from": TradingState.RUNNING,
             "state_to": TradingState.HALTED, "code": Code.DAILY_LOSS, "value": 251_00000000,
             "bound": 250_00000000},
            {"kind": FactKind.BOOK, "state_from": BookState.SYNCED,
             "state_to": BookState.STALE, "code": Code.FEED_STALE, "value": 2_500_000_000,
             "bound": 2_000_000_000},
            {"kind": FactKind.QUOTING, "side": Side.BUY, "code": Code.SPREAD_TOO_NARROW,
             "value": 321, "bound": 500},
            {"kind": FactKind.DIFFERENCE, "instrument": -1, "asset": 1,
             "code": Code.RECONCILE_DIFFERENCE, "value": 5, "bound": 6},
            {"kind": FactKind.EXTERNAL_FLOW, "instrument": -1, "asset": 0,
             "delta_atoms": -150000000},
            {"kind": FactKind.NOTE, "instrument": -1, "code": Code.RECONCILED},
        )  # fmt: skip
        command = {"command": "reset", "uid": 1000, "reason": "looked at it"}
        self.writer.append(RecordType.COMMAND, self.ts_ns, encode_json(command))
        for kind in (CommandKind.RESET, CommandKind.CANCEL_ALL):
            self.fact(FactKind.COMMAND, command=kind, value=TradingState.PAUSED)

    def end(self):
        """End the run."""
        reason = encode_json({"reason": "stop"})
        self.writer.append(RecordType.RUN_END, self.ts_ns, reason)
        self.writer.close()


def whole_day(folder, quotes=5):
    """Write two runs with one of everything; return the writer of the second."""
    day = DaysWork(folder)
    day.begin()
    for _ in range(quotes):
        day.quote()
    day.refuse()
    day.trouble()
    day.end()
    again = DaysWork(folder)
    again.ts_ns, again.orders, again.trades = day.ts_ns + SECOND_NS, 0, day.trades
    again.begin(EPOCH + 100)
    again.quote()
    return again

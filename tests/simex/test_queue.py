"""The queues on a tape: the pessimistic one against a queue of single lots, all by hand."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from hftd.config.schema import TapeMarket as TapeSection
from hftd.simex.queue import Queues
from hftd.simex.queue_model import OPTIMISTIC, PESSIMISTIC, Family, QueueModel, parse_queue_model
from hftd.simex.requests import Kind, Place, Side


def order(order_id: int, side: Side, price_ticks: int, qty_lots: int) -> Place:
    """Return a resting order of user 1."""
    return Place(order_id, 1, side, price_ticks, qty_lots, Kind.LIMIT_MAKER)


@dataclass
class NaiveOrder:
    """One order, as a line of single lots: "crowd" ahead of "ours"."""

    order: Place
    line: list[str]
    credit: int = 0
    credit_until_ns: int = 0


@dataclass
class NaiveQueues:
    """The model of the docstring, one lot at a time."""

    orders: list[NaiveOrder] = field(default_factory=list)

    def join(self, place: Place, displayed: int) -> None:
        self.orders.append(NaiveOrder(place, ["crowd"] * displayed + ["ours"] * place.qty_lots))

    def leave(self, order_id: int) -> None:
        self.orders = [naive for naive in self.orders if naive.order.order_id != order_id]

    def trade(self, taker: Side, price: int, lots: int, ts_ns: int) -> dict[int, int]:
        filled: dict[int, int] = {}
        for naive in self.orders:
            own = naive.order
            if own.side is taker:
                continue
            through = price < own.price_ticks if own.side is Side.BUY else price > own.price_ticks
            if through:
                filled[own.order_id] = naive.line.count("ours")
                naive.line = []
            elif price == own.price_ticks:
                left = lots - sum(
                    filled.get(other.order.order_id, 0)
                    for other in self.orders
                    if other.order.price_ticks == price
                )
                while left and naive.credit and ts_ns <= naive.credit_until_ns:
                    naive.credit -= 1
                    left -= 1
                while left and naive.line:
                    left -= 1
                    if naive.line.pop(0) == "ours":
                        filled[own.order_id] = filled.get(own.order_id, 0) + 1
        return self.settled(filled)

    def display(self, side: Side, price: int, lots: int, ts_ns: int) -> None:
        for naive in self.orders:
            naive.credit, naive.credit_until_ns = 0, ts_ns
            if naive.order.side is side and naive.order.price_ticks == price:
                while naive.line.count("crowd") > lots:
                    naive.line.pop(0)
                    naive.credit += 1

    def cross(self, bid: int, ask: int) -> dict[int, int]:
        filled: dict[int, int] = {}
        for naive in self.orders:
            own = naive.order
            buys = own.side is Side.BUY
            if (buys and ask and ask <= own.price_ticks) or (not buys and bid >= own.price_ticks):
                filled[own.order_id] = naive.line.count("ours")
                naive.line = []
        return self.settled(filled)

    def settled(self, filled: dict[int, int]) -> dict[int, int]:
        self.orders = [naive for naive in self.orders if "ours" in naive.line]
        return filled


def show(queues: Queues, side: Side, price: int, lots: int, ts_ns: int) -> None:
    """Let a depth event display lots at one price, and what was there at all others."""
    before: dict[tuple[Side, int], int] = {}
    for each in queues:
        at = (each.order.side, each.order.price_ticks)
        before[at] = max(each.shown_lots, before.get(at, 0))
    queues.display(lambda *at: lots if at == (side, price) else before[at], 1, ts_ns)


SIDES = st.sampled_from(Side)
PRICES = st.integers(98, 102)
LOTS = st.integers(0, 12)
EVENTS = st.one_of(
    st.tuples(st.just("join"), SIDES, PRICES, st.integers(1, 9), LOTS),
    st.tuples(st.just("leave"), st.integers(1, 12)),
    st.tuples(st.just("trade"), SIDES, PRICES, st.integers(1, 20), st.integers(0, 9)),
    st.tuples(st.just("display"), SIDES, PRICES, LOTS, st.integers(0, 9)),
    st.tuples(st.just("cross"), st.integers(95, 101), st.integers(0, 105)),
)


@given(st.lists(EVENTS, max_size=40))
def test_the_model_equals_a_queue_of_single_lots(events: list[tuple[Any, ...]]) -> None:
    """Joins, leaves, trades, displays and crosses fill the same lots in both."""
    queues, naive, order_id = Queues(), NaiveQueues(), 0
    for kind, *rest in events:
        filled: dict[int, int] = {}
        expected: dict[int, int] = {}
        if kind == "join":
            side, price_ticks, qty_lots, displayed = rest
            order_id += 1
            place = order(order_id, side, price_ticks, qty_lots)
            queues.join(place, qty_lots, displayed)
            naive.join(place, displayed)
        elif kind == "leave":
            queues.leave(rest[0])
            naive.leave(rest[0])
        elif kind == "display":
            show(queues, *rest)
            naive.display(*rest)
        else:
            fills = queues.trade(*rest) if kind == "trade" else queues.cross(*rest)
            expected = naive.trade(*rest) if kind == "trade" else naive.cross(*rest)
            filled = {fill.order.order_id: fill.qty_lots for fill in fills}
        assert filled == expected
        assert [(queued.order.order_id, queued.leaves, queued.ahead_lots) for queued in queues] == [
            (one.order.order_id, one.line.count("ours"), one.line.count("crowd"))
            for one in naive.orders
        ]


def model_of(name: str) -> QueueModel:
    """Return a model by its name."""
    model = parse_queue_model(name)
    assert model is not None, name
    return model


@pytest.mark.parametrize(
    ("name", "ahead_lots"),
    [
        ("pessimistic", 300),
        ("optimistic", 200),
        # Behind are 100 of 400, so 1 in 4 of the 100 that canceled, 1 in 10, then 1 in 28.
        ("proportional", 225),
        ("power:2", 210),
        ("power:3", 204),
        # ln 101 / (ln 301 + ln 101) is 0.447, ln 101 / ln 401 is 0.770.
        ("log", 245),
        ("log2", 277),
    ],
)
def test_each_model_shares_a_cancel_its_own_way(name: str, ahead_lots: int) -> None:
    """300 ahead, 100 behind, 100 go without a trade: what is still ahead, rounded up."""
    queues = Queues(model_of(name))
    queues.join(order(1, Side.BUY, 100, 7), 7, 300)
    show(queues, Side.BUY, 100, 400, 10)
    show(queues, Side.BUY, 100, 300, 20)
    assert [queued.ahead_lots for queued in queues] == [ahead_lots]


@pytest.mark.parametrize("name", ["pessimistic", "optimistic", "proportional", "log", "log2"])
@pytest.mark.parametrize("trade_first", [True, False])
def test_a_trade_is_no_cancel_under_any_model(name: str, trade_first: bool) -> None:
    """60 of 400 are traded: 240 are ahead, whether the print or the display came first."""
    queues = Queues(model_of(name))
    queues.join(order(1, Side.BUY, 100, 7), 7, 300)
    show(queues, Side.BUY, 100, 400, 10)
    if trade_first:
        assert queues.trade(Side.SELL, 100, 60, 15) == []
    show(queues, Side.BUY, 100, 340, 20)
    if not trade_first:
        assert queues.trade(Side.SELL, 100, 60, 15) == []
    assert [queued.ahead_lots for queued in queues] == [240]


def test_a_share_of_a_lot_is_not_lost() -> None:
    """Ten cancels of one lot, half of each ahead of us: five lots forward, not none or ten."""
    queues = Queues(model_of("proportional"))
    queues.join(order(1, Side.SELL, 100, 7), 7, 1_000)
    show(queues, Side.SELL, 100, 2_000, 10)
    for canceled in range(1, 11):
        show(queues, Side.SELL, 100, 2_000 - canceled, 10 + canceled)
    assert [queued.ahead_lots for queued in queues] == [995]


def test_a_depth_event_from_before_the_order_is_history() -> None:
    """The order joined a book of id 20: an event that ends at 19 does not move it."""
    queues = Queues(OPTIMISTIC)
    queues.join(order(1, Side.BUY, 100, 7), 7, 10, 20)
    for update_id, ahead_lots in ((19, 10), (20, 4)):
        queues.display(lambda *_: 4, update_id, 5)
        assert [queued.ahead_lots for queued in queues] == [ahead_lots]


@given(
    st.lists(EVENTS, max_size=40),
    st.sampled_from(("proportional", "power:4", "log", "log2")),
)
def test_pessimist_and_optimist_bracket_every_model(
    events: list[tuple[Any, ...]], name: str
) -> None:
    """Whatever happens, an order has at least the pessimist's and at most the optimist's fills."""
    family = [Queues(model) for model in (PESSIMISTIC, model_of(name), OPTIMISTIC)]
    filled = [dict[int, int]() for _ in family]
    order_id = 0
    for now_ns, (kind, *rest) in enumerate(events, 1):
        order_id += kind == "join"
        for queues, sums in zip(family, filled, strict=True):
            if kind == "join":
                side, price_ticks, qty_lots, displayed = rest
                queues.join(order(order_id, side, price_ticks, qty_lots), qty_lots, displayed)
            elif kind == "leave":
                queues.leave(rest[0])
            elif kind == "display":
                lots = rest[2] if rest[0] is Side.BUY else rest[2] + 3
                queues.display(lambda *at, lots=lots: (at[1] * lots) % 13, 1, now_ns)
            else:
                trade = [*rest[:3], now_ns]
                fills = queues.trade(*trade) if kind == "trade" else queues.cross(*rest)
                for fill in fills:
                    number = fill.order.order_id
                    sums[number] = sums.get(number, 0) + fill.qty_lots
    for number in range(1, order_id + 1):
        low, middle, high = (sums.get(number, 0) for sums in filled)
        assert low <= middle <= high


def test_an_unknown_model_is_none() -> None:
    """A power needs its number, and words stand as they are written."""
    for name in ("", "power", "power:0", "power:10", "Log", "fifo"):
        assert parse_queue_model(name) is None


def test_a_trade_eats_what_is_ahead_first() -> None:
    """Behind 10 lots, trades of 8 and 5 fill 3."""
    queues = Queues()
    queues.join(order(1, Side.BUY, 100, 7), 7, 10)
    assert queues.trade(Side.SELL, 100, 8, 0) == []
    (fill,) = queues.trade(Side.SELL, 100, 5, 0)
    assert (fill.order.order_id, fill.qty_lots) == (1, 3)


def test_cancels_are_behind_us_while_they_can_be() -> None:
    """Behind 10 of 10, a display of 4 leaves 4 ahead; a display of 15 changes nothing."""
    queues = Queues()
    queues.join(order(1, Side.SELL, 100, 7), 7, 10)
    for displayed, ahead_lots in ((15, 10), (4, 4), (20, 4)):
        show(queues, Side.SELL, 100, displayed, 5)
        assert [queued.ahead_lots for queued in queues] == [ahead_lots]


def test_one_trade_does_not_count_twice() -> None:
    """A display that already shows a trade pays for it; a later trade is a trade of its own."""
    queues = Queues()
    queues.join(order(1, Side.BUY, 100, 7), 7, 10)
    show(queues, Side.BUY, 100, 4, 50)  # Six lots traded at 49; the print comes after.
    assert queues.trade(Side.SELL, 100, 6, 49) == []
    assert [queued.ahead_lots for queued in queues] == [4]
    (fill,) = queues.trade(Side.SELL, 100, 6, 51)
    assert fill.qty_lots == 2


def test_what_goes_through_us_fills_us_whole() -> None:
    """A trade beyond our price, and an opposite best at ours, fill all that is left."""
    queues = Queues()
    queues.join(order(1, Side.BUY, 100, 7), 7, 1_000)
    queues.join(order(2, Side.SELL, 105, 7), 7, 1_000)
    assert [fill.qty_lots for fill in queues.trade(Side.SELL, 99, 1, 0)] == [7]
    assert queues.cross(104, 106) == []
    assert [fill.order.order_id for fill in queues.cross(105, 106)] == [2]
    assert len(queues) == 0


def test_a_dump_keeps_every_place() -> None:
    """Loaded queues hold the same orders, quantities and places."""
    queues, loaded = Queues(), Queues()
    queues.join(order(1, Side.BUY, 100, 7), 5, 10)
    queues.join(order(9, Side.SELL, 103, 2), 2, 0)
    loaded.load(queues.dump())
    assert loaded.dump() == queues.dump()
    assert [(queued.leaves, queued.ahead_lots) for queued in loaded] == [(5, 10), (2, 0)]


def test_a_profile_takes_the_models_that_there_are() -> None:
    """What the profile's pattern lets through is a model, and every family is let through."""
    for family in Family:
        name = "power:2" if family is Family.POWER else family.value
        market = TapeSection.model_validate({"source": "tape", "queue": name})
        assert parse_queue_model(market.queue) is not None
    with pytest.raises(ValidationError, match="power:N"):
        TapeSection.model_validate({"source": "tape", "queue": "power:0"})

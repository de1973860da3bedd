"""Random requests by the hundred thousand: the exchange beside the naive reference.

Every request goes through the endpoints, as text, and every one is compared: what it was
answered, what then happened in which order, and at a stride the books and all balances.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from hftd.simex.accounts import Accounts
from hftd.simex.endpoint import Call, Desk
from hftd.simex.endpoints import METHODS, answer
from hftd.simex.events import BalanceEvent, ExecType, Fees, MarketEvent, OrderEvent
from hftd.simex.exchange import Exchange
from hftd.simex.flow_noise import Noise
from hftd.simex.limits import Limits, RateLimits
from hftd.simex.market import SymbolSpec
from hftd.simex.matching import MatchingMarket
from hftd.simex.numbers import text_of
from hftd.simex.orders import History
from hftd.simex.params import Params
from hftd.simex.refusals import Refusal
from hftd.simex.requests import FEE_ACCOUNT, Side, Trade
from tests.simex.naive_book import NaiveBook, Wish

T0 = 1_800_000_000_000_000_000
MANY = 10**9
SPEC = SymbolSpec(
    "BTCUSDT",
    "BTC",
    "USDT",
    "0.01",
    "0.00001",
    min_notional="0.00000001",
    max_num_orders=MANY,
    max_num_algo_orders=MANY,
    max_num_iceberg_orders=MANY,
    max_num_order_amends=3,
)
TICK, LOT = 1_000_000, 1_000
"""Atoms in a tick and in a lot of that symbol."""
KINDS = (
    *["LIMIT"] * 7,
    "LIMIT_MAKER",
    "MARKET",
    "STOP_LOSS",
    "STOP_LOSS_LIMIT",
    "TAKE_PROFIT",
    "TAKE_PROFIT_LIMIT",
)
TIFS = (*["GTC"] * 4, "IOC", "FOK")
STPS = (*["NONE"] * 3, "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH", "DECREMENT")
USERS = (1, 2, 3, 4)
FEES = Fees(maker=70_000, taker=103_337)
MAX_OPEN = 32
"""Above so many open orders the next request is a cancel: the reference looks at all."""
STRIDE = 10
REFUSED = {
    "Filter failure: LOT_SIZE": "LOT_SIZE",
    "Account has insufficient balance for requested action.": "FUNDS",
    "Order would immediately match and take.": "TAKES",
    "Order would trigger immediately.": "TRIGGERS",
}


class Both:
    """The exchange and its reference, which get the same requests."""

    def __init__(self, seed: int) -> None:
        self.noise = Noise(seed)
        self.market = MatchingMarket(SPEC)
        self.exchange = Exchange([self.market], FEES, History(500, 500, 500))
        limits = RateLimits(Limits(orders_per_10s=MANY, orders_per_day=MANY))
        self.desk = Desk(self.exchange, limits)
        self.naive = NaiveBook({"maker": FEES.maker, "taker": FEES.taker}, LOT, 10)
        for user in USERS:
            for asset, name, atoms in (("base", "BTC", 250 * LOT), ("quote", "USDT", 250_000)):
                self.naive.owned[user, asset] = atoms
                self.exchange.accounts.deposit(user, name, atoms)
        self.exchange.accounts.take_touched()
        self.totals = self.exchange.accounts.totals()
        self.counts: Counter[str] = Counter()
        self.ids = 0

    # --- requests -------------------------------------------------------------------------

    def step(self) -> None:
        """Send one request to both and compare what came of it."""
        noise, opened = self.noise, self.naive.orders
        draw = noise.below(100)
        if opened and (len(opened) > MAX_OPEN or draw < 12):
            self._cancel()
        elif opened and draw < 22:
            self._amend()
        elif opened and draw < 30:
            self._replace()
        else:
            self._place()
        happened = self._happened()
        assert happened == self.naive.told
        self.counts.update(str(each[0]) for each in happened)
        self.naive.told = []

    def compare(self) -> None:
        """Compare books, balances and what is open."""
        for side in Side:
            assert list(self.market.levels(side)) == self.naive.levels(side.value)
        accounts: Accounts = self.exchange.accounts
        assert accounts.totals() == self.totals
        for asset, name in (("base", "BTC"), ("quote", "USDT")):
            assert accounts.balance(FEE_ACCOUNT, name).free == self.naive.fees[asset]
            for user in USERS:
                balance = accounts.balance(user, name)
                assert balance.locked == self.naive.locked(user, asset)
                assert balance.free + balance.locked == self.naive.owned[user, asset]
        left = {live.wish.order_id: live.left for live in self.naive.orders}
        opened = [
            order for user in USERS for order in self.exchange.bookkeeping(user).open.values()
        ]
        assert {order.order_id: order.leaves_lots for order in opened} == left

    def _ask(self, method: str, account: int, **values: object) -> Any:
        texts = {name: str(value) for name, value in values.items()}
        call = Call(self.desk, Params({"symbol": "BTCUSDT", **texts}), account, T0)
        self.counts[method] += 1
        return answer(METHODS[method], call)

    def _random_wish(self) -> Wish:
        noise = self.noise
        kind = KINDS[noise.below(len(KINDS))]
        limited = kind.startswith("LIMIT") or kind.endswith("LIMIT")
        tif = TIFS[noise.below(len(TIFS))] if limited and kind != "LIMIT_MAKER" else "GTC"
        lots = noise.between(1, 20)
        may_hide = limited and tif == "GTC" and lots > 1
        return Wish(
            self.ids + 1,
            USERS[noise.below(len(USERS))],
            "BUY" if noise.chance(50) else "SELL",
            kind,
            tif if limited else "",
            STPS[noise.below(len(STPS))],
            lots,
            noise.between(93, 107) if limited else 0,
            noise.between(93, 107) if kind.startswith(("STOP", "TAKE")) else 0,
            noise.between(1, lots - 1) if may_hide and noise.chance(35) else 0,
            noise.between(90, 1500) if kind == "MARKET" and noise.chance(50) else 0,
        )

    def _terms(self, wish: Wish) -> dict[str, object]:
        amounts = {
            "price": wish.price * TICK,
            "stopPrice": wish.stop * TICK,
            "icebergQty": wish.iceberg * LOT,
            "quantity": 0 if wish.quote else wish.lots * LOT,
            "quoteOrderQty": wish.quote * 10,
        }
        terms: dict[str, object] = {
            "side": wish.side,
            "type": wish.kind,
            "selfTradePreventionMode": wish.stp,
            "newOrderRespType": "RESULT",
        }
        if wish.tif and wish.kind != "LIMIT_MAKER":
            terms["timeInForce"] = wish.tif
        return terms | {name: text_of(atoms) for name, atoms in amounts.items() if atoms}

    def _tell_naive(self, wish: Wish) -> str:
        refused = self.naive.place(wish)
        if refused in ("", "TAKES", "TRIGGERS"):
            self.ids += 1  # The market was asked, and gave an id.
        self.counts[refused] += 1
        return refused

    def _place(self) -> None:
        wish = self._random_wish()
        reply = self._ask("order.place", wish.account, **self._terms(wish))
        self._check_placed(wish, reply)

    def _check_placed(self, wish: Wish, reply: Any) -> None:
        refused = self._tell_naive(wish)
        if refused == "FUNDS":
            self.ids += 1  # An id is taken before the money is looked at.
        self.counts[wish.kind] += not refused
        if isinstance(reply, Refusal):
            assert REFUSED[reply.msg] == refused
        elif "msg" in reply:
            assert REFUSED[reply["msg"]] == refused
        else:
            assert (refused, reply["orderId"]) == ("", wish.order_id)

    def _some_order(self) -> Wish:
        opened = self.naive.orders
        return opened[self.noise.below(len(opened))].wish

    def _cancel(self) -> None:
        wish = self._some_order()
        reply = self._ask("order.cancel", wish.account, orderId=wish.order_id)
        assert reply["status"] == "CANCELED"
        self.naive.cancel(wish.order_id)

    def _amend(self) -> None:
        wish = self._some_order()
        live = self.naive.find(wish.order_id)
        lots = self.noise.between(1, wish.lots + 1)
        quantity = text_of(lots * LOT)
        reply = self._ask(
            "order.amend.keepPriority", wish.account, orderId=wish.order_id, newQty=quantity
        )
        amends = self.exchange.books[wish.account].open["BTCUSDT", wish.order_id].amendments
        if isinstance(reply, Refusal):
            gone = wish.lots - live.left
            assert lots >= wish.lots or lots <= gone or len(amends) == 3
            self.counts["amend refused"] += 1
        else:
            assert reply["amendedOrder"]["qty"] == quantity
            self.naive.amend(wish.order_id, lots)

    def _replace(self) -> None:
        old, new = self._some_order(), self._random_wish()
        # Any account may replace: an order of another it does not find.
        cancel_fails = old.account != new.account
        stops = self.noise.chance(50)
        reply = self._ask(
            "order.cancelReplace",
            new.account,
            cancelReplaceMode="STOP_ON_FAILURE" if stops else "ALLOW_FAILURE",
            cancelOrderId=old.order_id,
            **self._terms(new),
        )
        if isinstance(reply, Refusal) and reply.code == -1013:
            # Filters come before the cancel.
            assert self._tell_naive(new) == REFUSED[reply.msg]
            return
        outcome = reply.data if isinstance(reply, Refusal) else reply
        assert outcome["cancelResult"] == ("FAILURE" if cancel_fails else "SUCCESS")
        if not cancel_fails:
            self.naive.cancel(old.order_id)
        if cancel_fails and stops:
            assert outcome["newOrderResult"] == "NOT_ATTEMPTED"
        else:
            self._check_placed(new, outcome["newOrderResponse"])

    # --- what happened --------------------------------------------------------------------

    def _happened(self) -> list[tuple[object, ...]]:
        told: list[tuple[object, ...]] = []
        seen_matches: set[int] = set()
        for event in self.exchange.take_events():
            if isinstance(event, BalanceEvent):
                continue
            if isinstance(event, MarketEvent):
                trade = event.report
                if isinstance(trade, Trade):
                    ids = (trade.maker_order_id, trade.taker_order_id)
                    told.append(("trade", *ids, trade.price_ticks, trade.qty_lots))
                continue
            told += _of_order(event, seen_matches)
        return told


def _of_order(event: OrderEvent, seen_matches: set[int]) -> list[tuple[object, ...]]:
    order, match = event.order, event.prevented
    if event.exec_type is ExecType.CANCELED:
        return [("canceled", order.order_id, order.leaves_lots)]
    if event.exec_type is ExecType.REPLACED:
        return [("amended", order.order_id, order.leaves_lots)]
    if event.exec_type is ExecType.EXPIRED:
        return [("expired", order.order_id, order.leaves_lots)]
    if event.exec_type is ExecType.NEW and order.triggered_ns:
        return [("triggered", order.order_id)]
    if match is not None and match.match_id not in seen_matches:
        seen_matches.add(match.match_id)
        ids = (match.taker_order_id, match.maker_order_id)
        return [("prevented", *ids, match.taker_lots, match.maker_lots, match.price_ticks)]
    return []


def compare(requests: int, seed: int) -> Counter[str]:
    """Run both over the same requests; assert that they agree; return what came about."""
    both = Both(seed)
    for number in range(requests):
        try:
            both.step()
            if number % STRIDE == 0:
                both.compare()
        except AssertionError as error:
            raise AssertionError(f"seed {seed}, request {number}: {error}") from error
    both.compare()
    return both.counts

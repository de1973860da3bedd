"""A second matching engine, written apart from the real one: slow, short, by the rule book.

It keeps one list of orders and looks through all of it each time. It knows balances too: what
every account owns, and what its open orders lock.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field

BUY, SELL = "BUY", "SELL"


@dataclass
class Wish:
    """An order as a user asks for it; prices in ticks, quantities in lots, 0 where not given."""

    order_id: int
    account: int
    side: str
    kind: str
    tif: str
    stp: str
    lots: int
    price: int = 0
    stop: int = 0
    iceberg: int = 0
    quote: int = 0
    """A MARKET order's amount in tick-lots instead of a quantity."""


@dataclass
class Live:
    """An open order: what it is, what of it is in sight, and its turn in the queue."""

    wish: Wish
    left: int
    shown: int = 0
    turn: int = 0
    rests: bool = False


@dataclass
class NaiveBook:
    """Open orders and balances; ``told`` is what happened since somebody looked."""

    fee_rate: dict[str, int] = field(default_factory=dict)
    lot_atoms: int = 1
    tick_lot_atoms: int = 1
    owned: dict[tuple[int, str], int] = field(default_factory=dict)
    fees: dict[str, int] = field(default_factory=lambda: {"base": 0, "quote": 0})
    orders: list[Live] = field(default_factory=list)
    told: list[tuple[object, ...]] = field(default_factory=list)
    last_price: int = 0
    turns: int = 0
    called: list[Live] = field(default_factory=list)

    # --- requests -------------------------------------------------------------------------

    def cancel(self, order_id: int) -> None:
        live = self.find(order_id)
        self.told.append(("canceled", order_id, live.left))
        self.orders.remove(live)

    def amend(self, order_id: int, lots: int) -> None:
        live = self.find(order_id)
        live.left -= live.wish.lots - lots
        live.wish.lots = lots
        live.shown = min(live.shown, live.left)
        self.told.append(("amended", order_id, live.left))

    def place(self, wish: Wish) -> str:
        """Return why the order is refused; empty where it is taken."""
        if wish.quote:
            wish.lots = self.affordable(wish)
        if wish.lots == 0:
            return "LOT_SIZE"
        asset, needed = self.needs(wish)
        if self.owned[wish.account, asset] - self.locked(wish.account, asset) < needed:
            return "FUNDS"
        if wish.kind == "LIMIT_MAKER" and self.facing(wish):
            return "TAKES"
        if wish.stop and self.last_price and reaches(wish, self.last_price):
            return "TRIGGERS"
        live = Live(wish, wish.lots)
        if wish.stop:
            self.orders.append(live)
            return ""
        self.work(live)
        while self.called:
            live = self.called.pop(0)
            self.told.append(("triggered", live.wish.order_id))
            self.orders.remove(live)
            self.work(live)
        return ""

    # --- matching -------------------------------------------------------------------------

    def work(self, live: Live) -> None:
        wish = live.wish
        if wish.tif == "FOK":
            trial = deepcopy(self)
            probe = deepcopy(live)
            trial.told = []
            trial.take(probe)
            lost = sum(each[3] for each in trial.told if each[0] == "prevented")  # type: ignore[misc]
            if probe.left or lost:
                self.told.append(("expired", wish.order_id, live.left))
                return
        self.take(live)
        if live.left and wish.tif == "GTC" and wish.price:
            live.rests = True
            self.show(live)
            self.orders.append(live)
        elif live.left:
            self.told.append(("expired", wish.order_id, live.left))

    def show(self, live: Live) -> None:
        self.turns += 1
        live.turn = self.turns
        live.shown = min(live.left, live.wish.iceberg or live.left)

    def facing(self, wish: Wish) -> list[Live]:
        """All that the order may trade with, best price first, then by their turn."""
        buys = wish.side == BUY
        found = [
            live
            for live in self.orders
            if live.rests
            and live.wish.side != wish.side
            and (
                not wish.price
                or (live.wish.price <= wish.price if buys else live.wish.price >= wish.price)
            )
        ]
        return sorted(
            found, key=lambda live: (live.wish.price if buys else -live.wish.price, live.turn)
        )

    def take(self, live: Live) -> None:
        wish, budget = live.wish, self.budget(live.wish)
        while live.left and (facing := self.facing(wish)):
            maker = facing[0]
            price = maker.wish.price
            common = min(live.left, maker.shown)
            if maker.wish.account == wish.account and wish.stp != "NONE":
                from_taker = {"EXPIRE_MAKER": 0, "DECREMENT": common}.get(wish.stp, live.left)
                from_maker = {"EXPIRE_TAKER": 0, "DECREMENT": common}.get(wish.stp, maker.left)
                ids = (wish.order_id, maker.wish.order_id)
                self.told.append(("prevented", *ids, from_taker, from_maker, price))
                live.left -= from_taker
                self.reduce(maker, from_maker)
                continue
            if budget is not None:
                common = min(common, budget // price)
                budget -= common * price
                if common == 0:
                    return
            self.told.append(("trade", maker.wish.order_id, wish.order_id, price, common))
            self.settle(maker.wish, wish, price, common)
            live.left -= common
            self.reduce(maker, common)
            self.last_price = price
            for waiting in list(self.orders):
                new = waiting not in self.called
                if waiting.wish.stop and not waiting.rests and new and reaches(waiting.wish, price):
                    self.called.append(waiting)

    def reduce(self, maker: Live, lots: int) -> None:
        maker.left -= lots
        maker.shown -= min(lots, maker.shown)
        if maker.left == 0:
            self.orders.remove(maker)
        elif maker.shown == 0:
            self.show(maker)

    # --- money ----------------------------------------------------------------------------

    def settle(self, maker: Wish, taker: Wish, price: int, lots: int) -> None:
        base, quote = lots * self.lot_atoms, price * lots * self.tick_lot_atoms
        for wish, role in ((maker, "maker"), (taker, "taker")):
            got, gave = ("base", "quote") if wish.side == BUY else ("quote", "base")
            amounts = {"base": base, "quote": quote}
            fee = amounts[got] * self.fee_rate[role] // 10**8
            self.owned[wish.account, gave] -= amounts[gave]
            self.owned[wish.account, got] += amounts[got] - fee
            self.fees[got] += fee

    def budget(self, wish: Wish) -> int | None:
        if wish.price or wish.side == SELL:
            return None
        return wish.stop * wish.lots * 105 // 100 if wish.stop else self.walk(wish)

    def walk(self, wish: Wish) -> int:
        """What buying all of it from the book would cost, in tick-lots."""
        cost, left = 0, wish.lots
        for live in self.facing(wish):
            cost += live.wish.price * min(left, live.left)
            left -= min(left, live.left)
        return cost

    def affordable(self, wish: Wish) -> int:
        money, lots = wish.quote, 0
        levels: dict[int, int] = {}
        for live in self.facing(wish):
            levels[live.wish.price] = levels.get(live.wish.price, 0) + live.left
        for price, there in levels.items():
            taken = min(there, money // price)
            money -= taken * price
            lots += taken
            if taken < there:
                break
        return lots

    def needs(self, wish: Wish) -> tuple[str, int]:
        """What the order locks as it enters: asset and atoms."""
        if wish.side == SELL:
            return "base", wish.lots * self.lot_atoms
        budget = self.budget(wish)
        tick_lots = wish.price * wish.lots if budget is None else budget
        return "quote", tick_lots * self.tick_lot_atoms

    def locked(self, account: int, asset: str) -> int:
        total = 0
        for live in self.orders:
            wish = live.wish
            if wish.account != account or (wish.side == SELL) != (asset == "base"):
                continue
            if asset == "base":
                total += live.left * self.lot_atoms
            elif wish.price:
                total += live.left * wish.price * self.tick_lot_atoms
            else:
                total += self.needs(wish)[1]
        return total

    # --- to look at -----------------------------------------------------------------------

    def find(self, order_id: int) -> Live:
        return next(live for live in self.orders if live.wish.order_id == order_id)

    def levels(self, side: str) -> list[tuple[int, int]]:
        """Price and quantity in sight of each level, best first."""
        sums: dict[int, int] = {}
        for live in self.orders:
            if live.rests and live.wish.side == side:
                sums[live.wish.price] = sums.get(live.wish.price, 0) + live.shown
        return sorted(sums.items(), reverse=side == BUY)


def reaches(wish: Wish, price: int) -> bool:
    """Whether a trade at this price triggers the stop order."""
    above = wish.side == (BUY if wish.kind.startswith("STOP") else SELL)
    return price >= wish.stop if above else price <= wish.stop

"""The caps of money as the exchange would judge them: exposure, turnover, the day's loss, reserves.

Owns the part of I03 that is told in quote and needs a price (C13, C15, C16), and what may never be
spent (C11). The price is the mid of the exchange's own book, our orders and all, so that small
excesses prove nothing: each cap has a twentieth of room. Where a fault has told levels that are not
the book's, the daemon could not know better, and nothing is judged for a while. Nor after a trade
by hand, until a comparison of balances must have told of it.
"""

from __future__ import annotations

from hftd.config.schema import scaled_limits
from hftd.domain.codes import TradingState
from hftd.domain.events import Link
from hftd.domain.facts import FactKind
from hftd.drivers.checkers_told import Told
from hftd.drivers.checkers_truth import ACCOUNT, BUY, SELL, Create, Truth
from hftd.drivers.watch import Checker, Watch, World
from hftd.simex.requests import Side

ATOMS = 100_000_000
ROOM = 20  # A twentieth.
SECOND_NS = 1_000_000_000
LOSS_NS = 30 * SECOND_NS  # Reports may be lost, and are missed within one comparison of trades.
LIE_NS = 60 * SECOND_NS
BY_HAND_NS = 60 * SECOND_NS  # Balances are compared every 30 s, and again where they differ.
DAY_NS = 86_400 * SECOND_NS


class MoneyCapped(Checker):
    """I03 of C13, C15 and C16: judged whenever an order leaves that may add to the position."""

    ID = "I03"
    SAYS = "no order leaves beyond a cap of money"

    def __init__(self, world: World, watch: Watch, truth: Truth, told: Told) -> None:
        super().__init__(world, watch)
        self._world, self._truth, self._told = world, truth, told
        limits = next(iter(scaled_limits(world.loaded.profile).values()))
        self._gross_atoms = int(limits.max_gross_exposure_quote * ATOMS)
        self._turnover_atoms = int(limits.max_daily_turnover_quote * ATOMS)
        self._loss_atoms = int(limits.max_daily_loss_quote * ATOMS)
        self._units = [instrument.unit_atoms for instrument in world.instruments]
        hours, minutes = limits.day_starts_utc.split(":")
        self._day_starts_ns = (int(hours) * 60 + int(minutes)) * 60 * SECOND_NS
        self._day = (world.now_ns - self._day_starts_ns) // DAY_NS
        self._new: list[Create] = []
        self._lost_ns = 0  # Since when, by every order, the loss is over its cap; 0: it is not.

    def on_sent(self, link: Link, frame: bytes, ts_ns: int) -> None:
        """Keep a create for the end of the step, when the exchange's part is known too."""
        if self._truth.create is not None:
            self._new.append(self._truth.create)

    def on_step(self, world: World) -> None:
        """Trading that begins again after a person has looked has a while of its own."""
        for fact in self._told.facts:
            if fact.kind == FactKind.STATE and fact.state_to == TradingState.RUNNING:
                self._lost_ns = 0
        for create in self._new:
            self._judge(create, create.client_order_id)
        self._new.clear()

    def _judge(self, create: Create, name: str) -> None:
        now_ns = self._world.now_ns
        if now_ns - self._truth.book_lied_ns < LIE_NS:
            return
        if self._told.reduces(create.key):
            return
        mids = [self._mid_ticks(symbol) for symbol in self._truth.symbols]
        if 0 in mids:
            return
        worst = self._truth.worst_lots(create.instrument)
        if worst[create.side] >= worst[1 - create.side]:  # The other side alone: a price did it.
            self._judge_exposure(mids, name)
        if (now_ns - self._day_starts_ns) // DAY_NS == self._day:
            self._judge_turnover(name)
            self._judge_loss(mids, now_ns, name)

    def _mid_ticks(self, symbol: str) -> int:
        touch = self._world.venue.exchange.listings[symbol].market.best()
        if touch is None or 0 in (touch.bid_ticks, touch.ask_ticks):
            return 0
        return (touch.bid_ticks + touch.ask_ticks) // 2

    def _judge_exposure(self, mids: list[int], name: str) -> None:
        gross_atoms = sum(
            max(self._truth.worst_lots(index)) * mid * unit
            for index, (mid, unit) in enumerate(zip(mids, self._units, strict=True))
        )
        if gross_atoms > self._gross_atoms + self._gross_atoms // ROOM:
            self.break_off(f"{self._gross_atoms} atoms", gross_atoms, f"{name}: C13, exposure")

    def _judge_turnover(self, name: str) -> None:
        truth = self._truth
        worst_atoms = sum(trade.quote_atoms for trade in truth.trades.values())
        for order in truth.open:
            unit = self._units[truth.symbols.index(order.symbol)]
            worst_atoms += order.leaves_lots * order.price_ticks * unit
        for create in truth.in_flight.values():
            worst_atoms += create.qty_lots * create.price_ticks * self._units[create.instrument]
        if worst_atoms > self._turnover_atoms + self._turnover_atoms // ROOM:
            self.break_off(f"{self._turnover_atoms} atoms", worst_atoms, f"{name}: C16, turnover")

    def _judge_loss(self, mids: list[int], now_ns: int, name: str) -> None:
        lost_atoms = 0
        for index, (mid, unit) in enumerate(zip(mids, self._units, strict=True)):
            lost_atoms += self._truth.paid_atoms[index]
            lost_atoms -= self._truth.position_lots[index] * mid * unit
        if lost_atoms <= self._loss_atoms + self._loss_atoms // ROOM:
            self._lost_ns = 0
        elif self._lost_ns == 0:
            self._lost_ns = now_ns
        elif now_ns - self._lost_ns > LOSS_NS:
            seconds = (now_ns - self._lost_ns) // SECOND_NS
            words = f"{name}: C15, the day's loss, for {seconds} s"
            self.break_off(f"{self._loss_atoms} atoms", lost_atoms, words)


class ReserveKept(Checker):
    """I03 of C11: judged whenever an order leaves, and while it stands."""

    ID = "I03"
    SAYS = "no order of ours can bring a holding below its reserve"

    def __init__(self, world: World, watch: Watch, truth: Truth, told: Told) -> None:
        super().__init__(world, watch)
        self._world, self._truth, self._told = world, truth, told
        inventory = world.loaded.profile.inventory
        self._reserve_atoms = {
            BUY: int(inventory.reserve_quote * ATOMS), SELL: int(inventory.reserve_base * ATOMS)
        }  # fmt: skip
        self._new: list[Create] = []
        self._trades_by_hand = 0
        self._by_hand_ns = -BY_HAND_NS
        self._short_ns: dict[tuple[int, int], int] = {}

    def on_sent(self, link: Link, frame: bytes, ts_ns: int) -> None:
        """Keep a create for the end of the step, when the exchange's part is known too."""
        if self._truth.create is not None:
            self._new.append(self._truth.create)

    def on_step(self, world: World) -> None:
        """With each create, all that may be spent is."""
        self._see_hands(world.now_ns)
        for create in self._new:
            self._judge(create)
        self._new.clear()

    def _see_hands(self, now_ns: int) -> None:
        if len(self._truth.foreign_trades) != self._trades_by_hand:
            self._trades_by_hand, self._by_hand_ns = len(self._truth.foreign_trades), now_ns

    def _judge(self, create: Create) -> None:
        if self._world.now_ns - self._by_hand_ns < BY_HAND_NS:
            return
        missing_atoms = self._missing_atoms(create.instrument, create.side)
        if missing_atoms > 0:
            asset, name = self._asset(create.instrument, create.side), create.client_order_id
            self.break_off("its reserve", f"{missing_atoms} atoms less of {asset}", name)

    def on_look(self, world: World) -> None:
        """What a trade by hand has made too much is pulled, once it must be known."""
        self._see_hands(world.now_ns)
        running = self._told.trading == TradingState.RUNNING and all(self._told.links)
        for index in range(len(world.instruments)):
            for side in (BUY, SELL):
                short = running and self._missing_atoms(index, side) > 0
                since_ns = self._short_ns.get((index, side), world.now_ns)
                self._short_ns[index, side] = since_ns if short else world.now_ns
                if world.now_ns - self._short_ns[index, side] > BY_HAND_NS:
                    asset = self._asset(index, side)
                    self.break_off("pulled", f"open for {BY_HAND_NS // SECOND_NS} s", asset)

    def _asset(self, index: int, side: int) -> str:
        instrument = self._world.instruments[index]
        return instrument.quote if side == BUY else instrument.base

    def _missing_atoms(self, index: int, side: int) -> int:
        """Return how far below its reserve an asset comes, if all that spends it fills."""
        reserve_atoms = self._reserve_atoms[side]
        if reserve_atoms == 0:
            return 0
        spent_atoms = 0
        for at, instrument in enumerate(self._world.instruments):
            if side == SELL and at != index:
                continue  # All buys spend the one quote asset.
            for lots, ticks in self._spends(at, side):
                spent_atoms += lots * (
                    ticks * instrument.unit_atoms if side == BUY else instrument.lot_e8
                )
        if spent_atoms == 0:
            return 0
        accounts = self._world.venue.exchange.accounts
        balance = accounts.balance(ACCOUNT, self._asset(index, side))
        return reserve_atoms + spent_atoms - balance.free - balance.locked

    def _spends(self, index: int, side: int) -> list[tuple[int, int]]:
        symbol, buys = self._truth.symbols[index], side == BUY
        spends = [
            (order.leaves_lots, order.price_ticks)
            for order in self._truth.open
            if order.symbol == symbol and (order.side is Side.BUY) == buys
        ]
        for create in self._truth.in_flight.values():
            if create.instrument == index and create.side == side:
                spends.append((create.qty_lots, create.price_ticks))
        return spends

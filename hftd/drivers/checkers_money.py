"""Invariants of money: positions, fills, balances and PnL, to the last unit.

Owns I01, I02, I10, I11 and I27. Amounts are added up here from the exchange's own trades; the
engine's books must say the same, while it runs by what it was told, in the end by everything.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hftd.domain.codes import Code
from hftd.domain.facts import FactKind
from hftd.domain.order import FeeAsset, Side
from hftd.drivers.checkers_told import Fact, Told
from hftd.drivers.checkers_truth import ACCOUNT, Truth
from hftd.drivers.watch import Checker, Watch, World
from hftd.simex.orders import AccountTrade

STOOD_NS = 55_000_000_000
PARTS_BITS = 32  # Of an atom, in which a share of a cost is reckoned.
UNBOUNDED = 1 << 62


class Books:
    """The engine's books, by views that are taken once an engine."""

    def __init__(self) -> None:
        self._engine: Any = None

    def look(self, world: World) -> bool:
        """Take the views of this world's engine; return whether it is a new one."""
        if world.engine is self._engine:
            return False
        self._engine = world.engine
        state = world.engine.state
        self.position_lots = state.instruments["position_lots"]
        self.realized_atoms = state.instruments["realized_atoms"]
        self.cost_atoms = state.instruments["cost_atoms"]
        self.traded_atoms = state.balances["traded_atoms"]
        self.turnover_atoms = state.core["turnover_atoms"]
        self.day = state.core["day"]
        self.base_assets = [int(asset) for asset in state.instruments["base_asset"]]
        self.quote_asset = int(state.core[0]["quote_asset"])
        return True


class FillsOnce(Checker):
    """I02."""

    ID = "I02"
    SAYS = "each of our trades is applied once, as the exchange made it, and none is lost"

    def __init__(self, world: World, watch: Watch, truth: Truth, told: Told) -> None:
        super().__init__(world, watch)
        self._truth, self._told = truth, told

    def on_step(self, world: World) -> None:
        """Every fill that was told is a trade of the exchange, number by number."""
        told = self._told
        if not told.facts:
            return
        for fact in told.twice:
            self.break_off("once", "twice", f"trade {fact.trade_id}")
        for fact in told.facts:
            if fact.kind == FactKind.FILL:
                self._compare(world, fact)

    def _compare(self, world: World, fact: Fact) -> None:
        trade = self._truth.trades.get((fact.instrument, fact.trade_id))
        if trade is None:
            self.break_off("a trade of the exchange", "none", f"fill {fact.trade_id}")
            return
        instrument = world.instruments[fact.instrument]
        asset = {FeeAsset.BASE: instrument.base, FeeAsset.QUOTE: instrument.quote}
        ours = (
            fact.side == Side.BUY, fact.price_ticks, fact.qty_lots, fact.fee_atoms,
            asset.get(FeeAsset(fact.fee_asset), "other"),
        )  # fmt: skip
        theirs = (
            trade.is_buyer, trade.price_ticks, trade.qty_lots, trade.fee_atoms, trade.fee_asset,
        )  # fmt: skip
        if ours != theirs:
            self.break_off(theirs, ours, f"fill {fact.trade_id} (buys, ticks, lots, fee, asset)")

    def at_quiescence(self, world: World) -> None:
        """No trade of ours is missing."""
        missing = [key for key in self._truth.trades if key not in self._told.fills]
        if missing:
            count = len(self._truth.trades)
            self.break_off(f"{count} fills", f"{count - len(missing)}", f"lost {missing[:3]}")


class PositionIsFills(Checker):
    """I01, I10 and I11: all three follow from the same sum."""

    ID = "I01"
    SAYS = "the position is the sum of our fills, in the end of the exchange's trades"

    def __init__(self, world: World, watch: Watch, truth: Truth, told: Told) -> None:
        super().__init__(world, watch)
        self._truth, self._told = truth, told
        self._books = Books()
        self._due_ns = 0

    def on_boot(self, epoch: int) -> None:
        """What the journal holds is what the new engine must have."""
        self._books = Books()

    def on_step(self, world: World) -> None:
        """After a boot and after each fill the books are the sum of the fills told."""
        if self._books.look(world) or any(fact.trade_id for fact in self._told.facts):
            fills = [
                (key[0], self._truth.trades[key])
                for key in self._told.fills
                if key in self._truth.trades
            ]
            self._judge(world, fills)
            self._judge_gains(world, fills)

    def on_look(self, world: World) -> None:
        """Judge what was put off till now."""
        if self._due_ns and world.now_ns > self._due_ns:
            self._due_ns = 0
            self._judge_difference(world)

    def at_heal(self, world: World) -> None:
        """A minute from here on, books that a difference has stopped are judged as they stand."""
        self._due_ns = world.now_ns + STOOD_NS

    def _judge_difference(self, world: World) -> None:
        # What stopped may never be reconciled again; yet it hears all reports, so that in the
        # end its books must be right: then the difference was one in time alone.
        core = world.engine.state.core[0]
        if core["state_code"] == Code.RECONCILE_DIFFERENCE and not self._truth.foreign_trades:
            self.at_quiescence(world)

    def at_quiescence(self, world: World) -> None:
        """In the end the books are the exchange's own trades."""
        self._books.look(world)
        self._judge(world, [(index, trade) for (index, _), trade in self._truth.trades.items()])
        self._compare_balances(world)

    def _judge(self, world: World, fills: list[tuple[int, AccountTrade]]) -> None:
        books = self._books
        traded = dict.fromkeys(range(len(books.traded_atoms)), 0)
        for index, instrument in enumerate(world.instruments):
            lots = paid = 0
            for at, trade in fills:
                if at != index:
                    continue
                sign = 1 if trade.is_buyer else -1
                lots += sign * trade.qty_lots
                paid += sign * trade.quote_atoms
                asset = books.quote_asset if trade.fee_asset == instrument.quote else -1
                for other, base in enumerate(world.instruments):
                    asset = books.base_assets[other] if trade.fee_asset == base.base else asset
                if asset >= 0:
                    traded[asset] -= trade.fee_atoms
            traded[books.base_assets[index]] += lots * instrument.lot_e8
            traded[books.quote_asset] -= paid
            if int(books.position_lots[index]) != lots:
                self.break_off(f"{lots} lots", int(books.position_lots[index]), instrument.name)
            # Average cost or any other: gains taken less what is still paid for is the cash.
            left = int(books.realized_atoms[index]) - int(books.cost_atoms[index])
            if left != -paid:
                words = f"{instrument.name}: realized less cost: expected {-paid}, was {left} atoms"
                self.watch.violate("I11", f"PnL equals its reference in whole atoms: {words}")
        for asset, atoms in traded.items():
            if int(books.traded_atoms[asset]) != atoms:
                was = int(books.traded_atoms[asset])
                words = f"asset {asset}: expected {atoms} atoms by fills and fees, was {was}"
                self.watch.violate("I10", f"cash is conserved: {words}")

    def _judge_gains(self, world: World, fills: list[tuple[int, AccountTrade]]) -> None:
        # The same fills in the same order: how much of them is gain, and not only in the sum.
        for index, instrument in enumerate(world.instruments):
            expected, off = gains([trade for at, trade in fills if at == index])
            was = int(self._books.realized_atoms[index])
            if abs(was - expected) > off:
                words = f"{instrument.name}: realized: expected {expected}, {off} more or less"
                self.watch.violate("I11", f"PnL equals its reference: {words}, was {was} atoms")

    def _compare_balances(self, world: World) -> None:
        # What fills and told flows do not explain of the exchange's balances is drift.
        state, books = world.engine.state, self._books
        names = {books.quote_asset: world.instruments[0].quote}
        for index, instrument in enumerate(world.instruments):
            names[books.base_assets[index]] = instrument.base
        for asset, name in names.items():
            balance = state.balances[asset]
            ours = sum(int(balance[each]) for each in ("opening_atoms", "traded_atoms"))
            ours += int(balance["flow_atoms"])
            held = world.venue.exchange.accounts.balance(ACCOUNT, name)
            if ours != held.free + held.locked:
                words = f"expected {held.free + held.locked} atoms, was {ours}"
                self.watch.violate(
                    "I10", f"our books hold what the exchange holds: {name}: {words}"
                )


def gains(trades: Sequence[AccountTrade]) -> tuple[int, int]:
    """Return the gains of trades, in their order, by average cost, and how far off one may be.

    Units: atoms. Each trade that reduces may round by one, until nothing is left to take part of.
    """
    position = cost = realized = reduced = 0
    for trade in trades:
        sign = 1 if trade.is_buyer else -1
        paid = sign * trade.quote_atoms << PARTS_BITS
        if position * sign < 0:
            closed = min(trade.qty_lots, abs(position))
            share, paid_closed = cost * closed // abs(position), paid * closed // trade.qty_lots
            realized -= paid_closed + share
            reduced = reduced + 1 if closed < abs(position) else 0
            cost, paid = cost - share, paid - paid_closed
        position += sign * trade.qty_lots
        cost += paid
    return realized >> PARTS_BITS, reduced + 1


class DayGoesOn(Checker):
    """I27."""

    ID = "I27"
    SAYS = "what counts for the day survives a restart within it"
    KEPT = ("day_open_equity_atoms", "peak_equity_atoms", "turnover_atoms")

    def __init__(self, world: World, watch: Watch, told: Told) -> None:
        super().__init__(world, watch)
        self._world, self._told = world, told
        self._crashed = False  # And the next life has made no step.
        self._before: dict[str, int] | None = None  # None: the power may have taken some of it.
        self._heard = 0  # Facts of the step in which it died.

    def on_crash(self, kind: str) -> None:
        """Keep what the day stood at; a power loss may take the newest of it back."""
        core = self._world.engine.state.core[0]
        if not self._crashed:
            self._before = {name: int(core[name]) for name in ("day", *self.KEPT)}
            self._heard = len(self._told.facts)
        self._crashed = True
        if kind == "power":
            self._before = None

    def on_step(self, world: World) -> None:
        """In its first step a boot has the day as it stood, and what it told late besides.

        Who dies between two events of one message has journaled it whole: the boot goes on in it.
        """
        if not self._crashed:  # Nearly always, and the state takes 20 µs to find its core.
            return
        before, self._crashed = self._before, False
        core = world.engine.state.core[0]
        if before is None or int(core["day"]) != before["day"]:
            return
        late_atoms = self._late_atoms()
        most = {"turnover_atoms": late_atoms, "peak_equity_atoms": UNBOUNDED if late_atoms else 0}
        for name in self.KEPT:
            if not 0 <= int(core[name]) - before[name] <= most.get(name, 0):
                self.break_off(before[name], int(core[name]), name)

    def _late_atoms(self) -> int:
        return sum(
            fact.price_ticks * fact.qty_lots * self._world.instruments[fact.instrument].unit_atoms
            for fact in self._told.facts[self._heard :]
            if fact.kind == FactKind.FILL
        )

"""All checkers of a world, in the order in which they look.

Owns the list. Truth and journal are read first, everybody else judges by them, and at the end of
a step both are told that all have looked.
"""

from __future__ import annotations

from hftd.drivers.checkers_book import BookTrue, FreshQuotes
from hftd.drivers.checkers_caps import MoneyCapped, ReserveKept
from hftd.drivers.checkers_doubt import DoubtEnds
from hftd.drivers.checkers_journal import LedgerTrue, ReplayTrue, SecretsKept
from hftd.drivers.checkers_limits import (
    MemoryBounded,
    RateKept,
    StepsBounded,
    TimelyRequests,
    WithinLimits,
)
from hftd.drivers.checkers_money import DayGoesOn, FillsOnce, PositionIsFills
from hftd.drivers.checkers_orders import (
    Attributed,
    IdsOnce,
    JournaledFirst,
    LegalStates,
    NoOverfill,
    NoSelfTrade,
    ReconciledFirst,
)
from hftd.drivers.checkers_rare import RareStates
from hftd.drivers.checkers_starts import CrashWaits, FoundWaits
from hftd.drivers.checkers_stops import CancelsLeave, GateClosed, Heals, LatchHolds, NothingLeft
from hftd.drivers.checkers_told import Told
from hftd.drivers.checkers_truth import Truth
from hftd.drivers.watch import Checker, Watch, World


class Settle(Checker):
    """The end of a step: what was new is so no more."""

    def __init__(self, world: World, watch: Watch, truth: Truth, told: Told) -> None:
        super().__init__(world, watch)
        self._truth, self._told = truth, told

    def on_step(self, world: World) -> None:
        """Tell both."""
        self._truth.settled()
        self._told.settled()


def all_checkers(world: World, watch: Watch) -> list[Checker]:
    """Return every checker, ready to watch this world from its beginning."""
    truth, told = Truth(world, watch), Told(world, watch)
    return [
        truth, told, RareStates(world, watch, truth, told),
        JournaledFirst(world, watch, truth), IdsOnce(world, watch, truth),
        LegalStates(world, watch, told), NoOverfill(world, watch, truth),
        NoSelfTrade(world, watch, truth), ReconciledFirst(world, watch, truth, told),
        Attributed(world, watch, truth, told), DoubtEnds(world, watch, truth, told),
        FillsOnce(world, watch, truth, told), PositionIsFills(world, watch, truth, told),
        DayGoesOn(world, watch, told), WithinLimits(world, watch, truth, told),
        MoneyCapped(world, watch, truth, told), ReserveKept(world, watch, truth, told),
        RateKept(world, watch, truth), TimelyRequests(world, watch, truth),
        StepsBounded(world, watch), MemoryBounded(world, watch),
        GateClosed(world, watch, truth, told), NothingLeft(world, watch, truth, told),
        CancelsLeave(world, watch, truth, told), LatchHolds(world, watch, told),
        CrashWaits(world, watch, truth, told), FoundWaits(world, watch, truth, told),
        Heals(world, watch, truth, told), BookTrue(world, watch, truth, told),
        FreshQuotes(world, watch, truth, told), SecretsKept(world, watch),
        LedgerTrue(world, watch, told), ReplayTrue(world, watch), Settle(world, watch, truth, told),
    ]  # fmt: skip

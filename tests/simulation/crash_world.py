"""The world of the crash matrix: its script, and what a copy does after its death."""

from __future__ import annotations

from pathlib import Path

from hftd import wiring
from hftd.config.load import load_profile
from hftd.domain.codes import Code, TradingState
from hftd.domain.events import CommandKind
from hftd.domain.order import OrderState
from hftd.drivers.checkers import all_checkers
from hftd.drivers.memory import Builders
from hftd.drivers.simulate_network import Delay, Latency
from hftd.drivers.simulate_process import ProcessDied
from hftd.drivers.simulate_restarts import SECOND_NS, RestartingWorld
from hftd.drivers.watch import Watch
from hftd.journal.writer import JournalFull
from tests.simulation.crash_matrix import (
    DOWN_S,
    QUIET_S,
    RECOVERED_S,
    SECONDS,
    SEED,
    TRADES_ON_S,
    Forks,
    end_copy,
    words_of,
)

ACCOUNT = 1
# A snapshot some times in the session: most deaths are recovered from one that was written on the
# way, and no boot reads all of what came before it.
SNAPSHOT_RECORDS = 800
# Some segments in the session, so that deaths meet the turn of a page too; and a copy makes, maps
# and searches less of what nobody has written.
SEGMENT_BYTES = 1 << 19
# At which second of the session the operator says what; the second kill comes with a restart.
SCRIPT = {
    25: CommandKind.PAUSE,
    28: CommandKind.FLATTEN,
    33: CommandKind.RESUME,
    45: CommandKind.CANCEL_ALL,
    55: CommandKind.KILL,
    59: CommandKind.ACK,
    61: CommandKind.RESET,
    65: CommandKind.RESUME,
    80: CommandKind.STOP,
}
CUT_AT_S = 40
BOOT_AGAIN_AT_S = 83


class CrashWorld(RestartingWorld):
    """A world that forks a copy at its effects; the copy dies there."""

    segment_bytes = SEGMENT_BYTES

    def __init__(self, folder: Path, forks: Forks) -> None:
        self._forks = forks
        self._copying = True
        loaded = load_profile(
            "market-making",
            sets=[f"venue.market.seed={SEED}", "venue.market.preset=busy"],
            environ={},
        )
        latency = Latency(order=Delay(2_000_000, 3_000_000))
        build = Builders(wiring.build_engine, wiring.build_codec)
        super().__init__(loaded, build, SEED, folder, Watch(SEED, all_checkers), latency)

    def boundary(self, what: str) -> None:
        """Count an effect; where one is due, let a copy die at it."""
        self.boundaries += 1
        if not self._copying:
            return
        self._forks.effects[what] += 1
        if not self._forks.is_due(self.boundaries):
            return
        self.publish_cursor()
        own = self._forks.fork(self.folder)
        if own is not None:
            self._copying = False
            self._die_in(own, self.boundaries)

    def _keep_house(self, ts_ns: int) -> JournalFull | None:
        full = super()._keep_house(ts_ns)
        assert self._run is not None
        self._run.keep_short(ts_ns, SNAPSHOT_RECORDS)
        return full

    def _die_in(self, own: Path, effect: int) -> None:
        kind = self._forks.kind
        self.on_end = lambda: self._come_back(own, effect, kind)
        self.move_to(own)
        raise ProcessDied(kind)

    def _come_back(self, own: Path, effect: int, kind: str) -> None:
        try:
            self.on_end = lambda: None
            words = self._recover(DOWN_S[effect % len(DOWN_S)])
        except Exception as error:  # noqa: BLE001 - the top of a forked process: tell, and end
            words = words_of(error)
        end_copy(own, f"effect {effect}, {kind}: {words}" if words else "")

    def _recover(self, down_s: int) -> str:
        self.run_until(self.now_ns + down_s * SECOND_NS)
        self.boot()
        end_ns = self.now_ns + RECOVERED_S * SECOND_NS
        while self.now_ns < end_ns and not self._is_recovered():
            self.run_until(self.now_ns + SECOND_NS)
        if self.alive and self.engine.state.core[0]["state"] == TradingState.PAUSED:
            self.process.take(self.give, CommandKind.RESUME)  # The script's pause outlives it.
        self.run_until(self.now_ns + TRADES_ON_S * SECOND_NS)
        if not self.alive:
            return f"no daemon: {self.ended} {self.said}"
        core = self.engine.state.core[0]
        state, code = TradingState(int(core["state"])), Code(int(core["state_code"]))
        if state not in (TradingState.RUNNING, TradingState.KILLED) or not core["recovery_clean"]:
            return f"{state.name} ({code.name}), clean {int(core['recovery_clean'])}"
        self.process.take(self.give, CommandKind.PAUSE)
        self.run_until(self.now_ns + QUIET_S * SECOND_NS)
        self.watch.at_quiescence(self)
        return self._difference()

    def _is_recovered(self) -> bool:
        """Return whether the daemon is as running, paused or killed as it was, without a doubt."""
        if not self.alive:
            return False
        core = self.engine.state.core[0]
        ready = core["state"] in (TradingState.RUNNING, TradingState.PAUSED, TradingState.KILLED)
        doubts = self.engine.state.orders["state"] == OrderState.UNKNOWN
        return bool(ready and core["recovery_clean"] and not doubts.any())

    def _difference(self) -> str:
        exchange = self.venue.exchange
        book = exchange.bookkeeping(ACCOUNT)
        trades = [trade for each in book.trades.values() for trade in each]
        held = sum(trade.qty_lots if trade.is_buyer else -trade.qty_lots for trade in trades)
        state = self.engine.state
        instrument = state.instruments[0]
        pairs = {
            "position": (int(instrument["position_lots"]), held),
            "open orders": (int((state.orders["key"] != 0).sum()), len(book.open)),
        }
        listing = exchange.listings["BTCUSDT"]
        assets = {int(instrument["base_asset"]): listing.spec.base}
        assets[int(state.core[0]["quote_asset"])] = listing.spec.quote
        for index, asset in assets.items():
            told, ours = exchange.accounts.balance(ACCOUNT, asset), state.balances[index]
            expected = ours["opening_atoms"] + ours["traded_atoms"] + ours["flow_atoms"]
            pairs[asset] = (int(expected), told.free + told.locked)
        return ", ".join(
            f"{name}: engine {ours}, exchange {truth}"
            for name, (ours, truth) in pairs.items()
            if ours != truth
        )

    def give(self, kind: CommandKind) -> None:
        """Give a command from within the process, as the control socket does."""
        self.command(kind)


def session(world: CrashWorld) -> None:
    """Run the script: quotes, fills, a cut, pause, flatten, kill, reset, stop, a second boot."""
    begin_ns = world.now_ns
    world.boot()
    for second in range(1, SECONDS + 1):
        world.run_until(begin_ns + second * SECOND_NS)
        if second in SCRIPT:
            world.process.take(world.give, SCRIPT[second])
        if second == CUT_AT_S:
            world.process.take(world.roads.orders.link.drop, "cut")
        if second == BOOT_AGAIN_AT_S:
            assert not world.alive, "the stop must have ended the first life"
            world.boot()

"""One seed: what it draws, the world it makes, the three phases it goes through, what came of it.

Owns the draw (swarm: which faults are on, how often, which market, which links, which machine,
which circumstances) and the verdict. The phases:

    chaos     faults strike at times of their own
    heal      all faults end; within ``LIVENESS_NS`` the daemon quotes, or says why it does not
    quiet     the operator pauses; nothing is in flight, and books and exchange must agree

Each kind of fault draws from a generator of its own, so that leaving one out changes none of
the others: that is what makes a failing seed shrink.
"""

from __future__ import annotations

import gc
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from hftd.config.load import load_profile
from hftd.domain.codes import BookState, Code, TradingState
from hftd.domain.events import CommandKind
from hftd.domain.layout import Records
from hftd.domain.order import Side
from hftd.drivers.memory import Builders
from hftd.drivers.simulate import TAG
from hftd.drivers.simulate_circumstances import draw_circumstances, sets_of
from hftd.drivers.simulate_faults import KINDS
from hftd.drivers.simulate_machine import NO_RESTART, OUR_ACCOUNT, Machine
from hftd.drivers.simulate_network import Delay, Latency
from hftd.drivers.simulate_operator import TRIES
from hftd.drivers.simulate_restarts import STOPPED, RestartingWorld
from hftd.drivers.watch import BuildCheckers, InvariantViolated, Watch
from hftd.engine.recovery import Phase
from hftd.runtime.children import is_alive
from hftd.simex.flow_noise import Noise

SECOND_NS = 1_000_000_000
MS_NS = 1_000_000
LIVENESS_NS = 60 * SECOND_NS
QUIET_NS = 20 * SECOND_NS
AFTER_A_BAN_NS = 5 * SECOND_NS
LOOK_NS = SECOND_NS // 2
ON_PERCENTS = (3, 10, 25)  # Of all kinds of faults: many seeds have a few, some have a crowd.
MARKETS = ("calm", "calm", "calm", "busy", "trending", "crash", "wide")
DAMAGED = 65
OUR_IDS = f"h1-{TAG}-"
WAITS_FOR_PEOPLE = (Code.OPERATOR, Code.FOREIGN_ORDERS)  # Nothing but a person ends these pauses.
# What a market does may pause longer than a minute, and C28 judges the minute that has passed.
OF_THE_MARKET = (Code.REFERENCE_DISAGREES, Code.PRICE_JUMP, Code.COLLAR_BREACHES, Code.ACK_LATENCY)
# What refuses only where orders of ours are open.
OF_OUR_ORDERS = (
    Code.OPEN_ORDERS, Code.ORDER_TABLE_FULL, Code.OPEN_NOTIONAL, Code.DUPLICATE, Code.SELF_TRADE,
    Code.SIDE_IN_DOUBT,
)  # fmt: skip
GOLDEN = 0x9E3779B97F4A7C15
_PREFIX = "hftd-simulate-"


@dataclass(frozen=True)
class Draw:
    """What a seed is: everything that does not follow from time passing."""

    seed: int
    minutes: float
    profile: str
    market: str
    faults: tuple[str, ...]  # And circumstances, which are on from the beginning.
    systemd: bool
    drift_ppm: int
    jitter_ns: int
    arrives_percent: int
    begins_anew: bool  # Whether the operator resets what is latched when all is well again.


@dataclass
class Outcome:
    """What a seed brought; ``violation`` is empty where every invariant held."""

    draw: Draw
    violation: str = ""
    invariant: str = ""
    failed_at_s: float = 0.0
    seconds: float = 0.0
    process_seconds: float = 0.0  # What it cost, by whoever measured it.
    market_events: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    venue_faults: dict[str, int] = field(default_factory=dict)
    crashes: dict[str, int] = field(default_factory=dict)
    sometimes: dict[str, int] = field(default_factory=dict)
    boots: int = 0
    commands: int = 0
    fills: int = 0
    end: str = ""
    trace: str = ""


def draw(seed: int, minutes: float, profile: str, faults: Sequence[str] | None) -> Draw:
    """Draw a seed's world. ``faults`` names those that are on; None lets the seed choose."""
    noise = Noise(seed * GOLDEN + 1)
    on_percent = ON_PERCENTS[noise.below(len(ON_PERCENTS))]
    chosen = tuple(name for name in KINDS if noise.chance(on_percent))
    chosen += draw_circumstances(Noise(seed * GOLDEN + 5))
    return Draw(
        seed=seed,
        minutes=minutes,
        profile=profile,
        market=MARKETS[noise.below(len(MARKETS))],
        faults=chosen if faults is None else tuple(faults),
        systemd=noise.chance(50),
        drift_ppm=noise.between(-200, 200) if noise.chance(30) else 0,
        jitter_ns=noise.between(0, 30) * MS_NS if noise.chance(50) else 0,
        arrives_percent=noise.below(101),
        begins_anew=noise.chance(60),
    )


class SeedRun:
    """One seed on its way."""

    def __init__(self, drawn: Draw, build: Builders, checkers: BuildCheckers, folder: Path) -> None:
        self.drawn = drawn
        sets = [f"venue.market.seed={drawn.seed}", f"venue.market.preset={drawn.market}"]
        sets += sets_of(drawn.faults, drawn.seed)
        loaded = load_profile(drawn.profile, sets=sets, environ={})
        jitter = drawn.jitter_ns
        latency = Latency(Delay(MS_NS, jitter), Delay(2 * MS_NS, jitter), Delay(2 * MS_NS, jitter))
        self.watch = Watch(drawn.seed, checkers)
        self.world = RestartingWorld(
            loaded, build, drawn.seed, folder, self.watch, latency, drawn.drift_ppm
        )
        self.world.network.arrives_percent = drawn.arrives_percent
        noise = Noise(drawn.seed * GOLDEN + 2)
        self.machine = Machine(self.world, noise, systemd=drawn.systemd)
        self.outcome = Outcome(drawn)
        self._begin_ns = self.world.now_ns
        self._heal_ns = self._begin_ns + int(drawn.minutes * 60 * SECOND_NS) - LIVENESS_NS
        self._heal_ns = max(self._heal_ns - QUIET_NS, self._begin_ns + SECOND_NS)
        self._quoted = False
        self._had_books = False

    def run(self) -> Outcome:
        """Go through all phases; a broken invariant ends it and stands in the outcome."""
        out, world = self.outcome, self.world
        try:
            self._chaos()
            self._heal()
            self._quiet()
        except InvariantViolated as verdict:
            out.violation, out.invariant = str(verdict), verdict.invariant
        except Exception as bug:  # noqa: BLE001 - the top of a driver: a bug of ours is a finding
            out.violation, out.invariant = _words_of(bug), "BUG"
        out.failed_at_s = (world.now_ns - self._begin_ns) / 1e9 if out.violation else 0.0
        self._count()
        return out

    # --- the phases -----------------------------------------------------------------------

    def _chaos(self) -> None:
        for index, (name, kind) in enumerate(KINDS.items()):
            if name in self.drawn.faults:
                noise = Noise((self.drawn.seed * 1_000 + index) * GOLDEN + 3)
                mean_ns = kind.mean_s * SECOND_NS * (1, 2, 4)[noise.below(3)] // 2
                self._schedule(name, mean_ns, noise)
        self.machine.boot()
        self.machine.operator.care(self._heal_ns, Noise(self.drawn.seed * GOLDEN + 4))
        self.world.run_until(self._heal_ns)

    def _schedule(self, name: str, mean_ns: int, noise: Noise) -> None:
        at_ns = self.world.now_ns + 1 + noise.waiting(mean_ns)
        if at_ns < self._heal_ns:
            self.world.calendar.at(at_ns, self._strike, name, mean_ns, noise)

    def _strike(self, name: str, mean_ns: int, noise: Noise) -> None:
        faults = self.outcome.faults
        faults[name] = faults.get(name, 0) + 1
        KINDS[name].strike(self.machine, noise)
        self._schedule(name, mean_ns, noise)

    def _heal(self) -> None:
        world, machine = self.world, self.machine
        machine.heal()
        self.watch.at_heal(world)
        if self.drawn.begins_anew:
            machine.operator.restore(TRIES)
        end_ns = self._heal_ns + LIVENESS_NS
        while world.now_ns < end_ns:
            world.run_until(min(world.now_ns + LOOK_NS, end_ns))
            self._quoted = self._quoted or bool(self._open_orders())
            books = world.engine.state.books["state"]
            self._had_books = self._had_books or bool((books == BookState.SYNCED).all())
        fault = self._not_alive()
        if fault:
            self.watch.violate("I30", fault)

    def _quiet(self) -> None:
        world = self.world
        if self.machine.operator.state() is TradingState.RUNNING:
            self.machine.operator.give(CommandKind.PAUSE)
        world.run_until(world.now_ns + QUIET_NS)
        if not world.alive:
            return
        core = world.engine.state.core[0]
        if core["recovery_phase"] == Phase.IDLE and core["recovery_clean"] == 1:
            self.watch.at_quiescence(world)

    # --- judging --------------------------------------------------------------------------

    def _open_orders(self) -> int:
        orders = self.world.venue.exchange.bookkeeping(OUR_ACCOUNT).open.values()
        return sum(order.client_order_id.startswith(OUR_IDS) for order in orders)

    def _not_alive(self) -> str:
        """Return why the daemon is neither quoting nor stopped with a reason; empty: it is."""
        world = self.world
        if not world.alive:
            how, why = world.ended
            if how == STOPPED and why in NO_RESTART:
                allowed = why == DAMAGED and "fsync-fails" in self.outcome.faults
                return "" if allowed else f"the daemon stays down with exit {why}: {world.said}"
            return f"no daemon runs a minute after all faults have ended, {how} by {why}"
        core = world.engine.state.core[0]
        state, code = TradingState(int(core["state"])), Code(int(core["state_code"]))
        words = f"a minute after all faults have ended: {state.name} ({code.name})"
        if state in (TradingState.HALTED, TradingState.KILLED):
            if code == Code.NONE:
                return f"{words}: no reason"
            # Who is told to hold back cancels nothing, and it may have ended a moment ago.
            held = int(core["now_ns"]) - int(core["rate_limited_until_ns"]) < AFTER_A_BAN_NS
            left = 0 if held else self._open_orders()
            return f"{words}: {left} open orders" if left else ""
        if state is TradingState.PAUSED:
            return "" if code in WAITS_FOR_PEOPLE + OF_THE_MARKET else words
        if state is not TradingState.RUNNING:
            return words
        if not self._had_books:
            return f"{words}: a book that was not SYNCED for a moment"
        fault = "" if self._quoted else unexplained(world.engine.state.targets[0])
        return f"{words}: {fault}" if fault else ""

    # --- counting -------------------------------------------------------------------------

    def _count(self) -> None:
        out, world, machine = self.outcome, self.world, self.machine
        out.seconds = (world.now_ns - self._begin_ns) / 1e9
        out.market_events = world.market_events
        for entry in world.script.take_log():
            out.venue_faults[entry["fault"]] = out.venue_faults.get(entry["fault"], 0) + 1
        out.crashes = dict(machine.deaths)
        out.sometimes = {name: count for name, count in self.watch.counts.items() if count}
        out.boots, out.commands = world.boots, machine.operator.commands
        out.fills = int(world.engine.state.core[0]["fills"])
        core = world.engine.state.core[0]
        state, code = TradingState(int(core["state"])), Code(int(core["state_code"]))
        out.end = f"{state.name} ({code.name})" if world.alive else f"{world.ended}"
        out.trace = world.digest.hexdigest()


def unexplained(targets: Records) -> str:
    """Return which side gives no reason that holds while no order of ours exists; empty: none.

    Shapes: targets (2,) TARGET.
    """
    for side, target in zip(Side, targets, strict=True):
        code, denied = Code(int(target["quoted_code"])), Code(int(target["denied_code"]))
        if code == Code.NONE:
            return f"no quote and no reason for {side.name}"
        if code == Code.DENIED_RECENTLY and denied in OF_OUR_ORDERS:
            return f"no order of ours, and {side.name} is refused by {denied.name}"
    return ""


def _words_of(bug: Exception) -> str:
    at = bug.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    where = "" if at is None else f" at {Path(at.tb_frame.f_code.co_filename).name}:{at.tb_lineno}"
    return f"{type(bug).__name__}: {bug}{where}"


def run_seed(drawn: Draw, build: Builders, checkers: BuildCheckers) -> Outcome:
    """Run one seed in a state folder of its own, in memory where the machine has that."""
    prefix = f"{_PREFIX}{os.getpid()}-"
    with (
        tempfile.TemporaryDirectory(prefix=prefix, dir=_memory_folder()) as folder,
        collected_at_the_end(),
    ):
        return SeedRun(drawn, build, checkers, Path(folder)).run()


def _memory_folder() -> Path:
    folder = Path("/dev/shm")  # noqa: S108 - a folder of our own is made below it
    return folder if folder.is_dir() else Path(tempfile.gettempdir())


def drop_left_behind() -> None:
    """Remove the folders of seeds whose process was killed: they would hold memory for ever."""
    for path in _memory_folder().glob(f"{_PREFIX}*-*"):
        pid = path.name.removeprefix(_PREFIX).partition("-")[0]
        if pid.isdigit() and not is_alive(int(pid)):
            shutil.rmtree(path, ignore_errors=True)  # Another user's stays.


@contextmanager
def collected_at_the_end() -> Iterator[None]:
    """Look for cycles once, when a seed is over: on its way that takes a tenth of its time.

    What the process held before is not looked at again; it is most of what there is.
    """
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.collect()


RunSeed = Callable[[Draw], Outcome]

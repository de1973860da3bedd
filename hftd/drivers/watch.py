"""The watch beside a simulated world: what it is told, whom it tells, and what a breach says.

Owns the hooks by which a world tells its checkers what happens, the exception by which a broken
invariant ends a run, and the counts of rare states. Must not know an invariant; those are in the
``checkers_*`` modules, and the rare states in `drivers.rare_states`.

A world calls, in this order of its life: ``begin`` once it is built; then, whenever it happens,
``on_boot``, ``on_crash``, ``on_journal`` for each record that the journal took, ``on_sent`` for
each frame that leaves the daemon, ``on_latch``, and ``on_step`` after every turn of the engine's
loop; ``at_heal`` when all faults have ended, and ``at_quiescence`` when nothing is in flight any
more. Nothing here changes the world.

Three of four turns are a pulse or a market frame that changes nothing a checker judges. So after a
turn only ``on_turn`` is always called, that of the few who see whether something happened and then
``stir``; ``on_step`` follows where somebody did, and ``on_look`` each eighth turn, for what is
true of a time and not of an event.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from hftd.config.load import LoadedProfile
from hftd.domain.codes import Code, TradingState
from hftd.domain.events import Link
from hftd.domain.instrument import Instrument
from hftd.drivers.memory import Builders
from hftd.drivers.rare_states import RARE_STATES
from hftd.drivers.simulate_clocks import MachineClocks
from hftd.engine.engine import Engine
from hftd.errors import HftdError
from hftd.journal.record import Record, RecordType
from hftd.simex.faults import FaultScript
from hftd.simex.venue import Venue

HOOKS = (
    "on_turn", "on_step", "on_look", "on_sent", "on_latch", "on_boot", "on_crash", "at_heal",
    "at_quiescence",
)  # fmt: skip
TURNS_A_LOOK = 8  # About a third of a second.
WAITED = 0x80  # Beside the link of a frame; no other first byte of what is read by it is as large.

# What a checker reads: a type of record, or of it those with one first byte of their payload,
# which is a frame's link and an event's kind.
Reads = RecordType | tuple[RecordType, int]


class World(Protocol):
    """What a checker may look at; every attribute may be another object after a restart."""

    loaded: LoadedProfile
    instruments: list[Instrument]
    engine: Engine
    kept_seq: int  # Up to here the journal had come through when this boot began.
    build: Builders
    venue: Venue
    script: FaultScript
    clocks: MachineClocks

    @property
    def now_ns(self) -> int:
        """Return the world's own time, the one that no clock of it shows."""


class InvariantViolated(HftdError):
    """A world broke an invariant: ``invariant`` is its id, the words name the values.

    It is the judge's verdict and no fault of the daemon's own: nothing below the driver of the
    simulation may catch it.
    """

    exit_code = 70

    def __init__(self, invariant: str, words: str) -> None:
        self.invariant = invariant
        super().__init__(f"{invariant}: {words}")


class Views:
    """Arrays of the engine that lives now: to ask its records for a field takes 5 µs a time."""

    def __init__(self, engine: Engine) -> None:
        state = engine.state
        self.engine = engine
        self.core = state.core[0]
        self.order_keys = state.orders["key"]
        self.book_states = state.books["state"]
        self.target_lots = state.instruments["target_position_lots"]


class Checker:
    """One who watches: it defines those of ``HOOKS`` that it needs, and no others are called.

    ``ID`` is the invariant's number and ``SAYS`` the sentence that must hold. Who ``READS``
    records defines ``on_record``.
    """

    ID = ""
    SAYS = ""
    READS: tuple[Reads, ...] = ()

    def __init__(self, world: World, watch: Watch) -> None:
        self.watch = watch

    def break_off(self, expected: object, was: object, about: str = "") -> None:
        """End the run: the invariant does not hold.

        Raises: InvariantViolated.
        """
        words = f"{self.SAYS}: {about + ': ' if about else ''}expected {expected}, was {was}"
        self.watch.violate(self.ID, words)


BuildCheckers = Callable[[World, "Watch"], Sequence[Checker]]


class Watch:
    """All who watch one world, and how often each rare state was seen.

    Not told of a world (no ``begin``), every hook does nothing but count.
    """

    def __init__(self, seed: int, build: BuildCheckers) -> None:
        """Keep the seed for the words of a breach; ``build`` makes the checkers of a world."""
        self.seed = seed
        self._build = build
        self._world: World | None = None
        self._began_ns = 0
        self._hooks: dict[str, list[Callable[..., None]]] = {name: [] for name in HOOKS}
        self._turns = 0
        self._stirred = False
        self._views: Views | None = None
        self._reading: list[tuple[tuple[Reads, ...], Callable[[Record], None]]] = []
        self._readers: dict[tuple[int, int], list[Callable[[Record], None]]] = {}
        self.counts: dict[str, int] = dict.fromkeys(RARE_STATES, 0)

    # --- what a world tells ---------------------------------------------------------------

    def begin(self, world: World) -> None:
        """Look at a world for the first time, before anything in it is booted."""
        self._world, self._began_ns = world, world.now_ns
        for checker in self._build(world, self):
            for name in HOOKS:
                hook = getattr(checker, name, None)
                if hook is not None:
                    self._hooks[name].append(hook)
            if checker.READS:
                self._reading.append((checker.READS, checker.on_record))  # type: ignore[attr-defined]

    def on_step(self, world: World) -> None:
        """One turn of the loop body is done: an input, its facts and its intents."""
        hooks = self._hooks
        for hook in hooks["on_turn"]:
            hook(world)
        self._turns += 1
        if self._turns % TURNS_A_LOOK == 0:
            for hook in hooks["on_look"]:
                hook(world)
        if self._stirred:
            self._stirred = False
            for hook in hooks["on_step"]:
                hook(world)

    def on_sent(self, link: Link, frame: bytes, ts_ns: int) -> None:
        """A frame leaves the daemon, a GET as ``GET /path?query``, at the daemon's own time."""
        for hook in self._hooks["on_sent"]:
            hook(link, frame, ts_ns)

    def readers(self, record_type: int, first: int) -> list[Callable[[Record], None]]:
        """Return who reads records of a type whose payload begins with a byte."""
        key = record_type, first & ~WAITED
        found = self._readers.get(key)
        if found is None:
            found = self._readers[key] = [
                hook for reads, hook in self._reading if record_type in reads or key in reads
            ]
        return found

    def on_journal(self, record: Record) -> None:
        """The journal took a record: it is in the page cache, which a crash does not lose."""
        first = record.payload[0] if record.payload else 0
        for hook in self.readers(record.record_type, first):
            hook(record)

    def on_latch(self, state: TradingState, code: Code) -> None:
        """The latch file was written durably (state STARTING, 0: removed)."""
        self._stirred = True
        for hook in self._hooks["on_latch"]:
            hook(state, code)

    def on_boot(self, epoch: int) -> None:
        """A boot begins with this epoch; what it reads of journal and latch is read already."""
        self._stirred = True
        for hook in self._hooks["on_boot"]:
            hook(epoch)

    def on_crash(self, kind: str) -> None:
        """The process is gone without a stop: ``kill -9``, ``power``, ``bug`` or ``watchdog``."""
        self._stirred = True
        for hook in self._hooks["on_crash"]:
            hook(kind)

    def at_heal(self, world: World) -> None:
        """All faults have ended; what was broken must mend from here on."""
        self._stirred = True
        for hook in self._hooks["at_heal"]:
            hook(world)

    def at_quiescence(self, world: World) -> None:
        """The run's end: the links are up, nothing is in flight; the dear questions are asked."""
        for hook in self._hooks["at_quiescence"]:
            hook(world)

    # --- what checkers say ----------------------------------------------------------------

    def stir(self) -> None:
        """Let every ``on_step`` be called when this turn is over: something happened in it."""
        self._stirred = True

    def views(self, world: World) -> Views:
        """Return the views of this world's engine."""
        if self._views is None or self._views.engine is not world.engine:
            self._views = Views(world.engine)
        return self._views

    def sometimes(self, name: str) -> None:
        """Count one visit of a rare state that `drivers.rare_states` declares."""
        self.counts[name] += 1

    def violate(self, invariant: str, words: str) -> None:
        """End the run with a broken invariant, named with the time and the seed.

        Raises: InvariantViolated.
        """
        at = ""
        if self._world is not None:
            at = f", at {(self._world.now_ns - self._began_ns) / 1e9:.3f} s"
        raise InvariantViolated(invariant, f"{words}{at} of seed {self.seed}")

"""The watch beside a simulated world: what it is told, whom it tells, and what a breach says.

Owns the hooks by which a world tells its checkers what happens, the exception by which a broken
invariant ends a run, and the counts of rare states. Must not know an invariant; those are in the
``checkers_*`` modules, and the rare states in `drivers.rare_states`.

A world calls, in this order of its life: ``begin`` once it is built; then, whenever it happens,
``on_boot``, ``on_crash``, ``on_journal`` for each record that the journal took, ``on_sent`` for
each frame that leaves the daemon, ``on_latch``, and ``on_step`` after every turn of the engine's
loop; ``at_heal`` when all faults have ended, and ``at_quiescence`` when nothing is in flight any
more. Nothing here changes the world.
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
from hftd.engine.engine import Engine
from hftd.errors import HftdError
from hftd.journal.record import Record
from hftd.simex.faults import FaultScript
from hftd.simex.venue import Venue

HOOKS = (
    "on_step", "on_sent", "on_journal", "on_latch", "on_boot", "on_crash", "at_heal",
    "at_quiescence",
)  # fmt: skip


class World(Protocol):
    """What a checker may look at; every attribute may be another object after a restart."""

    loaded: LoadedProfile
    instruments: list[Instrument]
    engine: Engine
    kept_seq: int  # Up to here the orders stream had come through when this boot began.
    build: Builders
    venue: Venue
    script: FaultScript

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


class Checker:
    """One who watches: it defines those of ``HOOKS`` that it needs, and no others are called.

    ``ID`` is the invariant's number and ``SAYS`` the sentence that must hold.
    """

    ID = ""
    SAYS = ""

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
        self._each_step: list[Callable[[World], None]] = []
        self._each_record: dict[int, list[Callable[[Record], None]]] = {}
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
            for record_type in getattr(checker, "READS", ()):
                self._each_record.setdefault(record_type, []).append(checker.on_record)  # type: ignore[attr-defined]
        self._each_step = self._hooks["on_step"]

    def on_step(self, world: World) -> None:
        """One turn of the loop body is done: an input, its facts and its intents."""
        for hook in self._each_step:
            hook(world)

    def on_sent(self, link: Link, frame: bytes, ts_ns: int) -> None:
        """A frame leaves the daemon, a GET as ``GET /path?query``, at the daemon's own time."""
        for hook in self._hooks["on_sent"]:
            hook(link, frame, ts_ns)

    def on_journal(self, record: Record) -> None:
        """The journal took a record: it is in the page cache, which a crash does not lose."""
        for hook in self._each_record.get(record.record_type, ()):
            hook(record)
        for hook in self._hooks["on_journal"]:
            hook(record)

    def on_latch(self, state: TradingState, code: Code) -> None:
        """The latch file was written durably (state STARTING, 0: removed)."""
        for hook in self._hooks["on_latch"]:
            hook(state, code)

    def on_boot(self, epoch: int) -> None:
        """A boot begins with this epoch; what it reads of journal and latch is read already."""
        for hook in self._hooks["on_boot"]:
            hook(epoch)

    def on_crash(self, kind: str) -> None:
        """The process is gone without a stop: ``kill -9``, ``power``, ``bug`` or ``watchdog``."""
        for hook in self._hooks["on_crash"]:
            hook(kind)

    def at_heal(self, world: World) -> None:
        """All faults have ended; what was broken must mend from here on."""
        for hook in self._hooks["at_heal"]:
            hook(world)

    def at_quiescence(self, world: World) -> None:
        """The run's end: the links are up, nothing is in flight; the dear questions are asked."""
        for hook in self._hooks["at_quiescence"]:
            hook(world)

    # --- what checkers say ----------------------------------------------------------------

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

"""Invariants of stopping: what is closed stays closed, what stood is gone, what is latched holds.

Owns I04, I05, I18, I20 and I30. When the gate closes is read from the operator's commands, the
latch file and the states that were journaled; what leaves is read from the wire.
"""

from __future__ import annotations

from hftd.domain.codes import Code, TradingState
from hftd.domain.events import EventKind, Link
from hftd.domain.facts import FactKind
from hftd.domain.order import TimeInForce
from hftd.drivers.checkers_told import Fact, Told
from hftd.drivers.checkers_truth import ACCOUNT, Truth, key_of
from hftd.drivers.watch import Checker, Watch, World
from hftd.engine.breaker import PAUSE_COLLAR, PAUSE_FOREIGN, PAUSE_OPERATOR, PAUSE_REFERENCE
from hftd.journal.record import Record, RecordType, decode_json

SECOND_NS = 1_000_000_000
PULSES_TO_CANCEL = 40  # Four seconds awake: a cancel that a fault ate is sent again by then.
STOPPED = (TradingState.HALTED, TradingState.KILLED)
CLOSED = (*STOPPED, TradingState.PAUSED, TradingState.STOPPING)

# Why a side may stay unquoted for long in a sound market maker.
GOOD_REASONS = {
    Code.SPREAD_TOO_NARROW, Code.NO_EDGE, Code.POSITION_FULL, Code.BALANCE_SHORT, Code.NO_SIGNAL,
    Code.COOLDOWN, Code.HOLDING, Code.SIZE_ZERO, Code.ONE_SIDED, Code.DWELL, Code.NOT_TRADING,
    Code.TRADED_THROUGH,
}  # fmt: skip


class GateClosed(Checker):
    """I04, and that nothing flattens unasked: a strategy that rests sells nothing off at once."""

    ID = "I04"
    SAYS = "no create leaves after kill, halt, pause or stop, but to reduce by flatten"
    READS = (RecordType.COMMAND, (RecordType.EVENT, EventKind.COMMAND), RecordType.FACT)

    def __init__(self, world: World, watch: Watch, truth: Truth, told: Told) -> None:
        super().__init__(world, watch)
        self._truth, self._told = truth, told
        self._reduces = world.loaded.profile.limits(
            world.loaded.profile.instruments[0]
        ).on_daily_loss == "halt_and_reduce"  # fmt: skip
        self._rests = world.loaded.profile.strategy.kind == "market_making"
        self._stopped = ""  # What closed the gate until reset and resume; empty: it is open.
        self._latched = ""  # As much of that as is on the disk.
        self._paused = ""
        self._was_reset = False
        self._flattens = False
        self._cuts = False  # A loss has halted, and no person has ended what cuts it.
        self._asked = ""  # A command whose words are journaled: it is given with its event.

    def on_boot(self, epoch: int) -> None:
        """A pause outlives a boot; a stop without a latch is over."""
        if self._paused != "pause":
            self._paused = ""
        self._flattens = False
        self._asked = ""  # Nobody was told that it is done, and no boot takes it up.

    def on_crash(self, kind: str) -> None:
        """A loss of power may take the command, or the halt, with the journal's newest records."""
        if kind == "power":
            self._paused, self._stopped = "", self._latched
            self._cuts = True

    def on_latch(self, state: TradingState, code: Code) -> None:
        """A latch closes until it is removed."""
        self._stopped = self._latched = state.name if state != TradingState.STARTING else ""

    def on_record(self, record: Record) -> None:
        """A command or a journaled state closes or opens."""
        if record.record_type == RecordType.FACT:
            if self._told.trading in STOPPED and not self._stopped:
                self._stopped = self._told.trading.name
            told = [fact for fact in self._told.facts if fact.seq == record.seq]
            self._cuts = self._cuts or halts_for_loss(told)
            return
        if record.record_type == RecordType.COMMAND:
            self._asked = str(decode_json(record.payload).get("command", ""))
            return
        command, self._asked = self._asked, ""
        refuses = (*STOPPED, TradingState.STOPPING)
        if command in ("pause", "resume") and self._told.trading in refuses:
            return  # Refused: a latch holds, and what flattens goes on.
        if command in ("kill", "stop", "pause"):
            self._paused, self._was_reset = command, False
            self._flattens = self._flattens and command == "pause"  # A flatten began in a pause.
            self._cuts = self._cuts and command == "pause"
        elif command == "reset":
            self._was_reset = True
        elif command == "resume":
            self._flattens = False
            if self._paused == "pause" or self._was_reset:
                self._paused = ""
        elif command == "flatten":
            self._flattens = True

    def on_sent(self, link: Link, frame: bytes, ts_ns: int) -> None:
        """A create leaves: the gate is open, or it reduces."""
        create = self._truth.create
        closed = self._stopped or self._paused
        if create is None or not (closed or self._rests):
            return
        name, reducing = create.client_order_id, self._told.reduces(create.key)
        if reducing and (self._flattens or (self._reduces and self._cuts)):
            return
        if closed:
            self.break_off(f"none after {closed}", f"create {name}")
        if reducing and self._takes(create.key):
            self.break_off("no slice without flatten", f"create {name}")

    def _takes(self, key: int) -> bool:
        return any(
            fact.order_key == key and fact.time_in_force == TimeInForce.IOC
            for fact in self._told.facts
        )


def halts_for_loss(told: list[Fact]) -> bool:
    """Tell whether the facts of a step halt for a loss, and not since a boot comes back so."""
    moves = [fact for fact in told if fact.kind == FactKind.STATE]
    boots = any(fact.state_to == TradingState.RECOVERING for fact in moves)
    return not boots and any(fact.code in (Code.DAILY_LOSS, Code.DRAWDOWN) for fact in moves)


class NothingLeft(Checker):
    """I05."""

    ID = "I05"
    SAYS = "after kill, halt or stop the exchange holds no order of ours"

    def __init__(self, world: World, watch: Watch, truth: Truth, told: Told) -> None:
        super().__init__(world, watch)
        self._truth, self._told, self._world = truth, told, world
        self._crashed = True
        self._last = TradingState.STARTING

    def on_crash(self, kind: str) -> None:
        """Who dies leaves what it leaves."""
        self._crashed = True

    def on_boot(self, epoch: int) -> None:
        """A life that ended by stop, before this one, left nothing behind."""
        if not self._crashed and self._last == TradingState.STOPPING:
            self._judge(self._world, self._last)
        self._crashed = False

    def on_step(self, world: World) -> None:
        """Keep in which state a life ends."""
        self._last = self._told.trading

    def at_quiescence(self, world: World) -> None:
        """Count what stands open; a flatten's slice is gone at once."""
        if self._told.trading in (*STOPPED, TradingState.STOPPING):
            self._judge(world, self._told.trading)

    def _judge(self, world: World, state: TradingState) -> None:
        book = world.venue.exchange.bookkeeping(ACCOUNT)
        left = [
            order.client_order_id
            for order in book.open.values()
            if order.client_order_id.startswith(self._truth.prefix)
        ]
        if left:
            self.break_off("none", ", ".join(left), f"open orders after {state.name}")


class CancelsLeave(Checker):
    """I18."""

    ID = "I18"
    SAYS = "what stands open in a closed state is canceled within seconds, whatever the throttle"

    def __init__(self, world: World, watch: Watch, truth: Truth, told: Told) -> None:
        super().__init__(world, watch)
        self._truth, self._told = truth, told
        self._pulse_ns = 0
        self._pulses = 0  # Awake, in a closed state, with the order link up.
        self._tried: set[str] = set()

    def on_boot(self, epoch: int) -> None:
        """A boot has its own time."""
        self._pulses = 0

    def on_sent(self, link: Link, frame: bytes, ts_ns: int) -> None:
        """A cancel left."""
        asked = self._truth.asked
        if asked is not None and asked.cancels:
            self._tried.add(asked.cancels)

    def on_look(self, world: World) -> None:
        """Some times a second, look whether an order stands that nothing was done about."""
        closed = self._told.trading in CLOSED and self._told.links[Link.USER]
        if not closed or not self._truth.open:
            self._pulses = 0
            return
        core = self.watch.views(world).core
        now_ns = int(core["now_ns"])
        # After 418 or 403 nothing may leave, cancels neither (C30); I17 judges that it does not.
        if now_ns < int(core["banned_until_ns"]):
            self._pulses = 0
            return
        self._pulses += min(5, (now_ns - self._pulse_ns) // 100_000_000)
        self._pulse_ns = now_ns
        if self._pulses >= PULSES_TO_CANCEL:
            for order in self._truth.open:
                name = order.client_order_id
                # One in doubt is asked for first; I28 judges that the doubt ends.
                if name not in self._tried and key_of(name) not in self._told.doubted:
                    was = f"none in {self._pulses / 10:g} s of {self._told.trading.name}"
                    self.break_off("a cancel", was, name)


class LatchHolds(Checker):
    """I20."""

    ID = "I20"
    SAYS = "HALTED and KILLED survive a restart and end by reset alone"
    READS = (RecordType.COMMAND,)

    def __init__(self, world: World, watch: Watch, told: Told) -> None:
        super().__init__(world, watch)
        self._told = told
        self._latched = TradingState.STARTING
        self._reset_asked = False
        self._boots_seen = 0

    def on_record(self, record: Record) -> None:
        """Remember that a reset was asked for."""
        if decode_json(record.payload).get("command") == "reset":
            self._reset_asked = True

    def on_latch(self, state: TradingState, code: Code) -> None:
        """A latch is written, or removed after a reset."""
        if state == TradingState.STARTING and not self._reset_asked:
            self.break_off("a latch", "removed without a reset", self._latched.name)
        self._latched = state
        self._reset_asked = False

    def on_step(self, world: World) -> None:
        """While the latch stands the state is a stopped one; a stopped one is latched."""
        trading = self._told.trading
        if trading in (TradingState.STARTING, TradingState.STOPPING):
            return
        if self._latched != TradingState.STARTING and trading not in STOPPED:
            self.break_off(self._latched.name, trading.name)
        if trading in STOPPED and self._latched == TradingState.STARTING:
            self.break_off("a latch on the disk", "none", trading.name)


class Heals(Checker):
    """I30."""

    ID = "I30"
    SAYS = "once the faults are over it trades again, or stands with a reason"

    def __init__(self, world: World, watch: Watch, truth: Truth, told: Told) -> None:
        super().__init__(world, watch)
        self._truth, self._told = truth, told
        self._world = world
        self._created = 0

    def at_heal(self, world: World) -> None:
        """What comes from here on counts."""
        self._created = 0

    def on_sent(self, link: Link, frame: bytes, ts_ns: int) -> None:
        """Count a create."""
        self._created += self._truth.create is not None

    def at_quiescence(self, world: World) -> None:
        """RUNNING and quoting, or a state and a reason that a person can act on."""
        core = world.engine.state.core[0]
        state, code = TradingState(int(core["state"])), Code(int(core["state_code"]))
        if state in STOPPED or state == TradingState.STOPPING:
            if code == Code.NONE:
                self.break_off("a reason", "none", state.name)
            return
        if state == TradingState.PAUSED:
            asked = PAUSE_OPERATOR | PAUSE_COLLAR | PAUSE_REFERENCE | PAUSE_FOREIGN
            mask = int(core["pause_mask"])
            clear_ns = int(core["now_ns"]) - int(core["pause_clear_ns"])
            dwells = mask == 0 and clear_ns <= int(core["pause_dwell_ns"]) + SECOND_NS
            if not mask & asked and not dwells:
                self.break_off("RUNNING", f"PAUSED ({code.name})")
            return
        if state != TradingState.RUNNING:
            self.break_off("RUNNING, PAUSED or stopped", f"{state.name} ({code.name})")
        if self._created or self._truth.open:
            return
        codes = [Code(int(target["code"])) for target in world.engine.state.targets.flat]
        if not any(code in GOOD_REASONS for code in codes):
            names = ", ".join(code.name for code in codes)
            self.break_off("quotes, or a reason of the market", names, "no create since the heal")

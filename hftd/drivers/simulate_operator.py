"""The simulated operator: gives commands when they are least expected, and begins again.

Owns which commands are given and what follows each. Must not know how a command is carried out.
What the operator has stopped, the operator begins again: else a world would soon stand still.
"""

from __future__ import annotations

from hftd.domain.codes import Code, TradingState
from hftd.domain.events import CommandKind
from hftd.drivers.simulate_restarts import RestartingWorld
from hftd.simex.flow_noise import Noise

SECOND_NS = 1_000_000_000
COMMANDS = (
    CommandKind.PAUSE, CommandKind.PAUSE, CommandKind.KILL, CommandKind.CANCEL_ALL,
    CommandKind.FLATTEN, CommandKind.STOP, CommandKind.RESUME, CommandKind.RESET,
    CommandKind.RECONCILE,
)  # fmt: skip
TRIES = 8  # Three seconds apart: a reset waits for its dwell, and for acknowledgment.
LATCHED = (TradingState.HALTED, TradingState.KILLED)


class SimulatedOperator:
    """A person at the control socket."""

    def __init__(self, world: RestartingWorld) -> None:
        self._world = world
        self.commands = 0
        self._restoring = False

    def state(self) -> TradingState:
        """Return what the daemon is doing."""
        return TradingState(int(self._world.engine.state.core[0]["state"]))

    def act(self, noise: Noise) -> None:
        """Give one command, and see that trading is begun again some seconds later."""
        kind = COMMANDS[noise.below(len(COMMANDS))]
        if kind is CommandKind.FLATTEN and self.state() is TradingState.RUNNING:
            self.give(CommandKind.PAUSE)
        self.give(kind)
        if not self._restoring:
            self._restoring = True
            wait_ns = noise.between(1, 20) * SECOND_NS
            self._world.calendar.at(self._world.now_ns + wait_ns, self.restore, TRIES)

    def care(self, until_ns: int, noise: Noise) -> None:
        """Look in now and then; what was stopped is begun again, since a halt tests little."""
        world = self._world
        if world.now_ns >= until_ns:
            return
        if world.alive and self._is_stopped() and not self._restoring:
            self.restore(TRIES)
        wait_ns = noise.between(5, 40) * SECOND_NS
        world.calendar.at(world.now_ns + wait_ns, self.care, until_ns, noise)

    def _is_stopped(self) -> bool:
        # Until a person begins it again: a pause by command outlives a boot.
        code = Code(int(self._world.engine.state.core[0]["state_code"]))
        paused = self.state() is TradingState.PAUSED and code is Code.OPERATOR
        return paused or self.state() in LATCHED

    def give(self, kind: CommandKind) -> None:
        """Give a command, if anybody hears it."""
        world = self._world
        if not world.alive or world.daemon.exiting or world.process.is_busy:
            return
        self.commands += 1
        if self.state() is TradingState.RECOVERING:
            world.watch.sometimes("command while recovering")
        world.process.take(self._command, kind)

    def restore(self, tries: int) -> None:
        """Bring a daemon that was stopped back to trading: reset what is latched, resume."""
        self._restoring = False
        if tries == 0:
            return
        state = self.state()
        if state in LATCHED:
            self.give(CommandKind.RESUME)  # What a person tries first; it must not do.
            self.give(CommandKind.ACK)
            self.give(CommandKind.RESET)
        elif state is TradingState.PAUSED:
            self.give(CommandKind.RESUME)
        elif state in (TradingState.RUNNING, TradingState.STOPPING) and self._world.alive:
            return
        self._restoring = True
        self._world.calendar.at(self._world.now_ns + 3 * SECOND_NS, self.restore, tries - 1)

    def _has_no_journal(self) -> bool:
        # Only another process can write again: it is stopped, and started by hand.
        return int(self._world.engine.state.core[0]["journal_failed"]) == 1

    def _command(self, kind: CommandKind) -> None:
        self._world.command(kind)

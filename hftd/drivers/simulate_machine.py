"""The machine around a simulated daemon: the supervisor that restarts it, what befalls it.

Owns systemd's manners (restart after a wait, start limit, watchdog, ExecStopPost) and the other
place where a daemon lives, a terminal at which somebody starts it again; and the means by which
faults act: death at a later effect, standing still, slowness, a cut socket, an armed script.
Must not know which faults there are.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from hftd.drivers.simulate import TAG
from hftd.drivers.simulate_operator import SimulatedOperator
from hftd.drivers.simulate_process import Process
from hftd.drivers.simulate_restarts import DEAD, STOPPED, RestartingWorld
from hftd.runtime.transport import WebSocketLink
from hftd.simex.faults import Fault
from hftd.simex.flow_noise import Noise

SECOND_NS = 1_000_000_000
RESTART_NS = 5 * SECOND_NS
BY_HAND_NS = 15 * SECOND_NS
POWER_BACK_NS = 30 * SECOND_NS
LIMIT_STARTS, LIMIT_NS = 3, 300 * SECOND_NS
WATCHDOG_NS = 2 * SECOND_NS
ABORT_NS = 30 * SECOND_NS  # SIGABRT waits for a stopped process; then comes SIGKILL.
NO_RESTART = (64, 65, 75, 77, 78)
OUR_ACCOUNT = 1


class Machine:
    """One machine with its supervisor, in which the daemon of a world lives and dies."""

    def __init__(self, world: RestartingWorld, noise: Noise, *, systemd: bool) -> None:
        """Watch over a world's daemon; ``boot`` starts it the first time."""
        self.world = world
        self.noise = noise
        self.systemd = systemd
        self.operator = SimulatedOperator(world)
        self.failed = False  # systemd has given up: "start request repeated too quickly".
        self.deaths: dict[str, int] = {}
        self.exits: dict[int, int] = {}
        self._starts: deque[int] = deque(maxlen=LIMIT_STARTS)
        self._booting = False
        self._traded = False
        world.on_end = self._on_end

    # --- the supervisor -------------------------------------------------------------------

    def boot(self) -> None:
        """Start the daemon now."""
        self._booting = False
        if self.world.alive:
            return
        self._starts.append(self.world.now_ns)
        self.world.boot()

    def start_by_hand(self) -> None:
        """Do what a person does with a daemon that stays down: reset-failed, start."""
        self.failed = False
        self._starts.clear()
        if not self.world.alive and not self._booting:
            self.boot()

    def _on_end(self) -> None:
        how, why = self.world.ended
        counts: dict[Any, int] = self.deaths if how == DEAD else self.exits
        counts[why] = counts.get(why, 0) + 1
        if how == STOPPED and why in NO_RESTART:
            return
        if why == "power":
            self._starts.clear()
            self._boot_after(POWER_BACK_NS)
        elif self.systemd and why != 0:
            self._stop_post()
            self._restart()
        else:
            self._boot_after(BY_HAND_NS)

    def _restart(self) -> None:
        now_ns = self.world.now_ns
        full = len(self._starts) == LIMIT_STARTS
        if full and now_ns + RESTART_NS - self._starts[0] < LIMIT_NS:
            self.failed = True
            self._boot_after(self.noise.between(10, 60) * SECOND_NS, by_hand=True)
            return
        self.world.watch.sometimes("supervisor restarted")
        self._boot_after(RESTART_NS)

    def _boot_after(self, wait_ns: int, *, by_hand: bool = False) -> None:
        self._booting = True
        actor = self._by_hand if by_hand else self.boot
        self.later(wait_ns, actor)

    def _by_hand(self) -> None:
        self._booting = False
        self.start_by_hand()

    def _stop_post(self) -> None:
        # `hftd kill-offline --after-stop`: cancels what bears our tag, by a road of its own.
        exchange = self.world.venue.exchange
        for order in exchange.bookkeeping(OUR_ACCOUNT).open_orders(None):
            if not order.client_order_id.startswith(f"h1-{TAG}-"):
                continue
            exchange.cancel(order, f"offline{order.order_id}", self.world.now_ns)
        self.world.venue.advance(self.world.now_ns)
        self.world.network.flush()

    # --- what befalls the daemon ----------------------------------------------------------

    def later(self, wait_ns: int, actor: Callable[..., None], *event: Any) -> None:
        """Let something happen after a while of the world's time."""
        self.world.calendar.at(self.world.now_ns + wait_ns, actor, *event)

    def die_soon(self, kind: str, effects: int) -> None:
        """Let the process die so many effects from now."""
        world = self.world
        if world.alive:
            world.dies_how, world.dies_at = kind, world.boundaries + effects

    def freeze(self, for_ns: int) -> None:
        """Stop the process and let it go on; a watchdog that hears nothing ends it then."""
        process = self.world.process
        if not self.world.alive:
            return
        process.freeze(for_ns)
        if self.systemd and for_ns > WATCHDOG_NS:
            self.later(min(for_ns, WATCHDOG_NS + ABORT_NS) - 1, self._bark, process)
        else:
            self.world.watch.sometimes("daemon frozen and resumed")

    def _bark(self, process: Process) -> None:
        if process.is_busy and not process.dead:
            self.world.on_death("watchdog")

    def slow_down(self, turn_ns: int, for_ns: int) -> None:
        """Let each turn of the process take so long, for a while."""
        process = self.world.process
        process.turn_ns = turn_ns
        self.later(for_ns, self._speed_up, process)

    def _speed_up(self, process: Process) -> None:
        process.turn_ns = 0

    def cut(self, name: str, link: WebSocketLink) -> None:
        """Break a socket from outside."""
        if self.world.alive:
            self.world.watch.sometimes(name)
            link.drop("cut")

    def arm(self, fault: Fault) -> None:
        """Arm a fault of the exchange's own; the oldest that met no occasion gives way."""
        if fault.fault == "restart":
            self.world.watch.sometimes("exchange restarted")
        self.world.script.make_room()
        self.world.script.arm(fault, self.world.now_ns)
        self.world.network.flush()

    # --- the end of all faults ------------------------------------------------------------

    def heal(self) -> None:
        """End every fault: from here on nothing goes wrong any more."""
        world = self.world
        for weather in world.skies.all():
            weather.clear()
        world.disk.make_room()
        world.disk.work_again()
        world.restart_recorder()
        world.dies_at = 0
        world.process.turn_ns = 0
        world.process.go_on()
        world.clocks.set_right()
        world.script.disarm()
        world.network.heal()
        if not world.alive and (self.failed or not self._booting):
            self._booting = False
            how, why = world.ended
            if how == DEAD or why not in NO_RESTART:
                self.start_by_hand()

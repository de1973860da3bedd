"""The faults of the simulated world: which there are, and what each does when it strikes.

Owns the catalogue by name (its ids of the fault catalogue in brackets) and how large a blow is.
Must not know when one strikes, that is `simulate_seed`, nor how a venue's fault is done, that
is the exchange's own script. Every fault ends by itself or with ``heal``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from hftd.drivers.simulate_machine import Machine
from hftd.drivers.simulate_network import Delay, Weather
from hftd.simex.fault_kinds import FRAME, REQUEST
from hftd.simex.fault_kinds import KINDS as VENUE_KINDS
from hftd.simex.faults import VALUES, Fault
from hftd.simex.flow_noise import Noise

MS_NS = 1_000_000
SECOND_NS = 1_000_000_000

Strike = Callable[[Machine, Noise], None]


class Kind(NamedTuple):
    """One kind of fault: the mean time between two blows, and the blow."""

    mean_s: int
    strike: Strike


# --- the process ------------------------------------------------------------------------------


def kill_9(machine: Machine, noise: Noise) -> None:
    """[F47, F48] End the process at one of the next effects, wherever that is in a step."""
    machine.die_soon("kill -9", 1 + noise.below(300))


def lose_power(machine: Machine, noise: Noise) -> None:
    """[F47, F56] End the process and lose what was not durable; the machine comes back."""
    machine.die_soon("power", 1 + noise.below(300))


def freeze(machine: Machine, noise: Noise) -> None:
    """[F49] SIGSTOP, and SIGCONT after a second to twenty."""
    machine.freeze(noise.between(200, 20_000) * MS_NS)


def slow_loop(machine: Machine, noise: Noise) -> None:
    """[F46] Let each turn of the loop take up to ten milliseconds, for some seconds."""
    machine.slow_down(noise.between(1, 10) * MS_NS, noise.between(1, 8) * SECOND_NS)


# --- the network ------------------------------------------------------------------------------


def cut_order_link(machine: Machine, _noise: Noise) -> None:
    """[F01, F06] Break the order socket."""
    machine.cut("order link cut", machine.world.roads.orders.link)


def cut_market_link(machine: Machine, _noise: Noise) -> None:
    """[F01, F06] Break the market socket."""
    machine.cut("market link cut", machine.world.roads.market.link)


def partition(machine: Machine, noise: Noise) -> None:
    """[F04, F07] Let one road, or all, carry nothing up, down or either way for a while."""
    until_ns = machine.world.now_ns + noise.between(50, 15_000) * MS_NS
    way = noise.below(3)
    for weather in _roads(machine, noise):
        if way != 1:
            weather.held_ns[0] = until_ns
        if way != 0:
            weather.held_ns[1] = until_ns
    if way != 2:
        machine.world.watch.sometimes("links partitioned")


def half_open(machine: Machine, noise: Noise) -> None:
    """[F05] Let one connection carry nothing any more, while both ends believe in it."""
    sockets = machine.world.roads.sockets
    sockets[noise.below(len(sockets))].half_open = True


def refuse_connections(machine: Machine, noise: Noise) -> None:
    """[F08, F09, F11] Let nobody connect by a road for a while, and break what stands."""
    until_ns = machine.world.now_ns + noise.between(500, 20_000) * MS_NS
    for weather in _roads(machine, noise):
        weather.shut_ns = until_ns
    if noise.chance(50):
        cut_order_link(machine, noise)


def slow_road(machine: Machine, noise: Noise) -> None:
    """[F03, F04] Let one road take up to half a second longer, each message another time."""
    most_ms = noise.between(2, 500)
    for weather in _roads(machine, noise):
        weather.slower = Delay(1, most_ms * MS_NS)
        machine.later(noise.between(1, 20) * SECOND_NS, _speed_up, weather)


def _speed_up(weather: Weather) -> None:
    weather.slower = Delay(0)


def _roads(machine: Machine, noise: Noise) -> tuple[Weather, ...]:
    skies = machine.world.skies.all()
    choice = noise.below(len(skies) + 1)
    return skies if choice == len(skies) else (skies[choice],)


# --- the disk and the clocks ------------------------------------------------------------------


def disk_full(machine: Machine, noise: Noise) -> None:
    """[F54] Have no room on the disk for a while."""
    machine.world.disk.full = True
    machine.world.watch.sometimes("disk full")
    machine.later(noise.between(1, 20) * SECOND_NS, machine.world.disk.make_room)


def fsync_fails(machine: Machine, noise: Noise) -> None:
    """[F55] Let the disk refuse what it is to make durable, for a while."""
    machine.world.disk.failing = True
    machine.world.watch.sometimes("fsync failed")
    machine.later(noise.between(1, 5) * SECOND_NS, machine.world.disk.work_again)


def recorder_dies(machine: Machine, noise: Noise) -> None:
    """[F59, F60] Let nobody read the journal or bring it to the disk, for a while."""
    machine.world.recorder_runs = False
    machine.later(noise.between(1, 60) * SECOND_NS, machine.world.restart_recorder)


def clock_step(machine: Machine, noise: Noise) -> None:
    """[F45] Set the wall clock by up to five seconds; it is set right again later."""
    by_ns = noise.between(-5_000, 5_000) * MS_NS
    machine.world.clocks.step(by_ns)
    machine.later(noise.between(1, 30) * SECOND_NS, machine.world.clocks.step, -by_ns)


# --- people -----------------------------------------------------------------------------------


def operator_acts(machine: Machine, noise: Noise) -> None:
    """[F62] Give one command, at a moment that suits nobody; what it stops is begun again."""
    machine.operator.act(noise)


# --- the exchange -----------------------------------------------------------------------------


def venue_fault(name: str) -> Strike:
    """Return the blow that arms one fault of the exchange's own, to meet its next occasion."""
    reads = VENUE_KINDS[name].reads
    occasions = OCCASIONS.get(name, OCCASIONS.get(VENUE_KINDS[name].site, ()))

    def strike(machine: Machine, noise: Noise) -> None:
        match: dict[str, str | int | bool] = {}
        if occasions and not VENUE_KINDS[name].match:
            match = dict([occasions[noise.below(len(occasions))]])
        fields: dict[str, Any] = {"match": match, "after": noise.below(3)}
        if "for_ms" in reads:
            fields["for_ms"] = noise.between(20, LASTS_MS.get(name, 8_000))
        if "skew_ms" in reads:
            fields["skew_ms"] = noise.between(-3_000, 3_000)
        if "size" in reads and name in SIZES:
            fields["size"] = noise.between(*SIZES[name])
        if VALUES.get(name):
            fields["value"] = VALUES[name][noise.below(len(VALUES[name]))]
        machine.arm(Fault(name, **fields))

    return strike


ORDERS = tuple(("request", name) for name in ("order.place", "order.cancel", "order.cancelReplace"))
QUERIES = tuple(
    ("request", name)
    for name in ("order.status", "openOrders.status", "myTrades", "account.status", "depth")
)
MARKET_EVENTS = (("event", "depthUpdate"), ("event", "trade"), ("event", "bookTicker"))
# A socket loses no single frame: a report that a venue swallows is a fault that nothing but a
# continuous reconciliation finds, so what is dropped or spoiled here is found by other means.
OCCASIONS: dict[str, tuple[tuple[str, str], ...]] = {
    REQUEST: ORDERS + QUERIES,
    FRAME: (*MARKET_EVENTS, ("event", "reply"), ("event", "executionReport")),
    "error_accepted": ORDERS,
    "accept_late": ORDERS,
    "firewall": ORDERS,
    "drop": (*MARKET_EVENTS, ("event", "reply")),
    "silent_stream": MARKET_EVENTS,
}
SIZES = {"partial_fill": (1, 800), "dribble": (2, 20), "corrupt": (1, 40), "oversize": (1, 10_000),
         "deep_json": (10, 1_000), "foreign_order": (50, 400), "foreign_trade": (50, 400),
         "flash_move": (1, 20), "moved_prices": (80, 120), "backward_ids": (1, 100)}  # fmt: skip
# A rate limit may outlast a restart; yet less than what the daemon has from the heal on.
LASTS_MS = {"too_many_requests": 45_000}
# How much rarer than others: what ends trading for long, or for good.
RARE_S = {"ban": 600, "firewall": 600, "too_many_requests": 150, "restart": 150, "halt": 150,
          "foreign_trade": 300, "fee_asset": 300, "flash_move": 300, "clock_skew": 150,
          "clock_drift": 150, "reconnect_storm": 150}  # fmt: skip
# Not drawn: another account and another instrument are other worlds, with tests of their own.
LEFT_OUT = ("restart_without_memory", "tick_size", "lot_size")

OWN_KINDS: dict[str, Kind] = {
    "kill-9": Kind(90, kill_9),
    "power": Kind(150, lose_power),
    "freeze": Kind(60, freeze),
    "slow-loop": Kind(60, slow_loop),
    "cut-order-link": Kind(50, cut_order_link),
    "cut-market-link": Kind(50, cut_market_link),
    "partition": Kind(45, partition),
    "dead-socket": Kind(70, half_open),
    "refuse-connections": Kind(90, refuse_connections),
    "slow-road": Kind(40, slow_road),
    "disk-full": Kind(200, disk_full),
    "fsync-fails": Kind(200, fsync_fails),
    "recorder-dies": Kind(90, recorder_dies),
    "clock-step": Kind(90, clock_step),
    "operator": Kind(60, operator_acts),
}
KINDS: dict[str, Kind] = OWN_KINDS | {
    name.replace("_", "-"): Kind(RARE_S.get(name, 50), venue_fault(name))
    for name in VENUE_KINDS
    if name not in LEFT_OUT
}

"""Controls whose proof takes the whole daemon: what leaves it, and that calm trips nothing."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from hftd import wiring
from hftd.config.load import load_profile
from hftd.domain.codes import Code, TradingState
from hftd.domain.events import Link
from hftd.drivers.memory import Builders
from hftd.drivers.simulate import START_NS
from hftd.drivers.simulate_network import Delay, Latency
from hftd.drivers.simulate_restarts import RestartingWorld
from hftd.drivers.watch import Checker, Watch, World
from hftd.simex.faults import Fault

SECOND_NS = 1_000_000_000
JITTER = Latency(order=Delay(2_000_000, 40_000_000), market=Delay(1_000_000, 30_000_000))


class Sent(Checker):
    """Keeps the time and method of every request on the order link."""

    ID = "I17"
    SAYS = "what leaves is kept"

    def __init__(self, world: World, watch: Watch) -> None:
        super().__init__(world, watch)
        self.world = world
        self.requests: list[tuple[int, str]] = []

    def on_sent(self, link: Link, frame: bytes, ts_ns: int) -> None:
        """Keep one."""
        if frame.startswith(b"{"):
            self.requests.append((self.world.now_ns, msgspec.json.decode(frame)["method"]))


def trading(folder: Path, *sets: str) -> tuple[RestartingWorld, Sent]:
    """Return a world over a jittering network that has quoted for half a minute."""
    loaded = load_profile("market-making", sets=[*sets, "venue.market.seed=8"], environ={})
    kept: list[Sent] = []

    def checkers(world: World, watch: Watch) -> list[Checker]:
        kept.append(Sent(world, watch))
        return [*kept]

    build = Builders(wiring.build_engine, wiring.build_codec)
    world = RestartingWorld(loaded, build, 8, folder, Watch(8, checkers), JITTER)
    world.boot()
    world.run_until(START_NS + 30 * SECOND_NS)
    assert world.engine.state.core[0]["state"] == TradingState.RUNNING
    return world, kept[0]


@pytest.mark.parametrize(
    ("kind", "left"), [("too_many_requests", {"order.cancel"}), ("ban", set())]
)
def test_c30_nothing_leaves_before_retry_after(tmp_path: Path, kind: str, left: set[str]) -> None:
    """429: cancels alone; 418: nothing at all, be it query, clock or cancel; then all goes on."""
    world, sent = trading(tmp_path, "risk.reconcile_orders_ms=500")
    world.script.arm(Fault(kind, match={"request": "order.place"}, for_ms=20_000), world.now_ns)
    core = world.engine.state.core[0]
    while not int(core["rate_limited_until_ns"]):
        world.run_until(world.now_ns + SECOND_NS // 100)
    told_ns, until_ns = world.now_ns, int(core["rate_limited_until_ns"])
    world.run_until(until_ns + 10 * SECOND_NS)
    quiet = {method for at_ns, method in sent.requests if told_ns < at_ns < until_ns}
    assert quiet <= left
    after = {method for at_ns, method in sent.requests if at_ns >= until_ns}
    assert {"time", "openOrders.status"} <= after


def test_c35_jitter_alone_is_no_difference(tmp_path: Path) -> None:
    """A minute of fills and replacements, asked ten times as often: each kind agreed throughout."""
    world, _ = trading(
        tmp_path, "risk.reconcile_orders_ms=400", "risk.reconcile_trades_ms=1000",
        "risk.reconcile_balances_ms=700",
    )  # fmt: skip
    core = world.engine.state.core[0]
    for _ in range(60):
        world.run_until(world.now_ns + SECOND_NS)
        assert (core["state"], int(core["check_differed"].max())) == (TradingState.RUNNING, 0)
    assert int(core["fills"]) > 3
    assert world.now_ns - int(core["check_done_ns"].min()) < 3 * SECOND_NS
    assert core["state_code"] == Code.RECONCILED

"""The whole risk gate for one order, compiled, and the journal's share of sending it.

Two parts of the hot path alone, in process: `risk.check` over a world with six open orders,
and what the loop appends for an order (the frame that came in, the intent, the frame that goes
out) beside one plain `write` of as many bytes.
"""

from __future__ import annotations

from hftd.runtime import kernel_cache

kernel_cache.prepare()

import os  # noqa: E402 - Numba may only be imported after that.
import tempfile  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable  # noqa: E402
from pathlib import Path  # noqa: E402
from statistics import median  # noqa: E402

from hftd.domain.codes import Code  # noqa: E402
from hftd.domain.entry import entry  # noqa: E402
from hftd.domain.events import Link  # noqa: E402
from hftd.domain.kernel import kernel  # noqa: E402
from hftd.engine import risk  # noqa: E402
from hftd.journal.record import RecordType  # noqa: E402
from hftd.journal.writer import JournalWriter  # noqa: E402
from tests.bench import rows  # noqa: E402
from tests.engine.scene import BUY, SELL, put_order  # noqa: E402
from tests.engine.test_risk import ASK, BID, LOTS, a_desk, wish  # noqa: E402

AIM_US = 2.0
BLOCKS, CALLS = 400, 200
FRAME_IN, INTENT, FRAME_OUT = b"i" * 160, b"a" * 104, b"o" * 400


@kernel
def _judge(world, outs, calls):  # type: ignore[no-untyped-def]  # A kernel of this bench alone.
    found = 0
    for _ in range(calls):
        found += risk.check(world[0], outs[0].wishes[0])
    return found


def blocks(one: Callable[[], object], calls: int) -> float:
    """Return the median over blocks of the ns that one of ``calls`` took."""
    times = []
    for _ in range(BLOCKS):
        began = time.perf_counter_ns()
        one()
        times.append((time.perf_counter_ns() - began) / calls)
    return median(times)


def gate() -> rows.Row:
    """Time the gate on an order that it allows, so that every check is made."""
    scene = a_desk()
    for slot in range(3):
        put_order(scene, 2 * slot, BUY, BID - 1 - slot, LOTS)
        put_order(scene, 2 * slot + 1, SELL, ASK + 1 + slot, LOTS)
    scene.instrument["sent_lots"][:] = 3 * LOTS
    wish(scene)
    judge = entry(_judge, scene.world, scene.outs, 1)
    assert judge(scene.world, scene.outs, 3) == 3 * Code.NONE, "a refusal would end it early"
    us = blocks(lambda: judge(scene.world, scene.outs, CALLS), CALLS) / 1000
    return rows.Row("risk gate, an order allowed", us, "µs", "aim", AIM_US, us / AIM_US, reach=1.0)


def journal() -> rows.Row:
    """Time the three records of an order beside one write of the same bytes."""
    with tempfile.TemporaryDirectory() as place:
        writer = JournalWriter(Path(place) / "journal", segment_bytes=16 << 20)
        writer.open({"run": "bench"}, 1)
        plain = os.open(Path(place) / "plain", os.O_WRONLY | os.O_CREAT, 0o600)
        whole = FRAME_IN + INTENT + FRAME_OUT

        def append() -> None:
            for at in range(CALLS):
                writer.append_market(at, Link.MARKET, FRAME_IN)
                writer.append(RecordType.INTENT, at, INTENT)
                writer.append(RecordType.FRAME_OUT, at, FRAME_OUT)
            writer.maintain()

        def write() -> None:
            for _ in range(CALLS):
                os.write(plain, whole)

        ours, floor = blocks(append, CALLS) / 1000, blocks(write, CALLS) / 1000
        os.close(plain)
        writer.close()
    name = "journal, an order's three records"
    return rows.Row(name, ours, "µs", "one write()", floor, ours / floor)


def run() -> rows.Parts:
    """Return the rows of this part."""
    return {"gate": [gate(), journal()]}


if __name__ == "__main__":
    rows.main("gate", run)

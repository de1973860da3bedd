"""Other people's programs against the same harness by the same rule, beside the daemon.

Owns which programs, and how they take turns: NautilusTrader's live node (``peer_nautilus``) and a
bare ccxt.pro loop (``peer_ccxt``), each in an environment of its own. Each round the book moves by
one frame and the clock stops at the first order that comes: by WS API from the daemon and ccxt,
by REST from NautilusTrader, whose adapter for spot knows no other road. The one who is timed
runs alone on its core; the others are stopped. A ratio is theirs over ours, the median over the
blocks; a floor in C stands beside them all.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from hftd.runtime.exchange_markets import DEFAULT_KEY, ExchangeWish, build_venue
from tests.bench.foreign import Missing, environment
from tests.bench.harness import (
    Harness,
    await_answer,
    build,
    floors,
    sets_of,
    stand_on_the_timed_core,
    trading,
)
from tests.bench.rows import ROOT, Row, save, text
from tests.bench.tick_to_order import figures
from tests.runtime.exchange_process import sign


class Peer(NamedTuple):
    """A program, its packages, and what the issue asks of its p50 over ours."""

    packages: tuple[str, ...]
    reach: float


PEERS = {
    "ccxt": Peer(("ccxt==4.5.64", "aiohttp==3.13.5"), 5.0),
    "nautilus": Peer(("nautilus_trader==1.221.0", "msgspec"), 10.0),
}
STREAMS = ("touch", "depth")
# A daemon that is stopped for over two seconds pauses (C25), so blocks are short.
# As often as the touch of the recorded session moves. NautilusTrader, the slowest, has made its
# four requests and heard of them by then. A pause makes everybody slower: twice as slow at 20 ms as
# at 4, the floor in C too, which is why it stands beside.
BEAT_US = 9_000


def write_canned(folder: Path) -> None:
    """Write the answers that programs want at their start, as our own exchange gives them."""
    now_ns = time.time_ns()
    venue = build_venue(ExchangeWish())
    venue.start(now_ns)
    query = f"timestamp={now_ns // 1_000_000}"
    targets = {
        "exchangeInfo": "/api/v3/exchangeInfo",
        "tradeFee": f"/sapi/v1/asset/tradeFee?{query}&signature={sign(query)}",
        "account": f"/api/v3/account?{query}&signature={sign(query)}",
    }
    for name, target in targets.items():
        status, _, body = venue.http("GET", target, {"x-mbx-apikey": DEFAULT_KEY}, b"", now_ns)
        assert status == 200, f"{target}: {status} {body!r}"
        found = json.loads(body)
        for symbol in found["symbols"] if name == "exchangeInfo" else ():
            for each in symbol["filters"]:
                if each["filterType"] == "PRICE_FILTER":
                    each["tickSize"] = each["minPrice"] = "0.01000000"  # As the harness quotes.
        if name == "account":
            found["canWithdraw"] = False  # No key that may is taken by the daemon.
        (folder / name).write_text(json.dumps(found))
    may = {"enableWithdrawals": False, "enableSpotAndMarginTrading": True, "ipRestrict": True}
    (folder / "apiRestrictions").write_text(json.dumps(may))


@contextlib.contextmanager
def running(harness: Harness, pythons: dict[str, Path], stream: str) -> Iterator[list[str]]:
    """Have the programs trade; yield those that do."""
    started: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for name, python in pythons.items():
            command = [str(python), "-m", f"tests.bench.peer_{name}", str(harness.port), stream]
            environ = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(Path.home())}
            started[name] = subprocess.Popen(command, cwd=ROOT, env=environ, start_new_session=True)
            stand_on_the_timed_core(started[name].pid)  # Its threads come later.
        time.sleep(2.0)  # Whoever is stopped while it connects takes longer.
        for name in started:
            await_answer(harness, name, stream)  # ccxt takes seconds to load.
        for name, process in started.items():
            harness.know(name, process.pid)
        yield list(started)
    finally:
        for name, process in started.items():
            harness.know(name, 0)
            process.kill()
            process.wait()


def measure(options: argparse.Namespace, pythons: dict[str, Path]) -> dict[str, Any]:
    """Let everybody take turns at each stream; return each one's figures and ratios."""
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="harness") as place:
        folder = Path(place)
        build(folder)
        write_canned(folder)
        with (
            trading(folder, sets_of(options.mode), str(folder)) as all_three,
            floors(folder, all_three.harness, options.mode, "c"),
        ):
            for stream in STREAMS:
                with running(all_three.harness, pythons, stream) as names:
                    rows: dict[str, list[np.ndarray[Any, Any]]] = {
                        peer: [] for peer in ("hftd", "c", *names)
                    }
                    for _ in range(options.blocks):
                        for peer, blocks in rows.items():
                            blocks.append(
                                all_three.harness.block(peer, stream, options.rounds, BEAT_US)
                            )
                found[stream] = {
                    peer: figures(np.concatenate(blocks)) | {"p50_of_blocks": p50s(blocks)}
                    for peer, blocks in rows.items()
                }
    return found


def p50s(blocks: list[np.ndarray[Any, Any]]) -> list[float]:
    """Return the median time to the first order of each block, in µs."""
    return [round(float(np.median(each[each[:, 0] >= 0, 0])) / 1000, 1) for each in blocks]


def rows_of(mode: str, found: dict[str, Any]) -> list[Row]:
    """Return the rows of one mode."""
    made = []
    for stream, peers in found.items():
        ours = peers["hftd"]
        for name, theirs in peers.items():
            if name == "hftd":
                continue
            pairs = zip(theirs["p50_of_blocks"], ours["p50_of_blocks"], strict=True)
            ratio = float(np.median([them / us for them, us in pairs]))
            if name == "c":
                made.append(
                    Row(
                        f"wire, {stream}, {mode}, as often as the touch moves, p50",
                        ours["first"]["p50"], "µs", "floor in C", theirs["first"]["p50"], 1 / ratio,
                    )
                )  # fmt: skip
                continue
            note = f"p99 {ours['first']['p99']:,.0f} beside {theirs['first']['p99']:,.0f} µs"
            lost = theirs["lost"] + ours["lost"]
            note += f"; {lost} rounds without an order" if lost else ""
            made.append(
                Row(
                    f"wire, {stream}, {mode}, p50", ours["first"]["p50"], "µs", name,
                    theirs["first"]["p50"], ratio, "higher", PEERS[name].reach, note,
                )
            )  # fmt: skip
    return made


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="scripts/bench peers", description=__doc__)
    parser.add_argument("--mode", choices=("spin", "sleep"), default="sleep")
    parser.add_argument("--only", choices=PEERS, action="append")
    parser.add_argument("--blocks", type=int, default=14)
    parser.add_argument("--rounds", type=int, default=25, help="of each block")
    parser.add_argument("--no-save", dest="save", action="store_false")
    options = parser.parse_args()
    pythons, missing = {}, []
    for name in options.only or PEERS:
        try:
            pythons[name] = environment(name, *PEERS[name].packages, python=sys.executable)
        except Missing as reason:
            missing.append(Row(f"wire, {options.mode}, p50", beside=name, note=str(reason)))
    found = measure(options, pythons)
    rows = [*rows_of(options.mode, found), *missing]
    print(text(rows), flush=True)
    if options.save:
        save("peers", rows, figures=found)


if __name__ == "__main__":
    main()

"""Tick to order: the real daemon against an exchange in C, beside two floors, block by block.

Owns how a run is made and what is said of it; the clock is in ``harness.c``. The daemon is
``hftd start`` with all its processes; the floors are a client in C and one on picows, with the
same two links and frames of the same sizes. Blocks of the three take turns, and whoever is not
timed is stopped, so that each has the machine as far as this machine is ours. Ratios of one run
count, times orient. Results go to ``results.json`` with machine, commit and load.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from hftd.config.load import load_profile
from hftd.runtime.children import exchange_arguments
from hftd.runtime.exchange_state import Listening
from tests.bench.rows import Row, save
from tests.e2e.daemon import ROOT, Daemon, Instance

HERE = Path(__file__).parent
PROFILE = "market-making"
PEERS = ("hftd", "c", "picows")
QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p99.9": 0.999, "max": 1.0}
COLUMNS = ("first", "from_beat", "last", "bytes")
ORDER_BYTES = 420  # A cancel-replace; the floors send as much.
# What is timed is the way, not the policy: no wait between quotes.
SETS = (
    "strategy.min_quote_life_ms=0",
    "risk.max_orders_per_second=1000",
    # Nor is it the daemon's fault that it is stopped while another is timed, and never filled.
    "risk.max_loop_lag_ms=2000",
    "risk.max_ack_ms=60000",
    "risk.max_orders_without_fill=1000000",
    # The exchange in C answers, but keeps no books that ours could be compared with.
    "risk.reconcile_orders_ms=3600000",
    "risk.reconcile_trades_ms=3600000",
    "risk.reconcile_balances_ms=3600000",
)


def build(folder: Path) -> None:
    """Compile harness and echo; without gcc, say so and end."""
    compiler = shutil.which("gcc")
    if compiler is None:
        sys.exit("tick_to_order needs gcc, for the exchange in C that holds the clock: none found")
    for name in ("harness", "harness_echo"):
        source = HERE / f"{name}.c"
        subprocess.run(
            [compiler, "-O2", "-Wall", "-Wextra", "-o", folder / name, source], check=True
        )


class Harness:
    """The exchange in C, in the place where a daemon of this instance looks for its own."""

    def __init__(self, binary: Path, instance: Instance, sets: Sequence[str]) -> None:
        folder = instance.state / "simex"
        folder.mkdir(mode=0o700)
        lock = os.open(folder / "exchange.lock", os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        self.process = subprocess.Popen(
            [binary], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, pass_fds=[lock]
        )
        os.pwrite(lock, f"{self.process.pid}\n".encode(), 0)
        os.close(lock)  # The harness has it, until it ends.
        self.port = int(self._line())
        listening = Listening("127.0.0.1", self.port, self.process.pid)
        (folder / "exchange.json").write_bytes(msgspec.json.encode(listening))
        profile = load_profile(PROFILE, sets=sets, environ={}).profile
        (folder / "arguments").write_text(repr(exchange_arguments(profile, folder)))

    def _line(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the harness ended"
        return line

    def _say(self, text: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{text}\n")
        self.process.stdin.flush()

    def know(self, peer: str, pid: int) -> None:
        """Tell which process to stop while another one is timed."""
        self._say(f"pid {peer} {pid}")

    def block(self, peer: str, stream: str, rounds: int, beat_us: int) -> np.ndarray[Any, Any]:
        """Time some rounds; return (rounds, 4) int64 of `COLUMNS`."""
        self._say(f"block {peer} {stream} {rounds} {beat_us}")
        rows = []
        while (line := self._line()) != "end\n":
            rows.append([int(each) for each in line.split()])
        return np.array(rows, np.int64)

    def flood(self, count: int) -> int:
        """Send depth as fast as the daemon reads; return ns until the last one's order, or -1."""
        self._say(f"flood {count}")
        return int(self._line())

    def end(self) -> None:
        """End it; the daemon may have done so."""
        self.process.kill()
        self.process.wait()


class Trading(NamedTuple):
    """A daemon that trades, and against what."""

    harness: Harness
    instance: Instance
    daemon: Daemon


def floors(folder: Path, port: int, mode: str) -> dict[str, subprocess.Popen[bytes]]:
    """Start both floors."""
    tail = [str(port), mode, str(ORDER_BYTES)]
    peer = [sys.executable, "-m", "tests.bench.harness_peer", *tail]
    return {
        "c": subprocess.Popen([str(folder / "harness_echo"), *tail]),
        "picows": subprocess.Popen(peer, cwd=ROOT),
    }


def figures(rows: np.ndarray[Any, Any]) -> dict[str, Any]:
    """Return the quantiles of a peer's rounds in µs; ``lost`` counts rounds without an order."""
    answered = rows[rows[:, 0] >= 0]
    found: dict[str, Any] = {"rounds": len(rows), "lost": len(rows) - len(answered)}
    for column, name in enumerate(COLUMNS[:3]):
        times = np.sort(answered[:, column])
        ranks = [min(len(times) - 1, int(q * len(times))) for q in QUANTILES.values()]
        us = [round(float(times[rank]) / 1000, 1) for rank in ranks] if len(times) else []
        found[name] = dict(zip(QUANTILES, us, strict=False))
    found["bytes"] = int(np.median(answered[:, 3])) if len(answered) else 0
    return found


def put_first(pid: int) -> None:
    """Let a process run before all others of the machine, for as long as a run takes."""
    os.sched_setscheduler(pid, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(1))


@contextlib.contextmanager
def trading(folder: Path, sets: Sequence[str], realtime: bool = False) -> Iterator[Trading]:
    """Have a daemon trade against a harness of its own; end both."""
    with tempfile.TemporaryDirectory(prefix="tick") as place:
        instance = Instance(Path(place))
        harness = Harness(folder / "harness", instance, sets)
        try:
            arguments = [part for each in sets for part in ("--set", each)]
            daemon = instance.start("--profile", PROFILE, *arguments).running()
            instance.await_quotes()
            for pid in (harness.process.pid, daemon.pid) if realtime else ():
                put_first(pid)
            harness.know("hftd", daemon.pid)
            yield Trading(harness, instance, daemon)
        finally:
            harness.end()
            instance.clean_up()


def measure(options: argparse.Namespace, stream: str, folder: Path) -> dict[str, Any]:
    """Run daemon and floors against one harness; return the figures of each."""
    sets = [*SETS, f"runtime.spin={str(options.mode == 'spin').lower()}", *options.set]
    with trading(folder, sets, options.realtime) as all_three:
        started = floors(folder, all_three.harness.port, options.mode)
        try:
            for name, process in started.items():
                if options.realtime:
                    put_first(process.pid)
                all_three.harness.know(name, process.pid)
            time.sleep(2.0)  # Both floors have connected; a late one shows as lost rounds.
            return timed(all_three, stream, options)
        finally:
            for process in started.values():
                process.kill()
                process.wait()


def record(folder: Path, journal: Path, rounds: int) -> None:
    """Let the daemon trade some rounds of each stream, and keep its journal."""
    with trading(folder, SETS) as all_three:
        for stream in ("touch", "depth"):
            all_three.harness.block("hftd", stream, rounds, 4000)
        all_three.daemon.crash()
        shutil.copytree(all_three.instance.state / "journal", journal)


def timed(all_three: Trading, stream: str, options: argparse.Namespace) -> dict[str, Any]:
    """Let the three take turns."""
    harness, instance, daemon = all_three
    recorder = [pid for pid in daemon.children() if not options.recorder]
    for pid in recorder:
        os.kill(pid, signal.SIGSTOP)
    rows: dict[str, list[np.ndarray[Any, Any]]] = {peer: [] for peer in PEERS}
    for _ in range(options.blocks):
        for peer in PEERS:
            rows[peer].append(harness.block(peer, stream, options.rounds, options.beat_us))
    for pid in recorder:
        os.kill(pid, signal.SIGCONT)
    found = {peer: figures(np.concatenate(each)) for peer, each in rows.items()}
    latency = instance.ask("latency")
    state = instance.state_name()
    assert state == "RUNNING", f"the daemon must trade to the end, was {state}:\n{daemon.text}"
    return {"peers": found, "ratios": ratios(rows), "stages": latency}


def ratios(rows: dict[str, list[np.ndarray[Any, Any]]]) -> dict[str, dict[str, float]]:
    """Return ours over each floor: of all rounds, and the median of the blocks' own p50."""
    found = {}
    for floor in PEERS[1:]:
        first = {
            peer: [each[each[:, 0] >= 0, 0] for each in rows[peer]] for peer in ("hftd", floor)
        }
        ours, theirs = np.concatenate(first["hftd"]), np.concatenate(first[floor])
        pairs = zip(first["hftd"], first[floor], strict=True)
        blocks = [float(np.median(one) / np.median(two)) for one, two in pairs if len(one)]
        found[floor] = {
            "p50": round(float(np.median(ours) / np.median(theirs)), 2),
            "p99": round(float(np.quantile(ours, 0.99) / np.quantile(theirs, 0.99)), 2),
            "p50_blocks_median": round(float(np.median(blocks)), 2),
            "p50_blocks_best": round(min(blocks), 2),
        }
    return found


REACH = {("sleep", "p50"): 1.5, ("spin", "p50"): 2.4, ("spin", "p99"): 3.0}


def rows_of(stream: str, mode: str, result: dict[str, Any]) -> list[Row]:
    """Return one run as rows: ours beside both floors, by the median of the blocks' ratios."""
    found = []
    for floor, ratio in result["ratios"].items():
        for quantile in ("p50", "p99"):
            ours, theirs = (result["peers"][peer]["first"][quantile] for peer in ("hftd", floor))
            reach = REACH.get((mode, quantile), 0.0) if floor == "c" else 0.0
            told = ratio["p50_blocks_median"] if quantile == "p50" else ratio["p99"]
            found.append(
                Row(
                    f"wire, {stream}, {mode}, {quantile}", ours, "µs",
                    f"floor in {'C' if floor == 'c' else floor}", theirs, told, reach=reach,
                )
            )  # fmt: skip
    lost = {peer: found["lost"] for peer, found in result["peers"].items() if found["lost"]}
    return (
        [row._replace(note=f"rounds without an order: {lost}") for row in found] if lost else found
    )


def table(name: str, result: dict[str, Any]) -> str:
    """Return one part's table."""
    head = "".join(f"{quantile:>9}" for quantile in QUANTILES)
    lines = [name, f"{'':10}{head}  µs, to the first order"]
    for peer in PEERS:
        found = result["peers"][peer]
        row = "".join(f"{found['first'].get(quantile, 0):9.1f}" for quantile in QUANTILES)
        lines.append(f"{peer:10}{row}  lost {found['lost']}")
    for floor, ratio in result["ratios"].items():
        lines.append(
            f"over {floor:6} p50 {ratio['p50']}, by blocks median {ratio['p50_blocks_median']}, "
            f"best {ratio['p50_blocks_best']}; p99 {ratio['p99']}"
        )
    return "\n".join(lines)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="scripts/bench tick_to_order", description=__doc__)
    parser.add_argument("--mode", choices=("spin", "sleep"), default="spin")
    parser.add_argument("--stream", choices=("touch", "depth"), action="append")
    parser.add_argument("--blocks", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=100, help="of each block")
    parser.add_argument("--beat-us", type=int, default=4000, help="from one tick to the next")
    parser.add_argument("--no-recorder", dest="recorder", action="store_false")
    parser.add_argument("--set", action="append", default=[], help="KEY=VALUE over the profile")
    parser.add_argument("--realtime", action="store_true", help="all that is timed goes first")
    parser.add_argument("--no-save", dest="save", action="store_false")
    options = parser.parse_args()
    if options.realtime and options.mode == "spin":
        # Three that never sleep, before all others, would starve a machine of two cores.
        parser.error("--realtime goes with --mode sleep alone")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # What was started ends with us.
    with tempfile.TemporaryDirectory(prefix="harness") as place:
        build(Path(place))
        for stream in options.stream or ("touch", "depth"):
            result = measure(options, stream, Path(place))
            name = f"tick_to_order {stream} {options.mode}"
            name += "" if options.recorder else " without recorder"
            print(table(name, result), flush=True)
            if options.save:
                more = {**result, "realtime": options.realtime}
                save(name, rows_of(stream, options.mode, result), **more)


if __name__ == "__main__":
    main()

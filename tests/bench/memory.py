"""What the daemon takes for itself: memory over a day and an hour, disk, and a quiet core.

- ``engine``: 24 simulated hours of a busy market in one process: engine, codec, links and the
  simulated exchange beside them, as fast as it goes. Growth an hour is the slope of a
  least-squares line through all minutes after the tenth.
- ``daemon``: `hftd start` with its recorder against the harness, at ten times the recorded rate
  with bursts of 888 levels (`load`), for ``--minutes`` (an hour is what counts; the default is a
  taste). Anonymous memory is told: what is mapped of the journal is the page cache's.
- ``quiet``: processor time of a sleeping daemon on the shipped calm market.
- what an installation takes on disk.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from hftd.journal.record import Stream
from hftd.journal.segment import numbers
from hftd.runtime import kernel_cache
from hftd.simex.orders import History
from tests.bench import load
from tests.bench.exchange_memory import resident_bytes, slope
from tests.bench.harness import Trading, build, sets_of, trading
from tests.bench.rows import ROOT, Row, save, text
from tests.e2e.daemon import Instance

ACCOUNT = 1
HISTORY = History(final_orders=100, trades=100, prevented_matches=10)
PARTS = ("engine", "daemon", "quiet", "installed")
MINUTE_NS = 60 * 10**9
SETTLED_MINUTES, LONG_MINUTES = 10, 60
AIM_MB, AIM_SHARE = 1.0, 3.0
PLAN_US = 10_000_000
QUIET_S = 20.0
DAY_S = 86_400
TICKS = os.sysconf("SC_CLK_TCK")


def engine(hours: float) -> list[Row]:
    """Run simulated hours of a busy market and return how memory grew."""
    kernel_cache.prepare()
    from hftd import wiring
    from hftd.config.load import load_profile
    from hftd.drivers.memory import Builders, Silence
    from hftd.drivers.simulate import START_NS, World

    sets = ["venue.market.preset=busy", "strategy.min_quote_life_ms=0",
            "risk.max_orders_without_fill=1000000", "risk.max_daily_turnover_quote=1000000000",
            "risk.max_daily_loss_quote=100000", "risk.max_drawdown_quote=100000"]  # fmt: skip
    loaded = load_profile("market-making", sets=sets, environ={})
    world = World(loaded, Builders(wiring.build_engine, wiring.build_codec), 1, Silence())
    world.boot()
    # The exchange remembers orders and trades up to a number; a tenth of it is reached within the
    # first minutes, and what grows after those is somebody's leak.
    exchange = world.venue.exchange
    exchange.bookkeeping(ACCOUNT)._history = HISTORY
    begun_s, mb = time.monotonic(), []
    for minute in range(1, round(hours * 60) + 1):
        world.run_until(START_NS + minute * MINUTE_NS)
        exchange.take_closed()  # As a server does, which has an archive.
        mb.append(resident_bytes() / 1e6)
    core, took_s = world.engine.state.core[0], time.monotonic() - begun_s
    growth = slope(mb[SETTLED_MINUTES:]) * 60
    note = (
        f"{core['submitted']:,} orders, {int(world.engine.state.instruments[0]['fills']):,} fills, "
        f"{mb[SETTLED_MINUTES - 1]:.1f} MB after ten minutes, {mb[-1]:.1f} at the end; "
        f"took {took_s:.0f} s; the simulated exchange's memory is in it"
    )
    name = f"memory an hour, {hours:g} simulated busy hours"
    return [Row(name, growth, "MB", "aim", AIM_MB, growth / AIM_MB, reach=1.0, note=note)]


def anonymous_mb(pid: int) -> float:
    """Return the anonymous resident memory of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1000


def resident_mb(pid: int) -> float:
    """Return the resident memory of a process, files that it has mapped included."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1000


def cpu_s(pid: int) -> float:
    """Return the processor time that a process has used."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / TICKS


def journal_bytes(folder: Path) -> int:
    """Return what was written to a journal, by the numbers of its segments, a spare aside."""
    made = 0
    for stream in Stream:
        there = numbers(folder, stream)
        size = (folder / f"{stream.name.lower()}-{there[-1]:08d}.hj").stat().st_size
        made += size * max(1, there[-1] - 1)
    return made


def keep_busy(all_three: Trading, plans: Sequence[Path], seconds: float) -> list[Row]:
    """Send plans for so long; return how the engine's memory grew and what was written."""
    harness, instance, daemon = all_three
    (recorder,) = daemon.children()
    harness.know("hftd", 0)  # Nobody else is timed: nothing is stopped.
    began, mb, marks, used_s, number = time.monotonic(), [], [], cpu_s(daemon.pid), 0
    while (passed_s := time.monotonic() - began) < seconds:
        harness.plan("hftd", plans[number % len(plans)], calm=True)
        number += 1
        mb.append(anonymous_mb(daemon.pid))
        marks.append(time.monotonic() - began)
    settled = [at for at, mark in enumerate(marks) if mark > min(600.0, seconds / 6)]
    step_s = (marks[-1] - marks[settled[0]]) / max(1, len(settled) - 1)
    growth = slope([mb[at] for at in settled]) * 3600 / step_s
    share = (cpu_s(daemon.pid) - used_s) / passed_s
    recorded = instance.ask("status")
    lag = recorded["journal"]["seq"] - (recorded["recorder"]["seq"] or 0)
    a_day = DAY_S / passed_s / load.TIMES  # The recorded rate's day.
    minutes = seconds / 60
    note = (
        f"{mb[settled[0]]:.1f} MB when settled, {mb[-1]:.1f} at the end; {share:.0%} of a core; "
        f"recorder {lag} records behind; {recorded['state']} at the end, "
        f"{sum('PAUSED' in line for line in daemon.lines)} pauses"
    )
    print(f"anonymous MB, each ten seconds: {[round(each, 1) for each in mb]}", flush=True)
    name = f"memory an hour, the daemon, ten times the rate, {minutes:g} minutes"
    log = sum(path.stat().st_size for path in (instance.state / "logs").iterdir())
    return [
        Row(name, growth, "MB", "aim", AIM_MB, growth / AIM_MB, reach=1.0, note=note)
        if minutes >= LONG_MINUTES
        else Row(name, growth, "MB", note=f"a taste, its warm-up in it; {note}"),
        Row("resident, engine", resident_mb(daemon.pid), "MB", note=f"anonymous {mb[-1]:.0f} MB"),
        Row("resident, recorder", resident_mb(recorder), "MB",
            note=f"anonymous {anonymous_mb(recorder):.0f} MB"),
        Row("journal a day at the recorded rate",
            journal_bytes(instance.state / "journal") * a_day / 1e9, "GB",
            note="by whole segments; journal.max_gb bounds what is kept"),
        Row("log a day at the recorded rate", log * a_day / 1e6, "MB",
            note="quotes move 100 times a second here; log.rotate_mb bounds what is kept"),
    ]  # fmt: skip


def daemon(minutes: float) -> list[Row]:
    """Run the daemon at ten times the recorded rate."""
    with tempfile.TemporaryDirectory(prefix="harness") as place:
        folder = Path(place)
        build(folder)
        plans = load.write_all(folder, PLAN_US)
        with trading(folder, sets_of("sleep")) as all_three:
            return keep_busy(all_three, plans, minutes * 60)


def quiet() -> list[Row]:
    """Return the share of a core that a sleeping daemon takes on the calm market."""
    with tempfile.TemporaryDirectory(prefix="quiet") as place:
        instance = Instance(Path(place))
        try:
            running = instance.start("--profile", "market-making").running()
            instance.await_quotes()
            pids = {"engine": running.pid, "recorder": running.children()[0]}
            begun = {name: cpu_s(pid) for name, pid in pids.items()}
            time.sleep(QUIET_S)
            shares = {
                name: (cpu_s(pid) - begun[name]) / QUIET_S * 100 for name, pid in pids.items()
            }
        finally:
            instance.clean_up()
    name, ours = "a core's share, sleeping, calm market", shares["engine"]
    note = f"the recorder {shares['recorder']:.1f} %; over {QUIET_S:g} s"
    return [Row(name, ours, "%", "aim", AIM_SHARE, ours / AIM_SHARE, reach=1.0, note=note)]


def installed() -> list[Row]:
    """Return what the package and its environment take on disk."""

    def size_mb(folder: Path, *pattern: str) -> float:
        words = ["du", "-skL", *pattern, str(folder)]
        return int(subprocess.run(words, capture_output=True, text=True).stdout.split()[0]) / 1000

    package = size_mb(ROOT / "hftd", "--exclude=__pycache__")
    libraries = size_mb(Path(sys.prefix) / "lib")
    cache = size_mb(kernel_cache.cache_root(os.environ))
    note = f"libraries of .venv, those of the tests among them, {libraries:,.0f} MB; "
    return [
        Row("installed, the package alone", package, "MB",
            note=f"{note}compiled kernels of all versions here {cache:,.0f} MB")
    ]  # fmt: skip


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="scripts/bench memory", description=__doc__)
    parser.add_argument("--part", choices=PARTS, action="append")
    parser.add_argument("--hours", type=float, default=24.0, help="simulated, of the engine")
    parser.add_argument("--minutes", type=float, default=1.0, help="of the daemon")
    parser.add_argument("--no-save", dest="save", action="store_false")
    options = parser.parse_args()
    runs = {
        "engine": lambda: engine(options.hours),
        "daemon": lambda: daemon(options.minutes),
        "quiet": quiet,
        "installed": installed,
    }
    for part in options.part or PARTS:
        found = runs[part]()
        print(text(found), flush=True)
        if options.save:
            length = {"engine": f" {options.hours:g} h", "daemon": f" {options.minutes:g} min"}
            save(f"memory {part}{length.get(part, '')}", found)


if __name__ == "__main__":
    main()

"""Kill -9 at random moments while it quotes fast: is anything lost, doubled or adrift?

    scripts/bench kill9 [--crashes 200] [--seed 20241] [--no-save]

The real daemon against the real exchange, over sockets. Each crash is a SIGKILL at a moment
drawn from the seed; after each restart the books are held against the exchange's own truth, past
its rate limits, and every tenth time the ledger too, row by row. A restart is timed from the
start of the process to RUNNING, with imports and kernels. The result is kept with machine and
load in ``kill9_results.json``; the first difference ends the run and is what is kept.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import sys
import tempfile
import threading
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.bench.rows import machine
from tests.e2e.daemon import Instance

RESULTS = Path(__file__).parent / "kill9_results.json"
LEDGER_EVERY = 10
MOMENT_S = 1.5
WITHIN_S = 3.0  # A restart that takes longer prints what the daemon said meanwhile.
# Quotes that follow each move of the book at once, in a market that moves all the time.
SETS = (
    "--profile", "market-making", "--name", "kill9",
    "--set", "venue.market.preset=busy", "--set", "venue.recv_window_ms=1000",
    "--set", "strategy.min_quote_life_ms=0", "--set", "strategy.min_spread_bps=0.1",
    "--set", "strategy.min_spread_exit_bps=0.05", "--set", "risk.max_orders_per_second=50",
    "--set", "risk.max_daily_loss_quote=100000", "--set", "risk.max_drawdown_quote=100000",
    "--set", "risk.max_daily_turnover_quote=500000000",
)  # fmt: skip


class Different(Exception):
    """The daemon's books are not what the exchange holds."""


def require(what: str, ours: object, theirs: object) -> None:
    """Raise Different where two figures are not the same."""
    if ours != theirs:
        raise Different(f"{what}: ours {ours}, the exchange's {theirs}")


def compare(instance: Instance, *, ledger: bool) -> dict[str, Any]:
    """Pause, hold everything against the exchange's truth, and go on; return the truth."""
    instance.await_proof()
    instance.ask("pause")
    truth = instance.truth()
    ids = [order["clientOrderId"] for order in truth["orders"]]
    require("an order of ours that came twice", sorted(ids), sorted(set(ids)))
    require("open orders", instance.ask("orders")["orders"], [])
    require("open at the exchange", [], instance.truly_open())
    told = instance.ask("positions")
    position = sum(
        (Decimal(t["qty"]) * (1 if t["isBuyer"] else -1) for t in truth["trades"]), Decimal(0)
    )
    require("position", Decimal(told["positions"][0]["position_base"]), position)
    for balance in told["balances"]:
        held = truth["balances"][balance["asset"]]
        for part in ("free", "locked"):
            require(f"{balance['asset']} {part}", Decimal(balance[part]), Decimal(held[part]))
    if ledger:
        instance.recorded()
        rows = instance.sql("SELECT trade_id, side, price, qty FROM fills ORDER BY trade_id")
        ours = [(row[0], row[1], Decimal(row[2]), Decimal(row[3])) for row in rows]
        theirs = [
            (t["id"], "BUY" if t["isBuyer"] else "SELL", Decimal(t["price"]), Decimal(t["qty"]))
            for t in truth["trades"]
        ]
        require("fills in the ledger", ours, sorted(theirs))
        drift = instance.sql("SELECT count(*) FROM differences WHERE ours <> venues")
        require("differences in the ledger", drift, [(0,)])
    instance.ask("resume")
    return truth


def cpu_of(pid: int) -> float:
    """Return the processor time that a process has had, which no other program's load adds to."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def run(crashes: int, seed: int) -> dict[str, Any]:
    """Crash so often; return what came of it."""
    moments, pause = random.Random(seed), threading.Event()
    seconds: list[float] = []
    cpu_seconds: list[float] = []
    orders, found = set[str](), ""
    fills, load = 0, list(os.getloadavg())
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="hftd-kill9-") as folder:
        instance = Instance(Path(folder))
        try:
            for crash in range(crashes + 1):
                started = time.monotonic()
                daemon = instance.start(*SETS).running()
                if crash:
                    seconds.append(time.monotonic() - started)
                    cpu_seconds.append(cpu_of(daemon.pid))
                    if seconds[-1] > WITHIN_S:
                        print(f"restart {crash} took {seconds[-1]:.1f} s:\n{daemon.text}")
                truth = compare(instance, ledger=crash % LEDGER_EVERY == 0 or crash == crashes)
                orders |= {order["clientOrderId"] for order in truth["orders"]}
                fills = len(truth["trades"])
                if crash == crashes:
                    daemon.stop()
                    break
                instance.await_quotes()
                pause.wait(moments.uniform(0, MOMENT_S))
                daemon.crash()
                if crash % 10 == 0:
                    print(f"{crash} crashes, {fills} fills, no difference", file=sys.stderr)
        except Different as different:
            found = f"after crash {len(seconds)}: {different}"
        finally:
            instance.clean_up()
    return {
        "crashes": len(seconds), "seed": seed, "orders": len(orders), "fills": fills,
        "difference": found,
        "running_after_s": {
            "median": round(statistics.median(seconds), 3), "max": round(max(seconds), 3),
            "within_3_s": sum(each <= WITHIN_S for each in seconds),
            "cpu_median": round(statistics.median(cpu_seconds), 3),
        },
        "took_s": round(time.monotonic() - began), "load_at_begin": load, "machine": machine(),
    }  # fmt: skip


def main() -> int:
    """Run from the command line; 1 where something was lost, doubled or adrift."""
    parser = argparse.ArgumentParser(prog="scripts/bench kill9")
    parser.add_argument("--crashes", type=int, default=200)
    parser.add_argument("--seed", type=int, default=20_241)
    parser.add_argument("--no-save", dest="save", action="store_false", help="only print")
    options = parser.parse_args()
    result = run(options.crashes, options.seed)
    print(json.dumps(result, indent=1))
    if options.save:
        RESULTS.write_text(json.dumps(result, indent=1) + "\n")
    return 1 if result["difference"] else 0


if __name__ == "__main__":
    sys.exit(main())

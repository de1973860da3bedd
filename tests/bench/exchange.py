"""What the exchange carries: decisions, orders over one connection, a crowd of readers, memory.

Owns the verb ``scripts/bench exchange [PART …] [--seconds N] [--hours N]``: the parts are
``pace`` (``exchange_pace``), ``orders`` (``exchange_client``), ``crowd`` (``exchange_crowd``) and
``memory`` (``exchange_memory``); without one, all. Each is measured beside a floor or a peer of
the same minutes, because the machine is shared: what other processes took of it stands in
``machine.load_1_5_15``. Rates are given by the clock on the wall, and by the processor time that
the exchange itself used, which is what it would do with a core of its own. How slow that
core was shows in ``python_call_ns``, the cost of an empty function's call. Results:
``exchange_results.json``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests.bench import exchange_pace
from tests.bench.rows import machine

ROOT = Path(__file__).parents[2]
RESULTS = Path(__file__).with_name("exchange_results.json")
PARTS = ("pace", "orders", "crowd", "memory")
CONFIG = """
limits:
  weight_per_minute: 1000000000
  orders_per_10s: 1000000000
  orders_per_day: 1000000000
  raw_requests_per_5min: 1000000000
balances: [USDT=1000000000, BTC=1000]
"""
WINDOW = 50
LEVELS, CHANGES, CLIENTS = 1_000, 200, 100


class Server(NamedTuple):
    """A server under test."""

    url: str
    pid: int

    def cpu_s(self) -> float:
        """Return the processor time that it has used."""
        fields = Path(f"/proc/{self.pid}/stat").read_text("ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def command(module: str, *words: object) -> list[str]:
    """Return the command of a module of ours."""
    return [sys.executable, "-m", module, *map(str, words)]


@asynccontextmanager
async def served(module: str, *words: object) -> AsyncIterator[Server]:
    """Run a server until the block ends; its first line ends with or holds its address."""
    child = await asyncio.create_subprocess_exec(
        *command(module, *words), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert child.stdout is not None
    try:
        line = (await child.stdout.readline()).decode().split()
        yield Server(next(word for word in line if "://" in word), child.pid)
    finally:
        if child.returncode is None:
            child.terminate()
        await child.wait()


async def printed(module: str, *words: object) -> dict[str, Any]:
    """Run a program that prints one JSON line; return it."""
    child = await asyncio.create_subprocess_exec(
        *command(module, *words), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await child.communicate()
    assert child.returncode == 0, f"{module} {words}: exit {child.returncode}"
    found: dict[str, Any] = json.loads(out.splitlines()[-1])
    return found


async def send(server: Server, seconds: float, *words: str) -> dict[str, Any]:
    """Let one connection send orders; return rates of requests a second."""
    before_s = server.cpu_s()
    row = await printed("tests.bench.exchange_client", server.url, seconds, WINDOW, *words)
    cpu_s = server.cpu_s() - before_s
    return {
        "per_s": round(row["requests"] / row["took_s"]),
        "per_cpu_s": round(row["requests_in_all"] / cpu_s),
        "requests": row["requests"],
        "events": row["events"],
        "seconds": round(row["took_s"], 2),
    }


async def orders(seconds: float) -> dict[str, Any]:
    """Return what one WS-API connection gets done, beside servers that only echo."""
    rows: dict[str, Any] = {"window": WINDOW}
    with tempfile.TemporaryDirectory() as name:
        config = Path(name) / "exchange.yaml"
        config.write_text(CONFIG, "ascii")
        for label, more, words in (
            ("orders", (), ()),
            ("orders, hearing of them", (), ("user",)),
            ("orders, hearing of them, account on disk", ("--state", Path(name) / "s"), ("user",)),
        ):
            exchange = ("hftd.cli.hftd", "exchange", "--config", config, *more)
            async with served(*exchange) as server:
                rows[label] = await send(server, seconds, *words)
    for kind in ("aiohttp", "picows"):
        async with served("tests.bench.exchange_echo", kind) as server:
            rows[f"echo by {kind}"] = await send(server, seconds)
    return rows


async def crowd(seconds: float) -> dict[str, Any]:
    """Return how old frames are for a hundred clients, beside a server that only sends."""
    rows: dict[str, Any] = {"levels_a_side": LEVELS, "changes_a_frame": CHANGES}
    module = "tests.bench.exchange_crowd"
    for label, words in (
        ("exchange", ("serve", LEVELS, CHANGES)),
        ("floor", ("floor", 0)),
    ):
        size = () if label == "exchange" else (rows["exchange"]["bytes_a_frame"],)
        async with served(module, words[0], *(size or words[1:])) as server:
            before_s = server.cpu_s()
            rows[label] = await printed(module, "follow", server.url, CLIENTS, seconds)
            rows[label]["server_cpu_s"] = round(server.cpu_s() - before_s, 2)
    return rows


def measure(part: str, wish: argparse.Namespace) -> dict[str, Any]:
    """Run one part."""
    if part == "pace":
        return exchange_pace.measure(100_000, 5)
    if part == "orders":
        return asyncio.run(orders(wish.seconds or 10))
    if part == "crowd":
        return asyncio.run(crowd(wish.seconds or 60))
    return asyncio.run(printed("tests.bench.exchange_memory", wish.hours))


def main() -> None:
    """Run the parts, show and keep what they gave."""
    parser = argparse.ArgumentParser(prog="scripts/bench exchange")
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--seconds", type=float, help="how long orders (10) and crowd (60) last")
    parser.add_argument("--hours", type=float, default=3, help="simulated hours of memory (3)")
    wish = parser.parse_args()
    unknown = [part for part in wish.parts if part not in PARTS]
    if unknown:
        parser.error(f"the parts are {', '.join(PARTS)}, was {unknown[0]}")
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for part in wish.parts or PARTS:
        print(f"{part} …", flush=True)
        found = measure(part, wish)
        results[part] = {
            **found,
            "machine": machine(),
            "python_call_ns": round(exchange_pace.call_ns()),
        }
        print(json.dumps(found, indent=1), flush=True)
        RESULTS.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")
    print(f"written to {RESULTS.relative_to(ROOT)}")


if __name__ == "__main__":
    main()

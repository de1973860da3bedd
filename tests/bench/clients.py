"""Programs that nobody here wrote against ``hftd exchange``, each in its own environment.

Owns the verb ``scripts/bench clients [EVENTS]`` (10,000 by default): ccxt from the tests' own
environment; binance-connector and unicorn-binance-websocket-api in virtual environments that
are made for the run and thrown away, because their package names clash. Needs a package index.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from hftd.runtime.exchange_markets import DEFAULT_KEY, DEFAULT_SECRET
from tests.runtime.exchange_process import exchange
from tests.runtime.foreign_ccxt import follow, served

ROOT = Path(__file__).parents[2]
PACE = 30
WITHIN_S = 1200
CONNECTOR = ("binance-connector==3.13.0", "tests.bench.client_connector")
UNICORN = ("unicorn-binance-websocket-api==2.16.1", "tests.bench.client_unicorn")


def environment(folder: Path, package: str) -> Path:
    """Make a virtual environment with one package; return its Python."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    command = [str(python), "-m", "pip", "install", "--quiet", "--only-binary=:all:", package]
    subprocess.run(command, check=True)
    return python


async def run(python: Path, module: str, *words: str) -> None:
    """Run a client's program; a program that fails ends the bench."""
    child = await asyncio.create_subprocess_exec(
        str(python), "-m", module, *words, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    async with asyncio.timeout(WITHIN_S):
        code = await child.wait()
    if code != 0:
        sys.exit(f"{module} {words[0]}: exit {code}")


async def everybody(folder: Path, events: int) -> None:
    """Let each client follow the book, and trade where it can."""
    async with served(PACE) as url:
        seen, truth = await follow(url, events, WITHIN_S)
        shared = [update_id for update_id in seen if update_id in truth]
        assert [each for each in shared if seen[each] != truth[each]] == []
        print(f"ccxt: equal books at {len(shared)} update ids", flush=True)
    for package, module in (CONNECTOR, UNICORN):
        print(package, flush=True)
        python = await asyncio.to_thread(environment, folder / module, package)
        async with served(PACE) as url:
            await run(python, module, "book", url, str(events))
        if module == CONNECTOR[1]:
            async with exchange(None) as process:
                await run(python, module, "trade", process.url, DEFAULT_KEY, DEFAULT_SECRET)


def main() -> None:
    """Run them all."""
    events = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(everybody(Path(folder), events))


if __name__ == "__main__":
    main()

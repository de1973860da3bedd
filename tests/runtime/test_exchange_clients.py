"""Programs that nobody here wrote follow the book and trade; only addresses differ.

Each runs as the process that a user would start. ``scripts/bench clients`` runs these and more
over many events.
"""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

import pytest

from tests.bench.clients import CLIENTS, Client, follow, trade
from tests.runtime.exchange_process import exchange

README = Path(__file__).parents[2] / "README.md"
EVENTS = 100
PACE = 100
HERE = {client.name: client for client in CLIENTS if client.name in ("ccxt", "binance-connector")}


@pytest.mark.parametrize("client", HERE.values(), ids=HERE)
def test_the_book_of_a_client_is_the_exchanges(client: Client) -> None:
    """After each of many events the book that a client keeps is the one that orders match in."""
    row = asyncio.run(follow(client, sys.executable, EVENTS, PACE))
    assert row["events"] >= EVENTS


@pytest.mark.parametrize("client", HERE.values(), ids=HERE)
def test_a_client_trades(client: Client) -> None:
    """Instruments, orders both ways, refusals, fills, fees and balances, by REST and sockets."""
    asyncio.run(trade(client, sys.executable))


def test_the_bot_of_the_readme_trades(tmp_path: Path) -> None:
    """README's example runs as it stands there, but for the port."""
    section = README.read_text("utf-8").split("## Point your own bot at it")[1]
    found = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    assert found is not None

    async def run() -> str:
        async with exchange(None) as process:
            program = tmp_path / "bot.py"
            program.write_text(found[1].replace("http://127.0.0.1:8900", process.url), "utf-8")
            child = await asyncio.create_subprocess_exec(
                sys.executable, str(program), stdout=asyncio.subprocess.PIPE
            )
            out, _ = await child.communicate()
            assert child.returncode == 0
            return out.decode()

    told = asyncio.run(run()).split()
    assert {"open", "canceled", "bought", "fill", "1.009995"} <= {word.strip(",}") for word in told}

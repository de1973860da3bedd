"""Programs that nobody here wrote follow the book and trade; only addresses differ.

Each runs as the process that a user would start. ``scripts/bench clients`` runs these and more
over many events.
"""

from __future__ import annotations

import asyncio
import sys

import pytest

from tests.bench.clients import CLIENTS, Client, follow, trade

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

"""A simulated exchange on an instance's state folder, with no daemon beside it."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hftd.domain.order import client_order_id, order_key
from hftd.runtime.exchange_markets import DEFAULT_KEY, DEFAULT_SECRET
from hftd.runtime.exchange_state import read_listening

ROOT = Path(__file__).parents[2]
WITHIN_S = 30.0
SYMBOL = "BTCUSDT"


def send(port: int, method: str, path: str, **params: object) -> Any:
    """Send one signed request of the paper account and return the answer."""
    full = {**params, "timestamp": time.time_ns() // 1_000_000}
    query = "&".join(f"{name}={value}" for name, value in full.items())
    signature = hmac.new(DEFAULT_SECRET.encode(), query.encode(), hashlib.sha256).hexdigest()
    url = f"http://127.0.0.1:{port}/api/v3/{path}?{query}&signature={signature}"
    request = urllib.request.Request(url, headers={"X-MBX-APIKEY": DEFAULT_KEY}, method=method)
    with urllib.request.urlopen(request, timeout=WITHIN_S) as reply:
        return json.load(reply)


def own_id(tag: str, seq: int) -> str:
    """Return a client order id as the engine of this tag would mint it."""
    return client_order_id(tag, order_key(1_700_000_000, seq))


def place(port: int, name: str) -> None:
    """Rest a bid far below the market under a client order id."""
    send(
        port, "POST", "order", symbol=SYMBOL, side="BUY", type="LIMIT", timeInForce="GTC",
        quantity="0.001", price=_far_below(port), newClientOrderId=name,
    )  # fmt: skip


def open_ids(port: int) -> list[str]:
    """Return the client order ids of what is open."""
    rows = send(port, "GET", "openOrders", symbol=SYMBOL)
    return sorted(str(row["clientOrderId"]) for row in rows)


def _far_below(port: int) -> str:
    url = f"http://127.0.0.1:{port}/api/v3/ticker/price?symbol={SYMBOL}"
    with urllib.request.urlopen(url, timeout=WITHIN_S) as reply:
        price = float(json.load(reply)["price"])
    return f"{int(price * 0.8) // 100 * 100}.00"  # A multiple of any tick.


@contextmanager
def lone_exchange(state: Path) -> Iterator[int]:
    """Run an exchange on ``state/simex`` and yield its port; it is gone afterwards."""
    folder = state / "simex"
    process = subprocess.Popen(
        [sys.executable, "-m", "hftd.cli.hftd", "exchange", "--symbols", SYMBOL, "--state",
         str(folder)],
        cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True,
        env={"PATH": os.environ["PATH"], "HOME": str(state)},
    )  # fmt: skip
    try:
        assert process.stdout is not None
        assert "listens" in process.stdout.readline()
        listening = read_listening(folder)
        assert listening is not None
        yield listening.port
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()

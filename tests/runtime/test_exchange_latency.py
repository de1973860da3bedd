"""Latency as a configuration says it, and on real sockets."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp
import pytest

from hftd.errors import UsageError
from hftd.runtime.exchange_latency import latencies
from hftd.runtime.exchange_markets import read_wish
from hftd.simex.latency import Way
from tests.runtime.exchange_process import Rest, WsApi, exchange, now_ms

ORDER = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
PRICE = {"price": "50000.00", "quantity": "0.001"}


def write(folder: Path, text: str) -> Path:
    """Write a configuration."""
    path = folder / "exchange.yaml"
    path.write_text(text)
    return path


def test_every_model_can_be_said(tmp_path: Path) -> None:
    """None, constant, log-normal and a file of samples, for all and for one key."""
    (tmp_path / "measured").write_text("# ms\n3.25\n3.25  # the same again\n\n")
    path = write(
        tmp_path,
        "latency:\n"
        '  entry: {model: constant, delay_ms: "1.5"}\n'
        f"  response: {{model: samples, file: {tmp_path / 'measured'}}}\n"
        '  feed: {model: log_normal, median_ms: "2", sigma: "0"}\n'
        "  accounts:\n"
        "    two: {entry: {model: none}}\n",
    )
    late = latencies(read_wish(path).latency, ["one", "two"], 7)
    assert [late.delay_ns(1, way) for way in Way] == [1_500_000, 3_250_000, 2_000_000]
    assert [late.delay_ns(2, way) for way in Way] == [0, 3_250_000, 2_000_000]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("entry: {model: constant}", "delay_ms.*latency.entry"),
        ("entry: {model: uniform}", "uniform.*latency.entry"),
        ("enter: {model: none}", "enter.*latency"),
        ('feed: {model: constant, delay_ms: "-1"}', "feed.delay_ms must be .* 0 to 10000, was -1"),
        ('feed: {model: constant, delay_ms: "nan"}', "was nan"),
        ('feed: {model: log_normal, median_ms: "1", sigma: "9"}', "feed.sigma must .* 5, was 9"),
        ("feed: {model: samples, file: none-such}", "none-such does not read"),
        ("accounts: {nobody: {}}", "no account has the key nobody"),
        ("accounts: {one: {feed: {model: none}}}", "streams bear no key"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, text: str, message: str) -> None:
    """Where it stands and what would be right; exit code 64."""
    with pytest.raises(UsageError, match=message):
        latencies(read_wish(write(tmp_path, f"latency:\n  {text}\n")).latency, ["one"], 7)


def test_a_file_without_samples_is_refused(tmp_path: Path) -> None:
    """An empty file, and a line that is no number, with its line."""
    path = tmp_path / "samples"
    text = f"latency: {{feed: {{model: samples, file: {path}}}}}\n"
    for content, message in (("# nothing\n", "must hold 1 to"), ("1\nfast\n", "samples:2 must")):
        path.write_text(content)
        with pytest.raises(UsageError, match=message):
            latencies(read_wish(write(tmp_path, text)).latency, [], 7)


def test_requests_arrive_late_over_real_sockets(tmp_path: Path) -> None:
    """With an entry of 60 ms the exchange's own clock says so, over WS API and REST."""
    path = write(tmp_path, 'latency: {entry: {model: constant, delay_ms: "60"}}\n')

    async def run() -> None:
        async with (
            exchange(None, "--config", str(path)) as process,
            aiohttp.ClientSession() as session,
        ):
            socket = await session.ws_connect(process.url.replace("http", "ws") + "/ws-api/v3")
            api = WsApi(socket)
            await api.log_on()
            stamp = now_ms()
            reply = await api.call("order.place", **ORDER, **PRICE, timestamp=stamp)
            assert reply["result"]["transactTime"] >= stamp + 60
            rest = Rest(session, process.url)
            stamp = now_ms()
            status, placed = await rest.ask("POST", "order", **ORDER, **PRICE)
            assert status == 200
            assert placed["transactTime"] >= stamp + 60
            await socket.close()

    asyncio.run(run())

"""The profile tape: the shipped recording, and the real one where it is at hand."""

from __future__ import annotations

import pytest

from tests.e2e.daemon import ROOT, Instance

RECORDED = ROOT / ".." / "shared" / "data" / "binance-spot" / "btcusdt_20240808.gz"


def _quotes_on(instance: Instance, *options: str) -> None:
    daemon = instance.start("--profile", "tape", *options).running()
    instance.await_quotes()
    order = instance.ask("orders")["orders"][0]
    book = instance.ask("book")
    distance = abs(float(order["price"]) / float(book["mid"]) - 1)
    assert 0 < distance < 0.001, "offset quotes stand away from mid, and near it"
    assert daemon.stop() == 0
    assert "0 open orders" in daemon.lines[-1]


def test_the_shipped_tape_is_quoted(instance: Instance) -> None:
    """Without any recording of one's own the profile reaches RUNNING and quotes by offset."""
    _quotes_on(instance)


@pytest.mark.skipif(not RECORDED.exists(), reason=f"no recorded session at {RECORDED}")
def test_the_recorded_session_is_quoted(instance: Instance) -> None:
    """The recorded session too, at twenty times its pace."""
    _quotes_on(instance, "--set", f"venue.market.path={RECORDED}", "--set", "venue.market.speed=20")

"""What does not start: it says why in a line, ends with its code, and has opened no socket."""

from __future__ import annotations

import pytest

from tests.e2e.daemon import Instance

HEAD = "schema_version: 1\ndescription: A test.\nextends: canary.yaml\nmode: paper\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (HEAD + "risk: {max_positon_base: '1'}\n", "max_position_base"),
        (HEAD + "mode: paper\n", "mode"),
        (HEAD + "risk: {max_open_orders: 0}\n", "max_open_orders"),
        (HEAD + "risk: {max_daily_loss_quote: much}\n", "max_daily_loss_quote"),
        (HEAD + "canary: {enabled: true, size_factor: '0.0001'}\n", "size_factor"),
    ],
    ids=["unknown key", "duplicate key", "limit of zero", "no number", "too small to trade"],
)
def test_a_mistake_in_the_profile_is_78(instance: Instance, text: str, words: str) -> None:
    """One line that names the file and the key; no exchange, no control socket."""
    path = instance.home / "mine.yaml"
    path.write_text(text)
    done = instance.run("hftd", "start", "--profile", str(path))
    assert done.returncode == 78, done.stdout + done.stderr
    assert done.stderr.count("\n") == 1 and "mine.yaml" in done.stderr and words in done.stderr
    _nothing_was_opened(instance)


def test_a_missing_limit_is_78(instance: Instance) -> None:
    """A profile without a required limit does not start."""
    path = instance.home / "mine.yaml"
    path.write_text(
        "schema_version: 1\ndescription: A test.\nmode: paper\nvenue: {kind: simex}\n"
        "instruments: [BTC-USDT]\nrisk: {max_open_orders: 8}\n"
        "strategy: {kind: market_making, min_spread_bps: '5', order_size_base: '0.01'}\n"
    )
    done = instance.run("hftd", "start", "--profile", str(path))
    assert done.returncode == 78 and "max_order_size_base" in done.stderr, done.stderr
    _nothing_was_opened(instance)


def test_an_unknown_profile_is_64(instance: Instance) -> None:
    """The line names what can be named."""
    done = instance.run("hftd", "start", "--profile", "canry")
    assert done.returncode == 64 and "canary" in done.stderr, done.stderr
    _nothing_was_opened(instance)


def _nothing_was_opened(instance: Instance) -> None:
    assert not instance.control.exists() and not (instance.state / "simex").exists()

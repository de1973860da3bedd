"""Strategies of a user's own with the real processes: README's example, and one that raises."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.daemon import ROOT, Instance, until

SECTION = "## A strategy of your own"
FAILS = '''
from hftd.strategies.own import Quote, Side, Strategy, View


class Two(Strategy):
    """Quote the touch; on the second instrument give up after a while."""

    memory = ("calls",)

    def decide(self, view: View):
        view.memory["calls"] += 1
        if view.instrument.name == "ETH-USDT" and view.memory["calls"] > 20:
            raise RuntimeError("no idea any more")
        size = view.lots(self.order_size_base)
        yield Quote(Side.BUY, view.best_bid_ticks, size)
        yield Quote(Side.SELL, view.best_ask_ticks, size)
'''
TWO = """
schema_version: 1
description: Two instruments, each with sizes of its own.
extends: canary.yaml
instruments: [BTC-USDT, ETH-USDT]
venue: {opening_balances: {BTC: "1", ETH: "10", USDT: "100000"}}
strategy: {kind: two.py:Two, order_size_base: "0.01"}
instrument_strategy: {ETH-USDT: {order_size_base: "0.2"}}
instrument_limits:
  ETH-USDT: {max_order_size_base: "0.5", max_position_base: "2"}
"""


def blocks(language: str) -> list[str]:
    """Return the blocks of README's section in a language."""
    section = (ROOT / "README.md").read_text().split(SECTION)[1].split("\n## ")[0]
    return re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)


def folder(instance: Instance) -> Path:
    """Return the folder of the user's own profiles."""
    path = instance.home / ".config" / "hftd"
    path.mkdir(parents=True)
    return path


def test_readmes_strategy_trades_and_replays(instance: Instance) -> None:
    """Its example, under forty lines, is checked, quotes, is replayed; another source is not."""
    own = folder(instance)
    (source, *_), (profile, *_) = blocks("python"), blocks("yaml")
    assert len(source.splitlines()) < 40
    (own / "skewed.py").write_text(source)
    (own / "skewed.yaml").write_text(profile)
    checked = instance.run("hftd", "check", "skewed")
    assert checked.returncode == 0, checked.stderr
    listed = instance.run("hftd", "strategies", str(own / "skewed.py"))
    assert "skew_bps (default 3)" in listed.stdout, listed.stdout + listed.stderr
    daemon = instance.start("--profile", "skewed").running()
    instance.await_quotes()
    assert daemon.stop() == 0
    done = instance.run("hftd", "replay", "last")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "no difference" in done.stdout and "equal to the run's" in done.stdout
    (own / "skewed.py").write_text(source + "# another\n")
    refused = instance.run("hftd", "replay", "last")
    assert refused.returncode == 78 and len(refused.stderr.splitlines()) == 1, refused.stderr
    assert "skewed.py" in refused.stderr and "which the run traded with" in refused.stderr
    (own / "skewed.py").write_text(source)


@pytest.fixture
def two_sources(tmp_path: Path) -> Iterator[Instance]:
    """One instance whose runs need two texts of one file: each is replayed while it is there."""
    made = Instance(tmp_path)
    yield made
    made.clean_up()


def test_one_that_raises_leaves_the_other_instrument_alone(two_sources: Instance) -> None:
    """Two instruments quote; one's strategy raises: pulled, told, logged; the other goes on.

    A crash then, and the file mended meanwhile: the restart recovers by the old source and
    trades by the new.
    """
    instance = two_sources
    own = folder(instance)
    (own / "two.py").write_text(FAILS)
    (own / "two.yaml").write_text(TWO)
    daemon = instance.start("--profile", "two").running()
    until(lambda: {("ETH-USDT", "0.02"), ("BTC-USDT", "0.001")} <= sizes(instance), "both quote")
    until(lambda: failed(instance, "ETH-USDT"), "ETH-USDT has failed")
    until(lambda: all(name != "ETH-USDT" for name, _ in sizes(instance)), "its quotes are gone")
    assert not failed(instance, "BTC-USDT")
    until(lambda: quoted(instance) == {"BTC-USDT"}, "BTC-USDT is quoted")
    shown = instance.hftctl("explain", "--instrument", "ETH-USDT")
    assert "STRATEGY_FAILED" in shown.stdout and "raised once" in shown.stdout, shown.stdout
    assert "BTC-USDT" not in shown.stdout

    def traceback() -> str:
        lines = instance.hftctl("logs", "--stage", "strategy", "-n", "1000", "--json").stdout
        return next((line for line in lines.splitlines() if "strategy_error" in line), "")

    told = json.loads(until(traceback, "the error is in the log"))
    assert (told["instrument"], told["errors"]) == ("ETH-USDT", 1)
    assert told["error"] == "RuntimeError: no idea any more"
    assert "two.py" in told["traceback"] and "raise RuntimeError" in told["traceback"]
    risk = instance.hftctl("risk").stdout
    assert "ETH-USDT" in risk and "BTC-USDT" in risk, risk
    daemon.crash()
    assert instance.run("hftd", "replay", "last").returncode == 0
    (own / "two.py").write_text(FAILS.replace("> 20", "> 10**9"))
    restarted = instance.start("--profile", "two").running()
    until(lambda: quoted(instance) == {"BTC-USDT", "ETH-USDT"}, "both are quoted again")
    assert restarted.stop() == 0
    done = instance.run("hftd", "replay", "last")
    assert done.returncode == 0, done.stdout + done.stderr


def sizes(instance: Instance) -> set[tuple[str, str]]:
    """Return instrument and size of every open order."""
    return {(one["instrument"], one["qty"]) for one in instance.ask("orders")["orders"]}


def quoted(instance: Instance) -> set[str]:
    """Return the instruments with an acknowledged order of each side."""
    orders = [one for one in instance.ask("orders")["orders"] if one["state"] == "NEW"]
    sides = {(one["instrument"], one["side"]) for one in orders}
    names = {name for name, _ in sides}
    return {name for name in names if {(name, "BUY"), (name, "SELL")} <= sides}


def failed(instance: Instance, name: str) -> bool:
    """Tell whether both sides of an instrument say that its strategy raised."""
    (found,) = instance.ask("explain", instrument=name)["instruments"]
    chains = found["sides"].values()
    return all(
        any(one["condition"] == "STRATEGY_FAILED" and not one["ok"] for one in chain)
        for chain in chains
    )

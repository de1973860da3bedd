"""kill -9 of each process while it quotes: what comes back is what the exchange holds."""

from __future__ import annotations

import json
import os
import random
import signal
import threading
from decimal import Decimal
from pathlib import Path

from hftd.runtime.children import is_alive
from tests.e2e.daemon import Instance, until, within

CRASHES = 20
SEED = 20_241
TAKEN_WITHIN_S = 5.0
FAST = ("--set", "venue.recv_window_ms=1000")


def _fills(instance: Instance) -> list[int]:
    return [row[0] for row in instance.sql("SELECT trade_id FROM fills ORDER BY trade_id")]


def _trade_ids(instance: Instance) -> list[int]:
    return [trade["id"] for trade in instance.venue().trades()]


def _recorder_pid(instance: Instance) -> int:
    return int((instance.state / "journal" / "recorder.lock").read_text())


def test_the_recorder_is_not_needed_for_trading(instance: Instance) -> None:
    """After kill -9 the engine goes on, starts another recorder, and SQL ends complete."""
    daemon = instance.start().running()
    instance.await_quotes()
    until(lambda: instance.ask("status")["recorder"]["seq"], "a recorder")
    first, submitted = _recorder_pid(instance), instance.ask("status")["orders"]["submitted"]
    os.kill(first, signal.SIGKILL)
    daemon.await_line("recorder ended with -9")
    until(
        lambda: instance.ask("status")["orders"]["submitted"] > submitted, "new orders without it"
    )
    until(lambda: is_alive(_recorder_pid(instance)), "another recorder")
    assert _recorder_pid(instance) != first and instance.state_name() == "RUNNING"
    instance.await_state("RUNNING")
    until(lambda: instance.ask("status")["fills"] > 0, "a fill", 120.0)
    assert instance.hftctl("pause").returncode == 0
    instance.recorded()
    assert _fills(instance) == _trade_ids(instance)
    assert daemon.stop() == 0


def test_twenty_crashes_of_the_engine(instance: Instance) -> None:
    """Killed at random moments while it quotes, each restart equals the exchange's truth."""
    moments, pause = random.Random(SEED), threading.Event()
    exchange = None
    for crash in range(CRASHES):
        daemon = instance.start(*FAST).running()
        exchange = exchange or instance.exchange_pid()
        assert instance.exchange_pid() == exchange, "the exchange outlives the engine"
        if crash:
            _compare(instance)
        instance.await_quotes()
        # A moment is a time here: what it hits is what the test is about.
        pause.wait(moments.uniform(0, 1))
        daemon.crash()
    instance.start(*FAST).running()
    _compare(instance)
    assert instance.daemon is not None and instance.daemon.stop() == 0
    assert instance.sql("SELECT count(*) FROM runs") == [(CRASHES + 1,)]


def test_creates_that_were_on_their_way_are_found_and_canceled(instance: Instance) -> None:
    """The engine dies before the exchange answers: what was accepted is never left to itself."""
    instance.start().running()
    for _ in range(CRASHES):
        known = _crash_with_a_create_on_its_way(instance)
        if _was_taken(instance, known):
            break
        instance.start().running()
    else:
        raise AssertionError(f"the exchange took none in {CRASHES} crashes")
    instance.start().running()
    _compare(instance)
    assert instance.daemon is not None and instance.daemon.stop() == 0


def _crash_with_a_create_on_its_way(instance: Instance) -> set[str]:
    """Kill the engine while a create waits in the stopped exchange's socket.

    Returns the ids of the orders that the exchange had taken before.
    """
    instance.await_quotes()
    assert instance.hftctl("pause").returncode == 0
    known, exchange = _taken_ids(instance), instance.exchange_pid()
    assert exchange is not None
    os.kill(exchange, signal.SIGSTOP)
    try:
        assert instance.hftctl("resume").returncode == 0
        until(lambda: instance.ask("orders")["orders"], "a create on its way")
        assert instance.daemon is not None
        instance.daemon.crash()
    finally:
        os.kill(exchange, signal.SIGCONT)
    return known


def _taken_ids(instance: Instance) -> set[str]:
    """Return the ids of all orders that the exchange took, by its truth, which costs no weight."""
    return {order["clientOrderId"] for order in instance.truth()["orders"]}


def _was_taken(instance: Instance, known: set[str]) -> bool:
    """Return whether the exchange took an order that is not among the ``known`` ones.

    It need not: the market has moved in the meantime, the receive window may have passed, and a
    connection that its other end has reset may lose what was not yet read. Then there is nothing
    to find, and the next crash is looked at.
    """
    return bool(within(lambda: _taken_ids(instance) - known, TAKEN_WITHIN_S))


def test_a_trade_by_hand_is_no_position_of_ours(instance: Instance) -> None:
    """Made while the daemon was down, it moves the baseline: a flow, and trading goes on."""
    instance.start().running()
    instance.await_quotes()
    assert instance.daemon is not None
    instance.daemon.crash()
    before = instance.venue().position()
    instance.venue().buy_at_market("0.00500")
    daemon = instance.start().running()
    instance.await_proof()
    assert instance.hftctl("pause").returncode == 0
    own = instance.venue().position() - before - Decimal("0.005")
    held = Decimal(instance.ask("positions")["positions"][0]["position_base"])
    assert held == before + own
    instance.recorded()
    assert instance.sql("SELECT delta FROM flows WHERE asset = 'BTC'") != []
    assert daemon.stop() == 0


def test_what_nothing_explains_halts_with_a_printed_difference(instance: Instance) -> None:
    """Books and venue apart by a hundred USDT: printed, nothing is placed, and accepted by a word.

    What came while the daemon was off is a flow then; position and PnL are what they were.
    """
    daemon = instance.start().running()
    instance.await_quotes()
    assert daemon.stop() == 0
    path = instance.state / "simex" / "accounts.json"
    _add_free(path, "USDT", 100)
    daemon = instance.start()
    daemon.await_line(r"HALTED \(RECONCILE_DIFFERENCE\)", 60.0)
    daemon.await_line(r"difference in USDT: our books \S+, the venue \S+, 100 unexplained", 5.0)
    assert instance.ask("orders")["orders"] == []
    assert instance.ask("status")["orders"]["submitted"] == 0
    assert "--accept-flows" in instance.hftctl("status").stdout
    held = instance.ask("positions")["positions"][0]["position_base"]
    assert instance.hftctl("ack").returncode == 0
    taken: list[str] = []

    def accepted() -> bool:  # It is refused until the halt has stood for its dwell.
        done = instance.hftctl("reset", "--accept-flows", "--reason", "my deposit")
        taken.append(done.stdout + done.stderr)
        return done.returncode == 0

    until(accepted, "the reset", 30.0)
    assert "PAUSED" in taken[-1] and "USDT +100" in taken[-1], taken
    assert instance.ask("positions")["positions"][0]["position_base"] == held
    instance.recorded()
    assert [Decimal(row[0]) for row in instance.sql("SELECT delta FROM flows")] == [100]
    assert instance.hftctl("resume").returncode == 0
    instance.await_quotes()
    assert daemon.stop() == 0


def _add_free(path: Path, asset: str, amount: int) -> None:
    """Give the stopped exchange's account what no trade and no deposit has brought."""
    stored = json.loads(path.read_bytes())
    for balances in stored["balances"].values():
        balances[asset][0] += amount * 100_000_000
    path.write_text(json.dumps(stored))


def test_an_exchange_that_dies_is_started_again(instance: Instance) -> None:
    """The daemon pauses and says why, the account comes back as it was, quotes come back."""
    daemon = instance.start().running()
    instance.await_quotes()
    exchange = instance.exchange_pid()
    assert exchange is not None
    os.kill(exchange, signal.SIGKILL)
    daemon.await_line(r"PAUSED \(")
    daemon.await_line("simulated exchange is back")
    instance.await_state("RUNNING", 60.0)
    instance.await_quotes()
    assert instance.exchange_pid() not in (None, exchange)
    _compare(instance)
    assert daemon.stop() == 0


def _compare(instance: Instance) -> None:
    """Pause, so that nothing moves, and compare all that is known on both sides."""
    instance.await_proof()
    paused = instance.hftctl("pause")
    assert paused.returncode == 0, paused.stdout + paused.stderr
    venue = instance.venue()
    assert venue.open_orders() == [] and instance.ask("orders")["orders"] == []
    told = instance.ask("positions")
    assert Decimal(told["positions"][0]["position_base"]) == venue.position()
    balances = venue.balances()
    for balance in told["balances"]:
        held = balances[balance["asset"]]
        assert (Decimal(balance["free"]), Decimal(balance["locked"])) == held
    instance.recorded()
    assert _fills(instance) == _trade_ids(instance)
    assert instance.sql("SELECT count(*) FROM differences WHERE ours <> venues") == [(0,)]
    assert instance.hftctl("resume").returncode == 0

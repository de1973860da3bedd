"""From YAML to fills: one daemon of the profile canary, and everybody's books after it."""

from __future__ import annotations

import json
import re
import signal
from decimal import Decimal
from typing import Any

import pytest

from hftd.runtime.children import is_alive
from tests.e2e.daemon import Daemon, Instance, until

STATUS_KEYS = {
    "version", "protocol", "pid", "instance", "profile", "mode", "state", "state_reason",
    "canary", "venue", "uptime_s", "instruments", "orders", "fills", "pnl", "journal", "recorder",
}  # fmt: skip
INSTRUMENT_KEYS = {
    "symbol", "book_state", "best_bid", "best_ask", "spread_bps", "imbalance", "position_base",
    "open_orders",
}  # fmt: skip
LIMIT_WORDS = (
    "order size", "order value", "position", "open orders", "price collar", "daily loss",
    "drawdown", "daily turnover", "gross exposure", "orders a second", "book age",
)  # fmt: skip
SOON = ("--set", "venue.market.seed=2")  # A market in which both sides are soon taken.
FILLS_WITHIN_S = 150.0  # Some ten a minute, and the market decides on which side.


@pytest.fixture(scope="module")
def daemon(shared: Instance) -> Daemon:
    """A daemon that trades, without a profile named; buys pay their fee in base."""
    return shared.start(*SOON, "--set", "venue.fees.maker_bps=1").running()


def test_one_screen_names_all_that_matters(shared: Instance, daemon: Daemon) -> None:
    """Mode, venue, every required limit, the order, where things are, how to watch and stop."""
    screen = daemon.lines[: daemon.lines.index(daemon.await_line("^stop ").string) + 1]
    assert len(screen) <= 24
    assert max(map(len, screen)) <= 80 + len(str(shared.state))
    text = "\n".join(screen)
    for words in (
        "PAPER", "simulated", "agents calm", "0.001 BTC", "USDT", "canary", *LIMIT_WORDS,
        str(shared.control), "hftd.jsonl", "hftd.db", "hftctl", "Ctrl-C",
    ):  # fmt: skip
        assert words in text, f"{words} is missing in\n{text}"


def test_quotes_both_sides_and_fills(shared: Instance, daemon: Daemon) -> None:
    """Orders rest on both sides, and both are taken."""
    shared.await_quotes()
    until(lambda: shared.sides_filled() == {"BUY", "SELL"}, "a fill on each side", FILLS_WITHIN_S)


def test_status_holds_what_was_promised(shared: Instance, daemon: Daemon) -> None:
    """``status --json`` has every key, and says what the daemon is."""
    done = shared.hftctl("status", "--json")
    assert done.returncode == 0, done.stderr
    status = json.loads(done.stdout)
    assert set(status) >= STATUS_KEYS
    assert set(status["instruments"][0]) >= INSTRUMENT_KEYS
    assert set(status["orders"]) >= {
        "open", "in_flight", "unknown", "submitted", "denied", "rejected",
    }  # fmt: skip
    assert set(status["pnl"]) >= {
        "realized_quote", "unrealized_quote", "fees_quote", "total_quote",
    }  # fmt: skip
    assert (status["pid"], status["profile"], status["mode"]) == (daemon.pid, "canary", "paper")
    assert status["instance"] == "canary" and status["venue"] == "simex"
    assert status["state"] == "RUNNING" and status["recorder"]["lag"] is not None


@pytest.mark.parametrize(
    "command",
    ["ps", "status", "health", "explain", "book", "orders", "fills", "positions", "pnl",
     "latency", "risk", "version"],
)  # fmt: skip
def test_questions_are_answered_for_people_and_machines(
    shared: Instance, daemon: Daemon, command: str
) -> None:
    """Each question is answered as text within 80 columns, and as JSON."""
    text, machine = shared.hftctl(command), shared.hftctl("--json", command)
    assert text.returncode == 0 and machine.returncode == 0, text.stderr + machine.stderr
    assert text.stdout.strip() and json.loads(machine.stdout)
    assert max(map(len, text.stdout.splitlines())) <= 80 + len(str(shared.runtime))


def test_the_room_on_the_journals_disk_is_shown(shared: Instance, daemon: Daemon) -> None:
    """C26 stands among the limits with its floor, and ``health`` names what is free."""
    floors = [row for row in shared.ask("risk")["limits"] if row["code"] == "C26"]
    assert [(row["name"], row["limit"]) for row in floors] == [("disk_floor_mb", "500")]
    assert int(floors[0]["use"]) > 0
    assert "MB of disk free" in shared.hftctl("health").stdout


def test_books_agree_to_the_last_unit(shared: Instance, daemon: Daemon) -> None:
    """Paused, the socket, SQL and the exchange agree on position, balances, fees and PnL."""
    assert shared.hftctl("pause").returncode == 0
    shared.recorded()
    venue = shared.venue()
    assert venue.open_orders() == []
    trades, balances = venue.trades(), venue.balances()
    assert trades

    cash = sum((_cash(trade) for trade in trades), Decimal(0))
    fees = {asset: _fees(trades, asset) for asset in ("BTC", "USDT")}
    assert all(fees.values()), fees
    position = venue.position()
    assert abs(position) <= Decimal("0.01")
    assert balances["BTC"] == (1 + position - fees["BTC"], 0)
    assert balances["USDT"] == (100_000 + cash - fees["USDT"], 0)

    told = shared.ask("positions")
    assert Decimal(told["positions"][0]["position_base"]) == position - fees["BTC"]
    for balance in told["balances"]:
        free, locked = balances[balance["asset"]]
        assert (Decimal(balance["free"]), Decimal(balance["locked"])) == (free, locked)

    # A fee in base is worth what base is worth now, as the holding is that it was taken from.
    mark, pnl = _pnl_and_its_mark(shared)
    in_quote = fees["USDT"] + fees["BTC"] * mark
    assert Decimal(pnl["fees_quote"]) == in_quote
    assert Decimal(pnl["total_quote"]) == cash + position * mark - in_quote
    parts = (Decimal(pnl[name]) for name in ("realized_quote", "unrealized_quote"))
    assert sum(parts) - in_quote == Decimal(pnl["total_quote"])

    rows = shared.sql("SELECT trade_id, side, price, qty, fee_atoms FROM fills ORDER BY trade_id")
    assert [_ledger_fill(row) for row in rows] == [_venue_fill(trade) for trade in trades]
    rows = shared.sql("SELECT position_lots, position_base FROM positions")
    assert [(position * 100_000, position - fees["BTC"])] == [(r[0], Decimal(r[1])) for r in rows]
    assert shared.ask("status")["fills"] == len(trades)
    assert shared.hftctl("resume").returncode == 0
    shared.await_state("RUNNING")


def _cash(trade: dict[str, Any]) -> Decimal:
    return Decimal(trade["quoteQty"]) * (-1 if trade["isBuyer"] else 1)


def _fees(trades: list[dict[str, Any]], asset: str) -> Decimal:
    paid = (Decimal(t["commission"]) for t in trades if t["commissionAsset"] == asset)
    return sum(paid, Decimal(0))


def _pnl_and_its_mark(instance: Instance) -> tuple[Decimal, dict[str, Any]]:
    def mark() -> Decimal:
        return Decimal(instance.ask("positions")["positions"][0]["mark"])

    def look() -> tuple[Decimal, dict[str, Any]] | None:
        before, pnl = mark(), json.loads(instance.hftctl("--json", "pnl").stdout)
        return (before, pnl) if mark() == before else None

    found = until(look, "a PnL while the market stands")
    assert found is not None
    return found


def _ledger_fill(row: tuple[Any, ...]) -> tuple[Any, ...]:
    trade_id, side, price, qty, fee_atoms = row
    return trade_id, side, Decimal(price), Decimal(qty), Decimal(fee_atoms).scaleb(-8)


def _venue_fill(trade: dict[str, Any]) -> tuple[Any, ...]:
    side = "BUY" if trade["isBuyer"] else "SELL"
    price, qty, fee = (Decimal(trade[name]) for name in ("price", "qty", "commission"))
    return trade["id"], side, price, qty, fee


def test_an_order_has_a_journey(shared: Instance, daemon: Daemon) -> None:
    """``order ID`` tells an order's life from its submission to its fill."""
    fill = json.loads(shared.hftctl("--json", "fills").stdout)["fills"][-1]
    done = shared.hftctl("--json", "order", fill["client_order_id"])
    journey = json.loads(done.stdout)
    assert journey["events"][0]["event"] == "submitted"
    assert fill["exec_id"] in [each["exec_id"] for each in journey["fills"]]
    assert shared.hftctl("order", "h1-nobody-0-0").returncode == 1


def test_ctrl_c_leaves_nothing_behind(shared: Instance, daemon: Daemon) -> None:
    """Ctrl-C cancels and confirms, stops recorder and exchange, and ends with 0.

    A second signal at once is the same wish, and what comes while it closes changes nothing.
    """
    children, exchange = daemon.children(), shared.exchange_pid()
    for number in (signal.SIGINT, signal.SIGTERM):
        daemon.signal(number)
    until(lambda: not shared.control.exists(), "its control socket is gone")

    def ends() -> bool:
        for number in (signal.SIGTERM, signal.SIGHUP):
            daemon.signal(number)
        return daemon.process.poll() is not None

    until(ends, "its end")
    assert daemon.wait() == 0, daemon.text
    assert not shared.control.exists() and shared.exchange_pid() is None
    assert exchange is not None and not any(map(is_alive, [exchange, *children]))
    assert shared.sql("SELECT count(*) FROM runs WHERE ended_ts IS NOT NULL") == [(1,)]
    assert re.search(r"0 open orders", daemon.text), daemon.text

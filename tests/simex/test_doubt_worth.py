"""The range of a paper account on a followed market: in balances, in money, on disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from hftd.config.load import load_profile
from hftd.runtime.children import ExchangeProcess
from hftd.runtime.exchange_state import StateFolder
from hftd.simex.doubt_worth import doubtful_worth, extra_atoms, worth_more
from hftd.simex.events import Fees
from hftd.simex.live import LiveMarket
from hftd.simex.market import SymbolSpec
from hftd.simex.requests import Side
from hftd.simex.truth import truth
from hftd.simex.venue import AccountConfig, Venue, VenueConfig
from tests.simex.desk_client import KEY, SECRET, T0, Client, quiet_venue
from tests.simex.hand_tape import Tape

SPEC = SymbolSpec("BTCUSDT", "BTC", "USDT", "1", "0.01")
E8 = 100_000_000


def followed(maker_rate: int = 0) -> tuple[Client, LiveMarket]:
    """Return a client of a venue that follows a market of 100 at 99 and 100 at 101."""
    market = LiveMarket(SPEC)
    account = AccountConfig(KEY, SECRET, {"USDT": "100000", "BTC": "10"})
    venue = Venue(VenueConfig([account], Fees(maker=maker_rate), identity="live"), [market])
    venue.start(T0)
    client = Client(venue)
    tape = Tape()
    tape.snapshot(0, 10, [(99, 1)], [(101, 1)])
    push(client, market, tape)
    return client, market


def push(client: Client, market: LiveMarket, tape: Tape) -> None:
    """Let the lines of a tape come in."""
    for line in tape.lines:
        assert market.push(line, client.ts_ns) == ""
        client.wait_ns(1_000_000)


def bid_in_doubt(client: Client, market: LiveMarket) -> None:
    """Rest a bid of 1 BTC behind 1; others join behind it and cancel; 0.5 trade."""
    assert client.limit("BUY", "99", "1")[0] == 200
    tape = Tape()
    tape.depth(1, 11, 11, [(99, 2)], [])
    tape.depth(2, 12, 12, [(99, 1)], [])
    tape.lines[-1] = tape.lines[-1].replace(b'"1.00"', b'"0.80"')
    tape.trade(3, 1, 99, 1, Side.SELL)
    tape.lines[-1] = tape.lines[-1].replace(b'"q":"1.0"', b'"q":"0.50"')
    push(client, market, tape)


def test_agents_and_tapes_are_not_in_doubt() -> None:
    """Their truth is one; the account says no more than it did."""
    venue = quiet_venue()
    assert doubtful_worth(venue, T0) == b""
    assert "optimistic" not in truth(venue)["accounts"][KEY]


@pytest.mark.parametrize("maker_rate", [0, 100_000])
def test_the_optimist_holds_what_his_queue_filled(maker_rate: int) -> None:
    """A lot of doubt is base received less its fee, paid at the order's own price."""
    client, market = followed(maker_rate)
    bid_in_doubt(client, market)
    assert market.doubts is not None
    lots = market.doubts.by_account[1].bought_lots
    assert lots == 50
    exchange = client.venue.exchange
    base = lots * E8 // 100 * (E8 - maker_rate) // E8
    assert extra_atoms(exchange, 1) == {"BTC": base, "USDT": -99 * E8 // 2}
    # The mid is 100: half a BTC bought at 99 is worth half a USDT more, less the fee.
    assert worth_more(exchange, 1) == {"USDT": base * 100 - 99 * E8 // 2}
    told = truth(client.venue)["accounts"][KEY]
    assert told["balances"]["BTC"]["free"] == "10.00000000"
    assert told["optimistic"]["balances"]["USDT"] == "99950.50000000"
    assert told["optimistic"]["worth_more"].keys() == {"USDT"}


def test_what_the_truth_fills_is_in_doubt_no_more() -> None:
    """A trade through the price fills the rest in both: the range closes."""
    client, market = followed()
    bid_in_doubt(client, market)
    tape = Tape()
    tape.trade(4, 2, 90, 1, Side.SELL)
    push(client, market, tape)
    assert client.balances()["BTC"][0] == "11.00000000"
    assert extra_atoms(client.venue.exchange, 1) == {"BTC": 0, "USDT": 0}


def test_the_daemon_reads_it_where_the_exchange_wrote_it(tmp_path: Path) -> None:
    """Told by a file of the state folder, to a profile that follows a market alone."""
    client, market = followed()
    live = ("venue.market={source: live, url: 'http://127.0.0.1:1'}",)
    process = ExchangeProcess(
        load_profile("canary", sets=live, environ={}).profile, tmp_path, tmp_path / "log", str
    )
    assert process.doubt_atoms("USDT") is None
    bid_in_doubt(client, market)
    with StateFolder(tmp_path) as state:
        state.write_doubt(doubtful_worth(client.venue, T0))
        state.write_doubt(b"")
    assert process.doubt_atoms("USDT") == E8 // 2
    (tmp_path / "doubt.json").write_bytes(b"")
    assert process.doubt_atoms("USDT") is None, "a loss of power may leave it empty"
    agents = load_profile("canary", environ={}).profile
    assert ExchangeProcess(agents, tmp_path, tmp_path / "log", str).doubt_atoms("USDT") is None

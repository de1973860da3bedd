"""An exchange that follows another one over real sockets: books, gaps, restarts, orders."""

from __future__ import annotations

import aiohttp
import pytest

from hftd.errors import UsageError
from hftd.runtime.exchange_live import build_live
from hftd.runtime.exchange_markets import ExchangeWish
from hftd.runtime.market_follower import Source, fetch_listing, source_of
from hftd.simex.faults import Fault
from hftd.simex.live import LiveMarket
from tests.runtime.exchange_process import Rest
from tests.runtime.followed import Served, agents, following, run, until, watching


def market_of(served: Served) -> LiveMarket:
    """Return the market that follows."""
    market = served.venue.exchange.listings["BTCUSDT"].market
    assert isinstance(market, LiveMarket)
    return market


def test_the_book_that_is_served_is_the_book_that_is_followed() -> None:
    """Clients of both see the same touch after each of a hundred depth events, id by id."""

    async def scenario() -> None:
        async with (
            agents() as first,
            following(first.url) as second,
            watching(first.url) as theirs,
            watching(second.url) as ours,
        ):
            await ours.saw(100)
            both = sorted(theirs.touches.keys() & ours.touches.keys())
            assert len(both) > 90
            assert [ours.touches[each] for each in both] == [theirs.touches[each] for each in both]
            assert ours.trades == list(range(ours.trades[0], ours.trades[0] + len(ours.trades)))
            assert second.venue.exchange.listings["BTCUSDT"].spec.tick_size == "10.00000000"

    run(scenario)


def test_a_gap_is_mended_by_a_snapshot() -> None:
    """An event that was lost on the way closes the market until a snapshot is there."""

    async def scenario() -> None:
        async with agents() as first, following(first.url) as second:
            market = market_of(second)
            first.venue.script.arm(Fault("drop", match={"event": "depthUpdate"}), 0)
            await until(lambda: "are missing" in market.missing)
            async with watching(first.url) as theirs:
                await until(lambda: not market.missing)
                async with watching(second.url) as ours:
                    await ours.saw(30)
                    both = theirs.touches.keys() & ours.touches.keys()
                    assert len(both) > 20
                    assert all(ours.touches[each] == theirs.touches[each] for each in both)

    run(scenario)


def test_a_server_that_comes_back_is_followed_again() -> None:
    """Gone: the market is closed and refuses orders. Back with another market: ids go on."""

    async def scenario() -> None:
        async with agents() as first:
            port = first.server.port
            url = first.url
            context = following(url)
            second = await context.__aenter__()
            market = market_of(second)
            reached = market.snapshot(1).update_id
        await until(lambda: "went down" in market.missing)
        async with aiohttp.ClientSession() as session:
            rest = Rest(session, second.url)
            terms = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
            status, refused = await rest.ask(
                "POST", "order", **terms, price="50000.00", quantity="0.01"
            )
            assert (status, refused["msg"]) == (400, "Market is closed.")
            status, info = await rest.ask("GET", "exchangeInfo")
            assert [each["status"] for each in info["symbols"]] == ["BREAK"]
        async with agents(port=port, seed=8), watching(second.url) as ours:
            await until(lambda: not market.missing)
            await ours.saw(20)
            assert min(ours.touches) > reached
        await context.__aexit__(None, None, None)

    run(scenario)


def test_a_restart_of_ours_opens_the_market_again() -> None:
    """The fault that begins our exchange anew: its market asks for a snapshot of its own."""

    async def scenario() -> None:
        async with agents() as first, following(first.url) as second:
            before = market_of(second)
            reached = before.snapshot(1).update_id
            second.venue.script.arm(Fault("restart"), 0)
            await until(lambda: market_of(second) is not before)
            await until(lambda: not market_of(second).missing)
            assert market_of(second).snapshot(1).update_id > reached

    run(scenario)


def test_orders_fill_on_the_followed_market() -> None:
    """A taker takes what is displayed; a bid at the touch fills when its turn comes."""

    async def scenario() -> None:
        async with (
            agents() as first,
            following(first.url) as second,
            aiohttp.ClientSession() as session,
        ):
            rest = Rest(session, second.url)
            terms = {"symbol": "BTCUSDT", "quantity": "0.001"}
            status, bought = await rest.ask("POST", "order", **terms, side="BUY", type="MARKET")
            assert (status, bought["status"]) == (200, "FILLED")
            bid = market_of(second).best()
            assert bid is not None
            price = f"{bid.bid_ticks * 10}.00"
            status, placed = await rest.ask(
                "POST", "order", **terms, side="BUY", type="LIMIT_MAKER", price=price
            )
            assert status == 200, placed
            book = second.venue.exchange.bookkeeping(1)
            await until(lambda: not book.open_orders("BTCUSDT"))
            assert len(book.trades["BTCUSDT"]) >= 2

    run(scenario)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://127.0.0.1:8000", ("http://127.0.0.1:8000", "ws://127.0.0.1:8000")),
        ("https://localhost:8443/", ("https://localhost:8443", "wss://localhost:8443")),
        ("https://api.binance.com", ("https://api.binance.com", "wss://stream.binance.com:9443")),
        ("http://a.b,ws://c.d:1/", ("http://a.b", "ws://c.d:1")),
    ],
)
def test_a_server_has_two_addresses(text: str, expected: tuple[str, str]) -> None:
    """Known hosts have their streams elsewhere, others on the host; both can be said."""
    assert source_of(text) == Source(*expected)


@pytest.mark.parametrize("text", ["", "127.0.0.1:80", "ftp://a", "http://a/b", "http://a,http://b"])
def test_what_is_no_address_is_refused(text: str) -> None:
    """One line says what would be right."""
    with pytest.raises(UsageError, match="must be given as"):
        source_of(text)


def test_a_server_that_cannot_be_followed_is_named() -> None:
    """Nobody listens there; it does not list the symbol; too many symbols."""
    with pytest.raises(UsageError, match=r"127.0.0.1:9 does not answer: .*refused"):
        build_live(ExchangeWish(market="live:http://127.0.0.1:9"), "http://127.0.0.1:9")
    with pytest.raises(UsageError, match="1 to 20 symbols can be followed, was 21"):
        fetch_listing(source_of("http://127.0.0.1:9"), ["X"] * 21)

    async def scenario() -> None:
        async with agents() as first:
            with pytest.raises(UsageError, match=r"refuses /api/v3/exchangeInfo with 400: .*-1121"):
                async with following(first.url, symbols=("NOPE",)):
                    pass

    run(scenario)

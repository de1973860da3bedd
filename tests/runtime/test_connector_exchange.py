"""The connector against the simulated exchange, a process of its own: the whole dialect.

The exchange's dialect was written apart from the connector's; here each checks the other.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest

from hftd.domain.actions import ActionKind
from hftd.domain.codes import VenueCode
from hftd.domain.events import EventKind, Link
from hftd.domain.order import OrderState, Side, TimeInForce, order_key
from hftd.errors import CredentialsError
from hftd.runtime.clock import Clock
from hftd.runtime.connector import Connector
from hftd.runtime.rest import RestAnswer, RestClient
from hftd.runtime.succession import renew_after_s
from hftd.venues.binance.codec import BinanceCodec
from hftd.venues.binance.endpoints import loopback
from hftd.venues.binance.signing import signer_of
from tests.runtime.scripted_venue import Heard, run
from tests.venues.binance.fixtures import TAG, action

NEXT_EPOCH = iter(range(int(time.time()), 1 << 32))


@pytest.fixture(scope="module")
def exchange() -> Iterator[int]:
    """Serve a calm BTCUSDT market on a free port; give the port."""
    server = subprocess.Popen(
        [sys.executable, "-m", "hftd.cli.hftd", "exchange"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        line = server.stdout.readline()
        found = re.search(r"127\.0\.0\.1:(\d+)", line)
        assert found, line
        yield int(found[1])
    finally:
        server.terminate()
        server.communicate(timeout=20)


class Trader:
    """A connected trader with an epoch of its own."""

    def __init__(self, codec: BinanceCodec, heard: Heard) -> None:
        self.codec, self.heard = codec, heard
        self.connector: Connector
        self._epoch = next(NEXT_EPOCH)

    def key(self, seq: int) -> int:
        """Return an order key."""
        return order_key(self._epoch, seq)

    def perform(self, kind: ActionKind, **fields: int) -> None:
        """Perform an action at the present time."""
        record = action(kind, ts_ns=Clock().ts_ns(), **fields)
        frame = self.codec.encode(record, self.connector.orders.venue_offset_ns)
        self.connector.perform(record, frame)

    def submit(self, seq: int, side: Side, price_ticks: int, **fields: int) -> None:
        """Submit a tenth of a coin."""
        given = {"order_key": self.key(seq), "side": side, "price_ticks": price_ticks}
        self.perform(ActionKind.SUBMIT, **given | {"qty_lots": 10_000} | fields)

    async def touch(self) -> tuple[int, int]:
        """Return best bid and ask of the REST bookTicker."""
        before = len(self.heard.kinds(EventKind.TOUCH_ANSWER))
        self.perform(ActionKind.ASK_TOUCH)
        answer = await self.heard.until_kind(EventKind.TOUCH_ANSWER, before + 1)
        return answer["bid_ticks"], answer["ask_ticks"]


@asynccontextmanager
async def trading(
    port: int,
    secret: str = "hftd-paper-secret",
    after_s: Callable[[], float] = renew_after_s,
) -> AsyncIterator[Trader]:
    """Connect with the paper account."""
    endpoints, clock = loopback(port), Clock()
    signer = signer_of("hftd-paper-key", secret)
    rest = RestClient(endpoints.rest_url, signer, clock)
    listing = await rest.listing(["BTC-USDT"])
    await rest.close()
    assert not isinstance(listing, RestAnswer)
    codec = BinanceCodec(listing.instruments, ["BTC", "USDT"], TAG, 2_000)
    heard = Heard(codec)
    trader = Trader(codec, heard)
    trader.connector = Connector(
        endpoints, signer, listing.instruments, codec, heard.on_frame, heard.on_event, clock,
        2_000, after_s,
    )  # fmt: skip
    try:
        await trader.connector.connect()
        yield trader
        assert codec.broken == 0
        assert codec.unknown == 0
    finally:
        await trader.connector.close()


def test_market_data_comes_in_and_joins_a_snapshot(exchange):
    """Depth, touch and trades decode; a snapshot lies within the ids of the stream."""

    async def work() -> None:
        async with trading(exchange) as trader:
            await trader.heard.until_kind(EventKind.TOUCH)  # The agents have begun to quote.
            trader.perform(ActionKind.RESYNC)
            snapshot = await trader.heard.until_kind(EventKind.SNAPSHOT)
            assert snapshot["levels_end"] > 2
            depth = await trader.heard.until_kind(EventKind.DEPTH, 3)
            assert depth["first_update_id"] <= depth["last_update_id"]
            depths = trader.heard.kinds(EventKind.DEPTH)
            for one, two in pairwise(depths):
                assert two["first_update_id"] == one["last_update_id"] + 1

    run(work)


def test_connections_are_renewed_without_a_gap(exchange):
    """Both are changed twice: every update, trade and report comes once, no link goes down."""

    async def work() -> None:
        async with trading(exchange, after_s=lambda: 0.1) as trader:
            bid, _ = await trader.touch()
            trader.submit(1, Side.BUY, bid - 500, post_only=1)
            await trader.heard.until_kind(EventKind.ACCEPTED)
            connector = trader.connector
            for _ in range(2):
                for each in (connector.market_succession, connector.order_succession):
                    each.renewed.clear()
                    await asyncio.wait_for(each.renewed.wait(), 20)
            before = len(trader.heard.kinds(EventKind.DEPTH))
            trader.perform(ActionKind.CANCEL, target_key=trader.key(1))
            await trader.heard.until_kind(EventKind.CANCELED)
            await trader.heard.until_kind(EventKind.DEPTH, before + 2)
            depths = trader.heard.kinds(EventKind.DEPTH)
            assert len(depths) > 20
            for one, two in pairwise(depths):
                assert two["first_update_id"] == one["last_update_id"] + 1
            assert not [e for e in trader.heard.kinds(EventKind.LINK) if not e.get("up")]

    run(work)


def test_an_order_lives_from_submit_to_cancel(exchange):
    """Accepted, listed, replaced, queried, canceled, and gone for a second cancel."""

    async def work() -> None:
        async with trading(exchange) as trader:
            heard = trader.heard
            bid, _ = await trader.touch()
            one, two = trader.key(1), trader.key(2)
            trader.submit(1, Side.BUY, bid - 40, post_only=1)
            accepted = await heard.until_kind(EventKind.ACCEPTED, 2, order_key=one)
            assert accepted["venue_order_id"] > 0
            trader.perform(ActionKind.ASK_OPEN_ORDERS)
            await heard.until_kind(EventKind.OPEN_ORDERS_END, 1, order_count=1)
            listed = await heard.until_kind(EventKind.ORDER_STATUS, 1, order_key=one)
            assert listed["venue_order_id"] == accepted["venue_order_id"]
            assert (listed["price_ticks"], listed["qty_lots"]) == (bid - 40, 10_000)
            trader.perform(
                ActionKind.CANCEL_REPLACE, target_key=one, order_key=two, side=Side.BUY,
                post_only=1, price_ticks=bid - 50, qty_lots=10_000,
            )  # fmt: skip
            await heard.until_kind(EventKind.CANCELED, 2, order_key=one)
            await heard.until_kind(EventKind.ACCEPTED, 2, order_key=two)
            trader.perform(ActionKind.QUERY_ORDER, target_key=one)
            status = await heard.until_kind(EventKind.ORDER_STATUS, 2, order_key=one)
            assert (status["found"], status["status"]) == (1, OrderState.CANCELED)
            trader.perform(ActionKind.QUERY_ORDER, target_key=trader.key(9))
            missing = await heard.until_kind(EventKind.ORDER_STATUS, 1, order_key=trader.key(9))
            assert (missing.get("found", 0), missing["code"]) == (0, VenueCode.NO_SUCH_ORDER)
            trader.perform(ActionKind.CANCEL, target_key=two)
            await heard.until_kind(EventKind.CANCELED, 2, order_key=two)
            trader.perform(ActionKind.CANCEL, target_key=two)
            gone = await heard.until_kind(EventKind.CANCEL_REJECTED, 1, order_key=two)
            assert gone["code"] == VenueCode.UNKNOWN_ORDER

    run(work)


def test_fills_by_report_and_by_list_agree_and_balances_follow(exchange):
    """An IOC fills; own trades list the same ids; the account says what the last report said."""

    async def work() -> None:
        async with trading(exchange) as trader:
            heard = trader.heard
            _, ask = await trader.touch()
            lifetime = {"time_in_force": TimeInForce.IOC, "post_only": 0}
            trader.submit(1, Side.BUY, ask + 5, **lifetime)
            await heard.until_kind(EventKind.FILL, cum_qty_lots=10_000)
            by_report = heard.kinds(EventKind.FILL)
            trader.perform(ActionKind.ASK_TRADES, trade_id=by_report[0]["trade_id"])
            end = await heard.until_kind(EventKind.TRADES_END)
            by_list = heard.kinds(EventKind.FILL)[len(by_report) :]
            assert end["order_count"] == len(by_list) == len(by_report)
            assert end["trade_id"] == by_report[-1]["trade_id"]
            for report, listed in zip(by_report, by_list, strict=True):
                assert report.pop("order_key") == trader.key(1)
                report.pop("cum_qty_lots")
                assert report == listed
            pushed = {e.get("asset", 0): e for e in heard.kinds(EventKind.BALANCE)}
            before = len(heard.kinds(EventKind.BALANCE))
            trader.perform(ActionKind.ASK_BALANCES)
            await heard.until_kind(EventKind.BALANCES_END)
            for asked in heard.kinds(EventKind.BALANCE)[before:]:
                last = pushed[asked.get("asset", 0)]
                assert asked["free_atoms"] == last["free_atoms"]
                assert asked.get("locked_atoms", 0) == last.get("locked_atoms", 0) == 0

    run(work)


def test_refusals_carry_their_reason(exchange):
    """A post-only that would take, an order too large for the purse, one off the filters."""

    async def work() -> None:
        async with trading(exchange) as trader:
            heard = trader.heard
            bid, ask = await trader.touch()
            trader.submit(1, Side.BUY, ask + 5, post_only=1)
            missed = await heard.until_kind(EventKind.REJECTED, 1, order_key=trader.key(1))
            assert missed["code"] == VenueCode.WOULD_MATCH
            trader.submit(2, Side.BUY, bid - 40, post_only=1, qty_lots=100_000_000)
            poor = await heard.until_kind(EventKind.REJECTED, 1, order_key=trader.key(2))
            assert poor["code"] in (VenueCode.INSUFFICIENT_BALANCE, -1013)
            trader.submit(3, Side.BUY, bid - 40, post_only=1, qty_lots=1)
            tiny = await heard.until_kind(EventKind.REJECTED, 1, order_key=trader.key(3))
            assert tiny["code"] == -1013

    run(work)


def test_a_wrong_secret_is_refused(exchange):
    """The exchange verifies the logon's signature."""

    async def work() -> None:
        with pytest.raises(CredentialsError, match="-1022"):
            async with trading(exchange, "not-the-secret"):
                pass

    run(work)


def test_a_reconnect_finds_the_orders_that_rested(exchange):
    """Orders outlive the link; the new session lists them."""

    async def work() -> None:
        async with trading(exchange) as trader:
            heard = trader.heard
            bid, _ = await trader.touch()
            trader.submit(1, Side.BUY, bid - 40, post_only=1)
            await heard.until_kind(EventKind.ACCEPTED, 2, order_key=trader.key(1))
            trader.connector.perform(action(ActionKind.RECONNECT, link=Link.ORDER), None)
            await heard.until_kind(EventKind.LINK, 1, link=Link.USER, up=0)
            await asyncio.wait_for(trader.connector.orders.live.wait(), 10)
            trader.perform(ActionKind.ASK_OPEN_ORDERS)
            await heard.until_kind(EventKind.ORDER_STATUS, 1, order_key=trader.key(1))
            trader.perform(ActionKind.CANCEL, target_key=trader.key(1))
            await heard.until_kind(EventKind.CANCELED, 2, order_key=trader.key(1))

    run(work)

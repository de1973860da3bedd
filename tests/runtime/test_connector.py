"""The connector against a venue that misbehaves: what the loop hears of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from hftd.domain.actions import ActionKind
from hftd.domain.codes import VenueCode
from hftd.domain.events import EventKind, Link
from hftd.domain.instrument import InstrumentStatus
from hftd.errors import CredentialsError, InvariantBroken, ProfileError
from hftd.runtime.clock import Clock
from hftd.runtime.connector import MAX_REST_REQUESTS, STATUS_SOON_S, Connector
from hftd.venues.binance.codec import BinanceCodec
from hftd.venues.binance.endpoints import loopback
from hftd.venues.binance.signing import signer_of
from tests.runtime.scripted_venue import WITHIN_S, Heard, ScriptedVenue, run
from tests.venues.binance.fixtures import BTC, KEY, OLD, TAG, action, order, report
from tests.venues.binance.test_exchange_info import SYMBOL

RECV_WINDOW_MS = 100
SUBMIT = {"order_key": KEY, "post_only": 1, "price_ticks": 6_000_000, "qty_lots": 1_000}


class Desk:
    """A connector, the venue it speaks to, and what its loop heard."""

    def __init__(self, venue: ScriptedVenue) -> None:
        self.venue = venue
        self.codec = BinanceCodec([BTC], ["BTC", "USDT"], TAG, RECV_WINDOW_MS)
        self.heard = Heard(self.codec)
        self.connector = Connector(
            loopback(venue.port),
            signer_of("the-api-key", "the-secret"),
            [BTC],
            self.codec,
            self.heard.on_frame,
            self.heard.on_event,
            Clock(),
            RECV_WINDOW_MS,
        )

    def perform(self, kind: ActionKind, **fields: int) -> None:
        """Encode and perform an action, and show that nothing was told from inside."""
        record = action(kind, **fields)
        before = len(self.heard.events), len(self.heard.frames)
        self.connector.perform(record, self.codec.encode(record, 0))
        assert (len(self.heard.events), len(self.heard.frames)) == before


@asynccontextmanager
async def trading(venue: ScriptedVenue | None = None) -> AsyncIterator[Desk]:
    """Connect to a scripted venue and close in the end."""
    async with (venue or ScriptedVenue()).serving() as served:
        desk = Desk(served)
        try:
            await desk.connector.connect()
            yield desk
        finally:
            await desk.connector.close()


def links(desk: Desk) -> list[tuple[Link, int]]:
    """Return what was told of links, without repeats of what was known."""
    told: list[tuple[Link, int]] = []
    for event in desk.heard.kinds(EventKind.LINK):
        change = Link(event.get("link", 0)), event.get("up", 0)
        if dict(told).get(change[0]) != change[1]:
            told.append(change)
    return told


UP = [(Link.REST, 1), (Link.ORDER, 1), (Link.USER, 1), (Link.MARKET, 1)]


def test_roads_open_in_order_and_the_key_stays_out_of_the_loop():
    """Clock, listing, logon, user stream, then market; session replies are nobody's business."""

    async def work() -> None:
        async with trading() as desk:
            assert links(desk) == UP
            kinds = [event["kind"] for event in desk.heard.events]
            assert kinds[:3] == [EventKind.LINK, EventKind.CLOCK, EventKind.INSTRUMENT_STATUS]
            assert desk.heard.frames == []
            methods = [request["method"] for request in desk.venue.requests]
            assert methods[:2] == ["session.logon", "userDataStream.subscribe"]

    run(work)


def test_the_clock_sample_is_the_venues():
    """CLOCK tells how far the venue's clock is from ours, and the logon is stamped by it."""

    async def work() -> None:
        async with trading() as desk:
            (clock,) = desk.heard.kinds(EventKind.CLOCK)
            assert clock["venue_offset_ns"] < 0  # The scripted venue lives in 2023.
            stamp = desk.venue.requests[0]["params"]["timestamp"]
            assert abs(stamp - 1_700_000_000_000) < 10_000

    run(work)


def test_a_logon_or_handshake_that_is_limited_is_told_and_waits():
    """The loop hears until when, and neither link asks before."""

    async def work() -> None:
        async with trading() as desk:
            limit = {"code": -1003, "msg": "", "data": None}
            desk.venue.session_limit = {"status": 418, "error": limit}
            await desk.venue.hang_up()
            told = await desk.heard.until_kind(EventKind.RATE_LIMITED, 1, code=418)
            orders, market = desk.connector.orders, desk.connector.market
            market.on_refused(429, "3600")
            later = await desk.heard.until_kind(EventKind.RATE_LIMITED, 1, code=429)
            assert later["until_ns"] - told["until_ns"] > 3_000 * 10**9
            orders.on_refused(302, "")
            assert len(desk.heard.kinds(EventKind.RATE_LIMITED)) == 2
            assert orders.link._hold_until_ns == told["until_ns"]
            assert market.link._hold_until_ns == later["until_ns"]
            fields = {"until_ns": later["until_ns"] + 5}
            desk.perform(ActionKind.HOLD_BACK, **fields)
            assert orders.link._hold_until_ns == market.link._hold_until_ns == fields["until_ns"]

    run(work)


def test_a_refused_key_ends_the_attempt():
    """A key that the venue does not accept is a credentials error, not a retry for ever."""

    async def work() -> None:
        venue = ScriptedVenue()
        venue.logon_error = {"code": -2015, "msg": "Invalid API-key."}
        with pytest.raises(CredentialsError, match="-2015") as refusal:
            async with trading(venue):
                pass
        assert "the-api-key" not in str(refusal.value)
        assert "the-secret" not in str(refusal.value)

    run(work)


def test_an_instrument_that_is_not_listed_ends_the_attempt():
    """Nothing is opened for a symbol that the venue does not have."""

    async def work() -> None:
        venue = ScriptedVenue()
        venue.symbols = []
        with pytest.raises(ProfileError, match="BTC-USDT"):
            async with trading(venue):
                pass
        assert venue.logons == 0

    run(work)


def test_the_status_of_an_instrument_is_told():
    """A symbol in a break is told before anything is up, and its return soon after."""

    async def work() -> None:
        venue = ScriptedVenue()
        venue.symbols = [SYMBOL | {"status": "BREAK"}]
        async with trading(venue) as desk:
            (told,) = desk.heard.kinds(EventKind.INSTRUMENT_STATUS)
            assert told["status"] == InstrumentStatus.BREAK
            venue.symbols = [SYMBOL | {"status": "TRADING"}]
            async with asyncio.timeout(4 * STATUS_SOON_S):
                while len(desk.heard.kinds(EventKind.INSTRUMENT_STATUS)) < 2:
                    await asyncio.sleep(0.05)
            told = desk.heard.kinds(EventKind.INSTRUMENT_STATUS)[1]
            assert told.get("status", 0) == InstrumentStatus.TRADING

    run(work)


def test_a_logon_that_fails_otherwise_is_tried_again():
    """An error that says nothing about the key closes and reconnects."""

    async def work() -> None:
        async with trading() as desk:
            desk.venue.logon_error = {"code": -1000, "msg": "try again"}
            await desk.venue.hang_up()
            await desk.venue.until_asked("session.logon", 3)
            desk.venue.logon_error = None
            await desk.heard.until_kind(EventKind.LINK, 1, link=Link.USER, up=0)
            await desk.heard.until(lambda: links(desk)[-1] == (Link.USER, 1))

    run(work)


def test_a_reply_reaches_the_loop_and_takes_its_request_out_of_flight():
    """The frame is handed on as it came."""

    async def work() -> None:
        async with trading() as desk:
            desk.venue.answer = lambda _: {"result": order()}
            desk.perform(ActionKind.SUBMIT, **SUBMIT)
            accepted = await desk.heard.until_kind(EventKind.ACCEPTED)
            assert accepted["order_key"] == KEY
            assert [link for link, _ in desk.heard.frames] == [Link.ORDER]
            await desk.venue.hang_up()
            await desk.heard.until_kind(EventKind.LINK, 1, link=Link.ORDER, up=0)
            assert desk.heard.kinds(EventKind.OUTCOME_UNKNOWN) == []

    run(work)


def test_a_create_without_reply_becomes_unknown():
    """After recvWindow and a second its outcome is in doubt; a late reply still counts."""

    async def work() -> None:
        async with trading() as desk:
            desk.perform(ActionKind.SUBMIT, **SUBMIT)
            asked = await desk.venue.until_asked("order.place")
            unknown = await desk.heard.until_kind(EventKind.OUTCOME_UNKNOWN)
            assert unknown["order_key"] == KEY
            await desk.venue.say({"id": asked["id"], "status": 200, "result": order()})
            await desk.heard.until_kind(EventKind.ACCEPTED)

    run(work)


def test_the_loss_of_the_order_link_puts_all_in_flight_in_doubt():
    """First the links are down, then each request is in doubt; nothing is sent again."""

    async def work() -> None:
        async with trading() as desk:
            desk.perform(ActionKind.SUBMIT, **SUBMIT)
            desk.perform(ActionKind.CANCEL, target_key=OLD)
            desk.perform(ActionKind.ASK_OPEN_ORDERS)
            await desk.venue.until_asked("openOrders.status")
            at = len(desk.heard.events)
            await desk.venue.hang_up()
            await desk.heard.until_kind(EventKind.QUERY_FAILED)
            told = [event for event in desk.heard.events[at:] if event.get("up") != 1]
            assert [(e["kind"], e.get("link"), e.get("order_key")) for e in told] == [
                (EventKind.LINK, Link.USER, None),
                (EventKind.LINK, Link.ORDER, None),
                (EventKind.OUTCOME_UNKNOWN, None, KEY),
                (EventKind.CANCEL_UNKNOWN, None, OLD),
                (EventKind.QUERY_FAILED, None, None),
            ]
            await desk.heard.until(lambda: links(desk)[-1] == (Link.USER, 1))
            asked = [request["method"] for request in desk.venue.requests]
            assert asked.count("order.place") == 1

    run(work)


def test_what_cannot_be_sent_is_refused_for_certain():
    """With the link down an order is rejected by ourselves, later, from the event loop."""

    async def work() -> None:
        async with trading() as desk:
            desk.perform(ActionKind.RECONNECT, link=Link.ORDER)
            desk.perform(ActionKind.SUBMIT, **SUBMIT)
            desk.perform(ActionKind.ASK_BALANCES)
            rejected = await desk.heard.until_kind(EventKind.REJECTED)
            assert (rejected["order_key"], rejected["code"]) == (KEY, VenueCode.NOT_SENT)
            failed = await desk.heard.until_kind(EventKind.QUERY_FAILED)
            assert failed["code"] == VenueCode.NOT_SENT
            assert desk.heard.kinds(EventKind.OUTCOME_UNKNOWN) == []
            await desk.heard.until(lambda: links(desk)[-1] == (Link.USER, 1))

    run(work)


def test_an_ended_user_stream_is_subscribed_again_on_the_same_socket():
    """The loop hears the end, then that the stream is up again."""

    async def work() -> None:
        async with trading() as desk:
            ended = {"subscriptionId": 0, "event": {"e": "eventStreamTerminated", "E": 1}}
            await desk.venue.say(ended)
            await desk.heard.until_kind(EventKind.USER_STREAM_ENDED)
            await desk.venue.until_asked("userDataStream.subscribe", 2)
            before = len(desk.heard.kinds(EventKind.LINK))
            await desk.heard.until(lambda: len(desk.heard.kinds(EventKind.LINK)) > before)
            assert desk.venue.logons == 1

    run(work)


def test_an_answer_that_does_not_fit_its_question_costs_no_connection():
    """The venue's answer is definite, and whose it is is told: a new logon would change nothing."""

    async def work() -> None:
        async with trading() as desk:
            desk.venue.answer = lambda _: {"result": [{"id": "odd"}]}
            for asked in range(1, 4):
                desk.perform(ActionKind.ASK_TRADES, trade_id=7)
                await desk.heard.until_kind(EventKind.QUERY_FAILED, asked)
            desk.perform(ActionKind.SUBMIT, **SUBMIT)
            await desk.heard.until_kind(EventKind.OUTCOME_UNKNOWN)
            assert desk.venue.logons == 1
            assert links(desk) == UP

    run(work)


@pytest.mark.parametrize(
    "frame",
    [
        b'{"subscriptionId":0,"event":{"e":"executionReport"}}',
        b'{"id":"p0.',
    ],
)
def test_an_unreadable_frame_brings_a_new_connection(frame):
    """The loop gets the frame, then the socket is changed for a new one."""

    async def work() -> None:
        async with trading() as desk:
            await desk.venue.say(frame)
            await desk.heard.until_kind(EventKind.LINK, 1, link=Link.ORDER, up=0)
            assert desk.heard.frames[-1] == (Link.ORDER, frame)
            await desk.heard.until(lambda: links(desk)[-1] == (Link.USER, 1))
            assert desk.venue.logons == 2

    run(work)


@pytest.mark.parametrize(
    "frame",
    [
        b'{"subscriptionId":0,"event":{"e":"serverShutdown","E":1}}',
        b'{"e":"serverShutdown","E":1}',
    ],
)
def test_a_shutdown_is_followed_without_a_gap(frame):
    """A second connection is logged on before the first is dropped; the loop hears of no loss.

    What was asked on the old one is answered on the old one, new requests leave on the new, and
    an event that comes on both is told once.
    """

    async def work() -> None:
        async with trading() as desk:
            desk.perform(ActionKind.SUBMIT, **SUBMIT)
            asked = await desk.venue.until_asked("order.place")
            old = desk.venue.order_socket
            await desk.venue.say(frame)
            await asyncio.wait_for(desk.connector.order_succession.renewed.wait(), WITHIN_S)
            new = desk.venue.order_socket
            assert old is not None
            assert new is not None
            assert new is not old
            desk.perform(ActionKind.CANCEL, target_key=OLD)
            await desk.venue.until_asked("order.cancel")
            for socket in (old, new):
                await socket.send_json({"subscriptionId": 0, "event": report()})
            await old.send_json({"id": asked["id"], "status": 200, "result": order()})
            await desk.heard.until_kind(EventKind.ACCEPTED, 2)
            await desk.heard.until_kind(EventKind.CANCEL_UNKNOWN)
            assert (Link.ORDER, 0) not in links(desk)
            events = [data for _, data in desk.heard.frames if b"executionReport" in data]
            assert len(events) == 1

    run(work)


def test_a_link_that_is_lost_before_it_is_followed_is_told_up_again():
    """The venue shuts down, the old connection breaks, and the new one is the first to stand."""

    class Slow(ScriptedVenue):
        def _session_reply(self, asked: dict[str, Any]) -> dict[str, Any] | None:
            second = self.logons > 1 and asked["method"] == "userDataStream.subscribe"
            return None if second else super()._session_reply(asked)

    async def work() -> None:
        async with trading(Slow()) as desk:
            old = desk.venue.order_socket
            await desk.venue.say(b'{"e":"serverShutdown","E":1}')
            await desk.venue.until_asked("userDataStream.subscribe", 2)
            new = desk.venue.order_socket
            assert old is not None
            assert new is not None
            await old.close()
            await desk.heard.until_kind(EventKind.LINK, 1, link=Link.ORDER, up=0)
            await new.send_json({"id": "ssubscribe", "status": 200, "result": {}})
            await desk.heard.until(lambda: links(desk)[-1] == (Link.USER, 1))
            assert (Link.ORDER, 1) in links(desk)[-4:]

    run(work)


def test_a_request_that_is_refused_for_its_time_is_followed_by_a_clock():
    """-1021 says that our idea of the venue's clock is wrong: it is sampled and told at once."""

    async def work() -> None:
        async with trading() as desk:
            before = len(desk.heard.kinds(EventKind.CLOCK))
            error = {"code": -1021, "msg": "Timestamp for this request is outside"}
            desk.venue.answer = lambda _: {"status": 400, "error": error}
            desk.perform(ActionKind.SUBMIT, **SUBMIT)
            await desk.heard.until_kind(EventKind.REJECTED)
            await desk.heard.until_kind(EventKind.CLOCK, before + 1)

    run(work)


@pytest.mark.parametrize(
    "reply",
    [
        b'{"id":"slogon","result":{"apiKey":"the-api-key"',
        b'{"ix":"slogon","status":200,"result":{"apiKey":"the-api-key"}}',
        b'{"id":"xlogon","status":200,"result":{"apiKey":"the-api-key"}}',
    ],
)
def test_an_unreadable_reply_to_the_logon_is_shown_to_nobody(reply):
    """It may hold the key, so neither loop nor journal sees it."""

    class Garbled(ScriptedVenue):
        def _session_reply(self, asked: dict[str, Any]) -> dict[str, Any] | None:
            return None if self.logons == 0 else super()._session_reply(asked)

    async def work() -> None:
        venue = Garbled()

        async def garble() -> None:
            await venue.until_asked("session.logon")
            await venue.say(reply)
            venue.logons = 1

        garbling = asyncio.create_task(garble())
        async with trading(venue) as desk:
            await garbling
            assert desk.heard.frames == []
            assert len([r for r in venue.requests if r["method"] == "session.logon"]) == 2

    run(work)


def test_a_logon_without_answer_is_given_up():
    """A socket that is alive and a venue that says nothing: a new connection is made."""

    class Mute(ScriptedVenue):
        def _session_reply(self, asked: dict[str, Any]) -> dict[str, Any] | None:
            if asked["method"] == "session.logon" and self.logons == 0:
                self.logons = 1
                return None
            return super()._session_reply(asked)

    async def work() -> None:
        async with trading(Mute()) as desk:
            assert desk.venue.logons == 2

    run(work)


def test_the_loss_of_market_data_is_told_and_mended():
    """MARKET goes down and up; the order link is not touched."""

    async def work() -> None:
        async with trading() as desk:
            assert desk.venue.market_socket is not None
            await desk.venue.market_socket.close()
            await desk.heard.until(lambda: links(desk)[-2:] == [(Link.MARKET, 0), (Link.MARKET, 1)])
            desk.perform(ActionKind.RECONNECT, link=Link.MARKET)
            await desk.heard.until(lambda: links(desk)[-4:].count((Link.MARKET, 1)) == 2)
            assert desk.venue.logons == 1

    run(work)


def test_snapshots_come_as_frames_and_failures_as_failed_queries():
    """An answer is journaled with its header; no answer is told too, with REST down."""

    async def work() -> None:
        async with trading() as desk:
            book = {"lastUpdateId": 5, "bids": [["60000.00", "1"]], "asks": []}
            desk.venue.rest_answer = lambda _: web.json_response(book)
            desk.perform(ActionKind.RESYNC)
            snapshot = await desk.heard.until_kind(EventKind.SNAPSHOT)
            assert snapshot["last_update_id"] == 5
            desk.venue.rest_answer = lambda _: web.json_response({"code": -1003}, status=429)
            desk.perform(ActionKind.ASK_TOUCH)
            assert (await desk.heard.until_kind(EventKind.QUERY_FAILED))["code"] == -1003
            await desk.heard.until_kind(EventKind.RATE_LIMITED, 1, code=429)

            def hang_up(request: web.Request) -> web.Response:
                assert request.transport is not None
                request.transport.abort()
                return web.Response()

            desk.venue.rest_answer = hang_up
            desk.perform(ActionKind.RESYNC)
            await desk.heard.until_kind(EventKind.QUERY_FAILED, 2)
            assert links(desk)[-1] == (Link.REST, 0)

    run(work)


def test_rest_requests_have_a_limit():
    """One more than fits is refused by ourselves; the others are answered."""

    async def work() -> None:
        async with trading() as desk:
            book = json.dumps({"lastUpdateId": 5, "bids": [], "asks": []}).encode()
            desk.venue.rest_answer = lambda _: web.Response(body=book)
            for _ in range(MAX_REST_REQUESTS + 1):
                desk.perform(ActionKind.RESYNC)
            refused = await desk.heard.until_kind(EventKind.QUERY_FAILED)
            assert refused["code"] == VenueCode.NOT_SENT
            await desk.heard.until_kind(EventKind.SNAPSHOT, MAX_REST_REQUESTS)

    run(work)


def test_a_bug_behind_a_frame_ends_run_with_its_own_exception():
    """What the loop raises comes out of run, so that the driver can stop."""

    async def work() -> None:
        async with trading() as desk:
            desk.heard.bug = InvariantBroken("for the test")
            await desk.venue.say({"subscriptionId": 0, "event": {"e": "listStatus"}})
            with pytest.raises(InvariantBroken, match="for the test"):
                await desk.connector.run()

    run(work)

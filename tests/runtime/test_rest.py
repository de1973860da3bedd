"""REST requests against a real server: what comes back, and that failures are values."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json

import pytest
from aiohttp import web

from hftd.errors import ProfileError
from hftd.runtime.clock import Clock
from hftd.runtime.rest import RestAnswer, RestClient, clock_sample, server_time_ms
from hftd.venues.binance.signing import signer_of
from tests.runtime.scripted_venue import ScriptedVenue, run


def client(venue: ScriptedVenue, timeout_s: float = 5.0) -> RestClient:
    """Return a client of the venue."""
    signer = signer_of("key", "a+b")
    return RestClient(f"http://127.0.0.1:{venue.port}", signer, Clock(), timeout_s)


def asked(work, answer=None, timeout_s=5.0):
    """Run a request against a venue that answers so; return its result and the venue."""

    async def run_it():
        venue = ScriptedVenue()
        venue.rest_answer = answer
        async with venue.serving():
            rest = client(venue, timeout_s)
            try:
                return await work(rest), venue
            finally:
                await rest.close()

    return run(run_it)


def test_a_target_goes_out_as_it_stands():
    """The query is not re-encoded, so that a signature over it stays true."""
    got, venue = asked(
        lambda rest: rest.get("/api/v3/depth?symbol=A%2BB&x=%5B%22"),
        lambda _: web.Response(body=b"body"),
    )
    assert got == RestAnswer(200, b"body")
    assert venue.rest_targets == ["/api/v3/depth?symbol=A%2BB&x=%5B%22"]


def test_a_signed_request_verifies_over_the_raw_query():
    """Key in the header, timestamp by the venue's clock, signature over what was sent."""

    def check(request: web.Request) -> web.Response:
        query, _, signature = request.raw_path.partition("?")[2].rpartition("&signature=")
        good = hmac.new(b"a+b", query.encode(), hashlib.sha256).hexdigest() == signature
        ahead = int(request.query["timestamp"]) > 10**13
        body = {"good": good, "ahead": ahead, "key": request.headers["X-MBX-APIKEY"]}
        return web.json_response(body)

    got, _ = asked(
        lambda rest: rest.get_signed("/api/v3/account", {"note": "ä b"}, 10**19 - 10**18), check
    )
    assert json.loads(got.body) == {"good": True, "ahead": True, "key": "key"}


@pytest.mark.parametrize(
    ("status", "header", "seconds"),
    [(429, "7", 7), (418, "soon", 0), (500, "", 0), (429, "999999999", 7 * 86_400)],
)
def test_an_error_is_an_answer(status, header, seconds):
    """Status, body and Retry-After come back, the last within a week; nothing is raised."""
    got, _ = asked(
        lambda rest: rest.get("/x"),
        lambda _: web.Response(status=status, body=b"no", headers={"Retry-After": header}),
    )
    assert got == RestAnswer(status, b"no", seconds)


def test_no_answer_in_time_and_no_server_are_answers_too():
    """Status 0, with the reason in words and no address in it."""

    async def never(rest: RestClient) -> RestAnswer:
        return await rest.get("/slow?signature=secret")

    got, venue = asked(never, _hang, timeout_s=0.2)
    assert (got.status, got.fault) == (0, "no answer in 0.2 s")

    async def nobody() -> RestAnswer:
        rest = client(venue)  # Its server is gone by now.
        try:
            return await rest.get("/x?signature=secret")
        finally:
            await rest.close()

    got = run(nobody)
    assert got.status == 0
    assert "secret" not in got.fault
    assert got.fault


class _Hang(web.Response):
    # A response that never begins.
    async def prepare(self, request):
        await asyncio.Event().wait()


def _hang(request: web.Request) -> web.Response:
    return _Hang()


def test_a_clock_sample_takes_the_middle_of_the_round_trip():
    """Half way between sent and received the venue's clock stood in mid millisecond."""
    sample = clock_sample(1_000, 900_000_000, 900_400_000)
    assert sample.venue_offset_ns == 1_000_500_000 - 900_200_000
    assert sample.round_trip_ns == 400_000


def test_the_venue_clock_is_the_best_of_several_samples():
    """Five requests go out, the offset is of the venue's clock."""
    sample, venue = asked(lambda rest: rest.sample_clock())
    assert len(venue.rest_targets) == 5
    assert not isinstance(sample, RestAnswer)
    assert sample.venue_offset_ns < 0  # The scripted venue lives in 2023.


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b'{"serverTime":"x"}',
        b'{"serverTime":1',
        b'{"\xff":1,"serverTime":NaN}',
        b'{"deep":' + b"[" * 100_000 + b"]" * 100_000 + b',"serverTime":1}',
    ],
)
def test_a_clock_that_cannot_be_read_is_no_clock(body):
    """Whatever the venue says in its place, there is no time in it."""
    assert server_time_ms(body) is None


def test_a_listing_asks_for_its_symbols_alone():
    """The names of the profile become symbols, percent-encoded as a JSON list."""
    listing, venue = asked(lambda rest: rest.listing(["BTC-USDT"]))
    assert venue.rest_targets == ["/api/v3/exchangeInfo?symbols=%5B%22BTCUSDT%22%5D"]
    assert listing.instruments[0].name == "BTC-USDT"


def test_a_symbol_that_the_venue_does_not_know_is_the_profiles_fault():
    """A listing without one of the names raises with the key to mend."""
    with pytest.raises(ProfileError, match="instruments"):
        asked(lambda rest: rest.listing(["DOGE-USDT"]))


def test_queries_wait_where_the_weight_of_the_minute_is_used_up():
    """By the limit of the listing and the count of each answer, until the next minute begins."""
    kind = {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1}

    async def work(rest: RestClient) -> tuple[int, int, int]:
        await rest.listing(["BTC-USDT"])
        await rest.get("/80")
        at_the_share = rest.spent_until_ns
        await rest.get("/81")
        return at_the_share, rest.spent_until_ns - Clock().ts_ns(), rest.used_weight

    async def run_it() -> tuple[int, int, int]:
        venue = ScriptedVenue()
        venue.limits = [kind | {"limit": 100}]
        venue.rest_answer = lambda request: web.Response(
            headers={"X-MBX-USED-WEIGHT-1M": request.path.strip("/")}
        )
        async with venue.serving():
            rest = client(venue)
            try:
                return await work(rest)
            finally:
                await rest.close()

    at_the_share, left_ns, used = run(run_it)
    assert at_the_share == 0
    assert left_ns <= 60_000_000_000
    assert used == 81

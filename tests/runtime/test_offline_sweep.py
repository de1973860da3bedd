"""The sweep against a venue on loopback that is slow, busy, away, or late with an order."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from hftd.domain.order import client_order_id, order_key
from hftd.runtime.offline_sweep import EVERYWHERE, WORKERS, Swept, sweep
from hftd.runtime.offline_venue import REQUEST_SECONDS, Address, Request, VenueRoad
from hftd.venues.binance.signing import HmacSigner

TAG = "abc123"
OURS = [client_order_id(TAG, order_key(1_700_000_000, seq)) for seq in range(1, 101)]
WITHIN_S = 20.0
SYMBOLS = ("BTCUSDT", "ETHUSDT")
OTHER_SYMBOL = "BNBUSDT"

# Looks at a request before it is answered; what it returns is answered instead.
Trouble = Callable[[str, str], tuple[int, dict[str, str], Any] | None]


def no_trouble(method: str, path: str) -> None:
    """Let the request be answered."""


class SmallVenue:
    """Open orders of one symbol, listed and canceled by id."""

    def __init__(self, orders: list[str], trouble: Trouble | None = None) -> None:
        # By id; None is the first symbol.
        self.open: dict[str, str | None] = dict.fromkeys(orders)
        self.asked: list[tuple[float, str, str]] = []
        self.trouble = trouble or no_trouble
        # The symbols whose answers come byte by byte and never end; "" is the list of all.
        self.drips: tuple[str, ...] = ()
        self.over = threading.Event()
        self._lock = threading.Lock()

    def answer(self, method: str, target: str) -> tuple[int, dict[str, str], Any]:
        """Return status, headers and body."""
        parts = urlsplit(target)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        with self._lock:
            self.asked.append((time.monotonic(), method, parts.path))
        if (told := self.trouble(method, parts.path)) is not None:
            return told
        with self._lock:
            if parts.path == "/api/v3/time":
                return 200, {}, {"serverTime": time.time_ns() // 1_000_000}
            if method == "GET":
                within = (query["symbol"],) if "symbol" in query else (*SYMBOLS, OTHER_SYMBOL)
                rows = [(self.open[name] or SYMBOLS[0], name) for name in self.open]
                return (
                    200,
                    {},
                    [{"symbol": at, "clientOrderId": name} for at, name in rows if at in within],
                )
            name = query["origClientOrderId"]
            if name not in self.open or query["symbol"] != (self.open[name] or SYMBOLS[0]):
                return 400, {}, {"code": -2011, "msg": "Unknown order sent."}
            del self.open[name]
            return 200, {}, {"clientOrderId": name}

    def count(self, method: str, path: str = "") -> int:
        """Return how often it was asked so."""
        return sum(each[1] == method and path in each[2] for each in self.asked)


@contextmanager
def served(venue: SmallVenue) -> Iterator[Address]:
    """Serve a small venue on a free port."""

    class Handler(BaseHTTPRequestHandler):
        def _reply(self) -> None:
            named = parse_qs(urlsplit(self.path).query).get("symbol", [""])
            if self.command == "GET" and named[0] in venue.drips:
                self._drip()
                return
            status, headers, body = venue.answer(self.command, self.path)
            text = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            for name, value in (headers | {"Content-Length": str(len(text))}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text)

        def _drip(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "1000000")
            self.end_headers()
            with suppress(OSError):  # Who asked has hung up.
                while not venue.over.wait(0.02):
                    self.wfile.write(b" ")

        do_GET = do_DELETE = _reply  # noqa: N815 - the names that the server looks for

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128  # As many as may call at once, or the kernel makes them wait.

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield "127.0.0.1", server.server_address[1]
    finally:
        venue.over.set()
        server.shutdown()
        thread.join()
        server.server_close()


def swept(
    venue: SmallVenue,
    *,
    settle_s: float = 0.0,
    bound_s: float = WITHIN_S,
    request_s: float = REQUEST_SECONDS,
    away: int = 0,
) -> Swept:
    """Sweep a small venue; its address is not there for the first ``away`` looks."""
    looks = iter(range(1_000_000))
    with served(venue) as address:
        road = VenueRoad(
            lambda: address if next(looks) >= away else None, HmacSigner("key", "secret")
        )
        return sweep(road, SYMBOLS, TAG, settle_s=settle_s, bound_s=bound_s, request_s=request_s)


def test_a_hundred_are_canceled_and_others_left() -> None:
    """All that bears our tag, whatever the count; what bears another stays."""
    venue = SmallVenue([*OURS, "by-hand"])
    done = swept(venue)
    assert (done.is_clear, done.canceled, done.foreign) == (True, 100, 1)
    assert list(venue.open) == ["by-hand"]


def test_an_order_that_arrives_late_is_found() -> None:
    """The verdict waits until what was under way must have arrived or been refused."""
    venue = SmallVenue([])

    def late(method: str, path: str) -> None:
        if venue.count("GET", "openOrders") == 4:
            venue.open[OURS[0]] = None

    venue.trouble = late
    done = swept(venue, settle_s=0.4)
    assert (done.is_clear, done.canceled) == (True, 1)
    assert not venue.open


def test_a_slow_venue_is_asked_for_all_at_once() -> None:
    """Ten cancels of which none is answered before all have come."""
    all_there = threading.Barrier(10)

    def wait(method: str, path: str) -> None:
        if method == "DELETE":
            all_there.wait(WITHIN_S)

    assert swept(SmallVenue(OURS[:10], wait)).is_clear


def test_the_time_that_429_asks_for_is_kept() -> None:
    """But for what was under way already, nothing is sent before Retry-After has passed."""
    quiet_until, early = 0.0, 0

    def limited(method: str, path: str) -> tuple[int, dict[str, str], Any] | None:
        nonlocal quiet_until, early
        if not quiet_until and method == "DELETE":
            quiet_until = time.monotonic() + 1.0
            return 429, {"Retry-After": "1"}, {"code": -1003}
        early += time.monotonic() < quiet_until
        return None

    venue = SmallVenue(OURS, limited)
    assert swept(venue).is_clear and not venue.open
    assert early < WORKERS and venue.count("DELETE") == len(OURS) + 1


def test_a_429_longer_than_the_bound_ends_it_at_once() -> None:
    """What cannot be waited for is said, and nothing more is sent."""

    def banned(method: str, path: str) -> tuple[int, dict[str, str], Any]:
        return 429, {"Retry-After": "60"}, {}

    venue = SmallVenue(OURS[:2], banned)
    done = swept(venue, bound_s=5.0)
    assert not done.is_clear and "429" in done.why and "never seen" in done.why
    assert len(venue.asked) <= len(SYMBOLS) + 1


def test_a_venue_that_comes_back_is_swept() -> None:
    """While nobody listens it is looked for again."""
    venue = SmallVenue(OURS[:2])
    assert swept(venue, away=6).is_clear and not venue.open


def test_what_the_venue_will_not_cancel_is_named() -> None:
    """At the end of the time the orders still shown are the outcome, not a failure of it."""

    def refuse(method: str, path: str) -> tuple[int, dict[str, str], Any] | None:
        return (500, {}, {"code": -1000}) if method == "DELETE" else None

    done = swept(SmallVenue(OURS[:2], refuse), bound_s=1.0)
    assert not done.is_clear and "500" in done.why
    assert [order["clientOrderId"] for order in done.left] == OURS[:2]


def test_why_is_what_the_venue_said_last_and_not_that_the_time_ran_out() -> None:
    """It refuses to cancel and then falls silent: nobody learns from the silence what is wrong."""
    venue = SmallVenue(OURS[:2])

    def refuse(method: str, path: str) -> tuple[int, dict[str, str], Any] | None:
        if venue.count("DELETE") > 2:
            venue.over.wait(WITHIN_S)
        return (500, {}, {"code": -1000}) if method == "DELETE" else None

    venue.trouble = refuse
    done = swept(venue, bound_s=1.0)
    assert not done.is_clear and "500" in done.why


def test_a_clock_that_differs_is_mended() -> None:
    """After -1021 the venue's own time is taken."""
    refused = iter((True, True))

    def outside(method: str, path: str) -> tuple[int, dict[str, str], Any] | None:
        wrong = path != "/api/v3/time" and next(refused, False)
        return (400, {}, {"code": -1021}) if wrong else None

    venue = SmallVenue(OURS[:2], outside)
    assert swept(venue).is_clear and venue.count("GET", "time") == 2


def test_a_symbol_whose_answer_drips_delays_no_other() -> None:
    """Ours in the other symbol are canceled, and the end says where nothing was seen."""
    venue = SmallVenue(OURS[:2])
    venue.drips = SYMBOLS[1], ""
    done = swept(venue, bound_s=1.0)
    assert not venue.open and done.canceled == 2 and done.left == []
    assert not done.is_clear and done.unseen == (SYMBOLS[1], EVERYWHERE)
    assert f"what is open in {SYMBOLS[1]}, {EVERYWHERE} was never seen" in done.why


def test_a_request_has_an_end_however_its_answer_drips() -> None:
    """A byte now and then does not begin its time anew."""
    venue = SmallVenue([])
    venue.drips = (SYMBOLS[0],)
    with served(venue) as address:
        road = VenueRoad(lambda: address, HmacSigner("key", "secret"))
        (answer,) = road.ask([Request("GET", "/x", {"symbol": SYMBOLS[0]})], 0.2)
    assert answer.is_late and answer.status == 0


def test_a_venue_slower_than_the_first_limit_is_heard() -> None:
    """What a request may take grows with each that brought no answer."""
    slowness = threading.Event()

    def slow(method: str, path: str) -> None:
        slowness.wait(0.5)

    venue = SmallVenue(OURS[:2], slow)
    assert swept(venue, request_s=0.1).is_clear and not venue.open


def test_what_was_seen_is_named_though_the_venue_falls_silent() -> None:
    """One look shows two orders, nothing is answered after it: both are named as left."""
    venue = SmallVenue(OURS[:2])

    def silent(method: str, path: str) -> None:
        if method == "DELETE" or venue.count("GET") > len(SYMBOLS):
            venue.over.wait(WITHIN_S)

    venue.trouble = silent
    done = swept(venue, bound_s=1.0, request_s=0.2)
    assert not done.is_clear and [order["clientOrderId"] for order in done.left] == OURS[:2]


@pytest.mark.parametrize("strange", [None, "x", {"clientOrderId": None}])
def test_what_is_no_order_keeps_none_on_the_market(strange: Any) -> None:
    """Ours beside it is canceled, without a symbol of its own too; it is not called clear."""
    venue = SmallVenue(OURS[:1])

    def listed(method: str, path: str) -> tuple[int, dict[str, str], Any] | None:
        rows = [{"clientOrderId": name} for name in venue.open]
        return (200, {}, [strange, *rows]) if method == "GET" else None

    venue.trouble = listed
    done = swept(venue, bound_s=0.5)
    assert not venue.open and done.canceled == 1
    assert not done.is_clear and "the venue lists 1 that are no orders" in done.why


@pytest.mark.parametrize(
    "first",
    [
        (200, {}, b"[" * 100_000),
        (200, {}, b"9" * 5000),
        (200, {}, {"orders": []}),
        (502, {}, b"\xff<html>"),
    ],
)
def test_an_answer_that_cannot_be_read_is_asked_for_again(first: Any) -> None:
    """The first answers of both symbols are nonsense, those after them are not."""
    nonsense = iter((first, first))

    def strange(method: str, path: str) -> tuple[int, dict[str, str], Any] | None:
        return next(nonsense, None)

    venue = SmallVenue(OURS[:2], strange)
    assert swept(venue).is_clear and not venue.open


@pytest.mark.parametrize("told", [None, {"serverTime": None}])
def test_a_time_that_is_none_is_asked_for_again(told: Any) -> None:
    """After -1021 the venue says no time at first."""
    refused, times = iter((True,) * 4), iter((True, True))

    def outside(method: str, path: str) -> tuple[int, dict[str, str], Any] | None:
        if path == "/api/v3/time":
            return (200, {}, told) if next(times, False) else None
        return (400, {}, {"code": -1021}) if next(refused, False) else None

    venue = SmallVenue(OURS[:2], outside)
    assert swept(venue).is_clear and venue.count("GET", "time") == 4


def test_a_request_that_cannot_be_made_shows_no_key() -> None:
    """A key that no header can hold: the answer names the kind of the failure alone."""
    with served(SmallVenue([])) as address:
        road = VenueRoad(lambda: address, HmacSigner("KEY\nCANARY", "secret"))
        (answer,) = road.ask([Request("GET", "/x", {})], WITHIN_S)
    assert answer.told() == "the request failed (ValueError)"


def test_what_an_earlier_run_left_in_another_symbol_is_canceled() -> None:
    """The symbols of the last run are not all that ours may rest in."""
    venue = SmallVenue(OURS[:1])
    venue.open[OURS[1]] = OTHER_SYMBOL
    done = swept(venue)
    assert done.is_clear and done.canceled == 2 and not venue.open


def test_a_list_of_all_that_is_not_there_is_no_proof() -> None:
    """Both symbols are seen to be empty; what rests in others is not known, and that is said."""
    venue = SmallVenue(OURS[:1])
    venue.drips = ("",)
    done = swept(venue, bound_s=1.0)
    assert not venue.open and not done.is_clear and done.unseen == (EVERYWHERE,)


def test_the_list_of_all_stands_for_a_symbol_that_drips() -> None:
    """It shows that symbol's orders as well, so that they go and the end is clear."""
    venue = SmallVenue(OURS[:1])
    venue.open[OURS[1]] = SYMBOLS[1]
    venue.drips = (SYMBOLS[1],)
    assert swept(venue).is_clear and not venue.open

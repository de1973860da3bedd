"""REST for set-up and queries: signed or plain GETs, whose failures are values.

Owns the HTTP client. Must not know what an answer means beyond its status. No query string
ever stands in a message: it may hold a signature.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from urllib.parse import quote

import aiohttp
import msgspec
from yarl import URL

from hftd.errors import ProfileError
from hftd.runtime.clock import Clock
from hftd.runtime.tls import connection_fault
from hftd.venues.binance.exchange_info import Listing, parse_exchange_info, symbol_of
from hftd.venues.binance.messages import Millis, VenueError
from hftd.venues.binance.replies import LONGEST_WAIT_MS
from hftd.venues.binance.signing import Signer, signed_query

TIMEOUT_S = 10.0  # What the venue allows itself before it answers -1007.
MAX_BODY_BYTES = 64 * 1024 * 1024
CLOCK_SAMPLES = 5
NS_PER_MS = 1_000_000
INVALID_SYMBOL = b"-1121"
USED_WEIGHT = "X-MBX-USED-WEIGHT-1M"
QUERY_SHARE_PCT = 80  # Of the address's weight a minute; programs beside us may use it up.
MINUTE_NS = 60_000_000_000
MAX_DIGITS = 10  # Of a header's number; a longer one is none.


class RestAnswer(NamedTuple):
    """What came of a request; status 0 where no answer came, and ``fault`` says why."""

    status: int
    body: bytes
    retry_after_s: int = 0
    fault: str = ""

    def told(self) -> str:
        """Return what went wrong in a few words; the venue's own are not repeated."""
        if self.fault:
            return self.fault
        code = error_code(self.body)
        waits = f", and {self.retry_after_s} s without requests" if self.retry_after_s else ""
        return f"it answered {self.status}{f' (code {code})' if code else ''}{waits}"


class ClockSample(NamedTuple):
    """The venue's clock less ours, and the round trip that bounds the error."""

    venue_offset_ns: int
    round_trip_ns: int


class _ServerTime(msgspec.Struct, rename="camel"):
    server_time: Millis


_server_time = msgspec.json.Decoder(_ServerTime)
_error = msgspec.json.Decoder(VenueError)


def clock_sample(server_time_ms: int, sent_ns: int, received_ns: int) -> ClockSample:
    """Return a sample; the venue is taken to have read its clock half way.

    Its milliseconds are cut off, not rounded: half a millisecond is added back.
    """
    middle_ns = (sent_ns + received_ns) // 2
    venue_ns = server_time_ms * NS_PER_MS + NS_PER_MS // 2
    return ClockSample(venue_ns - middle_ns, received_ns - sent_ns)


def server_time_ms(body: bytes) -> int | None:
    """Return the time that an answer tells, None where it tells none."""
    try:
        return _server_time.decode(body).server_time
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def error_code(body: bytes) -> int:
    """Return the venue's own error code in an answer, 0 where it tells none."""
    try:
        return _error.decode(body).code
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return 0


def listing_target(names: Sequence[str]) -> str:
    """Return the request for the listing of these instruments, by our names."""
    symbols = json.dumps([symbol_of(name) for name in names], separators=(",", ":"))
    return f"/api/v3/exchangeInfo?symbols={quote(symbols, safe='')}"


def _whole(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < MAX_DIGITS else 0


def retry_after_s_of(text: str) -> int:
    """Return for how long a Retry-After wants to hear nothing: 0 where it does not say."""
    return min(_whole(text), LONGEST_WAIT_MS // 1_000)


class RestClient:
    """A client of one venue; make it inside a running event loop, `close` it there.

    Without a signer it can ask what is public.
    """

    def __init__(
        self,
        rest_url: str,
        signer: Signer | None,
        clock: Clock,
        timeout_s: float = TIMEOUT_S,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.used_weight = 0  # As last told, in the minute of that answer.
        self.weight_limit = 0  # As the listing told it; 0 before.
        self.spent_until_ns = 0  # What is left of the minute's weight is for cancels and orders.
        self._rest_url = rest_url
        self._tls: ssl.SSLContext | bool = True if tls is None else tls
        self._signer = signer
        self._clock = clock
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=timeout_s),
            # The venue's cookies are nothing to us, and must not grow.
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()

    async def get(self, target: str) -> RestAnswer:
        """Ask for a path with its query, as it stands; a failure is an answer too."""
        return await self._get(target, {})

    async def get_signed(
        self, path: str, params: Mapping[str, str | int], venue_offset_ns: int = 0
    ) -> RestAnswer:
        """Ask for a path with parameters, a timestamp by the venue's clock and a signature."""
        assert self._signer is not None, "a client without a key asks public questions alone"
        timestamp_ms = (self._clock.ts_ns() + venue_offset_ns) // NS_PER_MS
        query = signed_query(self._signer, dict(params) | {"timestamp": timestamp_ms})
        return await self._get(f"{path}?{query}", {"X-MBX-APIKEY": self._signer.api_key})

    async def _get(self, target: str, headers: Mapping[str, str]) -> RestAnswer:
        url = URL(self._rest_url + target, encoded=True)
        try:
            async with self._session.get(
                url, headers=headers, allow_redirects=False, ssl=self._tls
            ) as response:
                body = await response.content.read(MAX_BODY_BYTES)
                while not response.content.at_eof() and len(body) < MAX_BODY_BYTES:
                    body += await response.content.read(MAX_BODY_BYTES - len(body))
                self._note_weight(_whole(response.headers.get(USED_WEIGHT, "")))
                retry_after_s = retry_after_s_of(response.headers.get("Retry-After", ""))
                return RestAnswer(response.status, body, retry_after_s)
        except TimeoutError:
            return RestAnswer(0, b"", fault=f"no answer in {self._session.timeout.total} s")
        except (aiohttp.ClientError, OSError) as fault:
            return RestAnswer(0, b"", fault=connection_fault(fault))

    def _note_weight(self, used: int) -> None:
        self.used_weight = used
        if self.weight_limit and used * 100 > self.weight_limit * QUERY_SHARE_PCT:
            self.spent_until_ns = (self._clock.ts_ns() // MINUTE_NS + 1) * MINUTE_NS

    async def sample_clock(self) -> ClockSample | RestAnswer:
        """Return the sample with the shortest round trip of a few, or the answer that failed."""
        best: ClockSample | None = None
        for _ in range(CLOCK_SAMPLES):
            sent_ns = self._clock.ts_ns()
            answer = await self.get("/api/v3/time")
            received_ns = self._clock.ts_ns()
            told_ms = server_time_ms(answer.body)
            if told_ms is None:
                return answer
            sample = clock_sample(told_ms, sent_ns, received_ns)
            if best is None or sample.round_trip_ns < best.round_trip_ns:
                best = sample
        assert best is not None
        return best

    async def listing(self, names: Sequence[str]) -> Listing | RestAnswer:
        """Return the instruments of our names as the venue lists them, or what it said instead.

        Raises: ProfileError where the venue knows one of them not; VenueProtocolError, see
        `parse_exchange_info`.
        """
        answer = await self.get(listing_target(names))
        if answer.status == 400 and INVALID_SYMBOL in answer.body:
            was = ", ".join(names)
            raise ProfileError(
                "symbols that the venue lists are needed", key="instruments", was=was
            )
        if answer.status != 200:
            return answer
        listing = parse_exchange_info(answer.body, names)
        self.weight_limit = listing.weight_per_minute
        return listing

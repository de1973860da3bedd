"""Signed requests to a venue, each with an end, whatever the venue does meanwhile.

Owns the road of the offline kill: signatures, connections, the venue's clock, and the time that
it wants to hear nothing. Must not know what is asked, nor what an answer means. It stands on the
standard library and on the signatures: it shares no HTTP client, no event loop and no state with
the daemon, whose fault may be why it is needed. Failures are values. No query string ever stands
in a message: it holds a signature.
"""

from __future__ import annotations

import json
import queue
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any, NamedTuple

from hftd.runtime.tls import connection_fault
from hftd.venues.binance.signing import Signer, signed_query

Address = tuple[str, int]

# All that one request may take, name, connection and body included; doubled after each that
# brought no answer, up to a little more than the venue allows itself before it answers -1007.
REQUEST_SECONDS = 3.0
LONGEST_SECONDS = 12.0
# The venue's greatest. A cancel or a question that comes late does no harm.
RECV_WINDOW_MS = 60_000
MAX_BODY_BYTES = 16 * 1024 * 1024
LIMIT_STATUSES = (403, 418, 429)
DEFAULT_WAIT_S = 10.0  # Where the venue did not say for how long.
BAD_TIMESTAMP = -1021


class Answer(NamedTuple):
    """What came of a request; status 0 where no answer came, and ``fault`` says why.

    ``is_late`` where it was not there in the time given to it.
    """

    status: int
    body: Any = None
    fault: str = ""
    is_late: bool = False

    @property
    def code(self) -> int:
        """The venue's own error code, 0 where there is none."""
        code = self.body.get("code", 0) if isinstance(self.body, dict) else 0
        return code if isinstance(code, int) else 0

    def told(self) -> str:
        """Return what went wrong in a few words."""
        return self.fault or f"the venue answered {self.status} (code {self.code})"


class Request(NamedTuple):
    """A request to sign and send."""

    method: str
    path: str
    params: dict[str, str | int]


class VenueRoad:
    """Signed requests to one venue, each with an end.

    ``address`` is asked before each request, since an exchange that restarts may move.
    """

    def __init__(
        self,
        address: Callable[[], Address | None],
        signer: Signer,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._address = address
        self._tls = tls  # None: in plain text, to a process of ours on loopback.
        self._signer = signer
        self._offset_ms = 0
        self._quiet_until = 0.0

    @property
    def quiet_s(self) -> float:
        """How long the venue wants to hear nothing from us, in seconds from now."""
        return max(0.0, self._quiet_until - time.monotonic())

    def ask(self, requests: Sequence[Request], limit_s: float) -> list[Answer]:
        """Send signed requests at once and return their answers, in their order.

        One that is not answered within ``limit_s`` is a fault: a timeout of a socket would begin
        again with each byte. The threads are daemons; one that still reads ends with the process,
        which nothing may hold up.
        """
        done: queue.SimpleQueue[tuple[int, Answer]] = queue.SimpleQueue()

        def run(index: int, request: Request) -> None:
            answer = Answer(0, fault="the request failed by a bug of ours")
            try:
                answer = self._answer(request)
            except (ValueError, TypeError, LookupError, ArithmeticError, RuntimeError) as error:
                # Only its kind: the text may hold a header, and so the key.
                answer = Answer(0, fault=f"the request failed ({type(error).__name__})")
            finally:
                done.put((index, answer))

        for numbered in enumerate(requests):
            threading.Thread(target=run, args=numbered, daemon=True).start()
        late = Answer(0, fault=f"no answer in {limit_s:.1f} s", is_late=True)
        answers = [late] * len(requests)
        deadline = time.monotonic() + limit_s
        for _ in requests:
            try:
                index, answer = done.get(timeout=max(0.001, deadline - time.monotonic()))
            except queue.Empty:
                break
            answers[index] = answer
        return answers

    def _answer(self, request: Request) -> Answer:
        # Unless the venue told us to wait.
        if self.quiet_s:
            return Answer(429, fault=f"the venue wants {self.quiet_s:.0f} s without requests")
        now_ms = time.time_ns() // 1_000_000 + self._offset_ms
        stamped = request.params | {"recvWindow": RECV_WINDOW_MS, "timestamp": now_ms}
        query = signed_query(self._signer, stamped)
        answer = self._send(request.method, f"{request.path}?{query}")
        if answer.code == BAD_TIMESTAMP:
            self._set_clock()
        return answer

    def _set_clock(self) -> None:
        answer = self._send("GET", "/api/v3/time")
        told = answer.body.get("serverTime") if isinstance(answer.body, dict) else None
        if answer.status == 200 and isinstance(told, int):
            self._offset_ms = told - time.time_ns() // 1_000_000

    def _send(self, method: str, target: str) -> Answer:
        address = self._address()
        if address is None:
            return Answer(0, fault="the exchange says nowhere that it listens")
        connection = self._connection(address)
        headers = {"X-MBX-APIKEY": self._signer.api_key}
        try:
            connection.request(method, target, headers=headers)
            response = connection.getresponse()
            text = response.read(MAX_BODY_BYTES)
        except (OSError, HTTPException) as error:
            return Answer(0, fault=f"{address[0]}:{address[1]}: {connection_fault(error)}")
        finally:
            connection.close()
        if response.status in LIMIT_STATUSES:
            self._hold_back(response.getheader("Retry-After", ""))
        try:
            return Answer(response.status, json.loads(text))
        except (ValueError, RecursionError):
            told = f"the venue answered {response.status} without JSON"
            return Answer(response.status, fault=told)

    def _connection(self, address: Address) -> HTTPConnection:
        if self._tls is None:
            return HTTPConnection(*address, timeout=LONGEST_SECONDS)
        return HTTPSConnection(*address, timeout=LONGEST_SECONDS, context=self._tls)

    def _hold_back(self, retry_after: str) -> None:
        wait_s = float(retry_after) if retry_after.isdecimal() else DEFAULT_WAIT_S
        self._quiet_until = max(self._quiet_until, time.monotonic() + wait_s)

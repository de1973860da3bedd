"""A client of a ``Venue`` in memory: it signs, sends and reads as a program would over TCP."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

from hftd.simex.events import Fees
from hftd.simex.limits import Limits
from hftd.simex.matching import MatchingMarket
from hftd.simex.venue import AccountConfig, Venue, VenueConfig
from tests.simex.quiet import SPEC, QuietFlow

T0 = 1_800_000_000_000_000_000
KEY, SECRET = "alice-key", "alice-secret"
OTHER_KEY, OTHER_SECRET = "bob-key", "bob-secret"


def sign(payload: str, secret: str = SECRET) -> str:
    """Return the HMAC of a payload, in hex."""
    return hmac.new(secret.encode(), payload.encode(), hashlib.sha256).hexdigest()


def quiet_venue(
    limits: Limits | None = None, fees: Fees | None = None, *, start: bool = True
) -> Venue:
    """Return a venue on the quiet market with two accounts, started at T0."""
    balances = {"USDT": "100000", "BTC": "1"}
    config = VenueConfig(
        [AccountConfig(KEY, SECRET, balances), AccountConfig(OTHER_KEY, OTHER_SECRET, balances)],
        fees or Fees(maker=100_000, taker=100_000),
        limits or Limits(),
        "quiet",
    )
    venue = Venue(config, [MatchingMarket(SPEC, [QuietFlow()])])
    if start:
        venue.start(T0)
    return venue


class Client:
    """One program on a venue; ``ts_ns`` is the time at which its next request arrives."""

    def __init__(self, venue: Venue, key: str = KEY, secret: str = SECRET) -> None:
        self.venue = venue
        self.key, self.secret = key, secret
        self.ts_ns = T0 + 1_000_000_000
        self.headers: dict[str, str] = {}
        self._heard: dict[int, list[bytes]] = {}
        self._id = 0

    # --- REST -----------------------------------------------------------------------------

    def get(self, path: str, query: str = "") -> tuple[int, Any]:
        """Ask a public endpoint."""
        return self.http("GET", path + (f"?{query}" if query else ""))

    def http(
        self, method: str, target: str, headers: dict[str, str] | None = None, body: str = ""
    ) -> tuple[int, Any]:
        """Send a request as it is; keep the headers of the reply."""
        reply = self.venue.http(method, target, headers or {}, body.encode(), self.ts_ns)
        status, self.headers, content = reply
        return status, json.loads(content)

    def signed(self, method: str, path: str, query: str = "", **more: object) -> tuple[int, Any]:
        """Send a signed request; further parameters come behind the query."""
        parts = [query] if query else []
        parts += [f"{name}={value}" for name, value in more.items()]
        if "timestamp" not in more:
            parts.append(f"timestamp={self.ts_ns // 1_000_000}")
        payload = "&".join(parts)
        target = f"/api/v3/{path}?{payload}&signature={sign(payload, self.secret)}"
        return self.http(method, target, {"X-MBX-APIKEY": self.key})

    def limit(self, side: str, price: str, quantity: str, **more: object) -> tuple[int, Any]:
        """Place a LIMIT GTC order."""
        terms = {"symbol": "BTCUSDT", "side": side, "type": "LIMIT", "timeInForce": "GTC"}
        wish: dict[str, object] = {**terms, "price": price, "quantity": quantity, **more}
        return self.signed("POST", "order", **wish)

    def balances(self) -> dict[str, tuple[str, str]]:
        """Return (free, locked) by asset."""
        status, account = self.signed("GET", "account")
        assert status == 200
        return {each["asset"]: (each["free"], each["locked"]) for each in account["balances"]}

    # --- WebSocket ------------------------------------------------------------------------

    def open(self, path: str) -> int:
        """Open a connection."""
        connection = self.venue.open(path, self.ts_ns)
        assert connection is not None
        return connection

    def send(self, connection: int, frame: object) -> None:
        """Send one frame: text as it is, anything else as JSON."""
        text = frame if isinstance(frame, str) else json.dumps(frame)
        self.venue.receive(connection, text.encode(), self.ts_ns)

    def heard(self, connection: int) -> list[Any]:
        """Return what a connection was sent since the last time."""
        for number, frame in self.venue.take():
            self._heard.setdefault(number, []).append(frame)
        return [json.loads(frame) for frame in self._heard.pop(connection, [])]

    def call(self, connection: int, method: str, **params: object) -> Any:
        """Send a WS-API request and return its reply; what else came stays unheard."""
        self._id += 1
        self.send(connection, {"id": self._id, "method": method, "params": params})
        frames = self.heard(connection)
        replies = [frame for frame in frames if frame.get("id") == self._id]
        others = [frame for frame in frames if frame.get("id") != self._id]
        self._heard[connection] = [json.dumps(frame).encode() for frame in others]
        assert len(replies) == 1
        return replies[0]

    def stamped(self, **params: object) -> dict[str, object]:
        """Return parameters with a timestamp."""
        return {**params, "timestamp": self.ts_ns // 1_000_000}

    def with_signature(self, **params: object) -> dict[str, object]:
        """Return WS-API parameters with key, timestamp and signature."""
        full: dict[str, object] = {**self.stamped(**params), "apiKey": self.key}
        payload = "&".join(f"{name}={full[name]}" for name in sorted(full))
        return {**full, "signature": sign(payload, self.secret)}

    def log_on(self, *, subscribe: bool = True) -> int:
        """Open a WS-API connection, log on, and subscribe to user data."""
        connection = self.open("/ws-api/v3")
        assert self.call(connection, "session.logon", **self.with_signature())["status"] == 200
        if subscribe:
            assert self.call(connection, "userDataStream.subscribe")["status"] == 200
        return connection

    def wait_ns(self, ns: int) -> None:
        """Let time pass."""
        self.ts_ns += ns
        self.venue.advance(self.ts_ns)

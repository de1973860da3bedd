"""Random and mutated traffic for the exchange, and what must hold after each piece of it.

Seeded: the same seed sends the same traffic. Half of what is spoiled is spoiled before it is
signed, so that nonsense comes past the gate as well.
"""

from __future__ import annotations

import json
from random import Random
from typing import Any
from urllib.parse import urlencode

import msgspec

from hftd.simex.endpoints import METHODS, ROUTES
from hftd.simex.events import Fees
from hftd.simex.fault_kinds import KINDS, MOMENT
from hftd.simex.faults import Fault
from hftd.simex.faulty_venue import FaultyVenue
from hftd.simex.limits import Limits
from hftd.simex.matching import MatchingMarket
from hftd.simex.requests import Side
from hftd.simex.venue import AccountConfig, VenueConfig
from tests.simex.desk_client import KEY, SECRET, T0, sign
from tests.simex.quiet import SPEC, QuietFlow

NO_LIMITS = Limits(10**9, 10**9, 10**9, 10**9, stream_messages_per_second=10**9)
MS = 1_000_000
ROUTE_LIST = sorted(ROUTES)
METHOD_LIST = [*sorted(METHODS), "session.logon", "session.status", "session.logout"]
METHOD_LIST += ["userDataStream.subscribe", "userDataStream.unsubscribe", "session.subscriptions"]
PATHS = ["/ws-api/v3", "/ws-api/v3", "/ws", "/stream?streams=btcusdt@trade"]
STREAMS = ["btcusdt@depth", "btcusdt@depth@100ms", "btcusdt@trade", "btcusdt@kline_1m", "x@y", "@"]
NASTY = [
    "", "0", "-1", "1e9", "NaN", "99999999999999999999999999", "0.000000001", "\u2028", "\ud7ff",
    "' OR 1", "null", "[]", "{}", "true", "x" * 500, "%00", "١", "1_000", " 1", "+1", "\x00", "🦀",
]  # fmt: skip
FIELDS: dict[str, list[str]] = {
    "symbol": ["BTCUSDT", "BTCUSDT", "BTCUSDT", "ETHUSDT", "btcusdt"],
    "side": ["BUY", "SELL"],
    "type": ["LIMIT", "LIMIT", "MARKET", "LIMIT_MAKER", "STOP_LOSS_LIMIT"],
    "timeInForce": ["GTC", "IOC", "FOK"],
    "quantity": ["0.001", "0.01", "0.00001", "2.5"],
    "quoteOrderQty": ["100", "0.01"],
    "price": ["59000.00", "60000.00", "60001.00", "59999.99", "61000"],
    "newClientOrderId": ["a", "b", "c"],
    "origClientOrderId": ["a", "b", "c"],
    "orderId": ["1", "5", "6", "7", "12"],
    "cancelOrderId": ["5", "6", "7"],
    "cancelReplaceMode": ["STOP_ON_FAILURE", "ALLOW_FAILURE"],
    "selfTradePreventionMode": ["NONE", "EXPIRE_MAKER", "EXPIRE_BOTH", "DECREMENT"],
    "newOrderRespType": ["ACK", "RESULT", "FULL"],
    "limit": ["1", "5", "1000", "5000"],
    "interval": ["1m", "1s", "1M"],
    "fromId": ["0", "1"],
    "startTime": ["0", "1800000000000"],
    "endTime": ["1800000000000"],
    "recvWindow": ["5000", "60000", "60001"],
    "symbols": ['["BTCUSDT"]', '["BTCUSDT","ETHUSDT"]'],
    "newQty": ["0.001", "0.5"],
    "stopPrice": ["60000"],
    "icebergQty": ["0.001"],
    "subscriptionId": ["0", "1"],
    "listenKey": ["x"],
}
_NAMES = list(FIELDS)
ORDER = ("symbol", "side", "type", "timeInForce", "quantity", "price")


WITNESSED = "btcusdt@depth@100ms"


def quiet_faulty_venue(seed: int) -> FaultyVenue:
    """Return a venue on the quiet market, without limits, with one account."""
    balances = {"USDT": "100000", "BTC": "10"}
    accounts = [AccountConfig(KEY, SECRET, balances)]
    config = VenueConfig(accounts, Fees(maker=1000, taker=1000), NO_LIMITS, "quiet")
    return FaultyVenue(config, lambda: [MatchingMarket(SPEC, [QuietFlow()])], seed)


class Fuzzer:
    """One venue under random traffic; ``step`` sends one piece and checks the answer."""

    def __init__(
        self, seed: int, *, faulty: bool = False, venue: FaultyVenue | None = None
    ) -> None:
        self.random = Random(seed)
        self.count = 0
        self.ts_ns = T0
        self.venue = venue or quiet_faulty_venue(seed)
        self.venue.start(T0)
        self.faulty = faulty
        if faulty:
            self._arm()
        self.totals = self.venue.exchange.accounts.totals()
        self._connections: list[int] = []
        self.witness = self._open(f"/ws/{WITNESSED}")
        self._shown_id = 0

    def _arm(self) -> None:
        # What keeps the witness whole and the money in place; the rest is another test's.
        for name, kind in KINDS.items():
            if name in ("restart_without_memory", "clock_drift"):
                continue
            every = {"every_s": 0.5} if kind.site == MOMENT else {}
            match: dict[str, str | int | bool] = {}
            if kind.site == "FRAME":
                match = {"event": self.random.choice(["reply", "answer", "executionReport"])}
            size = {"size": 100} if name in ("oversize", "deep_json") else {}
            fault = Fault(name, times=0, probability="0.02", match=match, **every, **size)  # type: ignore[arg-type]
            self.venue.arm(fault, T0)

    def _open(self, path: str) -> int:
        connection = self.venue.open(path, self.ts_ns)
        assert connection is not None
        return connection

    def heard(self, said: bytes) -> None:
        """Hear everything that the venue says, its logs included."""

    # --- one piece of traffic ---------------------------------------------------------------

    def step(self) -> None:
        """Send one frame or request, and look at what comes of it."""
        self.count += 1
        self.ts_ns += self.random.choice((0, MS, 20 * MS))
        kind = self.random.random()
        if kind < 0.5:
            self._rest()
        elif kind < 0.95:
            self._frame()
        else:
            self._reconnect()
        self._listen()
        if self.count % 1000 == 0:
            self._look_at_the_truth()

    def _rest(self) -> None:
        method, target, headers, body = self.request()
        status, _, content = self.venue.http(method, target, headers, body, self.ts_ns)
        self.heard(b"%d %b" % (status, content))
        for ticket, (late_status, _, late) in self.venue.take_answers():
            self.heard(b"%d %d %b" % (ticket, late_status, late))
        if self.faulty and (status <= 0 or b"<html>" in content):
            return
        try:
            answer = msgspec.json.decode(content)
        except (msgspec.DecodeError, UnicodeDecodeError):
            assert self.faulty, (method, target, body, content)
            return
        assert b"Traceback" not in content
        assert 200 <= status < 600
        assert self.faulty or status == 200 or answer["code"] < 0, (status, content)

    def _frame(self) -> None:
        while not self._connections:
            self._reconnect()
        connection = self.random.choice(self._connections)
        self.venue.receive(connection, self.frame(), self.ts_ns)

    def _reconnect(self) -> None:
        if len(self._connections) > 5:
            self.venue.close(self._connections.pop(0))
        path = self.random.choice(
            ["/ws-api/v3", "/ws-api/v3", "/ws", "/stream?streams=btcusdt@trade"]
        )
        connection = self.venue.open(
            self.mutate(path.encode()).decode("latin-1") if self.random.random() < 0.3 else path,
            self.ts_ns,
        )
        if connection is not None:
            self._connections.append(connection)
            if path.startswith("/ws-api"):
                self.venue.receive(connection, self._logon(), self.ts_ns)

    def _listen(self) -> None:
        for number, frame in self.venue.take():
            self.heard(b"%d %b" % (number, frame))
            if number == self.witness:
                event = msgspec.json.decode(frame)
                if event["e"] == "serverShutdown":
                    continue
                assert not self._shown_id or event["U"] == self._shown_id + 1, event
                self._shown_id = event["u"]
            elif not self.faulty:
                assert isinstance(msgspec.json.decode(frame), dict)
                assert b"Traceback" not in frame
        for number in (*self.venue.take_hung_up(), *self.venue.take_cut()):
            self.venue.close(number)
            if number in self._connections:
                self._connections.remove(number)
            if number == self.witness:
                self.witness, self._shown_id = self._open(f"/ws/{WITNESSED}"), 0
        self.heard(self.venue.take_log())
        for fired in self.venue.script.take_log():
            self.heard(repr(fired).encode())

    def _look_at_the_truth(self) -> None:
        exchange = self.venue.exchange
        totals = exchange.accounts.totals()
        assert {asset: atoms for asset, atoms in totals.items() if atoms} == self.totals
        market = exchange.listings["BTCUSDT"].market
        bid, ask = (next(iter(market.levels(side)), (0, 0))[0] for side in Side)
        assert not (bid and ask) or bid < ask
        status, _, body = self.venue.http("GET", "/api/v3/ping", {}, b"", self.ts_ns)
        assert self.faulty or (status, body) == (200, b"{}")

    # --- traffic --------------------------------------------------------------------------

    def request(self) -> tuple[str, str, dict[str, str], bytes]:
        """Return one REST request, sound or spoiled: method, target, headers, body."""
        random = self.random
        method, path = random.choice(ROUTE_LIST)
        if random.random() < 0.4:
            method, path = random.choice((("POST", "/api/v3/order"), ("DELETE", "/api/v3/order")))
        cancels = method != "POST"
        values = {**self._values(cancels=cancels), "timestamp": str(self.ts_ns // MS)}
        payload = urlencode(values, errors="replace")
        spoiled = random.random()
        if spoiled < 0.3:
            payload = self.mutate(payload.encode()).decode("latin-1")
        payload = f"{payload}&signature={sign(payload)}"
        headers = {"X-MBX-APIKEY": KEY}
        body = b""
        if random.random() < 0.2:
            payload, body = "", payload.encode("latin-1", "replace")
        target = f"{path}?{payload}" if payload else path
        if spoiled > 0.85:
            target = self.mutate(target.encode("latin-1", "replace")).decode(
                "utf-8", "surrogateescape"
            )
            body = self.mutate(body)
            headers = {self.mutate(b"X-MBX-APIKEY").decode("latin-1"): KEY}
            method = random.choice((method, "PATCH", "", "GET"))
        return method, target, headers, body

    def frame(self) -> bytes:
        """Return one frame of a client, sound or spoiled."""
        random = self.random
        if random.random() < 0.2:
            wish: dict[str, Any] = {
                "method": random.choice(["SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "?"]),
                "params": random.choices(STREAMS, k=random.randrange(4)),
                "id": random.choice([1, "a", None, -5]),
            }
        else:
            method = random.choice(METHOD_LIST)
            if random.random() < 0.4:
                method = random.choice(("order.place", "order.cancel", "order.cancelReplace"))
            params: dict[str, Any] = dict(self._values(cancels=method == "order.cancel"))
            if random.random() < 0.8:
                params["timestamp"] = self.ts_ns // MS
            for name in list(params):
                if random.random() < 0.05:
                    params[name] = random.choice([None, [], {}, 1.5, True, -1, {"a": [1]}])
            wish = {"id": self.count, "method": method, "params": params}
        frame = json.dumps(wish).encode()
        return self.mutate(frame) if random.random() < 0.4 else frame

    def _values(self, *, cancels: bool = False) -> dict[str, str]:
        # Half of the time what an honest program sends; else a mixture, with something nasty.
        random = self.random
        if random.random() < 0.5:
            if cancels:
                newest = self.venue.exchange.listings["BTCUSDT"].market.next_order_id()
                return {"symbol": "BTCUSDT", "orderId": str(newest - random.randrange(9))}
            terms = {name: random.choice(FIELDS[name]) for name in ORDER}
            terms.update(symbol="BTCUSDT", type=random.choice(("LIMIT", "LIMIT_MAKER", "MARKET")))
            if terms["type"] != "LIMIT":
                del terms["timeInForce"]
            if terms["type"] == "MARKET":
                del terms["price"]
            return terms
        names = list(ORDER) if random.random() < 0.6 else []
        names += random.sample(_NAMES, random.randrange(5))
        return {
            name: random.choice(NASTY) if random.random() < 0.05 else random.choice(FIELDS[name])
            for name in names
        }

    def _logon(self) -> bytes:
        params: dict[str, Any] = {"apiKey": KEY, "timestamp": self.ts_ns // MS}
        params["signature"] = sign("&".join(f"{name}={params[name]}" for name in sorted(params)))
        return json.dumps({"id": 0, "method": "session.logon", "params": params}).encode()

    def mutate(self, data: bytes) -> bytes:
        """Return data with one to four things wrong in it."""
        random = self.random
        for _ in range(random.randrange(1, 5)):
            at = random.randrange(len(data) + 1)
            end = min(len(data), at + random.randrange(1, 9))
            how = random.randrange(6)
            if how == 0:
                data = data[:at] + random.randbytes(random.randrange(1, 5)) + data[end:]
            elif how == 1:
                data = data[:at] + data[end:]
            elif how == 2:
                data = data[:end] + data[at:]
            elif how == 3:
                data = data[:at]
            elif how == 4:
                nasty = random.choice(NASTY).encode("utf-8", "replace")
                data = data[:at] + nasty + data[end:]
            else:
                data = (
                    data[:at]
                    + random.choice((b'"', b"{", b"[" * 2000, b"&", b"=", b"%"))
                    + data[at:]
                )
        return data

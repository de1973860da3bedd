"""A client of the exchange as it is served, with faults to arm, on agents and on a tape."""

from __future__ import annotations

import json
from decimal import ROUND_DOWN, Decimal
from pathlib import Path
from typing import Any

from hftd.runtime.exchange_markets import (
    DEFAULT_KEY,
    DEFAULT_SECRET,
    ExchangeWish,
    build_venue,
)
from hftd.simex.dialect_rest import Response
from hftd.simex.fault_requests import LATER, ticket_of
from hftd.simex.faults import Fault
from tests.simex.desk_client import T0, Client, sign

MS = 1_000_000
SECOND = 1000 * MS
SYNTHETIC = Path(__file__).parents[2] / "hftd" / "data" / "synthetic-btcusdt.gz"
MARKETS = {"agents": "agents", "tape": f"tape:{SYNTHETIC}"}


class Stage(Client):
    """One program, its orders far from the touch unless told otherwise."""

    def __init__(self, market: str) -> None:
        balances = ("USDT=100000", "BTC=1", "BNB=1")
        self.faulty = build_venue(ExchangeWish(market=MARKETS[market], balances=balances))
        self.faulty.start(T0)
        super().__init__(self.faulty, DEFAULT_KEY, DEFAULT_SECRET)
        self.is_tape = market == "tape"
        self.wait_ns(0)
        spec = self.faulty.exchange.listings["BTCUSDT"].spec
        self.tick = Decimal(spec.tick_size)
        self.lot = Decimal(spec.lot_size)
        self._late: dict[int, Response] = {}
        self._log: list[dict[str, Any]] = []

    def arm(self, kind: str, **more: Any) -> None:
        """Arm a fault; one of a moment happens at once."""
        self.faulty.arm(Fault(kind, **more), self.ts_ns)
        self.wait_ns(0)

    def fired(self) -> set[str]:
        """Return the kinds that fired and had an effect."""
        self._log += self.faulty.script.take_log()
        return {each["fault"] for each in self._log if "without_effect" not in each}

    # --- REST -----------------------------------------------------------------------------

    def ask(self, method: str, path: str, **params: object) -> Response:
        """Send a signed request; return the response as the driver has it."""
        full = {**params, "timestamp": self.ts_ns // MS}
        payload = "&".join(f"{name}={value}" for name, value in full.items())
        target = f"/api/v3/{path}?{payload}&signature={sign(payload, self.secret)}"
        return self.faulty.http(method, target, {"X-MBX-APIKEY": self.key}, b"", self.ts_ns)

    def answered(self, response: Response) -> Response | None:
        """Return the answer that was put off, None while it is not there."""
        assert response[0] == LATER
        self._late.update(self.faulty.take_answers())
        return self._late.pop(ticket_of(response), None)

    # --- orders ---------------------------------------------------------------------------

    def touch(self) -> tuple[Decimal, Decimal]:
        """Return best bid and best ask."""
        _, book = self.get("/api/v3/ticker/bookTicker", "symbol=BTCUSDT")
        return Decimal(book["bidPrice"]), Decimal(book["askPrice"])

    def wish(self, side: str = "BUY", qty: str = "0.001", off: str = "0.99") -> dict[str, object]:
        """Return a limit order; ``off`` times the own side's touch is its price."""
        touch = self.touch()[0 if side == "BUY" else 1]
        price = (touch * Decimal(off) / self.tick).to_integral(ROUND_DOWN) * self.tick
        terms = {"symbol": "BTCUSDT", "side": side, "type": "LIMIT", "timeInForce": "GTC"}
        return {**terms, "price": price, "quantity": qty}

    def place(self, side: str = "BUY", qty: str = "0.001", off: str = "0.99") -> Any:
        """Rest an order; return the exchange's answer."""
        status, _, body = self.ask("POST", "order", **self.wish(side, qty, off))
        assert status == 200, body
        return json.loads(body)

    def order(self, order_id: int) -> Any:
        """Return an order as it truly stands."""
        book = self.faulty.exchange.bookkeeping(1)
        found = book.find("BTCUSDT", order_id)
        assert found is not None
        return found

    def live(self) -> int:
        """Return how many orders are truly open."""
        return len(self.faulty.exchange.bookkeeping(1).open_orders(None))

    # --- WebSocket ------------------------------------------------------------------------

    def send_order(self, connection: int, identity: int = 70, **changes: object) -> None:
        """Send order.place over a WS-API connection that is logged on."""
        params = self.stamped(**{name: str(v) for name, v in {**self.wish(), **changes}.items()})
        self.send(connection, {"id": identity, "method": "order.place", "params": params})

    def raw(self, connection: int) -> list[bytes]:
        """Return the frames of a connection as they are sent."""
        return [frame for number, frame in self.faulty.take() if number == connection]

    def kinds(self, connection: int) -> list[Any]:
        """Return what came: a reply's id, a report's execution type, or an event's name."""
        found = []
        for frame in self.heard(connection):
            event = frame.get("event", frame.get("data", frame))
            found.append(frame.get("id") or event.get("x") or event.get("e"))
        return found

    def stream(self, name: str, *faults: tuple[str, dict[str, Any]]) -> int:
        """Open a market stream and then arm faults."""
        connection = self.open(f"/ws/{name}")
        for kind, more in faults:
            self.arm(kind, **more)
        return connection

    def frames(self, connection: int, count: int) -> list[bytes]:
        """Let time pass until so many frames have come."""
        found: list[bytes] = []
        for _ in range(600):
            found += self.raw(connection)
            if len(found) >= count:
                return found
            self.wait_ns(100 * MS)
        raise AssertionError(f"only {len(found)} of {count} frames came in a minute")
